//! The plan under any sequence of events.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::fake::running;
use crate::milvus::{
    ErrorKind, Job, JobId, JobState, MilvusError,
    poller::{
        Answer,
        plan::{Plan, Step},
    },
};

#[derive(Clone, Debug)]
enum Event {
    Track(u8, u8, u32),
    Forget(u8),
    Pass(u16),
    /// The oldest call of the kind comes back.
    Listed(std::result::Result<Vec<(u8, u8)>, u8>),
    Polled(std::result::Result<u8, u8>),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..40_u8, 0..60_u8, 0..100_000_u32).prop_map(|(key, job, age)| Event::Track(key, job, age)),
        1 => (0..40_u8).prop_map(Event::Forget),
        4 => any::<u16>().prop_map(Event::Pass),
        2 => prop::result::maybe_ok(prop::collection::vec((0..60_u8, 0..6_u8), 0..40), 0..6_u8).prop_map(Event::Listed),
        4 => prop::result::maybe_ok(0..6_u8, 0..6_u8).prop_map(Event::Polled),
    ]
}

fn job(id: i64, state: u8) -> Job {
    let state = match state {
        0 => JobState::Pending,
        1 => JobState::InProgress,
        2 => JobState::Completed,
        3 => JobState::Failed,
        other => JobState::Unknown(i32::from(other)),
    };
    Job { state, ..running(id) }
}

fn error(number: u8) -> MilvusError {
    let kinds = [
        ErrorKind::NotSent,
        ErrorKind::Timeout,
        ErrorKind::PermissionDenied,
        ErrorKind::JobNotFound,
        ErrorKind::Malformed,
        ErrorKind::Internal,
    ];
    MilvusError::new(kinds[usize::from(number)], "")
}

/// The plan with the calls that it asked for.
struct World {
    plan: Plan<u8>,
    now: Instant,
    listing: bool,
    asked: Vec<(u8, JobId)>,
    last_ask: Option<Instant>,
}

impl World {
    /// Takes steps until the plan waits; checks each.
    fn run(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..100 {
            match self.plan.next(self.now) {
                Step::List => {
                    prop_assert!(!self.listing, "two Lists at a time");
                    prop_assert!(self.plan.active() >= 4, "a List for {} jobs", self.plan.active());
                    self.listing = true;
                }
                Step::Ask(key, job) => {
                    prop_assert!(self.last_ask.is_none_or(|last| self.now >= last + Duration::from_micros(62_500)));
                    self.last_ask = Some(self.now);
                    self.asked.push((key, job));
                    prop_assert!(self.asked.len() <= 16, "{} polls at a time", self.asked.len());
                }
                Step::Wait(until) => {
                    prop_assert!(until.is_none_or(|until| until > self.now), "waiting for the past");
                    let idle = !self.listing && self.asked.is_empty();
                    if idle && self.plan.active() > 0 {
                        let until = until.ok_or(TestCaseError::fail("active jobs and nothing to wait for"))?;
                        prop_assert!(until <= self.now + Duration::from_secs(3600), "waits too long");
                    }
                    return Ok(());
                }
            }
        }
        Err(TestCaseError::fail("the plan never waits"))
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Track(key, job, age) => {
                self.plan.track(key, JobId(i64::from(job)), Duration::from_secs(age.into()), self.now);
            }
            Event::Forget(key) => self.plan.forget(&key),
            Event::Pass(milliseconds) => self.now += Duration::from_millis(milliseconds.into()),
            Event::Listed(_) if !self.listing => {}
            Event::Listed(outcome) => {
                self.listing = false;
                let jobs = |jobs: Vec<_>| jobs.into_iter().map(|(id, state)| job(i64::from(id), state)).collect();
                self.plan.listed(outcome.map(jobs).map_err(error), self.now, || 0.5);
            }
            Event::Polled(_) if self.asked.is_empty() => {}
            Event::Polled(outcome) => {
                let (key, id) = self.asked.remove(0);
                self.plan.polled(key, id, outcome.map(|state| job(id.0, state)).map_err(error), self.now, 0.5);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_plan_keeps_its_limits_and_never_falls_asleep(events in prop::collection::vec(event(), 0..300)) {
        let now = Instant::now();
        let mut world = World { plan: Plan::new(now), now, listing: false, asked: Vec::new(), last_ask: None };
        for event in events {
            world.take(event);
            world.run()?;
        }
    }

    #[test]
    fn an_end_is_final(outcomes in prop::collection::vec(prop::result::maybe_ok(0..6_u8, 0..6_u8), 1..40)) {
        let now = Instant::now();
        let mut plan = Plan::new(now);
        let id = JobId(7);
        let mut ended = None;
        for outcome in outcomes {
            plan.polled((), id, outcome.map(|state| job(7, state)).map_err(error), now, 0.0);
            let (sighting, _) = plan.track((), id, Duration::ZERO, now);
            if let Some(ended) = &ended {
                prop_assert_eq!(&sighting, ended);
            }
            if matches!(&sighting.answer, Some(Answer::Job(job)) if job.state.is_terminal()) {
                ended = Some(sighting);
            }
        }
    }
}
