//! Which expressions are taken, and what is said of the others.

use std::time::Duration;

use super::{Clockwork, Schedule, schedule};
use crate::refresh::schedule::expression::Expression;

#[test]
fn what_every_cron_takes_is_taken() {
    for cron in [
        "* * * * *",
        "0 0 * * *",
        "*/15 0-6,22,23 1-31/2 1,6,12 *",
        "59 23 31 12 6",
        "5,10-20/5 * * * 1-5",
        "0 2 * jan,Feb MON-fri",
        "00 08 01 01 0",
        "*/1 */1 */1 */1 */1",
        "0\t2  * * *",
        "0 0 29 2 *",
        "@hourly",
        "@daily",
        "@weekly",
        "@monthly",
        "@yearly",
    ] {
        Clockwork::of(&schedule(cron, "Etc/UTC")).unwrap_or_else(|problem| panic!("{cron}: {problem}"));
    }
}

#[test]
fn what_some_cron_reads_in_another_way_or_not_at_all_is_refused_with_what_to_write() {
    for (cron, says) in [
        ("", "write five fields"),
        ("* * * *", "write five fields"),
        ("0 0 2 * * *", "write five fields"),
        ("0 0 2 * * * 2026", "write five fields"),
        ("TZ=Europe/Berlin 0 2 * * *", "the zone belongs into spec.schedule.timeZone"),
        ("CRON_TZ=Europe/Berlin 0 2 * * *", "the zone belongs into spec.schedule.timeZone"),
        ("@reboot", "write one of @hourly"),
        ("@every 5m", "write one of @hourly"),
        ("@midnight", "write one of @hourly"),
        ("@Daily", "write one of @hourly"),
        ("61 * * * *", r#""61" is no minute: write *, a value from 0 to 59, a range"#),
        ("60 * * * *", "is no minute"),
        ("* 24 * * *", "is no hour"),
        ("* * 0 * *", "is no day of the month"),
        ("* * 32 * *", "is no day of the month"),
        ("* * * 0 *", "is no month: write *, a value from 1 to 12 or JAN to DEC"),
        ("* * * 13 *", "is no month"),
        ("* * * JANUARY *", "is no month"),
        ("* * * * 7", "is no weekday: write *, a value from 0 to 6 or SUN to SAT"),
        ("* * * * FRI-SUN", "ends before it begins: write it as two"),
        ("* 22-2 * * *", "ends before it begins: write it as two"),
        ("* * L * *", "is no day of the month"),
        ("* * 15W * *", "is no day of the month"),
        ("* * LW * *", "is no day of the month"),
        ("* * * * 5L", "is no weekday"),
        ("* * * * 5#2", "is no weekday"),
        ("* * ? * *", "is no day of the month"),
        ("5/10 * * * *", "is no minute"),
        ("/10 * * * *", "is no minute"),
        ("*/0 * * * *", "is no minute"),
        ("*/60 * * * *", "is no minute"),
        ("*/-1 * * * *", "is no minute"),
        ("*,5 * * * *", "is no minute"),
        ("5,,6 * * * *", "is no minute"),
        ("1-2-3 * * * *", "is no minute"),
        ("1-5/2/2 * * * *", "is no minute"),
        ("+5 * * * *", "is no minute"),
        ("005 * * * *", "is no minute"),
        ("٣ * * * *", "is no minute"),
        ("H * * * *", "is no minute"),
    ] {
        let problem = Clockwork::of(&schedule(cron, "Etc/UTC")).map(|_| ()).expect_err(cron);
        assert!(problem.contains(says), "{cron}: {problem}");
        assert!(problem.contains("spec.schedule.cron") && problem.ends_with('.'), "{problem}");
    }
    let long = "1,".repeat(5000);
    let problem = Clockwork::of(&schedule(&long, "Etc/UTC")).map(|_| ()).unwrap_err();
    assert!(problem.contains("longer than 128 characters") && problem.len() < 300, "{problem}");
}

#[test]
fn a_day_that_no_month_has_never_occurs() {
    for (cron, never) in [
        ("0 0 30 2 *", true),
        ("0 0 31 2,4,6,9,11 *", true),
        ("0 0 31 4 *", true),
        ("0 0 29 2 *", false),
        ("0 0 30,31 2-4 *", false),
        ("0 0 30 2 1", false),
        ("0 0 */31 2 *", false),
    ] {
        let refused = Clockwork::of(&schedule(cron, "Etc/UTC")).map(|_| ()).err();
        assert_eq!(
            refused.as_ref().is_some_and(|problem| problem.contains("never occurs")),
            never,
            "{cron}: {refused:?}"
        );
    }
}

#[test]
fn a_zone_is_one_of_those_that_are_built_in() {
    for zone in ["Etc/UTC", "UTC", "Europe/Berlin", "america/st_johns", "Asia/Kolkata", "Australia/Lord_Howe", "GMT"] {
        Clockwork::of(&schedule("0 2 * * *", zone)).unwrap_or_else(|problem| panic!("{zone}: {problem}"));
    }
    for zone in ["", "Mars/Olympus", "Europe/", "+02:00", "CET-1CEST,M3.5.0,M10.5.0/3", "Local", "../etc/passwd"] {
        let problem = Clockwork::of(&schedule("0 2 * * *", zone)).map(|_| ()).expect_err(zone);
        assert!(problem.contains(&format!("{zone:?}")) && problem.contains("spec.schedule.timeZone"), "{problem}");
    }
}

#[test]
fn the_shortest_time_between_two_ticks_is_that_of_the_hours_and_minutes() {
    for (cron, minutes) in [
        ("* * * * *", 1),
        ("*/5 * * * *", 5),
        ("*/7 * * * *", 4),
        ("0,30 * * * *", 30),
        ("0 * * * *", 60),
        ("0 2 * * *", 1440),
        ("0 0,23 * * *", 60),
        ("55 23 * * 1", 1440),
        ("0 1,9 * * *", 480),
    ] {
        assert_eq!(Expression::parse(cron).unwrap().shortest_minutes(), minutes, "{cron}");
    }
}

#[test]
fn a_delay_is_below_the_shortest_time_between_two_ticks() {
    let jittered = |cron: &str, seconds| Schedule { jitter: Duration::from_secs(seconds), ..schedule(cron, "Etc/UTC") };
    for (cron, seconds, fits) in [
        ("* * * * *", 59, true),
        ("* * * * *", 60, false),
        ("*/5 * * * *", 299, true),
        ("*/5 * * * *", 300, false),
        ("0 * * * *", 3600, false),
        ("0 2 * * *", 3600, true),
    ] {
        let refused = Clockwork::of(&jittered(cron, seconds)).map(|_| ()).err();
        assert_eq!(refused.is_none(), fits, "{cron}, {seconds} s");
        assert!(refused.is_none_or(|problem| problem.contains(&format!("spec.schedule.jitterSeconds is {seconds}"))));
    }
}
