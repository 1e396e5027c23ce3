//! The start protocol in a world that goes wrong at every step: random histories of two processes, an API server and a
//! Milvus, played by the passes themselves. Each history is a tape of numbers; one that breaks a rule is shrunk to the
//! shortest that still does.
//!
//! `MODEL_SEED=<n>` plays others, `MODEL_HISTORIES=<n>` more or fewer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::large_enum_variant)]

mod api;
mod breach;
mod choices;
mod history;
mod milvus;
mod process;
mod proof;
mod source;
mod ticks;
mod world;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use {choices::shrink, history::play};

const SEED: u64 = 20_260_901;
const HISTORIES: u64 = 15_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn tape(seed: u64, number: u64) -> Vec<u16> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let length = random.random_range(5..400);
    (0..length).map(|_| random.random()).collect()
}

#[test]
fn whatever_goes_wrong_each_run_has_one_job_and_comes_to_its_true_end() {
    let (seed, histories) = (setting("MODEL_SEED", SEED), setting("MODEL_HISTORIES", HISTORIES));
    let found = AtomicBool::new(false);
    let threads = thread::available_parallelism().map_or(2, usize::from) as u64;
    let play_share = &|share: u64| {
        let mut mine = (share..histories).step_by(usize::try_from(threads).unwrap());
        let number = mine.find(|number| found.load(Ordering::Relaxed) || play(&tape(seed, *number), false).is_err());
        number.filter(|_| !found.swap(true, Ordering::Relaxed))
    };
    let broken = thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|share| scope.spawn(move || play_share(share))).collect();
        shares.into_iter().filter_map(|share| share.join().unwrap()).next()
    });
    if let Some(number) = broken {
        let shortest = shrink(tape(seed, number), |tape| play(tape, false).is_err());
        let breach = play(&shortest, true).unwrap_err();
        panic!("MODEL_SEED={seed}, history {number}, shrunk to {shortest:?}:\n{breach}");
    }
}
