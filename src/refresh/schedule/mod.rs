//! Runs by the clock. Everything is computed from values: when the schedule was first seen as it is, the last of its times
//! that was answered, and the time that it is.
//!
//! A tick is a time of the schedule. One is due when the latest that has come is later than both. So no list of missed ticks
//! is ever walked, and no tick is answered twice.

mod clockwork;
mod expression;
mod keep;
#[cfg(test)]
mod tests;

pub use clockwork::Clockwork;

use std::time::Duration;

use jiff::Timestamp;

use super::{desired::drawn, record::not_ahead};
use crate::api::ScheduleSpec;

/// The reason of the Event for a scheduled time that was skipped.
pub const SCHEDULE_MISSED: &str = "ScheduleMissed";

/// What `spec.schedule` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The expression.
    pub cron: String,
    /// The zone that it is meant in.
    pub time_zone: String,
    /// The longest delay.
    pub jitter: Duration,
    /// The delay of this object.
    pub delay: Duration,
}

impl Schedule {
    /// That of the object with this uid, from which its delay is drawn: the same in every process.
    pub(super) fn of(spec: &ScheduleSpec, uid: &str) -> Self {
        let jitter = u64::try_from(spec.jitter_seconds).unwrap_or_default();
        let delay = if jitter == 0 { 0 } else { drawn(uid) % (jitter + 1) };
        Self {
            cron: spec.cron.clone(),
            time_zone: spec.time_zone.clone(),
            jitter: Duration::from_secs(jitter),
            delay: Duration::from_secs(delay),
        }
    }
}

/// How far a schedule is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleRecord {
    /// The expression that this is about.
    pub cron: String,
    /// The zone that this is about.
    pub time_zone: String,
    /// Ticks up to then are not answered; `None` while none are, because starts are held or the schedule makes no sense.
    pub since: Option<Timestamp>,
    /// The last tick that was answered by a run or skipped.
    pub last: Option<Timestamp>,
    /// When the next run is due, with the delay.
    pub next: Option<Timestamp>,
}

impl ScheduleRecord {
    fn new(schedule: &Schedule) -> Self {
        Self { cron: schedule.cron.clone(), time_zone: schedule.time_zone.clone(), ..Self::default() }
    }

    fn is_of(&self, schedule: &Schedule) -> bool {
        self.cron == schedule.cron && self.time_zone == schedule.time_zone
    }

    /// Only later ticks count.
    fn floor(&self) -> Option<Timestamp> {
        Some(self.since?.max(self.last.unwrap_or(Timestamp::MIN)))
    }
}

/// Whether a pass at `now` has nothing to do for the schedule of an object that rests, whose starts are `held` or not.
pub(super) fn rests(wanted: Option<&Schedule>, kept: Option<&ScheduleRecord>, held: bool, now: Timestamp) -> bool {
    match (wanted, kept) {
        (None, None) => true,
        (Some(wanted), Some(kept)) if !kept.is_of(wanted) => false,
        (Some(_), Some(kept)) if held => kept.since.is_none() && kept.next.is_none(),
        (Some(_), Some(kept)) => {
            let counts = kept.since.is_some_and(|since| not_ahead(since, now) == since);
            counts && kept.next.is_some_and(|next| next > now)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}
