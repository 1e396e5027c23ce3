//! Who goes now. Pure bookkeeping, rebuilt from the statuses after every start:
//!
//! * [`fair`]: tenants take turns for what all of them share.
//! * [`queue`]: one run at a time per collection.
//! * [`slots`]: so many runs at a time per connection.
//! * [`looks`]: who may look at a server while looks fail.
//! * [`fence`]: what a process does before it starts anything.

pub mod fair;
pub mod fence;
pub mod looks;
mod member;
pub mod queue;
pub mod slots;

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;

use crate::{refresh::Recorded, requeue::Router};
use fence::Fence;
use looks::Looks;
pub use member::Member;
use queue::Queue;
use slots::Slots;

/// The turns of all refreshes.
#[derive(Debug)]
pub struct Turns {
    /// One run at a time per collection.
    pub queue: Queue,
    /// So many runs at a time per connection.
    pub slots: Slots,
    /// Who may look although looks fail.
    pub looks: Looks,
    /// What holds everything until a process that takes over has said so.
    pub fence: Fence,
}

impl Turns {
    /// Of a process that begins. `wake` reaches the refreshes, and `unwritten` counts those that it cannot announce.
    pub fn new(scopes: &[Option<String>], wake: &Router, unwritten: Gauge) -> Self {
        Self {
            queue: Queue::new(wake.clone()),
            slots: Slots::new(wake.clone()),
            looks: Looks::default(),
            fence: Fence::new(scopes, wake.clone(), unwritten),
        }
    }

    /// `record` is durable at `version`. The queue hears of it before the fence: what the fence lets go on then finds the
    /// collection taken.
    pub fn seen(&self, member: Member<'_>, version: &str, record: &Recorded, now: Timestamp) {
        self.queue.seen(member.uid, member.key, member.want, record, now);
        self.fence.seen(member.uid, version);
    }

    /// A reconcile has come to its end with `record` durable. `waits` tells whether the run waits for a slot, whatever its
    /// status shows.
    pub fn settled(&self, member: Member<'_>, record: &Recorded, waits: bool, now: Timestamp) {
        self.queue.settled(member.uid, member.key, member.want, record, now);
        if waits {
            self.slots.waits(member.uid, member.connection);
        } else {
            self.slots.settled(member.uid, member.connection, record);
        }
    }

    /// A reconcile has failed: nobody waits for what it was about to take.
    pub fn passed_over(&self, member: Member<'_>, record: &Recorded) {
        self.queue.pass_over(member.uid, member.want, record);
        self.slots.pass_over(member.uid, record);
    }

    /// The object is gone: what it held is free.
    pub fn gone(&self, uid: &str) {
        self.fence.gone(uid);
        self.queue.gone(uid);
        self.slots.gone(uid);
        self.looks.forget(uid);
    }
}
