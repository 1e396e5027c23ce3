//! When the progress of a running job is worth a status write. Claims, job ids and results never ask here.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
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

/// The operator-wide budget, which the namespaces share: of a namespace's share a turn each, in the order in which they are
/// asked for. Who waits for a turn need not come back before it. The turn of a job that ends meanwhile is lost.
#[derive(Debug, Default)]
pub struct Progress {
    /// The first turn that nobody has, of each namespace that has used its share.
    next: Mutex<HashMap<String, Instant>>,
}

/// What a namespace has of the budget.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    progress: &'a Progress,
    namespace: &'a str,
}

impl Progress {
    /// The share of `namespace`.
    pub fn of<'a>(&'a self, namespace: &'a str) -> Share<'a> {
        Share { progress: self, namespace }
    }
}

impl Share<'_> {
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

    /// With n namespaces that wait for turns, each has an nth of the budget from then on. Turns that were given stay: a
    /// namespace that had the whole budget keeps it for those.
    fn take_turn(&self, now: Instant) -> Instant {
        let mut next = self.progress.next.lock();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        next.retain(|_, next| *next > earliest);
        let others = next.iter().filter(|(namespace, next)| *namespace != self.namespace && **next > now).count();
        let turn = next.get(self.namespace).map_or(earliest, |next| *next);
        next.insert(self.namespace.to_owned(), turn + EVERY * u32::try_from(others + 1).unwrap_or(u32::MAX));
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
            self.of("shop").admit(Instant::now(), &at(0), &at(progress), since, age, &mut None)
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
            *wait = gate.of("shop").admit(Instant::now(), &at(0), &at(50), LONG, LONG, turn).err().unwrap_or_default();
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
            *wait = gate.of("shop").admit(Instant::now(), &at(0), &at(50), LONG, LONG, turn).err().unwrap_or_default();
        }
        assert!(waits.iter().all(|(turn, wait)| turn.is_none() && wait.is_zero()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_with_thousands_of_jobs_leaves_the_others_their_share() {
        let gate = Progress::default();
        let ask = |namespace| {
            let mut turn = None;
            gate.of(namespace).admit(Instant::now(), &at(0), &at(50), LONG, LONG, &mut turn).err().unwrap_or_default()
        };
        let flood: Vec<Duration> = (0..10_000).map(|_| ask("flood")).collect();
        assert_eq!(flood.last(), Some(&(EVERY * (10_000 - 21))));
        let waits: Vec<Duration> = (0..100).map(|_| ask("good")).collect();
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 11, "half of a second's");
        assert_eq!(waits.last(), Some(&(EVERY * 2 * (100 - 11))));
        tokio::time::advance(EVERY * 10_000).await;
        assert_eq!((0..21).map(|_| ask("good")).max(), Some(Duration::ZERO), "it has all of it again");
        assert_eq!(gate.next.lock().len(), 1);
    }
}
