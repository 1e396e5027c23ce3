//! Wake-ups that are spread over some seconds: what happens to a connection concerns all its refreshes, and they must not come
//! down on Milvus and the API server in one burst.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::Router;
use crate::object::Key;

/// The share of time of each, so that a few are woken almost at once.
const EACH: Duration = Duration::from_millis(10);
/// The longest that all of them take.
const LONGEST: Duration = Duration::from_secs(10);

/// The wake-ups under way, by connection.
#[derive(Debug, Default)]
pub struct Spread {
    under_way: Mutex<HashMap<Key, AbortOnDropHandle<()>>>,
}

impl Spread {
    /// Wakes `refreshes`, each at a time that `random` (0 to 1) picks, instead of those of `connection` that still wait from
    /// before: name all of them. Must be called within a tokio runtime.
    pub fn wake(&self, connection: &Key, refreshes: Vec<Key>, router: &Router, random: fn() -> f64) {
        let span = EACH.saturating_mul(u32::try_from(refreshes.len()).unwrap_or(u32::MAX)).min(LONGEST);
        let mut times: Vec<_> =
            refreshes.into_iter().map(|key| (span.mul_f64(random().clamp(0.0, 1.0)), key)).collect();
        times.sort();
        let (began, router) = (Instant::now(), router.clone());
        let task = tokio::spawn(async move {
            for (after, key) in times {
                sleep_until(began + after).await;
                router.wake(key);
            }
        });
        let mut under_way = self.under_way.lock();
        under_way.retain(|_, task| !task.is_finished());
        under_way.insert(connection.clone(), AbortOnDropHandle::new(task));
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn key(name: String) -> Key {
        Key { namespace: "n".to_owned(), name }
    }

    fn refreshes(count: usize) -> Vec<Key> {
        (0..count).map(|number| key(format!("r{number}"))).collect()
    }

    /// How many of the keys are woken in each of the next seconds.
    async fn by_second(router: &Router, seconds: usize) -> Vec<usize> {
        let mut stream = Box::pin(router.stream(&None));
        let mut counts = Vec::new();
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut count = 0;
            while stream.next().now_or_never().flatten().is_some() {
                count += 1;
            }
            counts.push(count);
        }
        counts
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_woken_over_seconds_and_none_is_left_out() {
        let (spread, router) = (Spread::default(), Router::new(&[None]));
        spread.wake(&key("c".to_owned()), refreshes(500), &router, rand::random);
        let counts = by_second(&router, 6).await;
        assert_eq!(counts.iter().sum::<usize>(), 500);
        assert!(counts.iter().take(5).all(|count| (50..200).contains(count)), "{counts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_woken_almost_at_once_and_very_many_within_the_bound() {
        let (spread, router) = (Spread::default(), Router::new(&[None]));
        spread.wake(&key("c".to_owned()), refreshes(5), &router, || 1.0);
        assert_eq!(by_second(&router, 1).await, [5]);
        spread.wake(&key("c".to_owned()), refreshes(50_000), &router, rand::random);
        assert_eq!(by_second(&router, 11).await.iter().sum::<usize>(), 50_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_change_of_a_connection_takes_the_place_of_the_last() {
        let (spread, router) = (Spread::default(), Router::new(&[None]));
        spread.wake(&key("c".to_owned()), refreshes(500), &router, || 1.0);
        spread.wake(&key("c".to_owned()), refreshes(10), &router, || 0.0);
        spread.wake(&key("another".to_owned()), vec![key("other".to_owned())], &router, || 0.0);
        assert_eq!(by_second(&router, 10).await.iter().sum::<usize>(), 11);
    }
}
