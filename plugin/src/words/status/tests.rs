//! The page of a refresh that has everything, as a pipe and a window get it.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use serde_json::{Value, json};

use super::{Whole, status};
use crate::screen::{Bars, Line};

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-26T10:00:00Z" })
}

fn refresh() -> ExternalCollectionRefresh {
    let past = |number: i64, class: Option<&str>, start: &str, end: &str| {
        json!({ "number": number, "cause": "Schedule", "state": if class.is_some() { "RefreshFailed" } else { "RefreshCompleted" },
            "class": class, "jobID": format!("46000000000000{number:04}"), "startTime": start, "completionTime": end,
            "message": "Job refreshed collection products." })
    };
    serde_json::from_value(json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": { "name": "products", "namespace": "shop", "generation": 2 },
        "spec": {
            "collectionName": "products", "trigger": "v2", "schedule": { "cron": "15 2 * * *", "timeZone": "Europe/Berlin" },
            "watch": { "objects": {} },
        },
        "status": {
            "observedGeneration": 2, "state": "RefreshInProgress", "progress": 40, "jobID": "460000000000000003",
            "startTime": "2026-11-26T10:00:00Z", "lastSuccessfulTime": "2026-11-26T02:20:00Z",
            "run": { "number": 3, "cause": "Trigger", "trigger": "v2", "attempt": 2, "failures": 1,
                "queuedTime": "2026-11-26T09:59:00Z", "externalSource": "s3://bucket/products/" },
            "schedule": { "cron": "15 2 * * *", "timeZone": "Europe/Berlin", "nextScheduleTime": "2026-11-27T01:15:00Z" },
            "watch": { "objects": 12, "bytes": 34_100_000, "changedTime": "2026-11-26T09:50:00Z",
                "pendingSince": "2026-11-26T09:50:00Z" },
            "verification": { "run": 2, "servedRows": 1200, "mappedRows": 1201, "time": "2026-11-26T02:21:00Z", "checks": [
                { "name": "rows", "outcome": "Passed", "observed": 1201 },
                { "name": "count", "outcome": "Failed", "observed": 1200, "expected": 1201, "message": "A row is missing." } ] },
            "history": [
                past(2, None, "2026-11-26T02:15:00Z", "2026-11-26T02:20:00Z"),
                past(1, Some("SourceEmpty"), "2026-11-25T02:15:00Z", "2026-11-25T02:16:00Z") ],
            "conditions": [
                condition("Ready", "Unknown", "RefreshInProgress", "Job 460000000000000003 refreshes collection products."),
                condition("Complete", "False", "RefreshInProgress", ""),
                condition("Reconciling", "True", "RefreshInProgress", "Job 460000000000000003 refreshes collection products."),
                condition("Verified", "False", "RowsNotServed", "A check failed."),
                condition("Future", "True", "Because", "Of a later version.") ],
        },
    }))
    .unwrap()
}

fn connection() -> MilvusConnection {
    serde_json::from_value(json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection", "metadata": { "name": "default" },
        "spec": { "address": "http://milvus:19530" },
        "status": { "endpoint": "http://milvus:19530", "serverVersion": "3.0.1",
            "conditions": [condition("Ready", "True", "Connected", "")] },
    }))
    .unwrap()
}

fn events() -> Vec<Event> {
    let event = |reason: &str, type_: &str, time: &str, times: i32| {
        serde_json::from_value(json!({
            "metadata": { "name": reason }, "involvedObject": {}, "reason": reason, "type": type_,
            "message": "Job 460000000000000003 refreshes collection products.", "eventTime": time,
            "series": { "count": times, "lastObservedTime": time },
        }))
        .unwrap()
    };
    vec![
        event("RefreshStarted", "Normal", "2026-11-26T10:00:01.000000Z", 1),
        event("ServerInternal", "Warning", "2026-11-26T09:59:30.000000Z", 2),
    ]
}

fn shown(bars: Option<Bars>, window: Option<usize>) -> Vec<Line> {
    let (object, connection, events) = (refresh(), connection(), events());
    let now: Timestamp = "2026-11-26T10:02:00Z".parse().unwrap();
    let (connection, events) = (Ok(Some(&connection)), Ok(events.iter().collect()));
    status(&Whole { object: &object, connection, events, why: "products runs.", now }, bars, window)
}

#[test]
fn everything_that_is_known_stands_on_the_page() {
    let mut pages = String::new();
    for (bars, window) in [(None, None), (Some(Bars::Blocks), Some(60))] {
        let lines: Vec<_> = shown(bars, window).iter().map(Line::plain).collect();
        pages += &format!("== {window:?}\n{}\n", lines.join("\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/words/status/golden.txt");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        fs::write(&path, &pages).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == pages, "{} differs from what is shown:\n{pages}", path.display());
}

#[test]
fn what_cannot_be_had_is_told_in_its_place() {
    let (mut object, now) = (refresh(), "2026-11-26T10:02:00Z".parse().unwrap());
    object.status = None;
    let whole =
        Whole { object: &object, connection: Err("You may not get it."), events: Err("Not those."), why: "", now };
    let text: Vec<_> = status(&whole, None, None).iter().map(Line::plain).collect();
    assert!(text.contains(&"Connection   default. You may not get it.".to_owned()), "{text:#?}");
    assert!(text.contains(&"State        New".to_owned()), "{text:#?}");
    assert_eq!(text.last().map(String::as_str), Some("Not those."));
}
