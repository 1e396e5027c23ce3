//! What a process knows beyond what is durable: gone when it ends, and rebuilt from the statuses by the next one.

use prometheus_client::metrics::gauge::Gauge;

use super::{
    fence::Fence, index::Index, looks::Looks, memory::Memory, progress::Progress, slots::Slots, wakes::Router,
};

/// All of it, over all objects.
#[derive(Debug)]
pub struct Volatile {
    /// Names this process.
    pub operator: String,
    /// What is remembered of objects beyond their status.
    pub memory: Memory,
    /// One run at a time per collection.
    pub index: Index,
    /// So many runs at a time per connection.
    pub slots: Slots,
    /// Who may look although looks fail.
    pub looks: Looks,
    /// What holds everything until a process that takes over has said so.
    pub fence: Fence,
    /// The budget of progress writes.
    pub progress: Progress,
}

impl Volatile {
    /// Of a process that begins. `wake` reaches the refreshes, and `unwritten` counts those that it cannot announce.
    pub fn new(operator: String, scopes: &[Option<String>], wake: &Router, unwritten: Gauge) -> Self {
        Self {
            operator,
            memory: Memory::default(),
            index: Index::new(wake.clone()),
            slots: Slots::new(wake.clone()),
            looks: Looks::default(),
            fence: Fence::new(scopes, wake.clone(), unwritten),
            progress: Progress::default(),
        }
    }

    /// Frees all that is held for an object that is gone. Gives the connection and the refresh whose job was tracked for it,
    /// if one was.
    pub fn forget(&self, uid: &str) -> Option<(super::Key, super::Key)> {
        let tracked = self.memory.forget(uid).and_then(|remembered| remembered.followed);
        self.fence.announced(uid);
        self.index.gone(uid);
        self.slots.gone(uid);
        self.looks.forget(uid);
        tracked
    }
}
