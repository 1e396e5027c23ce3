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
/// The time between two writes, of all objects together: thousands of jobs are followed coarsely and a few closely.
const EVERY: Duration = Duration::from_millis(50);
/// What was not written in this time may be made up for at once.
const BURST: Duration = Duration::from_secs(1);

/// The operator-wide budget: a turn each, in the order in which they are asked for. Who waits for a turn need not come back
/// before it. The turn of a job that ends meanwhile is lost.
#[derive(Debug)]
pub struct Progress {
    /// The first turn that nobody has.
    next: Mutex<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        let now = Instant::now();
        Self { next: Mutex::new(now.checked_sub(BURST).unwrap_or(now)) }
    }
}

impl Progress {
    /// Admits the write of `next` over `before`, or says how long to wait before asking again. `since` is the time since
    /// the object's last status write, `age` that of the run's claim, and `turn` the object's, kept from call to call.
    pub fn admit(
        &self,
        now: Instant,
        before: &JobRecord,
        next: &JobRecord,
        since: Duration,
        age: Duration,
        turn: &mut Option<Instant>,
    ) -> Result<(), Duration> {
        let step = next.progress.saturating_sub(before.progress) >= STEP || next.state != before.state;
        let wait = QUIET.saturating_sub(age).max(if step { SOON } else { LATER }.saturating_sub(since));
        if !wait.is_zero() {
            return Err(wait);
        }
        let wait = turn.get_or_insert_with(|| self.take_turn(now)).saturating_duration_since(now);
        if wait.is_zero() {
            *turn = None;
            return Ok(());
        }
        Err(wait)
    }

    fn take_turn(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = now.checked_sub(BURST).map_or(*next, |earliest| earliest.max(*next));
        *next = turn + EVERY;
        turn
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

    impl Progress {
        /// For an object that has no turn yet.
        fn asked(&self, progress: u8, since: Duration, age: Duration) -> Result<(), Duration> {
            self.admit(Instant::now(), &at(0), &at(progress), since, age, &mut None)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_young_job_shows_no_progress() {
        let gate = Progress::default();
        assert_eq!(gate.asked(50, LONG, Duration::from_secs(4)), Err(Duration::from_secs(6)));
        assert_eq!(gate.asked(50, LONG, QUIET), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_step_waits_longer_than_a_large_one() {
        let gate = Progress::default();
        assert_eq!(gate.asked(5, SOON, LONG), Ok(()));
        assert_eq!(gate.asked(4, SOON, LONG), Err(LATER - SOON));
        assert_eq!(gate.asked(4, LATER, LONG), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn all_objects_share_twenty_writes_a_second_and_each_comes_back_once() {
        let gate = Progress::default();
        let mut waits: Vec<(Option<Instant>, Duration)> = vec![(None, Duration::ZERO); 1000];
        for (turn, wait) in &mut waits {
            *wait = gate.admit(Instant::now(), &at(0), &at(50), LONG, LONG, turn).err().unwrap_or_default();
        }
        assert_eq!(
            waits.iter().filter(|(_, wait)| wait.is_zero()).count(),
            21,
            "those of a second, and the one of now"
        );
        assert_eq!(waits.last().map(|(_, wait)| *wait), Some(EVERY * (1000 - 21)));
        for (turn, wait) in waits.iter_mut().filter(|(turn, _)| turn.is_some()) {
            let now = Instant::now();
            tokio::time::advance(turn.unwrap_or(now) - now).await;
            *wait = gate.admit(Instant::now(), &at(0), &at(50), LONG, LONG, turn).err().unwrap_or_default();
        }
        assert!(waits.iter().all(|(turn, wait)| turn.is_none() && wait.is_zero()));
    }
}
