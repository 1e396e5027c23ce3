#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use jiff::ToSpan as _;

use super::*;
use crate::{
    api::ConnectionReason,
    milvus::{JobId, JobState},
    refresh::{
        Cause, FailureClass, Fresh, FreshReason, JobRecord, PastRun, Reason, Recorded, Run, ScheduleRecord, Success,
        Summary, WatchRecord,
    },
};

fn key(name: &str) -> Key {
    Key { namespace: "shop".to_owned(), name: name.to_owned() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn queued(run: i64) -> Recorded {
    let summary = Summary { reason: Reason::Queued, message: String::new() };
    Recorded {
        run: Some(Run { number: run, queued_time: Some(at(100)), ..Run::default() }),
        job: JobRecord { state: Some(JobState::Pending), ..JobRecord::default() },
        summary: Some(summary),
        history: (1..run).rev().map(|number| past(number, None, 220)).collect(),
        ..Recorded::default()
    }
}

fn past(number: i64, failure: Option<FailureClass>, end: i64) -> PastRun {
    PastRun {
        number,
        cause: None,
        trigger: None,
        job: Some(JobId(7)),
        failure,
        start_time: None,
        completion_time: Some(at(end)),
        message: String::new(),
    }
}

fn running(run: i64) -> Recorded {
    let mut record = queued(run);
    record.run.as_mut().unwrap().submit_time = Some(at(160));
    record.job.id = Some(JobId(7));
    record.job.state = Some(JobState::InProgress);
    record.summary.as_mut().unwrap().reason = Reason::RefreshInProgress;
    record
}

fn completed(run: i64) -> Recorded {
    let mut record = running(run);
    record.job.state = Some(JobState::Completed);
    record.job.completion_time = Some(at(220));
    record.last_success = Some(Success { time: at(220), job: JobId(7) });
    record.summary.as_mut().unwrap().reason = Reason::RefreshCompleted;
    record.history.insert(0, past(run, None, 220));
    record
}

fn failed(run: i64, class: FailureClass) -> Recorded {
    let mut record = running(run);
    record.job.state = Some(JobState::Failed);
    record.job.completion_time = Some(at(90));
    record.failure = Some(class);
    record.history.insert(0, past(run, Some(class), 90));
    record.summary.as_mut().unwrap().reason = Reason::Failed(class);
    record
}

/// The value of a series, which is there.
fn value(metrics: &Metrics, series: &str) -> f64 {
    let page = metrics.page(at(1000), false).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} on the page\n{page}")).parse().unwrap()
}

const COMPLETED: &str = r#"milvus_refresh_runs_total{result="completed",class="",cause=""}"#;

#[test]
fn everything_with_a_closed_set_of_labels_is_there_from_the_start_at_zero() {
    let page = Metrics::default().page(at(1000), false).unwrap();
    let samples = || page.lines().filter(|line| !line.starts_with('#'));
    let names: BTreeSet<&str> = samples().map(|line| &line[..line.find(['{', ' ']).unwrap()]).collect();
    for name in [
        "controller_runtime_active_workers",
        "controller_runtime_max_concurrent_reconciles",
        "controller_runtime_reconcile_errors_total",
        "controller_runtime_reconcile_panics_total",
        "controller_runtime_reconcile_time_seconds_bucket",
        "controller_runtime_reconcile_total",
        "leader_election_master_status",
        "milvus_refresh_adopted_jobs_total",
        "milvus_refresh_connections",
        "milvus_refresh_duration_seconds_bucket",
        "milvus_refresh_in_progress",
        "milvus_refresh_objects",
        "milvus_refresh_oldest_run_age_seconds",
        "milvus_refresh_queue_length",
        "milvus_refresh_runs_total",
        "milvus_refresh_schedule_missed_total",
        "milvus_refresh_undecodable_objects_total",
        "milvus_refresh_unwritten_objects",
        "workqueue_adds_total",
        "workqueue_depth",
        "workqueue_queue_duration_seconds_bucket",
    ] {
        assert!(names.contains(name), "{name} is missing in\n{page}");
    }
    for sample in samples().filter(|sample| !sample.starts_with("milvus_refresh_build_info")) {
        let value: f64 = sample.rsplit(' ').next().unwrap().parse().unwrap();
        assert_eq!(value, 0.0, "{sample}");
    }
    for class in FailureClass::ALL {
        assert!(page.contains(&format!(r#"{{result="failed",class="{}",cause=""}} 0"#, class.as_str())), "{class:?}");
    }
}

#[test]
fn the_end_of_a_run_counts_once_however_often_it_is_told() {
    let metrics = Metrics::default();
    for record in [Recorded::default(), queued(1), running(1), completed(1), completed(1), completed(1)] {
        metrics.refreshes.observe("u", &key("a"), &record);
    }
    assert_eq!(value(&metrics, COMPLETED), 1.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_duration_seconds_sum{result="completed"}"#), 120.0);
    for record in [queued(2), failed(2, FailureClass::SourceEmpty), failed(2, FailureClass::SourceEmpty)] {
        metrics.refreshes.observe("u", &key("a"), &record);
    }
    assert_eq!(value(&metrics, COMPLETED), 1.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_runs_total{result="failed",class="SourceEmpty",cause=""}"#), 1.0);
}

#[test]
fn the_end_of_a_run_counts_also_where_the_same_write_opens_the_next_one() {
    let metrics = Metrics::default();
    for record in [running(1), queued(2), queued(2)] {
        metrics.refreshes.observe("u", &key("a"), &record);
    }
    assert_eq!(value(&metrics, COMPLETED), 1.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_duration_seconds_sum{result="completed"}"#), 120.0);
}

#[test]
fn runs_are_counted_by_their_cause_whose_series_begin_with_the_run() {
    let metrics = Metrics::default();
    let failed_by_the_clock = r#"milvus_refresh_runs_total{result="failed",class="SourceEmpty",cause="Schedule"}"#;
    assert!(!metrics.page(at(1000), false).unwrap().contains(r#"cause="Schedule""#));
    let mut opened = queued(2);
    opened.run.as_mut().unwrap().cause = Some(Cause::Schedule);
    metrics.refreshes.observe("u", &key("a"), &opened);
    assert_eq!(value(&metrics, failed_by_the_clock), 0.0, "an increase can be seen");
    let mut ended = failed(2, FailureClass::SourceEmpty);
    ended.history[0].cause = Some(Cause::Schedule);
    metrics.refreshes.observe("u", &key("a"), &ended);
    assert_eq!(value(&metrics, failed_by_the_clock), 1.0);
}

#[test]
fn the_times_of_schedules_are_shown_by_object_where_that_is_asked_for() {
    let metrics = Metrics::new(Options { per_object: true, lease: String::new() });
    let schedule = ScheduleRecord { last: Some(at(300)), next: Some(at(900)), ..ScheduleRecord::default() };
    metrics.refreshes.observe("u", &key("a"), &Recorded { schedule: Some(schedule), ..completed(1) });
    metrics.refreshes.observe("v", &key("b"), &completed(1));
    for (name, seconds) in [("last", 300), ("next", 900)] {
        let series = format!(r#"milvus_refresh_{name}_schedule_timestamp_seconds{{namespace="shop",name="a"}}"#);
        assert_eq!(value(&metrics, &series), at(seconds).as_second() as f64);
    }
    let page = metrics.page(at(1000), false).unwrap();
    assert!(!page.contains(r#"schedule_timestamp_seconds{namespace="shop",name="b"}"#), "{page}");
}

#[test]
fn the_lag_is_the_age_of_the_oldest_change_that_may_be_refreshed() {
    let metrics = Metrics::new(Options { per_object: true, lease: String::new() });
    let lag = || {
        let page = metrics.page(at(1000), false).unwrap();
        let line = page.lines().find(|line| line.starts_with("milvus_refresh_source_lag_seconds ")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()
    };
    let pending = |seconds, suspended: Option<&str>| {
        let fresh = Some(Fresh { reason: FreshReason::ChangePending, message: String::new() });
        let watch = Some(WatchRecord { pending_since: Some(at(seconds)), fresh, ..WatchRecord::default() });
        Recorded { watch, suspended: suspended.map(str::to_owned), ..completed(1) }
    };
    metrics.refreshes.observe("u", &key("a"), &completed(1));
    assert_eq!(lag(), 0);
    metrics.refreshes.observe("v", &key("b"), &pending(700, None));
    metrics.refreshes.observe("w", &key("c"), &pending(400, None));
    metrics.refreshes.observe("x", &key("d"), &pending(100, Some("held")));
    assert_eq!(lag(), 600);
    assert_eq!(value(&metrics, r#"milvus_refresh_source_fresh{reason="ChangePending"}"#), 3.0);
    let series = r#"milvus_refresh_source_pending_since_timestamp_seconds{namespace="shop",name="c"}"#;
    assert_eq!(value(&metrics, series), at(400).as_second() as f64);
    metrics.refreshes.forget("w");
    assert_eq!(lag(), 300);
}

#[test]
fn a_run_whose_beginning_was_missed_counts_and_one_that_was_over_already_does_not() {
    let metrics = Metrics::default();
    metrics.refreshes.observe("over", &key("a"), &completed(3));
    assert_eq!(value(&metrics, COMPLETED), 0.0);
    metrics.refreshes.observe("over", &key("a"), &completed(4));
    assert_eq!(value(&metrics, COMPLETED), 1.0);
}

#[test]
fn an_end_before_the_beginning_by_another_clock_takes_no_time() {
    let metrics = Metrics::default();
    metrics.refreshes.observe("u", &key("a"), &running(1));
    metrics.refreshes.observe("u", &key("a"), &failed(1, FailureClass::JobLost));
    assert_eq!(value(&metrics, r#"milvus_refresh_duration_seconds_sum{result="failed"}"#), 0.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_duration_seconds_count{result="failed"}"#), 1.0);
}

#[test]
fn an_adopted_job_counts_once_per_run() {
    let metrics = Metrics::default();
    let adopted = |mut record: Recorded| {
        record.run.as_mut().unwrap().adopted = true;
        record
    };
    for record in [queued(1), adopted(running(1)), adopted(running(1)), adopted(completed(1)), adopted(running(2))] {
        metrics.refreshes.observe("u", &key("a"), &record);
    }
    assert_eq!(value(&metrics, "milvus_refresh_adopted_jobs_total"), 2.0);
}

#[test]
fn runs_are_queued_or_in_progress_until_they_are_over_and_age_from_the_oldest() {
    let metrics = Metrics::default();
    metrics.refreshes.observe("a", &key("a"), &queued(1));
    metrics.refreshes.observe("b", &key("b"), &running(1));
    let mut younger = running(1);
    younger.run.as_mut().unwrap().submit_time = Some(at(1000).saturating_sub(1.second()).unwrap());
    metrics.refreshes.observe("c", &key("c"), &younger);
    metrics.refreshes.observe("d", &key("d"), &Recorded::default());
    assert_eq!(value(&metrics, "milvus_refresh_queue_length"), 1.0);
    assert_eq!(value(&metrics, "milvus_refresh_in_progress"), 2.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_oldest_run_age_seconds{phase="queued"}"#), 900.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_oldest_run_age_seconds{phase="in_progress"}"#), 840.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_objects{reason="RefreshInProgress"}"#), 2.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_objects{reason="New"}"#), 1.0);
    metrics.refreshes.observe("b", &key("b"), &completed(1));
    metrics.refreshes.forget("c");
    assert_eq!(value(&metrics, "milvus_refresh_in_progress"), 0.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_oldest_run_age_seconds{phase="in_progress"}"#), 0.0);
}

#[test]
fn objects_are_named_only_where_that_is_asked_for_and_only_so_many() {
    for per_object in [false, true] {
        let metrics = Metrics::new(Options { per_object, lease: String::new() });
        for number in 0..=MOST_OBJECTS {
            metrics.refreshes.observe(&number.to_string(), &key(&format!("r{number}")), &completed(1));
            metrics.connections.set(&key(&format!("c{number}")), ConnectionReason::Connected);
        }
        let page = metrics.page(at(1000), false).unwrap();
        let count = |name: &str| page.lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
        let expected = if per_object { MOST_OBJECTS } else { 0 };
        assert_eq!(count("milvus_refresh_last_success_timestamp_seconds"), expected);
        assert_eq!(count("milvus_refresh_connection_ready"), expected);
        assert_eq!(page.contains(r#"namespace="shop""#), per_object);
    }
}

#[test]
fn connections_are_counted_by_reason_and_a_reason_that_went_away_stays_at_zero() {
    let metrics = Metrics::default();
    metrics.connections.set(&key("a"), ConnectionReason::Unreachable);
    metrics.connections.set(&key("b"), ConnectionReason::Connected);
    assert_eq!(value(&metrics, r#"milvus_refresh_connections{reason="Unreachable"}"#), 1.0);
    metrics.connections.set(&key("a"), ConnectionReason::Connected);
    assert_eq!(value(&metrics, r#"milvus_refresh_connections{reason="Unreachable"}"#), 0.0);
    assert_eq!(value(&metrics, r#"milvus_refresh_connections{reason="Connected"}"#), 2.0);
    metrics.connections.remove(&key("b"));
    assert_eq!(value(&metrics, r#"milvus_refresh_connections{reason="Connected"}"#), 1.0);
}

#[test]
fn a_pass_that_is_dropped_is_not_active_any_more_and_not_counted() {
    let metrics = Metrics::default();
    let pass = metrics.passes.begin(REFRESH);
    assert_eq!(value(&metrics, r#"controller_runtime_active_workers{controller="refresh"}"#), 1.0);
    drop(pass);
    assert_eq!(value(&metrics, r#"controller_runtime_active_workers{controller="refresh"}"#), 0.0);
    assert_eq!(value(&metrics, r#"controller_runtime_reconcile_time_seconds_count{controller="refresh"}"#), 0.0);
    metrics.passes.begin(REFRESH).ended(Outcome::Panic);
    assert_eq!(value(&metrics, r#"controller_runtime_reconcile_total{controller="refresh",result="error"}"#), 1.0);
    assert_eq!(value(&metrics, r#"controller_runtime_reconcile_errors_total{controller="refresh"}"#), 1.0);
    assert_eq!(value(&metrics, r#"controller_runtime_reconcile_panics_total{controller="refresh"}"#), 1.0);
}

#[test]
fn an_object_that_is_asked_for_twice_waits_once() {
    let metrics = Metrics::default();
    metrics.workqueue.add(REFRESH, key("a"));
    metrics.workqueue.add(REFRESH, key("a"));
    metrics.workqueue.add(CONNECTION, key("a"));
    assert_eq!(value(&metrics, r#"workqueue_depth{name="refresh"}"#), 1.0);
    metrics.workqueue.taken(REFRESH, key("a"));
    metrics.workqueue.taken(REFRESH, key("a"));
    assert_eq!(value(&metrics, r#"workqueue_depth{name="refresh"}"#), 0.0);
    assert_eq!(value(&metrics, r#"workqueue_depth{name="connection"}"#), 1.0);
    assert_eq!(value(&metrics, r#"workqueue_adds_total{name="refresh"}"#), 1.0);
    assert_eq!(value(&metrics, r#"workqueue_queue_duration_seconds_count{name="refresh"}"#), 1.0);
}
