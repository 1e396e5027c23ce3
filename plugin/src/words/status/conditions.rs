//! Conditions in words.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use milvus_refresh_operator::api::{COMPLETE, FAILED, READY, RECONCILING, SOURCE_FRESH, STALLED, SUSPENDED, VERIFIED};

use crate::screen::{Line, Span, Tone, age, wrapped};

/// The types, in the order in which they are told.
const TYPES: [&str; 8] = [READY, STALLED, SUSPENDED, RECONCILING, COMPLETE, FAILED, VERIFIED, SOURCE_FRESH];

/// What a condition means, and whether that is good. None where it says nothing: most are false most of the time.
fn meaning(type_: &str, status: &str) -> Option<(&'static str, Tone)> {
    Some(match (type_, status) {
        (READY, "True") => ("ready", Tone::Good),
        (READY, "False") => ("not ready", Tone::Bad),
        (READY, _) => ("not ready yet", Tone::Busy),
        (STALLED, "True") => ("nothing goes on until somebody changes something", Tone::Bad),
        (SUSPENDED, "True") => ("starts are held", Tone::Held),
        (RECONCILING, "True") => ("the operator is at it", Tone::Busy),
        (COMPLETE, "True") => ("the last run completed", Tone::Good),
        (FAILED, "True") => ("the last run failed", Tone::Bad),
        (VERIFIED, "True") => ("what was refreshed is served", Tone::Good),
        (VERIFIED, "False") => ("what was refreshed is not served as it should be", Tone::Bad),
        (VERIFIED, _) => ("whether what was refreshed is served is not known", Tone::Held),
        (SOURCE_FRESH, "True") => ("the collection has what its source has", Tone::Good),
        (SOURCE_FRESH, "False") => ("the collection does not have what its source has", Tone::Held),
        (SOURCE_FRESH, _) => ("what the source has is not known", Tone::Held),
        _ => return None,
    })
}

/// Those that say something, each with its reason, since when, and its message unless that was told before.
pub fn in_words(conditions: &[Condition], now: Timestamp, window: Option<usize>) -> Vec<Line> {
    let mut told: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    let ordered = TYPES.iter().filter_map(|type_| conditions.iter().find(|condition| condition.type_ == *type_));
    for condition in ordered {
        let Some((means, tone)) = meaning(&condition.type_, &condition.status) else { continue };
        let since = age(condition.last_transition_time.0, now);
        let news = !condition.message.is_empty() && !told.contains(&condition.message.as_str());
        let message = if news { format!(": {}", condition.message) } else { String::new() };
        told.push(&condition.message);
        let label = Line::from(Span::new(tone, &condition.type_)).padded(super::facts::LABEL);
        let text = format!("{means}, for {since} ({}){message}", condition.reason);
        lines.extend(wrapped(label, Tone::Plain, &text, window));
    }
    // Of types that this version does not know the status alone.
    for condition in conditions.iter().filter(|condition| !TYPES.contains(&condition.type_.as_str())) {
        let label = Line::from(&condition.type_).padded(super::facts::LABEL);
        let label = if label.width() > super::facts::LABEL { label.with(" ") } else { label };
        let text = format!("{} ({}): {}", condition.status, condition.reason, condition.message);
        lines.extend(wrapped(label, Tone::Plain, &text, window));
    }
    lines
}
