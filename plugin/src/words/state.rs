//! The state of a refresh in one word, and the tone of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use milvus_refresh_operator::api::{READY, RefreshStatus, STALLED, SUSPENDED};

use crate::screen::Tone;

/// The condition of this type.
pub fn condition<'a>(status: &'a RefreshStatus, type_: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.type_ == type_)
}

/// Milvus' state without its prefix, which every one has; `New` before the operator has seen the object, `Idle` while the first run
/// was not asked for.
pub fn state(status: Option<&RefreshStatus>) -> (String, Tone) {
    let Some(status) = status.filter(|status| status.observed_generation.is_some_and(|seen| seen >= 0)) else {
        return ("New".to_owned(), Tone::Faint);
    };
    let is = |type_: &str| condition(status, type_).is_some_and(|condition| condition.status == "True");
    let ready = condition(status, READY).map(|ready| ready.reason.as_str());
    let state = match &status.state {
        Some(state) => state.strip_prefix("Refresh").unwrap_or(state),
        None if is(SUSPENDED) => "Suspended",
        None => ready.unwrap_or("New"),
    };
    let tone = match state {
        _ if is(STALLED) => Tone::Bad,
        "Failed" => Tone::Bad,
        _ if is(SUSPENDED) => Tone::Held,
        "Completed" => Tone::Good,
        "InProgress" => Tone::Busy,
        "Pending" if status.failure.is_some() => Tone::Bad,
        "Pending" => Tone::Held,
        _ => Tone::Plain,
    };
    (state.to_owned(), tone)
}

/// The tone of a run's result.
pub fn tone_of_class(class: Option<&str>) -> Tone {
    if class.is_some() { Tone::Bad } else { Tone::Good }
}
