//! Events, the newest last.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use super::facts::LABEL;
use crate::screen::{Line, Span, Tone, age, wrapped};

/// As many fit on a page; a run has four or five.
const SHOWN: usize = 12;

/// The newest Events, or why there are none.
pub fn lines(events: &Result<Vec<&Event>, &str>, now: Timestamp, window: Option<usize>) -> Vec<Line> {
    let events = match events {
        Ok(events) if events.is_empty() => {
            return vec![Line::from(Span::new(Tone::Faint, "None: the API server keeps them for an hour, usually."))];
        }
        Ok(events) => events,
        Err(why) => return wrapped(Line::new(), Tone::Held, why, window),
    };
    let mut newest: Vec<_> = events.iter().map(|event| (last_seen(event), *event)).collect();
    newest.sort_by_key(|(time, _)| *time);
    let older = newest.len().saturating_sub(SHOWN);
    newest.into_iter().skip(older).flat_map(|(time, event)| in_words(time, event, now, window)).collect()
}

fn in_words(time: Option<Timestamp>, event: &Event, now: Timestamp, window: Option<usize>) -> Vec<Line> {
    let times = event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1);
    let times = if times > 1 { format!(" (x{times})") } else { String::new() };
    let tone = if event.type_.as_deref() == Some("Warning") { Tone::Held } else { Tone::Plain };
    let seen = time.map_or("-".to_owned(), |time| format!("{}{times}", age(time, now)));
    let [reason, message] = [&event.reason, &event.message].map(|text| text.as_deref().unwrap_or_default());
    wrapped(Line::from(Span::new(Tone::Faint, seen)).padded(LABEL), tone, &format!("{reason}: {message}"), window)
}

/// The last time that it happened.
fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    series.or(last).or(first).or(event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}
