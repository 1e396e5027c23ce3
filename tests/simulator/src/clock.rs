//! The simulator's own time: monotonic, and moved forward by tests instead of waiting.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// Counts from the start of the simulator; every moment in the simulator is such a distance.
pub(super) struct Clock {
    started: Instant,
    started_unix: Duration,
    skipped: watch::Sender<Duration>,
}

impl Clock {
    pub(super) fn start() -> Self {
        let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_unix, skipped: watch::Sender::new(Duration::ZERO) }
    }

    pub(super) fn now(&self) -> Duration {
        self.started.elapsed().saturating_add(*self.skipped.borrow())
    }

    pub(super) fn advance(&self, by: Duration) {
        self.skipped.send_modify(|skipped| *skipped = skipped.saturating_add(by));
    }

    /// Unix time in milliseconds, as Milvus gives it.
    pub(super) fn unix_ms(&self, moment: Duration) -> i64 {
        i64::try_from(self.started_unix.saturating_add(moment).as_millis()).unwrap_or(i64::MAX)
    }

    /// Returns at `moment`, at once when [`Clock::advance`] jumps over it.
    pub(super) async fn until(&self, moment: Duration) {
        let mut skipped = self.skipped.subscribe();
        while let Some(left) = moment.checked_sub(self.now()).filter(|left| !left.is_zero()) {
            tokio::select! {
                () = sleep(left) => {}
                _ = skipped.changed() => {}
            }
        }
    }
}
