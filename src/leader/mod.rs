//! Leader election by a `coordination.k8s.io/v1` Lease, with client-go's algorithm.
//!
//! * `lease`: the rules, pure: who may write the lease when, and what is written.
//! * `store`: the three API calls, each under a deadline, each write with the resourceVersion that was read.
//! * `candidate`: the loop: acquire, renew while the work goes on, release.
//!
//! Two processes do not lead at once: a leader counts its time from **before** it sent the renewal, and only up to
//! [`RENEW_DEADLINE`]; everybody else counts from **after** the reply that showed them the renewal, and up to the longer
//! [`LEASE_DURATION`]. Both use their own monotonic clock, so it does not matter what their wall clocks say.
//!
//! What this cannot do: hold back a request that is on its way when the leader's time runs out, see that the machine was
//! suspended (the monotonic clock stands still meanwhile), or survive an administrator who deletes the lease or writes
//! another holder into it: then the leader notices at its next renewal, after [`RENEW_PERIOD`].

mod candidate;
mod lease;
mod store;
#[cfg(test)]
mod tests;

use tokio::{sync::watch, time::Instant};

pub use candidate::{Candidate, Ended, Loss};
pub use lease::{LEASE_DURATION, POLL_PERIOD, RENEW_DEADLINE, RENEW_PERIOD};

/// Whether this process leads. Cheap to clone and to ask: no call is made.
#[derive(Clone, Debug)]
pub struct Leadership(Option<watch::Receiver<Option<Instant>>>);

impl Leadership {
    /// Of a process that nobody competes with: it leads always.
    pub fn without_election() -> Self {
        Self(None)
    }

    /// Of a process that leads until what `lease` says; `None` while it does not lead.
    pub(crate) fn until(lease: watch::Receiver<Option<Instant>>) -> Self {
        Self(Some(lease))
    }

    /// Whether this process leads now: the lease that it last renewed has not run out by its own monotonic clock. True
    /// only as long as no other process may take the lease; ask right before what only the leader may do.
    pub fn leads(&self) -> bool {
        self.0.as_ref().is_none_or(|until| until.borrow().is_some_and(|until| Instant::now() < until))
    }
}

/// Names this process among all that compete for a lease: its host (a pod's name) and a random number, for one pod can
/// start its process several times.
pub fn identity(host: &str, random: u64) -> String {
    format!("{host}_{random:016x}")
}
