//! Ticks by injected time: the language, the clock's changes, and what holds for whatever is written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clocks;
mod language;
mod random;

use std::time::Duration;

use jiff::{Timestamp, Zoned};

use super::{Schedule, clockwork::Clockwork};

fn schedule(cron: &str, time_zone: &str) -> Schedule {
    Schedule { cron: cron.into(), time_zone: time_zone.into(), jitter: Duration::ZERO, delay: Duration::ZERO }
}

fn clockwork(cron: &str, time_zone: &str) -> Clockwork {
    Clockwork::of(&schedule(cron, time_zone)).unwrap_or_else(|problem| panic!("{cron} in {time_zone}: {problem}"))
}

/// So many ticks after `from`.
fn ticks(clockwork: &Clockwork, from: Timestamp, count: usize) -> Vec<Timestamp> {
    std::iter::successors(clockwork.next(from), |tick| clockwork.next(*tick)).take(count).collect()
}

fn zoned(time: Timestamp, zone: &str) -> Zoned {
    time.to_zoned(super::clockwork::zone(zone).unwrap())
}
