//! Memory that large answers share, so that none keeps what it does not use and all come to their end.
//!
//! An answer takes its share in steps, as it comes: one that announces much and sends little keeps little. So that no two wait for
//! each other with a part of what they need, a step is given only where afterwards all could still come to their end, one after
//! the other, however much they announced (the banker's algorithm).

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The memory of all. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Shares(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    free: usize,
    next: u64,
    /// Those that have something.
    held: BTreeMap<u64, Account>,
    /// In order of arrival.
    waiting: Vec<Waiting>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    has: usize,
    needs: usize,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    /// What its answer needs in all.
    whole: usize,
    step: usize,
    given: oneshot::Sender<()>,
}

/// What one answer has, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Share {
    all: Shares,
    id: u64,
    whole: usize,
}

impl Shares {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(Books { free: bytes, next: 0, held: BTreeMap::new(), waiting: Vec::new() })))
    }

    /// For an answer of `whole` bytes, which may not be more than all have together. It has nothing yet.
    pub(super) fn of(&self, whole: usize) -> Share {
        let mut books = self.0.lock();
        books.next += 1;
        Share { all: self.clone(), id: books.next, whole }
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.lock().free
    }
}

impl Share {
    /// Waits until it has so much more.
    pub(super) fn more(&self, step: usize) -> impl Future<Output = ()> + Send + 'static {
        let (given, waits) = oneshot::channel();
        let mut books = self.all.0.lock();
        books.waiting.push(Waiting { id: self.id, whole: self.whole, step, given });
        books.serve();
        async move {
            // Whoever waits holds the share, which gives nothing back before.
            let _ = waits.await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut books = self.all.0.lock();
        let had = books.held.remove(&self.id).unwrap_or_default().has;
        books.free = books.free.saturating_add(had);
        books.waiting.retain(|waiting| waiting.id != self.id);
        books.serve();
    }
}

impl Books {
    /// Gives to all who wait what can be given.
    fn serve(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for waiting in waiting {
            let Waiting { id, whole, step, .. } = waiting;
            let before = self.held.get(&id).copied().unwrap_or(Account { has: 0, needs: whole });
            let after = Account { has: before.has.saturating_add(step), needs: before.needs.saturating_sub(step) };
            match self.free.checked_sub(step) {
                Some(free) if self.all_could_end(free, id, after) => {
                    self.free = free;
                    self.held.insert(id, after);
                    // Who does not wait any more gives it back as it goes.
                    let _ = waiting.given.send(());
                }
                _ => self.waiting.push(waiting),
            }
        }
    }

    /// Whether all could come to their end, the one that needs least first, if `id` had `account` and so much were free.
    fn all_could_end(&self, free: usize, id: u64, account: Account) -> bool {
        let others = self.held.iter().filter(|(other, _)| **other != id).map(|(_, account)| *account);
        let mut accounts: Vec<Account> = others.chain([account]).collect();
        accounts.sort_unstable_by_key(|account| account.needs);
        let ends = |free: usize, account: &Account| (account.needs <= free).then(|| free.saturating_add(account.has));
        accounts.iter().try_fold(free, ends).is_some()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn takes(share: &Share, step: usize) -> bool {
        share.more(step).now_or_never().is_some()
    }

    #[tokio::test]
    async fn what_could_keep_all_from_their_end_is_not_given() {
        let all = Shares::new(10);
        let (large, other, small) = (all.of(10), all.of(10), all.of(3));
        assert!(takes(&large, 4));
        assert!(!takes(&other, 1), "both would wait for the other one's part");
        assert!(takes(&small, 3), "it ends, and then the large one can");
        assert!(!takes(&large, 4), "there is not so much");
        drop(small);
        assert_eq!(all.free(), 2, "what waited was given");
        drop(large);
        assert_eq!(all.free(), 9, "and to the one that waited behind it");
    }

    #[tokio::test]
    async fn who_waits_no_more_keeps_nothing() {
        let all = Shares::new(10);
        let (first, second) = (all.of(10), all.of(10));
        assert!(takes(&first, 10) && !takes(&second, 10));
        drop(second);
        drop(first);
        assert_eq!(all.free(), 10);
    }

    #[tokio::test]
    async fn however_many_take_their_parts_in_turn_all_come_to_their_end() {
        const ALL: usize = 64;
        let all = Shares::new(ALL);
        let each = (1..=200_usize).map(|number| {
            let share = all.of(1 + number * 37 % ALL);
            let all = all.clone();
            async move {
                for _ in 0..share.whole {
                    share.more(1).await;
                    assert!(all.free() < ALL);
                    tokio::task::yield_now().await;
                }
            }
        });
        futures::future::join_all(each).await;
        assert_eq!(all.free(), ALL);
    }
}
