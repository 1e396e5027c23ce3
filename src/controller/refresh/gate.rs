//! What a pass waits for before it looks: permission, a slot of its connection, and its turn while looks fail.

use super::{pass::Pass, ports::Ports, volatile::Volatile};
use crate::{
    refresh::{Ahead, Connection, Decision, Effect, Fact, Permission, Slot, Turn, Wake, is_due, trouble},
    turns::fence::Asking,
};

impl<P: Ports> Pass<'_, P> {
    /// A run that is not due (any more) needs no announcement, and neither does one that carries this process' name already:
    /// the write was taken and its reply was lost. A claim that somebody took out of the status frees nothing before its
    /// start can have landed. And a run whose last write was not taken asks nothing of Milvus before one is.
    pub(super) fn permission(&self, connection: &Connection) -> (Permission, Option<Ahead>) {
        let Volatile { turns, memory, operator, .. } = self.volatile;
        let written_by = self.durable.run.as_ref().and_then(|run| run.operator.as_ref());
        if written_by == Some(operator) || !is_due(self.want(), &self.durable) {
            turns.fence.announced(&self.uid);
        }
        let (claim, now) = (self.durable.claim(), self.ports.instant());
        let may_land = memory.with(&self.uid, |remembered| remembered.may_land(claim, now));
        if !self.ports.leads() || may_land {
            return (Permission::Withheld, None);
        }
        if !is_due(self.want(), &self.record) {
            let granted = self.record.is_at_rest() || turns.fence.lists_everything();
            return (if granted { Permission::Granted } else { Permission::Fenced }, None);
        }
        if self.is_unproven() {
            return (Permission::Announce, None);
        }
        let endpoint = match connection {
            Connection::Ready { endpoint } => Some(endpoint.as_str()),
            Connection::NotReady { .. } | Connection::Unknown => None,
        };
        let (key, database) = (&self.key, &*self.want().database);
        turns
            .fence
            .permission(&self.uid, &Asking { key, endpoint, database, lock: turns.queue.lock_of(&self.uid), now })
    }

    /// How the connection looks to the run, and its slot. While looks fail, a run that may not look, or has to wait for a slot
    /// before it may, sees the connection as they have found it: what it waits for does not change with each try.
    pub(super) fn at_the_gate(&self, connection: Connection, turn: Turn) -> (Connection, Slot) {
        let looks = &self.volatile.turns.looks;
        let is_ready = matches!(connection, Connection::Ready { .. }) && matches!(self.fact, Fact::Nothing);
        let found = (is_ready && is_due(self.want(), &self.record)).then(|| looks.trouble(&self.connection, &self.uid));
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
        if !looks || !is_due(self.want(), &self.record) {
            return Slot::Mine;
        }
        // It cannot start yet, so it keeps nobody else from starting, not even by its place; that goes by when it was due.
        if self.want().awaits_look(&self.scouted, &self.fact) {
            self.volatile.turns.slots.gone(&self.uid);
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
        let waits = decision.effect == Effect::None && next.waits_for_connection() && is_due(self.want(), next);
        match waits.then(|| looks.come_back(&self.connection, &self.uid, self.ports.instant())).flatten() {
            Some(pause) => Decision { wake: decision.wake.sooner(pause), ..decision },
            None => decision,
        }
    }
}
