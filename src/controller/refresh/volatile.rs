//! What a process knows beyond what is durable: gone when it ends, and rebuilt from the statuses by the next one.

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;

use super::{memory::Memory, progress::Progress};
use crate::{
    object::Key,
    refresh::{Recorded, alarm, rests},
    requeue::{Router, alarms::Alarms},
    turns::{Member, Turns},
};

/// All of it, over all objects.
#[derive(Debug)]
pub struct Volatile {
    /// Names this process.
    pub operator: String,
    /// What is remembered of objects beyond their status.
    pub memory: Memory,
    /// Who goes now.
    pub turns: Turns,
    /// When schedules make runs due.
    pub alarms: Alarms,
    /// The budget of progress writes.
    pub progress: Progress,
}

impl Volatile {
    /// Of a process that begins. `wake` reaches the refreshes, and `unwritten` counts those that it cannot announce.
    pub fn new(operator: String, scopes: &[Option<String>], wake: &Router, unwritten: Gauge) -> Self {
        let turns = Turns::new(scopes, wake, unwritten);
        Self {
            operator,
            memory: Memory::default(),
            turns,
            alarms: Alarms::new(wake.clone()),
            progress: Progress::default(),
        }
    }

    /// The watch shows `record`, which another process may have written, at `version` of the refresh. Gives whether a pass may
    /// have anything to do.
    pub fn seen(&self, member: Member<'_>, version: &str, record: &Recorded, now: Timestamp) -> bool {
        self.turns.seen(member, version, record, now);
        self.turns.slots.seen(member.uid, member.connection, record);
        self.alarms.seen(member.uid, member.key, alarm(member.want, record, now), !record.is_at_rest());
        !rests(member.want, record, now)
    }

    /// Frees all that is held for an object that is gone. Gives the connection and the refresh whose job was tracked for it,
    /// if one was.
    pub fn forget(&self, uid: &str) -> Option<(Key, Key)> {
        let tracked = self.memory.forget(uid).and_then(|remembered| remembered.followed);
        self.turns.gone(uid);
        self.alarms.forget(uid);
        tracked
    }
}
