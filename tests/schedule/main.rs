//! Our ticks against those of CronJob's library, where no clock changes: 10,000 random expressions, zones and times. What
//! differs where clocks change is in the user guide. `SCHEDULE_SEED=<n>` plays others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs::File,
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use milvus_refresh_operator::refresh::{Clockwork, Schedule};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

const CASES: usize = 10_000;
/// The first time, the library is downloaded and built.
const LONG: Duration = Duration::from_secs(300);
/// From 2021 to 2030: nobody knows what zones do later.
const YEARS: std::ops::Range<i64> = 1_609_459_200..1_893_456_000;
const ZONES: [&str; 10] = [
    "Etc/UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Auckland",
];
const MONTHS: [&str; 3] = ["JAN", "feb", "Dec"];
const WEEKDAYS: [&str; 3] = ["SUN", "mon", "Sat"];

struct Case {
    cron: String,
    zone: &'static str,
    from: Timestamp,
}

fn field(random: &mut StdRng, min: u8, max: u8, names: &[&str]) -> String {
    let value = |random: &mut StdRng| random.random_range(min..=max);
    let item = |random: &mut StdRng| {
        let (a, b) = (value(random), value(random));
        let (first, last) = (a.min(b), a.max(b));
        match random.random_range(0..5) {
            0 => format!("{first}-{last}"),
            1 => format!("{first}-{last}/{}", random.random_range(1..=max)),
            2 => format!("*/{}", random.random_range(2..=max)),
            3 => names.choose(random).map_or_else(|| a.to_string(), |name| (*name).to_owned()),
            _ => a.to_string(),
        }
    };
    match random.random_range(0..8) {
        0..4 => "*".to_owned(),
        4 => "*/1".to_owned(),
        5 => [item(random), item(random), item(random)].join(","),
        _ => item(random),
    }
}

fn case(random: &mut StdRng) -> Case {
    let cron = if random.random_bool(0.02) {
        (*["@hourly", "@daily", "@weekly", "@monthly", "@yearly"].choose(random).unwrap()).to_owned()
    } else {
        let fields: [(u8, u8, &[&str]); 5] =
            [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, &MONTHS), (0, 6, &WEEKDAYS)];
        fields.map(|(min, max, names)| field(random, min, max, names)).join(" ")
    };
    let from = Timestamp::from_second(random.random_range(YEARS)).unwrap();
    Case { cron, zone: ZONES.choose(random).unwrap(), from }
}

/// Whether the clock of the zone changes within a day of this time.
fn near_a_change(time: Timestamp, zone: &TimeZone) -> bool {
    let day = SignedDuration::from_hours(26);
    zone.following(time - day).next().is_some_and(|change| change.timestamp() < time + day)
}

fn clockwork(Case { cron, zone, .. }: &Case) -> Result<Clockwork, String> {
    let (cron, time_zone) = (cron.clone(), (*zone).to_owned());
    Clockwork::of(&Schedule { cron, time_zone, jitter: Duration::ZERO, delay: Duration::ZERO })
}

/// What CronJob's library says of each case.
fn reference(cases: &[Case]) -> Vec<i64> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schedule/go/cron");
    let input = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("schedules-{}", std::process::id()));
    let mut file = File::create(&input).unwrap();
    for Case { cron, zone, from } in cases {
        writeln!(file, "{cron}|{zone}|{}", from.as_second()).unwrap();
    }
    let mut go = Command::new("go");
    go.current_dir(folder).envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=readonly"), ("GOWORK", "off")]);
    go.args(["run", "."]).stdin(File::open(&input).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = controlplane::output(go, LONG).unwrap();
    std::fs::remove_file(input).unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn where_no_clock_changes_ticks_are_those_of_a_cron_job() {
    let seed = std::env::var("SCHEDULE_SEED").map_or(20_261_126, |text| text.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let cases: Vec<Case> = std::iter::repeat_with(|| case(&mut random))
        .filter(|case| clockwork(case).is_ok() && !near_a_change(case.from, &TimeZone::get(case.zone).unwrap()))
        .take(CASES)
        .collect();
    let mut compared = 0;
    for (case, theirs) in cases.iter().zip(reference(&cases)) {
        let ours = clockwork(case).unwrap().next(case.from).unwrap();
        // It gives up after five years.
        if theirs == 0 || near_a_change(ours, &TimeZone::get(case.zone).unwrap()) {
            continue;
        }
        let Case { cron, zone, from } = case;
        assert_eq!(ours.as_second(), theirs, "SCHEDULE_SEED={seed}: {cron} in {zone} after {from}: {ours}");
        compared += 1;
    }
    assert!(compared > CASES * 9 / 10, "only {compared} were compared");
}
