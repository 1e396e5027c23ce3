//! How long a server asks to be left alone.

use std::time::Duration;

use hyper::{HeaderMap, header};
use jiff::{Timestamp, fmt::rfc2822};

const LONGEST: Duration = Duration::from_secs(3600);

/// The pause of `Retry-After`, at most an hour: seconds, or a date, which counts from the server's own one.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let date = |text| rfc2822::parse(text).ok().map(|time| time.timestamp());
    let wanted = text(header::RETRY_AFTER)?;
    let pause = match wanted.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let now: Timestamp = date(text(header::DATE)?)?;
            date(wanted)?.duration_since(now).try_into().ok()?
        }
    };
    Some(pause.min(LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pause(headers: &[(&'static str, &str)]) -> Option<u64> {
        let headers =
            headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        retry_after(&headers.collect()).map(|pause| pause.as_secs())
    }

    #[test]
    fn a_pause_is_in_seconds_or_until_a_date_and_at_most_an_hour() {
        let now = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(pause(&[("retry-after", "7")]), Some(7));
        assert_eq!(pause(&[("retry-after", "99999")]), Some(3600));
        assert_eq!(pause(&[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT"), now]), Some(30));
        for nothing in [&[][..], &[("retry-after", "soon")], &[("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")]] {
            assert_eq!(pause(nothing), None);
        }
        assert_eq!(pause(&[("retry-after", "Wed, 31 Dec 2025 00:00:30 GMT"), now]), None, "gone by");
    }
}
