//! A refresh as a row of `list`: what has to be kept of an object, so that thousands take little memory.

use jiff::Timestamp;
use kube::ResourceExt;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, READY, RefreshStatus, STALLED, SUSPENDED},
    object::Key,
};

use super::state::{condition, state};
use crate::{
    cluster::{Refresh, unreadable},
    screen::{Bars, Column, Span, Tone, age, ahead, bar},
};

/// Columns of a bar.
const BAR: usize = 10;

/// A refresh.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What else is shown of it, or why this version cannot read it.
    shown: Result<Box<Shown>, Box<str>>,
}

/// What is shown of a refresh that can be read.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    state: (Box<str>, Tone),
    /// Percent of a job, and whether it is running.
    progress: Option<(u8, bool)>,
    reason: Box<str>,
    last_success: Option<Timestamp>,
    next: Next,
    lag: Lag,
    rows: Option<i64>,
    collection: Box<str>,
    cause: Option<Box<str>>,
    created: Option<Timestamp>,
    message: Box<str>,
}

/// When it runs next without being asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    /// Not by itself.
    Never,
    /// Then.
    At(Timestamp),
    /// Not before it is resumed.
    Held,
    /// Not before its schedule is corrected.
    Invalid,
}

/// How far the collection is behind its source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lag {
    /// The source is not watched, or not yet.
    Unknown,
    /// It has what was last seen.
    None,
    /// Since then.
    Since(Timestamp),
}

/// The columns of `list`.
pub fn columns(namespaces: bool, wide: bool) -> Vec<Column> {
    let mut columns = vec![
        Column::key("NAME"),
        Column::ranked("STATE", 1),
        Column::ranked("PROGRESS", 2),
        Column::ranked("REASON", 3),
        Column::ranked("LAST SUCCESS", 4),
        Column::ranked("NEXT", 5),
        Column::ranked("LAG", 6),
        Column::ranked("ROWS", 7),
    ];
    if namespaces {
        columns.insert(0, Column::key("NAMESPACE"));
    }
    if wide {
        columns.extend([
            Column::ranked("COLLECTION", 8),
            Column::ranked("CAUSE", 9),
            Column::ranked("AGE", 10),
            Column::text("MESSAGE", 11),
        ]);
    }
    columns
}

impl Row {
    /// What is kept of it.
    pub fn of(refresh: &Refresh) -> Self {
        Self {
            namespace: refresh.namespace().unwrap_or_default().into(),
            name: refresh.name_any().into(),
            shown: refresh
                .object()
                .map(|object| Box::new(Shown::of(&object)))
                .map_err(|error| unreadable(&Key::of(refresh), &error).into()),
        }
    }

    /// Why this version cannot read it.
    pub fn trouble(&self) -> Option<&str> {
        self.shown.as_ref().err().map(|why| &**why)
    }

    /// Its cells, as of `now`.
    pub fn cells(&self, namespaces: bool, wide: bool, bars: Option<Bars>, now: Timestamp) -> Vec<Span> {
        let mut cells: Vec<Span> = Vec::new();
        if namespaces {
            cells.push(Span::from(&self.namespace));
        }
        cells.push(Span::from(&self.name));
        match &self.shown {
            Ok(shown) => cells.extend(shown.cells(wide, bars, now)),
            Err(_) => {
                cells.push(Span::new(Tone::Bad, "Unreadable"));
                cells.push(Span::from("-"));
                cells.push(Span::new(Tone::Bad, "OtherVersion"));
                let missing = columns(namespaces, wide).len() - cells.len();
                cells.extend(std::iter::repeat_n(Span::from("-"), missing));
            }
        }
        cells
    }

    /// Its cells once it is deleted.
    pub fn cells_of_deleted(&self, namespaces: bool, wide: bool) -> Vec<Span> {
        let mut cells = if namespaces { vec![Span::from(&self.namespace)] } else { Vec::new() };
        cells.extend([Span::from(&self.name), Span::new(Tone::Faint, "Deleted")]);
        cells.resize(columns(namespaces, wide).len(), Span::from("-"));
        cells
    }
}

impl Shown {
    fn of(object: &ExternalCollectionRefresh) -> Self {
        let status = object.status.as_ref();
        let (word, tone) = state(status);
        let ready = status.and_then(|status| condition(status, READY).or_else(|| condition(status, SUSPENDED)));
        let (reason, message) = ready.map(|ready| (ready.reason.as_str(), ready.message.as_str())).unwrap_or_default();
        let checked = status.and_then(|status| status.verification.as_ref());
        let run = status.and_then(|status| status.run.as_ref());
        Self {
            progress: status.and_then(progress),
            state: (word.into(), tone),
            reason: reason.into(),
            last_success: status.and_then(|status| status.last_successful_time.as_ref()).map(|time| time.0),
            next: Next::of(object),
            lag: Lag::of(status),
            rows: checked.and_then(|checked| checked.served_rows.or(checked.mapped_rows)),
            collection: object.spec.collection_name.as_str().into(),
            cause: run.and_then(|run| run.cause.as_deref()).map(Into::into),
            created: object.metadata.creation_timestamp.as_ref().map(|time| time.0),
            message: message.into(),
        }
    }

    fn cells(&self, wide: bool, bars: Option<Bars>, now: Timestamp) -> Vec<Span> {
        let none = || Span::from("-");
        let ago = |time: Option<Timestamp>| time.map_or_else(none, |time| Span::from(age(time, now)));
        let text = |text: &str| if text.is_empty() { none() } else { Span::from(text) };
        let mut cells = vec![
            Span::new(self.state.1, &self.state.0),
            match (self.progress, bars) {
                (Some((percent, true)), Some(bars)) => {
                    Span::new(Tone::Busy, format!("{} {percent:>3}%", bar(bars, percent, BAR)))
                }
                (Some((percent, _)), _) => Span::from(format!("{percent}%")),
                (None, _) => none(),
            },
            text(&self.reason),
            match self.last_success {
                Some(time) => Span::from(format!("{} ago", age(time, now))),
                None => Span::from("never"),
            },
            match self.next {
                Next::Never => none(),
                Next::At(time) => Span::from(ahead(time, now)),
                Next::Held => Span::new(Tone::Held, "suspended"),
                Next::Invalid => Span::new(Tone::Bad, "invalid"),
            },
            match self.lag {
                Lag::Unknown => none(),
                Lag::None => Span::from("0s"),
                Lag::Since(since) => Span::new(Tone::Held, age(since, now)),
            },
            self.rows.map_or_else(none, |rows| Span::from(rows.to_string())),
        ];
        if wide {
            cells.extend([
                text(&self.collection),
                self.cause.as_deref().map_or_else(none, Span::from),
                ago(self.created),
                text(&self.message),
            ]);
        }
        cells
    }
}

/// How far its job is, and whether that goes on.
fn progress(status: &RefreshStatus) -> Option<(u8, bool)> {
    let percent = u8::try_from(status.progress?.clamp(0, 100)).ok()?;
    Some((percent, status.completion_time.is_none() && status.job_id.is_some()))
}

impl Next {
    fn of(object: &ExternalCollectionRefresh) -> Self {
        let status = object.status.as_ref();
        let retry = status.and_then(|status| status.run.as_ref()?.next_attempt_time.as_ref());
        let tick = status.and_then(|status| status.schedule.as_ref()?.next_schedule_time.as_ref());
        match retry.into_iter().chain(tick).map(|time| time.0).min() {
            _ if object.spec.suspend => Self::Held,
            Some(time) => Self::At(time),
            None if status.is_some_and(has_invalid_schedule) => Self::Invalid,
            None => Self::Never,
        }
    }
}

/// Whether the operator says that the schedule makes no sense.
fn has_invalid_schedule(status: &RefreshStatus) -> bool {
    condition(status, STALLED).is_some_and(|stalled| stalled.status == "True" && stalled.reason == "InvalidSchedule")
}

impl Lag {
    fn of(status: Option<&RefreshStatus>) -> Self {
        let Some(watch) = status.and_then(|status| status.watch.as_ref()) else { return Self::Unknown };
        match (&watch.pending_since, &watch.observed_version) {
            (Some(since), _) => Self::Since(since.0),
            (None, Some(_)) => Self::None,
            (None, None) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    /// The cell NEXT of a refresh at rest.
    fn next(suspend: bool, status: &Value) -> String {
        let refresh: Refresh = serde_json::from_value(json!({ "metadata": { "name": "a", "namespace": "shop" },
            "spec": { "collectionName": "a", "suspend": suspend }, "status": status }))
        .unwrap();
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        Row::of(&refresh).cells(false, false, None, now).get(5).unwrap().text().to_owned()
    }

    #[test]
    fn when_it_runs_next_is_told_or_why_it_does_not() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/refresh/tests/golden/invalid-schedule.json");
        let invalid: Value = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
        let valid = json!({ "schedule": { "nextScheduleTime": "2026-11-26T16:00:00Z" } });
        for (suspend, status, told) in [
            (false, &json!({}), "-"),
            (false, &valid, "in 4h"),
            (true, &valid, "suspended"),
            (false, &invalid, "invalid"),
            (true, &invalid, "suspended"),
        ] {
            assert_eq!(next(suspend, status), told, "{status}");
        }
    }
}
