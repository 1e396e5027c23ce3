//! Random histories: whatever the network does, no two replicas lead at once, and in good weather one does.

use std::{cell::RefCell, time::Duration};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep};

use super::{
    api::{Fate, Server},
    replica::Replica,
};
use crate::clock::Clock;

const HISTORIES: u64 = 60;
const REPLICAS: usize = 3;
const STORM: Duration = Duration::from_secs(300);
/// In good weather: a lease that has to run out, and some looks at it.
const CALM: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(50);

thread_local! {
    // The clock's functions cannot carry a generator; each test runs on one thread.
    static RANDOM: RefCell<StdRng> = RefCell::new(StdRng::seed_from_u64(0));
}

const CLOCK: Clock =
    Clock { now: || Timestamp::from_second(draw(0, 4_000_000_000)).unwrap(), random: || draw(0.0, 1.0), nonce: || 0 };

fn draw<T: rand::distr::uniform::SampleUniform + PartialOrd>(from: T, below: T) -> T {
    RANDOM.with_borrow_mut(|random| random.random_range(from..below))
}

fn storm() -> Fate {
    match draw(0, 20) {
        0 => Fate::REQUEST_LOST,
        1 => Fate::REPLY_LOST,
        2 => Fate::Refused,
        3 => Fate::slow(draw(0, 30_000), draw(0, 100)),
        4 | 5 => Fate::slow(draw(0, 5000), draw(0, 5000)),
        _ => Fate::slow(draw(0, 50), draw(0, 50)),
    }
}

#[test]
fn no_two_replicas_ever_lead_at_once_and_in_good_weather_one_does() {
    let mut takeovers = 0;
    for seed in 0..HISTORIES {
        RANDOM.with_borrow_mut(|random| *random = StdRng::seed_from_u64(seed));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        takeovers += runtime.block_on(history(seed));
    }
    assert!(takeovers > 2 * HISTORIES, "only {takeovers} takeovers: the weather is too good to show anything");
}

/// Gives the number of takeovers.
async fn history(seed: u64) -> u64 {
    let server = Server::default();
    let mut starts = 0;
    let mut start = |weather: fn() -> Fate| {
        let line = server.line();
        line.weather(move |_| weather());
        starts += 1;
        Replica::start_with(line, &format!("replica-{starts}"), CLOCK, Duration::from_millis(draw(0, 3000)))
    };
    let mut replicas: Vec<Replica> = (0..REPLICAS).map(|_| start(storm)).collect();
    let begin = Instant::now();
    while begin.elapsed() < STORM {
        for replica in &mut replicas {
            match draw(0, 4000) {
                0 => std::mem::replace(replica, start(storm)).kill().await,
                1 => replica.stop.cancel(),
                2 => replica.line.weather(|_| Fate::REQUEST_LOST),
                3 => replica.line.weather(|_| storm()),
                _ if replica.task.is_finished() => *replica = start(storm),
                _ => {}
            }
        }
        at_most_one_leads(seed, &replicas);
        sleep(STEP).await;
    }
    replicas.iter().for_each(|replica| replica.line.weather(|_| Fate::FINE));
    let calm = Instant::now();
    while calm.elapsed() < CALM {
        for replica in &mut replicas {
            if replica.task.is_finished() {
                *replica = start(|| Fate::FINE);
            }
        }
        at_most_one_leads(seed, &replicas);
        sleep(STEP).await;
    }
    assert!(replicas.iter().any(Replica::leads), "seed {seed}: nobody leads in good weather");
    assert_eq!(server.wrongs(), Vec::<String>::new(), "seed {seed}");
    u64::try_from(server.transitions().unwrap()).unwrap()
}

fn at_most_one_leads(seed: u64, replicas: &[Replica]) {
    let leaders = replicas.iter().filter(|replica| replica.leads()).count();
    assert!(leaders <= 1, "seed {seed}: {leaders} replicas lead at once");
}
