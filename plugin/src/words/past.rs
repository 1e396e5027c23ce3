//! The last runs of a refresh as a table.

use jiff::Timestamp;
use milvus_refresh_operator::api::PastRun;

use super::state::tone_of_class;
use crate::screen::{Column, Span, Table, age, duration};

/// The runs that have ended, newest first. Of one that completed there is no more to say.
pub fn past_runs(runs: &[PastRun], now: Timestamp) -> Table {
    let failed = runs.iter().any(|run| run.class.is_some());
    let mut columns = vec![
        Column::key("RUN"),
        Column::ranked("CAUSE", 2),
        Column::ranked("ENDED", 1),
        Column::ranked("DURATION", 3),
        Column::key("RESULT"),
        Column::ranked("TRIGGER", 6),
        Column::ranked("JOB", 5),
    ];
    columns.extend(failed.then(|| Column::text("MESSAGE", 4)));
    let mut table = Table::new(columns);
    for run in runs {
        let mut row = row(run, now);
        let message = if run.class.is_some() { &*run.message } else { "" };
        row.extend(failed.then(|| Span::from(message)));
        table.push(row);
    }
    table
}

fn row(run: &PastRun, now: Timestamp) -> Vec<Span> {
    let or_none = |text: Option<String>| Span::from(text.unwrap_or_else(|| "-".to_owned()));
    let ended = run.completion_time.as_ref().map(|time| format!("{} ago", age(time.0, now)));
    vec![
        Span::from(run.number.to_string()),
        or_none(run.cause.clone()),
        or_none(ended),
        or_none(took(run).map(duration)),
        Span::new(tone_of_class(run.class.as_deref()), result(run)),
        or_none(run.trigger.clone()),
        or_none(run.job_id.clone()),
    ]
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
