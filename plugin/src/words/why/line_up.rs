//! Whose turn it is, by the operator's own bookkeeping, filled from the statuses of all refreshes that may be in the way.

use jiff::Timestamp;
use milvus_refresh_operator::{
    api::ExternalCollectionRefresh,
    object::Key,
    refresh::{Ahead, Desired, Reason, Recorded, Slot, Turn, is_due},
    requeue::Router,
    turns::{
        queue::{Lock, Queue},
        slots::Slots,
    },
};

use super::Known;

/// A refresh that may be in the way.
pub struct Other<'a> {
    object: &'a ExternalCollectionRefresh,
    want: Desired,
    record: Recorded,
    key: Key,
}

impl<'a> Other<'a> {
    fn of(object: &'a ExternalCollectionRefresh) -> Self {
        Self { object, want: Desired::of(object), record: Recorded::of(object.status.as_ref()), key: Key::of(object) }
    }

    fn uid(&self) -> &str {
        uid(self.object)
    }

    fn waits_for(&self, reasons: &[Reason]) -> bool {
        let reason = self.record.summary.as_ref().map(|summary| summary.reason);
        is_due(&self.want, &self.record) && reason.is_some_and(|reason| reasons.contains(&reason))
    }
}

fn uid(object: &ExternalCollectionRefresh) -> &str {
    object.metadata.uid.as_deref().unwrap_or_default()
}

/// The refreshes that may be in the way, without the one that it is about.
pub fn others<'a>(known: &Known<'a>) -> Vec<Other<'a>> {
    let own = uid(known.object);
    known.others.iter().filter(|other| uid(other) != own).map(Other::of).collect()
}

/// Whose turn it is on the collection.
pub fn turn(known: &Known<'_>, others: &[Other<'_>], want: &Desired, record: &Recorded) -> (Turn, Option<Ahead>) {
    let (queue, now) = (Queue::new(nobody()), known.now);
    for other in others {
        queue.seen(other.uid(), &other.key, &other.want, &other.record, now);
    }
    let own = (uid(known.object), Key::of(known.object));
    queue.seen(own.0, &own.1, want, record, now);
    if !is_due(want, record) {
        return queue.turn(own.0, now);
    }
    let same = |other: &&Other<'_>| is_same_collection(known.object, other.object);
    let known_id = |record: &Recorded| record.run.as_ref().and_then(|run| run.collection_id);
    let id = known_id(record).or_else(|| others.iter().filter(same).find_map(|other| known_id(&other.record)));
    let Some(lock) = id.map(Lock::Collection) else { return (Turn::Mine, None) };
    let waits = others.iter().filter(same).filter(|it| it.waits_for(&[Reason::Queued, Reason::WaitingForActiveJob]));
    let mut line: Vec<(Option<Timestamp>, &Key, &str)> =
        waits.map(|other| (Some(due_since(&other.record, now)), &other.key, other.uid())).collect();
    line.push((Some(due_since(record, now)), &own.1, own.0));
    line.sort();
    for (due, key, uid) in line {
        queue.join(uid, key, lock.clone(), due, now);
    }
    queue.turn(own.0, now)
}

/// Whether one of those that may run through the connection at a time is this one.
pub fn slot(known: &Known<'_>, others: &[Other<'_>], want: &Desired, record: &Recorded) -> Slot {
    let Ok(Some(connection)) = known.connection else { return Slot::Mine };
    if !is_due(want, record) {
        return Slot::Mine;
    }
    let slots = Slots::new(nobody());
    let (place, now) = (known.object.connection(), known.now);
    slots.limit(&place, usize::try_from(connection.spec.max_concurrent_refreshes).unwrap_or(usize::MAX));
    let same: Vec<_> = others.iter().filter(|other| other.object.connection() == place).collect();
    for other in &same {
        slots.seen(other.uid(), &place, &other.record);
    }
    let waits = same.iter().filter(|other| other.waits_for(&[Reason::ConcurrencyLimit]));
    let mut line: Vec<_> = waits.map(|other| (due_since(&other.record, now), &other.key, other.uid())).collect();
    let (own, key) = (uid(known.object), Key::of(known.object));
    line.push((due_since(record, now), &key, own));
    line.sort();
    let taken = line.into_iter().map(|(due, key, uid)| (uid, slots.take(uid, &place, key, due)));
    taken.filter(|(uid, _)| *uid == own).map(|(_, slot)| slot).last().unwrap_or(Slot::Mine)
}

fn is_same_collection(one: &ExternalCollectionRefresh, other: &ExternalCollectionRefresh) -> bool {
    let name = |object: &ExternalCollectionRefresh| {
        (object.connection(), object.spec.database_name.clone(), object.spec.collection_name.clone())
    };
    name(one) == name(other)
}

/// When a run became due.
pub fn due_since(record: &Recorded, now: Timestamp) -> Timestamp {
    record.run.as_ref().and_then(|run| run.queued_time).unwrap_or(now)
}

/// Whom the bookkeeping wakes: nobody waits here.
fn nobody() -> Router {
    Router::new(&[])
}
