//! What holds for whatever expression, zone and time. A failure prints its seed; `SCHEDULE_SEED=<n>` plays others.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{Clockwork, clockwork, schedule};
use crate::refresh::schedule::{clockwork::zone, expression::Expression};

const ZONES: [&str; 12] = [
    "Etc/UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Nuuk",
    "Asia/Kolkata",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
];

fn seed() -> u64 {
    std::env::var("SCHEDULE_SEED").map_or(20_261_126, |text| text.parse().unwrap())
}

fn field(random: &mut StdRng, min: u8, max: u8) -> String {
    match random.random_range(0..6) {
        0 | 1 => "*".to_owned(),
        2 | 3 => random.random_range(min..=max).to_string(),
        4 => format!("*/{}", random.random_range(1..=max)),
        _ => {
            let (a, b) = (random.random_range(min..=max), random.random_range(min..=max));
            format!("{}-{},{}", a.min(b), a.max(b), random.random_range(min..=max))
        }
    }
}

fn expression(random: &mut StdRng) -> String {
    loop {
        let fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)].map(|(min, max)| field(random, min, max));
        let text = fields.join(" ");
        if !Expression::parse(&text).unwrap().is_never() {
            return text;
        }
    }
}

/// Any time of these years; every other one near a change of the zone's clock.
fn time(random: &mut StdRng, zone: &TimeZone) -> Timestamp {
    let any = Timestamp::from_second(random.random_range(1_735_689_600..1_893_456_000)).unwrap();
    if random.random_bool(0.5) {
        return any;
    }
    let change = zone.following(any).next().map_or(any, |change| change.timestamp());
    change + SignedDuration::from_secs(random.random_range(-7200..7200))
}

#[test]
fn the_latest_tick_is_the_last_of_those_that_follow_each_other() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..3000 {
        let name = *ZONES.choose(&mut random).unwrap();
        let cron = expression(&mut random);
        let clockwork = clockwork(&cron, name);
        let mut from = time(&mut random, &zone(name).unwrap());
        let mut last = clockwork.latest(from);
        for _ in 0..5 {
            let case = format!("SCHEDULE_SEED={seed}, case {number}: {cron} in {name} after {from}");
            let Some(next) = clockwork.next(from) else { break };
            assert!(next > from, "{case}");
            assert_eq!(clockwork.latest(next), Some(next), "{case}: the tick itself");
            let before = next - SignedDuration::from_secs(1);
            assert_eq!(clockwork.latest(before), last, "{case}: just before {next}");
            (from, last) = (next, Some(next));
        }
    }
}

#[test]
fn what_is_no_schedule_is_refused_and_never_panics() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let letters: Vec<char> = "0123456789*,-/ \tLW#?@JANSU\u{7f}é".chars().collect();
    for _ in 0..20_000 {
        let length = random.random_range(0..20);
        let text: String = (0..length).map(|_| *letters.choose(&mut random).unwrap()).collect();
        if let Ok(clockwork) = Clockwork::of(&schedule(&text, "Europe/Berlin")) {
            let now = Timestamp::from_second(1_790_000_000).unwrap();
            assert!(clockwork.next(now).is_some(), "SCHEDULE_SEED={seed}: {text:?} is taken and has no tick");
        }
    }
}
