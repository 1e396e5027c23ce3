//! One replica: a candidate whose work goes on until it is stopped.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Candidate, Ended, Leadership},
    api::{Line, NAME, Server},
};
use crate::clock::Clock;

/// A replica and its line to the API server. It lives until it is killed, stopped or loses the lease.
pub struct Replica {
    pub line: Line,
    pub leadership: Leadership,
    pub stop: CancellationToken,
    pub task: JoinHandle<Ended<()>>,
}

/// A clock that says 1970 for ever, and shortens no pause.
pub const SLOW: Clock = Clock { now: || Timestamp::UNIX_EPOCH, random: || 0.0, nonce: || 0 };
/// A clock far ahead of all others.
pub const AHEAD: Clock = Clock { now: || Timestamp::from_second(7_000_000_000).unwrap(), random: || 0.9, nonce: || 0 };

impl Replica {
    pub fn start(server: &Server, identity: &str) -> Self {
        Self::start_with(server.line(), identity, SLOW, Duration::ZERO)
    }

    /// With work that takes `drain` to come to its end.
    pub fn start_with(line: Line, identity: &str, clock: Clock, drain: Duration) -> Self {
        let (candidate, leadership) = Candidate::new(line.leases(), NAME.to_owned(), identity.to_owned(), clock);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let work = async {
                stopped.cancelled().await;
                sleep(drain).await;
            };
            candidate.campaign(&stopped, work).await
        });
        Self { line, leadership, stop, task }
    }

    pub async fn leading(server: &Server, identity: &str) -> Self {
        let replica = Self::start(server, identity);
        replica.until_leading().await;
        replica
    }

    pub fn leads(&self) -> bool {
        self.leadership.leads()
    }

    pub async fn until_leading(&self) {
        until(|| self.leads()).await;
    }

    /// Ends as by kill -9: at once, wherever it stands.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// How it ended by itself.
    pub async fn ended(self) -> Ended<()> {
        timeout(Duration::from_secs(1000), self.task).await.expect("the replica ends").unwrap()
    }
}

/// Waits, in simulated time, until `condition` holds.
pub async fn until(condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(1000), reached).await.expect("the condition comes true");
}
