//! The rules of the lease. Pure: time comes from outside.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::core::ObjectMeta;
use tokio::time::Instant;

/// How long a lease lasts that its holder does not renew: client-go's default. A leader that is killed is replaced
/// after this time and at most two [`POLL_PERIOD`]s.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a leader may lead after its last renewal: client-go's default. The five seconds up to [`LEASE_DURATION`] are
/// for clocks that run at different speeds and for requests that are on their way.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often a leader renews: client-go's default. Several renewals may fail before the leadership is lost.
pub const RENEW_PERIOD: Duration = Duration::from_secs(2);
/// How often a standby reads the lease, and how soon a leader repeats a renewal that failed. Half of client-go's period,
/// so that a lease that is released is taken within two seconds. That costs one GET of one small object a second for
/// each standby; a watch would save it, at the price of one more permission and one more thing that can stall.
pub const POLL_PERIOD: Duration = Duration::from_secs(1);
/// What a lease that is given up is left with; the API server takes no 0.
const RELEASED_SECONDS: i32 = 1;

const _: () = assert!(RENEW_DEADLINE.as_millis() < LEASE_DURATION.as_millis());
const _: () = assert!(POLL_PERIOD.as_millis() <= RENEW_PERIOD.as_millis());

/// A lease as this process knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    /// What was last read or written.
    pub lease: Lease,
    /// When the reply came that first showed the record as it is.
    pub since: Instant,
}

impl Observed {
    /// `lease`, from a reply that came at `now`. A record that is as it was before keeps its time.
    pub(super) fn after(previous: Option<&Self>, lease: Lease, now: Instant) -> Self {
        let since = previous.filter(|previous| previous.lease.spec == lease.spec).map_or(now, |same| same.since);
        Self { lease, since }
    }

    /// Who holds the lease; `None` when nobody does.
    pub(super) fn holder(&self) -> Option<&str> {
        self.lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// How long the record must stay as it is before others may take the lease. A holder that names no sensible duration
    /// gets ours.
    fn duration(&self) -> Duration {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map_or(LEASE_DURATION, Duration::from_secs)
    }
}

/// What a process may do with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none: create it.
    Create,
    /// Nobody holds it, or its holder has let it run out: take it.
    Take,
    /// This process holds it: renew it.
    Renew,
    /// Another process holds it: look again later.
    Wait,
}

/// What `me` may do at `now` with the lease as it was last seen.
pub(super) fn evaluate(now: Instant, observed: Option<&Observed>, me: &str) -> Step {
    let Some(observed) = observed else { return Step::Create };
    match observed.holder() {
        None => Step::Take,
        Some(holder) if holder == me => Step::Renew,
        Some(_) if now.saturating_duration_since(observed.since) >= observed.duration() => Step::Take,
        Some(_) => Step::Wait,
    }
}

/// The lease `name` held by `me`, to be written over `previous`, with the resourceVersion of that. `now` is the wall
/// clock, for people who read the lease; nothing is decided by it.
pub(super) fn held(name: &str, me: &str, previous: Option<&Lease>, now: Timestamp) -> Lease {
    let (metadata, was) = match previous {
        None => (ObjectMeta { name: Some(name.to_owned()), ..Default::default() }, LeaseSpec::default()),
        Some(lease) => (lease.metadata.clone(), lease.spec.clone().unwrap_or_default()),
    };
    let time = Some(micro_time(now, was.renew_time.as_ref()));
    let transitions = was.lease_transitions.unwrap_or_default();
    let (acquire_time, transitions) = match previous {
        None => (time.clone(), transitions),
        Some(_) if was.holder_identity.as_deref() == Some(me) => (was.acquire_time.clone(), transitions),
        Some(_) => (time.clone(), transitions.saturating_add(1)),
    };
    let spec = LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        acquire_time,
        renew_time: time,
        lease_transitions: Some(transitions),
        ..was
    };
    Lease { metadata, spec: Some(spec) }
}

/// The lease `held` as it is when its holder gives it up: free for everybody at once.
pub(super) fn released(held: &Lease, now: Timestamp) -> Lease {
    let was = held.spec.clone().unwrap_or_default();
    let time = Some(micro_time(now, was.renew_time.as_ref()));
    let spec = LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(RELEASED_SECONDS),
        acquire_time: time.clone(),
        renew_time: time,
        ..was
    };
    Lease { metadata: held.metadata.clone(), spec: Some(spec) }
}

/// `now` in the microseconds of a lease, but never the same as `last`: a standby takes a record that does not change for
/// one that nobody renews, and a wall clock may stand still.
fn micro_time(now: Timestamp, last: Option<&MicroTime>) -> MicroTime {
    let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    match last {
        Some(last) if last.0 == now => {
            MicroTime(now.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::UNIX_EPOCH))
        }
        Some(_) | None => MicroTime(now),
    }
}
