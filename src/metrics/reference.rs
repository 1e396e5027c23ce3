//! The metrics as a part of `docs/reference.md`: what their page itself says of them.

use std::{fmt::Write as _, time::Duration};

use axum::http::Method;
use jiff::Timestamp;

use super::{Metrics, Options};
use crate::{
    api::ConnectionReason,
    milvus::JobId,
    object::Key,
    refresh::{Recorded, ScheduleRecord, Success, WatchRecord},
};

/// The reference's part about the metrics, as Markdown.
pub fn table() -> String {
    let mut out = "\n## Metrics\n\n| metric | type | labels | |\n|---|---|---|---|\n".to_owned();
    let page = with_a_series_of_each().page(Timestamp::UNIX_EPOCH, false).unwrap_or_default();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else { continue };
        let kind = lines.next().and_then(|line| line.rsplit_once(' ')).map_or("", |(_, kind)| kind);
        let labels = lines.peek().map(|sample| labels(sample).join(", ")).unwrap_or_default();
        let help = help.replace('<', "&lt;").replace('|', "\\|");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `{name}` | {kind} | {labels} | {help} |");
    }
    out
}

/// A metric without a series is not on the page, and some have none from the start.
fn with_a_series_of_each() -> Metrics {
    let metrics = Metrics::new(Options { per_object: true, lease: String::new() });
    metrics.calls.ended("", None, Duration::ZERO);
    metrics.requests.count("", &Method::GET, None);
    let object = Key { namespace: String::new(), name: String::new() };
    metrics.connections.set(&object, ConnectionReason::Connected);
    let success = Success { time: Timestamp::UNIX_EPOCH, job: JobId(1) };
    let (last, next) = (Some(Timestamp::UNIX_EPOCH), Some(Timestamp::UNIX_EPOCH));
    let schedule = Some(ScheduleRecord { last, next, ..ScheduleRecord::default() });
    let watch = Some(WatchRecord { pending_since: last, ..WatchRecord::default() });
    let record = Recorded { last_success: Some(success), schedule, watch, ..Recorded::default() };
    metrics.refreshes.observe("", &object, &record);
    metrics
}

/// The names of a sample's labels, without the one that tells the buckets of a histogram apart.
fn labels(sample: &str) -> Vec<String> {
    let inside = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
    let names = inside.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    names.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_metric_that_is_registered_has_a_row() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics");
        let sources = fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let call = concat!("registry", ".register(");
        let registered: usize = sources.map(|source| source.matches(call).count()).sum();
        assert_eq!(table().matches("\n| `").count(), registered, "with_a_series_of_each lacks a sample\n{}", table());
    }

    #[test]
    fn a_row_has_the_metrics_type_and_its_labels_without_buckets() {
        let table = table();
        for row in [
            "| `milvus_refresh_runs_total` | counter | `result`, `class`, `cause` | ",
            "| `milvus_refresh_in_progress` | gauge |  | ",
            "| `milvus_refresh_duration_seconds` | histogram | `result` | ",
            "| `milvus_refresh_milvus_rpc_duration_seconds` | histogram | `method`, `code` | ",
        ] {
            assert!(table.contains(row), "{row}\n{table}");
        }
    }
}
