//! One answer for all who want to know the same. A question whose last asker has left is not asked on.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    aim::{Aim, Seen},
    port::Blind,
};
use crate::object::Key;

/// When it was asked, and what was answered.
type Answer = (Instant, Result<Seen, Blind>);

/// Waits for the answer.
pub(super) type Landing = Shared<BoxFuture<'static, Answer>>;

/// What is asked through a connection.
type Question = (Key, Aim);

/// The questions under way.
#[derive(Default)]
pub(super) struct Flights {
    newest: Mutex<HashMap<Question, Flight>>,
}

/// The newest of those with one question.
struct Flight {
    /// When it was asked; empty while it waits for its turn.
    began: Arc<OnceLock<Instant>>,
    landing: WeakShared<BoxFuture<'static, Answer>>,
}

/// Strikes a flight off when it is over, or nobody waits for it any more.
struct Entry {
    flights: Arc<Flights>,
    question: Question,
    began: Arc<OnceLock<Instant>>,
}

impl Flights {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.newest.lock().len()
    }

    /// The answer to a question that was asked at `not_before` or later, or waits for that. Where there is none, `ask` tells how
    /// it is asked, which it is once the answer to the one before is there: one at a time.
    pub(super) fn join<F>(
        self: &Arc<Self>,
        question: Question,
        not_before: Instant,
        ask: impl FnOnce(Arc<OnceLock<Instant>>) -> F,
    ) -> Landing
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut newest = self.newest.lock();
        let before = newest.get(&question).and_then(|flight| Some((flight.began.clone(), flight.landing.upgrade()?)));
        let before = match before {
            Some((began, landing)) if began.get().is_none_or(|began| *began >= not_before) => return landing,
            Some((_, landing)) => Some(landing),
            None => None,
        };
        let began = Arc::<OnceLock<Instant>>::default();
        let entry = Entry { flights: self.clone(), question: question.clone(), began: began.clone() };
        let answer = ask(began.clone());
        let flight = async move {
            let _entry = entry;
            if let Some(before) = before {
                drop(before.await);
            }
            answer.await
        };
        let landing = flight.boxed().shared();
        if let Some(weak) = landing.downgrade() {
            newest.insert(question, Flight { began, landing: weak });
        }
        landing
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut newest = self.flights.newest.lock();
        if newest.get(&self.question).is_some_and(|flight| Arc::ptr_eq(&flight.began, &self.began)) {
            newest.remove(&self.question);
        }
    }
}
