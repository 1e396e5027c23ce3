//! What a run that the clock has opened must be: the only one of its tick, and written before it was claimed.

use std::collections::HashSet;

use jiff::Timestamp;

use super::breach::Breach;
use crate::refresh::{Cause, Recorded};

#[derive(Default)]
pub struct Ticks {
    /// By uid.
    answered: HashSet<(String, Timestamp)>,
}

impl Ticks {
    /// A status of the object `uid` took the place of another.
    pub fn written(&mut self, uid: &str, before: &Recorded, after: &Recorded) -> Result<(), Breach> {
        let since = |record: &Recorded| record.schedule.as_ref().and_then(|kept| kept.since);
        if since(after).is_none() {
            // It is held; what was answered by a clock that was ahead may come again after that.
            self.answered.retain(|(answered, _)| answered != uid);
        }
        let number = |record: &Recorded| record.run.as_ref().map_or(0, |run| run.number);
        let Some(run) = after.run.as_ref().filter(|run| run.cause == Some(Cause::Schedule)) else { return Ok(()) };
        if number(after) <= number(before) {
            return Ok(());
        }
        // A new object is due without the clock, and a tick can come while it is looked at.
        if after.claim().is_some() && before.is_at_rest() {
            return Err(format!("run {} of {uid} was claimed with the write that has opened it", run.number));
        }
        let tick = after.schedule.as_ref().and_then(|kept| kept.last);
        let Some(tick) = tick.filter(|tick| since(after).is_some_and(|since| *tick > since)) else {
            return Err(format!("run {} of {uid} is of no tick: {:?}", run.number, after.schedule));
        };
        if !self.answered.insert((uid.to_owned(), tick)) {
            return Err(format!("two runs of {uid} for {tick}"));
        }
        Ok(())
    }
}
