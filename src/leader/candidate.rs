//! The loop: acquire the lease, renew it while the work goes on, release it.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Leadership,
    lease::{self, LEASE_DURATION, Observed, POLL_PERIOD, RENEW_DEADLINE, RENEW_PERIOD, Step, evaluate},
    store::{CALL_DEADLINE, Failure, Store},
};
use crate::{backoff::shortened, clock::Clock};

/// One process that wants to lead.
pub struct Candidate {
    store: Store,
    identity: String,
    clock: Clock,
    observed: Option<Observed>,
    /// Until when this process may lead; `None` when it does not.
    until: watch::Sender<Option<Instant>>,
    /// A write has been sent, so the lease may be ours even where no reply has said so.
    has_written: bool,
}

/// How a campaign ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// It was stopped while another process led; the work has not begun.
    Stopped,
    /// The work came to its end, and the lease is released.
    Done(T),
    /// The lease was lost and the work dropped where it stood.
    Lost(Loss),
}

/// How the lease was lost.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// Somebody else's name is in it, or nobody's.
    #[error("this process no longer holds the lease: {0}")]
    Taken(String),
    /// It could not be renewed in time.
    #[error("the lease could not be renewed for {seconds} s: {0}", seconds = RENEW_DEADLINE.as_secs())]
    Expired(String),
}

impl Candidate {
    /// A candidate for the lease `name` among `leases`, and what tells whether it leads. No two processes may share an
    /// `identity`: see [`identity`](super::identity).
    pub fn new(leases: Api<Lease>, name: String, identity: String, clock: Clock) -> (Self, Leadership) {
        let (until, leadership) = watch::channel(None);
        let store = Store::new(leases, name);
        let candidate = Self { store, identity, clock, observed: None, until, has_written: false };
        (candidate, Leadership::until(leadership))
    }

    /// Waits for the lease, then does `work` and renews the lease meanwhile, and releases it when the work has ended.
    /// `stop` ends the wait; it is for the work to listen to it as well. After a loss the process must end: what it
    /// remembers is not true any more.
    pub async fn campaign<T>(mut self, stop: &CancellationToken, work: impl Future<Output = T>) -> Ended<T> {
        let lease = self.store.name().to_owned();
        tracing::info!(lease, identity = self.identity, "a candidate for the lease");
        let until = tokio::select! {
            until = self.acquire() => until,
            () = stop.cancelled() => {
                self.release().await;
                return Ended::Stopped;
            }
        };
        tracing::info!(lease, identity = self.identity, "this process is the leader");
        let ended = tokio::select! {
            // A loss comes first: work that ends with it counts as lost.
            biased;
            loss = self.keep(until) => Err(loss),
            done = work => Ok(done),
        };
        match ended {
            Ok(done) => {
                self.release().await;
                Ended::Done(done)
            }
            Err(loss) => {
                self.until.send_replace(None);
                Ended::Lost(loss)
            }
        }
    }

    /// Waits for the lease and tells until when this process holds it.
    async fn acquire(&mut self) -> Instant {
        let mut told = None;
        loop {
            let standing = match self.try_acquire().await {
                Ok(Some(until)) => return until,
                // Another candidate was faster; the next look shows who.
                Ok(None) | Err(Failure::Conflict) => {
                    let leader = self.observed.as_ref().and_then(Observed::holder).unwrap_or("another process");
                    format!("{leader} is the leader; this process stands by")
                }
                Err(failure) => format!(
                    "the lease cannot be acquired: {failure}; this process retries every {} s",
                    POLL_PERIOD.as_secs()
                ),
            };
            if told.as_ref() != Some(&standing) {
                tracing::info!(lease = self.store.name(), "{standing}");
                told = Some(standing);
            }
            sleep(self.shortly(POLL_PERIOD)).await;
        }
    }

    /// `None` while another process holds the lease.
    async fn try_acquire(&mut self) -> Result<Option<Instant>, Failure> {
        self.read().await?;
        match self.evaluate() {
            Step::Wait => Ok(None),
            Step::Create | Step::Take | Step::Renew => self.hold().await.map(Some),
        }
    }

    /// Renews the lease, which is held until `until`, until it is lost.
    async fn keep(&mut self, mut until: Instant) -> Loss {
        let mut failure = None;
        loop {
            let pause = self.shortly(if failure.is_some() { POLL_PERIOD } else { RENEW_PERIOD });
            let renewed = tokio::select! {
                // A process that stood still for so long sends nothing any more.
                biased;
                () = sleep_until(until) => {
                    let stalled = "no renewal was answered".to_owned();
                    return Loss::Expired(failure.as_ref().map_or(stalled, Failure::to_string));
                }
                renewed = async { sleep(pause).await; self.renew().await } => renewed,
            };
            match renewed {
                Ok(Some(longer)) => (until, failure) = (longer, None),
                Ok(None) => return Loss::Taken(self.taken_by()),
                Err(error) => {
                    tracing::warn!(lease = self.store.name(), %error, "the lease could not be renewed; retrying");
                    failure = Some(error);
                }
            }
        }
    }

    /// Renews once; `None` when the lease is not ours any more.
    async fn renew(&mut self) -> Result<Option<Instant>, Failure> {
        match self.hold().await {
            // Somebody edited the lease, or a renewal of ours took effect without a reply, or it was taken.
            Err(Failure::Conflict) => self.read().await?,
            other => return other.map(Some),
        }
        match self.evaluate() {
            Step::Renew => self.hold().await.map(Some),
            // Even where it is free: others may have led since.
            Step::Create | Step::Take | Step::Wait => Ok(None),
        }
    }

    /// Gives the lease up, where it is ours, so that another process need not wait until it has run out.
    async fn release(&mut self) {
        self.until.send_replace(None);
        if !self.has_written {
            return;
        }
        // A renewal that was under way may still take effect between the read and the write: then once more.
        let released = async {
            match self.try_release().await {
                Err(Failure::Conflict) => self.try_release().await,
                other => other,
            }
        };
        match timeout(CALL_DEADLINE, released).await.unwrap_or(Err(Failure::Late)) {
            Ok(()) => tracing::info!(lease = self.store.name(), "the lease is released"),
            Err(error) => tracing::warn!(
                lease = self.store.name(),
                %error,
                "the lease could not be released; it expires in {} s, then another process can acquire it",
                LEASE_DURATION.as_secs(),
            ),
        }
    }

    async fn try_release(&mut self) -> Result<(), Failure> {
        self.read().await?;
        match (self.evaluate(), &self.observed) {
            (Step::Renew, Some(ours)) => {
                self.store.write(&lease::released(&ours.lease, self.clock.now())).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    fn evaluate(&self) -> Step {
        evaluate(Instant::now(), self.observed.as_ref(), &self.identity)
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let lease = self.store.read().await?;
        self.observed = lease.map(|lease| Observed::after(self.observed.as_ref(), lease, Instant::now()));
        Ok(())
    }

    /// Writes this process as the holder over the lease as it was last seen, and tells until when it may lead then.
    async fn hold(&mut self) -> Result<Instant, Failure> {
        let previous = self.observed.as_ref().map(|observed| &observed.lease);
        let lease = lease::held(self.store.name(), &self.identity, previous, self.clock.now());
        self.has_written = true;
        // Others count from a later moment: the lease is not written before it is sent.
        let until = Instant::now() + RENEW_DEADLINE;
        let written = self.store.write(&lease).await?;
        self.observed = Some(Observed::after(self.observed.as_ref(), written, Instant::now()));
        self.until.send_replace(Some(until));
        Ok(until)
    }

    fn taken_by(&self) -> String {
        match &self.observed {
            None => "it was deleted".to_owned(),
            Some(observed) => observed.holder().map_or("it is free".to_owned(), |holder| format!("{holder} holds it")),
        }
    }

    /// Replicas that were started together do not ask together.
    fn shortly(&self, period: Duration) -> Duration {
        shortened(period, self.clock.random())
    }
}
