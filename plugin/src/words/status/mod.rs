//! One refresh on one page.

mod conditions;
mod events;
mod facts;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};

use super::past_runs;
use crate::screen::{Bars, Line, Span, Tone};

/// All that is shown of a refresh.
pub struct Whole<'a> {
    /// The refresh.
    pub object: &'a ExternalCollectionRefresh,
    /// Its connection: none if it does not exist, or why it cannot be had.
    pub connection: Result<Option<&'a MilvusConnection>, &'a str>,
    /// Its Events in any order, or why they cannot be had.
    pub events: Result<Vec<&'a Event>, &'a str>,
    /// Why it runs or does not.
    pub why: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// The page, in a window of this width; without one its lines are as long as they are.
pub fn status(whole: &Whole<'_>, bars: Option<Bars>, window: Option<usize>) -> Vec<Line> {
    let title = |text: &str| [Line::new(), Line::from(Span::new(Tone::Strong, text))];
    let status = whole.object.status.as_ref();
    let mut lines = facts::facts(whole, bars, window);
    if let Some(status) = status.filter(|status| !status.conditions.is_empty()) {
        lines.extend(title("Conditions"));
        lines.extend(conditions::in_words(&status.conditions, whole.now, window));
    }
    if let Some(checks) = status.and_then(|status| status.verification.as_ref()).filter(|it| !it.checks.is_empty()) {
        lines.extend(title("Checks"));
        lines.extend(facts::checks(checks).lines(window));
    }
    if let Some(status) = status.filter(|status| !status.history.is_empty()) {
        lines.extend(title("Last runs"));
        lines.extend(past_runs(&status.history, whole.now).lines(window));
    }
    lines.extend(title("Events"));
    lines.extend(events::lines(&whole.events, whole.now, window));
    lines
}

#[cfg(test)]
mod tests;
