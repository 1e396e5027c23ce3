//! What a decision does about the schedule.

use std::time::Duration;

use jiff::Timestamp;

use super::{SCHEDULE_MISSED, Schedule, ScheduleRecord, clockwork::Clockwork};
use crate::refresh::{
    Cause,
    decide::Step,
    record::{elapsed, not_ahead},
};

impl Step<'_> {
    /// Brings what is kept of the schedule up to what is wanted. Of one that is new, edited, resumed or was invalid only the
    /// ticks from now on count.
    pub(in crate::refresh) fn keep_time(&mut self) {
        let kept = self.next.schedule.take();
        let Some(wanted) = &self.want.schedule else { return };
        let mut kept = kept.filter(|kept| kept.is_of(wanted)).unwrap_or_else(|| ScheduleRecord::new(wanted));
        let since = kept.since.filter(|_| !self.want.holds_starts());
        kept.since = since.map(|since| not_ahead(since, self.now));
        let edited = self.next.observed_generation != Some(self.want.generation);
        if edited || kept.since != since || kept.since.is_none() || kept.next.is_none() {
            self.wind(wanted, Clockwork::of(wanted), &mut kept);
        }
        self.next.schedule = Some(kept);
    }

    /// Computes anew when the next run is due.
    fn wind(&mut self, wanted: &Schedule, clockwork: Result<Clockwork, String>, kept: &mut ScheduleRecord) {
        kept.next = None;
        let clockwork = match clockwork {
            Ok(clockwork) => clockwork,
            Err(problem) => {
                self.stop_the_clock(kept, &problem);
                return;
            }
        };
        if self.want.holds_starts() {
            return;
        }
        if kept.since.is_none() {
            kept.since = Some(self.now);
            // A later one was answered by a clock that was ahead.
            kept.last = kept.last.filter(|last| *last <= self.now);
        }
        kept.next = kept.floor().and_then(|floor| clockwork.next(floor)).and_then(|tick| delayed(tick, wanted));
        if kept.next.is_none() {
            self.stop_the_clock(
                kept,
                &format!("spec.schedule.cron {:?} does not occur any more. Correct it.", wanted.cron),
            );
        }
    }

    fn stop_the_clock(&mut self, kept: &mut ScheduleRecord, problem: &str) {
        kept.since = None;
        self.problem = Some(format!("{problem} Until then the schedule starts no run; a new spec.trigger still does."));
    }

    /// Opens the run that the clock makes due, if it does. It is written before it is claimed: a successor whose clock is behind
    /// would not announce it (rule 15).
    pub(in crate::refresh) fn open_by_clock(&mut self) -> bool {
        let Some(due) = self.take_tick() else { return false };
        // A tick that fell into a run waited for its end.
        let due = self.next.job.completion_time.map_or(due, |ended| ended.max(due)).min(self.now);
        let late = elapsed(due, self.now);
        if self.want.starting_deadline.is_some_and(|deadline| late > deadline) {
            self.tell_missed(due);
            return false;
        }
        self.open_run(Some(self.run.clone()));
        self.run.cause = Some(Cause::Schedule);
        self.run.queued_time = Some(due);
        true
    }

    fn tell_missed(&mut self, due: Timestamp) {
        let deadline = self.want.starting_deadline.unwrap_or_default().as_secs();
        let next = self.next.schedule.as_ref().and_then(|kept| kept.next);
        let next = next.map(|next| format!(" The next one is due at {next}.")).unwrap_or_default();
        let message = format!(
            "The run that was due at {due} was skipped: the operator noticed it only after the {deadline} s that \
             spec.startingDeadlineSeconds allows.{next} To refresh now, set spec.trigger to a new value."
        );
        self.warn(SCHEDULE_MISSED, message);
    }

    /// Counts the latest tick that has come as answered. Gives when it was due.
    pub(in crate::refresh) fn take_tick(&mut self) -> Option<Timestamp> {
        let wanted = self.want.schedule.as_ref()?;
        let mut kept = self.next.schedule.clone()?;
        let floor = kept.floor()?;
        kept.next.filter(|next| *next <= self.now)?;
        let clockwork = Clockwork::of(wanted);
        let latest = || clockwork.as_ref().ok()?.latest(self.now.checked_sub(wanted.delay).ok()?);
        let tick = latest().filter(|tick| *tick > floor);
        kept.last = tick.or(kept.last);
        self.wind(wanted, clockwork, &mut kept);
        self.next.schedule = Some(kept);
        tick.and_then(|tick| delayed(tick, wanted))
    }

    /// Whether the tick that the run was opened for still stands: not once the schedule was edited, removed or held.
    pub(in crate::refresh) fn tick_stands(&self) -> bool {
        self.run.cause == Some(Cause::Schedule)
            && self.next.schedule.as_ref().is_some_and(|kept| kept.since.is_some() && kept.last.is_some())
    }
}

/// When the run of a tick is due.
fn delayed(tick: Timestamp, schedule: &Schedule) -> Option<Timestamp> {
    tick.checked_add(Duration::from_secs(schedule.delay.as_secs())).ok()
}
