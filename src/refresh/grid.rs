//! Times that come again and again at an even distance, and not for all at once.

use std::time::Duration;

use jiff::Timestamp;

/// The last time of a grid up to `now`, and the next one. `place` tells where in its interval it lies: those of different places
/// come at different times, and each at the same after every restart. None without an interval of a second at least.
pub(super) fn around(place: u64, interval: Duration, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let place = i64::try_from(place.checked_rem(interval.as_secs())?).ok()?;
    let interval = i64::try_from(interval.as_secs()).ok()?;
    let last = now.as_second() - (now.as_second() - place).rem_euclid(interval);
    Some((Timestamp::from_second(last).ok()?, Timestamp::from_second(last + interval).ok()?))
}
