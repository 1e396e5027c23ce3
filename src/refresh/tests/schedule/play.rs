//! Random schedules, zones, clocks that jump, restarts, edits and jobs of any length, in one object's life. A failure prints
//! its seed; `SCHEDULE_SEED=<n>` plays others.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    milvus::{Job, JobId, JobState},
    refresh::{
        Cause, Clockwork, Decision, Effect, Fact, Recorded, Schedule,
        tests::scene::{NEW, Scene, accepted, job, looked, sighted, want},
    },
};

const LIVES: u64 = 60;
const STEPS: usize = 150;
const CRONS: [&str; 6] = ["* * * * *", "*/7 * * * *", "30 * * * *", "30 2 * * *", "0 1,2,3 * * *", "15 0 * * 0"];
const ZONES: [&str; 4] = ["Etc/UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"];

/// The life of an object, and what is known of it.
struct Life {
    scene: Scene,
    random: StdRng,
    case: String,
    /// The job that is under way, and when it ends.
    job: Option<(i64, Timestamp)>,
    last_job: i64,
    /// Ticks of the schedule as it is that were answered by a run that the clock has opened.
    answered: BTreeSet<Timestamp>,
    /// Whether nothing but time has happened since the schedule was last seen.
    calm: bool,
}

impl Life {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
        // A day or two before a change of Berlin's clock, or Santiago's, or anywhere.
        let began = *["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z", "2026-09-05T00:00:00Z", "2026-11-26T00:00:00Z"]
            .choose(&mut random)
            .unwrap();
        let mut scene = Scene { now: began.parse().unwrap(), ..Scene::new() };
        scene.want.schedule = Some(schedule(&mut random));
        scene.want.run_on_creation = random.random_bool(0.5);
        let case = format!("SCHEDULE_SEED={seed}, life {number}");
        Self { scene, random, case, job: None, last_job: NEW, answered: BTreeSet::new(), calm: true }
    }

    fn live(&mut self) {
        for _ in 0..STEPS {
            match self.random.random_range(0..40) {
                0 => self.edit(),
                1 => {
                    let minutes = self.random.random_range(-180..180);
                    self.scene.set_clock(SignedDuration::from_mins(minutes));
                    self.calm = false;
                }
                2 => self.scene.restart(),
                3 => {
                    let hours = self.random.random_range(1..80);
                    self.scene.pass(Duration::from_secs(hours * 3600));
                }
                4 => {
                    self.scene.want.suspend ^= true;
                    self.scene.want.generation += 1;
                }
                5 => {
                    self.scene.want.trigger = Some(self.scene.want.generation.to_string());
                    self.scene.want.generation += 1;
                }
                _ => {
                    let seconds = self.random.random_range(1..600);
                    self.scene.pass(Duration::from_secs(seconds));
                }
            }
            self.settle();
        }
        self.good_weather();
    }

    fn edit(&mut self) {
        self.scene.want.schedule = self.random.random_bool(0.9).then(|| schedule(&mut self.random));
        self.scene.want.generation += 1;
    }

    /// Passes until there is nothing to do now.
    fn settle(&mut self) {
        for _ in 0..20 {
            let before = self.scene.record();
            let decision = self.pass();
            self.check(&before, &decision);
            if decision.next == before && !decision.at_once() {
                return;
            }
        }
        panic!("{}: no end of passes at {}: {:?}", self.case, self.scene.now, self.scene.record());
    }

    fn pass(&mut self) -> Decision {
        let fact = match self.scene.see(Fact::Nothing).effect {
            Effect::None => Fact::Nothing,
            Effect::Find => {
                let ended = (NEW..=self.last_job).map(|id| self.ended(id)).rev().take(3).collect();
                looked(ended)
            }
            Effect::Poll(JobId(id)) => {
                let (_, ends) = self.job.unwrap();
                sighted(if ends <= self.scene.now { self.ended(id) } else { job(id, JobState::InProgress) })
            }
            effect => panic!("{}: {effect:?}", self.case),
        };
        let mut decision = self.scene.play(fact);
        if decision.effect == Effect::Submit {
            self.last_job += 1;
            let takes = *[1, 30, 400, 4000].choose(&mut self.random).unwrap();
            self.job = Some((self.last_job, self.scene.now + Duration::from_secs(takes)));
            decision = self.scene.play(accepted(self.last_job));
        }
        decision
    }

    fn ended(&self, id: i64) -> Job {
        let end = self.job.map_or(self.scene.now, |(_, ends)| ends);
        Job { end_time: Some(end.min(self.scene.now)), ..job(id, JobState::Completed) }
    }

    fn check(&mut self, before: &Recorded, decision: &Decision) {
        let (case, now) = (&self.case, self.scene.now);
        let kept = |record: &Recorded| record.schedule.clone().unwrap_or_default();
        let (was, is) = (kept(before), kept(&decision.next));
        let anew = (&was.cron, &was.time_zone) != (&is.cron, &is.time_zone) || was.since.is_none();
        if anew {
            // What was answered before has nothing to say.
            self.calm = true;
            self.answered.clear();
        }
        let number = |record: &Recorded| record.run.as_ref().map_or(0, |run| run.number);
        if number(&decision.next) > number(before) && decision.run().cause == Some(Cause::Schedule) {
            let tick = is.last.unwrap_or_else(|| panic!("{case}: a run of no tick at {now}"));
            assert!(is.since.is_some_and(|since| tick > since), "{case}: {tick} is before {:?}", is.since);
            assert!(self.answered.insert(tick), "{case}: two runs for {tick}, now at {now}");
            assert!(tick <= now, "{case}: {tick} is yet to come at {now}");
        }
        assert!(number(&decision.next) <= number(before) + 1, "{case}: more than one run at once");
        assert!(is.last >= was.last || anew, "{case}: {was:?} became {is:?}");
    }

    /// From now on time passes minute by minute: each tick is answered, by a run that is claimed at it or later.
    fn good_weather(&mut self) {
        let suspended = std::mem::take(&mut self.scene.want.suspend);
        self.scene.want.generation += i64::from(suspended);
        let (Some(wanted), true) = (self.scene.want.schedule.clone(), self.calm) else { return };
        let clockwork = Clockwork::of(&wanted).unwrap();
        self.scene.pass(Duration::from_secs(8000));
        self.settle();
        let from = self.scene.now;
        for _ in 0..300 {
            self.scene.pass(Duration::from_secs(60));
            self.settle();
        }
        // A job takes 67 minutes at the most, so whatever was under way at the tick is over.
        let due = clockwork.latest(from + Duration::from_secs(200 * 60) - wanted.delay).filter(|tick| *tick > from);
        let last = self.scene.record().schedule.unwrap().last;
        assert!(due.is_none() || last >= due, "{}: {due:?} was not answered, but {last:?}", self.case);
    }
}

fn schedule(random: &mut StdRng) -> Schedule {
    let cron = (*CRONS.choose(random).unwrap()).to_owned();
    let delay = Duration::from_secs(if random.random_bool(0.5) { 0 } else { random.random_range(0..60) });
    let jitter = Duration::from_secs(if delay.is_zero() { 0 } else { 59 });
    Schedule { cron, time_zone: (*ZONES.choose(random).unwrap()).to_owned(), jitter, delay }
}

#[test]
fn no_tick_is_answered_twice_or_too_early_and_in_good_weather_each_is_answered() {
    let seed = std::env::var("SCHEDULE_SEED").map_or(20_261_126, |text| text.parse().unwrap());
    assert_eq!(want().backoff_limit, 0);
    for number in 0..LIVES {
        Life::new(seed, number).live();
    }
}
