//! How long ago, and how long until: as kubectl writes durations, with two units at most.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long ago `since` is, such as `3m12s` or `5d`. The clocks of two machines differ a little: what lies ahead is `0s`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    duration(now.duration_since(since).as_secs().max(0))
}

/// How long until `time`, such as `in 25m`; `now` where it has come.
pub fn ahead(time: Timestamp, now: Timestamp) -> String {
    match time.duration_since(now).as_secs() {
        ..=0 => "now".to_owned(),
        seconds => format!("in {}", duration(seconds)),
    }
}

/// A moment for a line of a log, to the second.
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// So many seconds, exact where that matters.
pub fn duration(seconds: i64) -> String {
    let two = |whole: i64, unit: &str, rest: i64, smaller: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{smaller}") }
    };
    let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
    match (minutes, hours, days) {
        (..2, ..) => format!("{seconds}s"),
        (..10, ..) => two(minutes, "m", seconds % MINUTE, "s"),
        (..180, ..) => format!("{minutes}m"),
        (_, ..8, _) => two(hours, "h", minutes % 60, "m"),
        (_, ..48, _) => format!("{hours}h"),
        (.., ..8) => two(days, "d", hours % 24, "h"),
        (.., ..730) => format!("{days}d"),
        (.., ..2920) => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn durations_read_as_kubectls_do() {
        let table = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (192, "3m12s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (446_400, "5d4h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ];
        for (seconds, expected) in table {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn what_lies_on_the_wrong_side_of_now_has_no_negative_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!((age(at(10), at(70)).as_str(), age(at(70), at(10)).as_str()), ("60s", "0s"));
        assert_eq!((ahead(at(70), at(10)).as_str(), ahead(at(10), at(70)).as_str()), ("in 60s", "now"));
    }
}
