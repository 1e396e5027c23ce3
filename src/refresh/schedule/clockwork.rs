//! When the ticks of a schedule are.

use std::{str::FromStr, sync::LazyLock};

use croner::Cron;
use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

use super::{Schedule, expression::Expression};
use crate::refresh::limits::quoted;

/// How much of the spec a message quotes, in bytes.
const SHOWN: usize = 64;

/// The zones that are built in: the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A schedule that makes sense.
#[derive(Debug)]
pub struct Clockwork {
    cron: Cron,
    zone: TimeZone,
}

impl Clockwork {
    /// # Errors
    /// What is wrong with the schedule, and what to do.
    pub fn of(schedule: &Schedule) -> Result<Self, String> {
        let Schedule { cron, time_zone, jitter, .. } = schedule;
        let expression = Expression::parse(cron)
            .map_err(|problem| format!("spec.schedule.cron {} cannot be used: {problem}.", quoted(cron, SHOWN)))?;
        if expression.is_never() {
            return Err(format!(
                "spec.schedule.cron {} never occurs: none of its months has such a day. Correct its days or months.",
                quoted(cron, SHOWN)
            ));
        }
        let shortest = u64::from(expression.shortest_minutes()) * 60;
        if !jitter.is_zero() && jitter.as_secs() >= shortest {
            return Err(format!(
                "spec.schedule.jitterSeconds is {}, and the times of {} can be as little as {shortest} s apart. Set it below that.",
                jitter.as_secs(),
                quoted(cron, SHOWN)
            ));
        }
        let zone = zone(time_zone).ok_or_else(|| {
            format!(
                "spec.schedule.timeZone {} is not among the zones that this version of the operator has. Write an IANA name such as \
                 Europe/Berlin.",
                quoted(time_zone, SHOWN)
            )
        })?;
        let cron = Cron::from_str(&expression.text)
            .map_err(|error| format!("spec.schedule.cron {} cannot be used: {error}", quoted(cron, SHOWN)))?;
        Ok(Self { cron, zone })
    }

    /// The latest tick that is not after `time`.
    pub fn latest(&self, time: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_previous_occurrence(&time.to_zoned(self.zone.clone()), true);
        found.ok().map(|tick| tick.timestamp()).filter(|tick| *tick <= time)
    }

    /// The first tick after `time`.
    pub fn next(&self, time: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&time.to_zoned(self.zone.clone()), false);
        found.ok().map(|tick| tick.timestamp()).filter(|tick| *tick > time)
    }
}

/// The zone of this name, whatever the case of its letters.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}
