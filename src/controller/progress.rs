//! When the progress of a running job is worth a status write. Claims, job ids and results never ask here.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::refresh::JobRecord;

/// Jobs younger than this show no progress: most are over by then, and each costs three writes.
const QUIET: Duration = Duration::from_secs(10);
/// The least time between two writes of one object, for a step of [`STEP`] or a change of state.
const SOON: Duration = Duration::from_secs(5);
/// The least time for any change.
const LATER: Duration = Duration::from_secs(10);
/// A step worth a write, in percent.
const STEP: u8 = 5;
/// Writes a second that all objects share, so that thousands of jobs are followed coarsely and a few closely.
const BUDGET: f64 = 20.0;

/// The operator-wide budget.
#[derive(Debug)]
pub struct Progress {
    tokens: Mutex<(f64, Instant)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { tokens: Mutex::new((BUDGET, Instant::now())) }
    }
}

impl Progress {
    /// Admits the write of `next` over `before`, or says how long to wait before asking again. `since` is the time since
    /// the object's last status write, `age` that of the run's claim.
    pub fn admit(&self, before: &JobRecord, next: &JobRecord, since: Duration, age: Duration) -> Result<(), Duration> {
        let step = next.progress.saturating_sub(before.progress) >= STEP || next.state != before.state;
        let wait = QUIET.saturating_sub(age).max(if step { SOON } else { LATER }.saturating_sub(since));
        if !wait.is_zero() {
            return Err(wait);
        }
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let have = (now.saturating_duration_since(tokens.1).as_secs_f64().mul_add(BUDGET, tokens.0)).min(BUDGET);
        if have < 1.0 {
            *tokens = (have, now);
            return Err(SOON);
        }
        *tokens = (have - 1.0, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::JobState;

    fn at(progress: u8) -> JobRecord {
        JobRecord { state: Some(JobState::InProgress), progress, ..JobRecord::default() }
    }

    const LONG: Duration = Duration::from_secs(100);

    #[tokio::test(start_paused = true)]
    async fn a_young_job_shows_no_progress() {
        let gate = Progress::default();
        assert_eq!(gate.admit(&at(0), &at(50), LONG, Duration::from_secs(4)), Err(Duration::from_secs(6)));
        assert_eq!(gate.admit(&at(0), &at(50), LONG, QUIET), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_step_waits_longer_than_a_large_one() {
        let gate = Progress::default();
        assert_eq!(gate.admit(&at(0), &at(5), SOON, LONG), Ok(()));
        assert_eq!(gate.admit(&at(0), &at(4), SOON, LONG), Err(LATER - SOON));
        assert_eq!(gate.admit(&at(0), &at(4), LATER, LONG), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn all_objects_share_one_budget() {
        let gate = Progress::default();
        let admitted = (0..1000).filter(|_| gate.admit(&at(0), &at(50), LONG, LONG).is_ok()).count();
        assert_eq!(admitted, 20);
        tokio::time::advance(Duration::from_millis(500)).await;
        let admitted = (0..1000).filter(|_| gate.admit(&at(0), &at(50), LONG, LONG).is_ok()).count();
        assert_eq!(admitted, 10);
    }
}
