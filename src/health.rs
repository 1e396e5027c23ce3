//! Whether this process is alive: it is not when a pass does not come to its end or a watch has fallen silent, which
//! only a restart cures. Neither depends on Milvus or on an API server that is down.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The longest that a pass can take. It looks once (three calls to Milvus of up to 300 s each), starts once (30 s) and writes a few
/// times (31 s each): together 18 minutes, also where each call is answered in the last moment.
pub const LONGEST_PASS: Duration = Duration::from_secs(20 * 60);

/// The longest that a watch can be silent. The library asks for watches of 290 s and opens them again, so one that lives
/// is answered about every five minutes, whatever happens in the cluster. A refusal and a broken connection count as
/// answers: the watch is at work then, and a restart would not mend the API server.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(15 * 60);

/// The signs of life of this process.
#[derive(Debug, Default)]
pub struct Health {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    passes: BTreeMap<u64, (Instant, String)>,
    watches: BTreeMap<String, Instant>,
}

/// A pass under way, until this is dropped.
#[derive(Debug)]
pub struct Working {
    health: Arc<Health>,
    number: u64,
}

impl Health {
    /// A pass over `what` begins.
    pub fn pass(self: &Arc<Self>, what: String) -> Working {
        let mut inner = self.inner.lock();
        inner.next += 1;
        let number = inner.next;
        inner.passes.insert(number, (Instant::now(), what));
        drop(inner);
        Working { health: self.clone(), number }
    }

    /// The watch of `what` begins or was answered.
    pub fn watch_heard(&self, what: &str) {
        let mut inner = self.inner.lock();
        match inner.watches.get_mut(what) {
            Some(last) => *last = Instant::now(),
            None => drop(inner.watches.insert(what.to_owned(), Instant::now())),
        }
    }

    /// # Errors
    /// What does not go on any more, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        let inner = self.inner.lock();
        // Passes are numbered in the order in which they began.
        if let Some((_, (began, what))) = inner.passes.first_key_value()
            && began.elapsed() > LONGEST_PASS
        {
            return Err(format!("a reconcile of {what} has not ended for {} s", began.elapsed().as_secs()));
        }
        let silent = inner.watches.iter().find(|(_, last)| last.elapsed() > LONGEST_SILENCE);
        silent.map_or(Ok(()), |(what, last)| {
            Err(format!("the watch of {what} has had no answer for {} s", last.elapsed().as_secs()))
        })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.health.inner.lock().passes.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_takes_too_long_is_named_until_it_ends() {
        let health = Arc::new(Health::default());
        let stuck = health.pass("refresh shop/orders".to_owned());
        advance(LONGEST_PASS).await;
        let _fresh = health.pass("refresh shop/products".to_owned());
        assert_eq!(health.check(), Ok(()));
        advance(Duration::from_secs(1)).await;
        assert!(health.check().unwrap_err().contains("shop/orders"));
        drop(stuck);
        assert_eq!(health.check(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_dead_once_it_was_silent_for_too_long() {
        let health = Health::default();
        health.watch_heard("refreshes");
        health.watch_heard("connections");
        advance(LONGEST_SILENCE).await;
        health.watch_heard("connections");
        assert_eq!(health.check(), Ok(()));
        advance(Duration::from_secs(1)).await;
        assert!(health.check().unwrap_err().contains("refreshes"));
        health.watch_heard("refreshes");
        assert_eq!(health.check(), Ok(()));
    }

    #[test]
    fn a_process_that_stands_by_is_alive() {
        assert_eq!(Health::default().check(), Ok(()));
    }
}
