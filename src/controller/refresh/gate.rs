//! How a pass waits before it looks: for a slot of its connection, and for its turn while looks fail.

use super::{pass::Pass, ports::Ports};
use crate::refresh::{Connection, Decision, Effect, Fact, Reason, Recorded, Slot, Turn, Wake, is_due, trouble};

impl<P: Ports> Pass<'_, P> {
    /// How the connection looks to the run, and its slot. While looks fail, a run that may not look, or has to wait for a slot
    /// before it may, sees the connection as they have found it: what it waits for does not change with each try.
    pub(super) fn at_the_gate(&self, connection: Connection, turn: Turn) -> (Connection, Slot) {
        let looks = &self.volatile.turns.looks;
        let is_ready = matches!(connection, Connection::Ready { .. }) && matches!(self.fact, Fact::Nothing);
        let found = (is_ready && is_due(&self.want, &self.record)).then(|| looks.trouble(&self.connection, &self.uid));
        let Some(error) = found.flatten() else {
            let slot = self.slot(&connection, turn);
            return (connection, slot);
        };
        let found = Connection::NotReady { reason: trouble(error.kind), message: error.message };
        if !looks.may_look(&self.connection, &self.uid, self.ports.instant()) {
            return (found, Slot::Mine);
        }
        match self.slot(&connection, turn) {
            Slot::Waiting => (found, Slot::Waiting),
            Slot::Mine => (connection, Slot::Mine),
        }
    }

    /// A run that is about to look at its collection needs a slot; one that waits for the collection must not have one.
    fn slot(&self, connection: &Connection, turn: Turn) -> Slot {
        let looks = matches!(connection, Connection::Ready { .. }) && !matches!(turn, Turn::Behind { .. });
        if !looks || !is_due(&self.want, &self.record) {
            return Slot::Mine;
        }
        // It cannot start yet, so it keeps nobody else from starting.
        if self.want.awaits_look(&self.scouted, &self.fact) {
            return Slot::Mine;
        }
        let run = self.record.run.as_ref().filter(|_| !self.record.ended());
        let due = run.and_then(|run| run.queued_time).unwrap_or_else(|| self.ports.now());
        self.volatile.turns.slots.take(&self.uid, &self.connection, &self.key, due)
    }

    /// The decision at the pace of looks that fail. A claim's look is how the outcome of its start is learned: it is never held
    /// for the looks of others.
    pub(super) fn paced(&self, decision: Decision) -> Decision {
        let looks = &self.volatile.turns.looks;
        let next = &decision.next;
        if next.claim().is_some() {
            let rest = (decision.effect == Effect::Find).then(|| looks.rest(&self.uid, self.ports.instant())).flatten();
            return match rest {
                Some(rest) => Decision { effect: Effect::None, wake: Wake::After(rest), ..decision },
                None => decision,
            };
        }
        let waits = decision.effect == Effect::None && waits_for_looks(next) && is_due(&self.want, next);
        match waits.then(|| looks.come_back(&self.connection, &self.uid, self.ports.instant())).flatten() {
            Some(pause) => Decision { wake: decision.wake.sooner(pause), ..decision },
            None => decision,
        }
    }
}

/// Whether the record says that the connection is not ready, which looks that fail say, too.
pub(super) fn waits_for_looks(record: &Recorded) -> bool {
    record.summary.as_ref().is_some_and(|summary| summary.reason == Reason::ConnectionNotReady)
}
