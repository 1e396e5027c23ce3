//! The last runs of a refresh as a table.

use jiff::Timestamp;
use milvus_refresh_operator::api::PastRun;

use super::state::tone_of_class;
use crate::screen::{Column, Span, Table, age, duration};

/// The runs that have ended, newest first. Of one that completed there is no more to say than its job.
pub fn past_runs(runs: &[PastRun], now: Timestamp) -> Table {
    let failed = runs.iter().any(|run| run.class.is_some());
    let triggered = runs.iter().any(|run| run.trigger.is_some());
    let columns = [
        Some(Column::key("RUN")),
        Some(Column::ranked("CAUSE", 2)),
        Some(Column::ranked("ENDED", 1)),
        Some(Column::ranked("DURATION", 3)),
        Some(Column::key("RESULT")),
        triggered.then(|| Column::ranked("TRIGGER", 6)),
        Some(Column::ranked("JOB", 5)),
        failed.then(|| Column::text("MESSAGE", 4)),
    ];
    let mut table = Table::new(columns.into_iter().flatten().collect::<Vec<_>>());
    for run in runs {
        table.push(row(run, triggered, failed, now));
    }
    table
}

fn row(run: &PastRun, triggered: bool, failed: bool, now: Timestamp) -> Vec<Span> {
    let or_none = |text: Option<String>| Span::from(text.unwrap_or_else(|| "-".to_owned()));
    let ended = run.completion_time.as_ref().map(|time| format!("{} ago", age(time.0, now)));
    let message = if run.class.is_some() { &*run.message } else { "" };
    let cells = [
        Some(Span::from(run.number.to_string())),
        Some(or_none(run.cause.clone())),
        Some(or_none(ended)),
        Some(or_none(took(run).map(duration))),
        Some(Span::new(tone_of_class(run.class.as_deref()), result(run))),
        triggered.then(|| or_none(run.trigger.clone())),
        Some(or_none(run.job_id.clone())),
        failed.then(|| Span::from(message)),
    ];
    cells.into_iter().flatten().collect()
}

/// How long its job took, in seconds.
pub fn took(run: &PastRun) -> Option<i64> {
    let (start, end) = run.start_time.as_ref().zip(run.completion_time.as_ref())?;
    Some(end.0.duration_since(start.0).as_secs()).filter(|seconds| *seconds >= 0)
}

/// How it ended, in one word: the failure class where there is one.
fn result(run: &PastRun) -> &str {
    run.class.as_deref().unwrap_or_else(|| run.state.strip_prefix("Refresh").unwrap_or(&run.state))
}
