//! Refreshes by the clock, on a real API server and by the real one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::Plan;
use serde_json::{Value, json};

use crate::{
    admission::dry_run,
    harness::{World, condition, ready, refresh, status},
};

fn is_idle(object: &ExternalCollectionRefresh) -> bool {
    ready(object).is_some_and(|ready| ready.reason == "Idle" && ready.status == "True")
}

fn next(object: &ExternalCollectionRefresh) -> Option<Timestamp> {
    status(object).schedule.as_ref()?.next_schedule_time.as_ref().map(|time| time.0)
}

/// The minute that this time is in.
fn minute(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second() / 60 * 60).unwrap()
}

/// Once a year, in the minute of this time.
fn cron(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    format!("{} {} {} {} *", time.minute(), time.hour(), time.day(), time.month())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_waits_for_its_time_runs_at_it_and_says_when_it_runs_next_and_why_it_ran_last() {
    let world = World::new().await;
    world.milvus.create_collection("products", Plan::completes_in(Duration::from_secs(1)));
    // First a time weeks away, so that nothing runs while somebody looks.
    let far = Timestamp::now() + SignedDuration::from_hours(24 * 60);
    let spec = json!({ "runOnCreation": false, "schedule": { "cron": cron(far) } });
    world.create_with("products", "products", spec).await;
    let idle = world.until("products", "idle", is_idle).await;
    assert_eq!((world.starts("products"), status(&idle).state.as_deref()), (0, None));
    assert_eq!(condition(&idle, "Reconciling").unwrap().status, "False");
    assert_eq!(next(&idle), Some(minute(far)));
    world.kubectl(&["wait", "--for=condition=Ready", "--timeout=120s", "ecrefresh/products"]);

    // Then the first minute that is not so near that the operator may hear of it too late; the one after it is a year away.
    let due = minute(Timestamp::now() + SignedDuration::from_secs(90));
    world.edit("products", json!({ "spec": { "schedule": { "cron": cron(due) } } })).await;
    let ran = |object: &ExternalCollectionRefresh| status(object).history.first().is_some_and(|run| run.number == 1);
    let ended = world.until("products", "run by the clock", ran).await;
    let past = &status(&ended).history[0];
    assert_eq!((past.cause.as_deref(), past.state.as_str()), (Some("Schedule"), "RefreshCompleted"));
    assert_eq!(status(&ended).schedule.as_ref().unwrap().last_schedule_time, Some(Time(due)));
    assert!(next(&ended).unwrap() > due + SignedDuration::from_hours(24 * 300));
    assert_eq!(world.starts("products"), 1);

    world
        .edit("products", json!({ "spec": { "schedule": { "cron": "15 2 * * *", "timeZone": "Europe/Berlin" } } }))
        .await;
    let edited = |object: &ExternalCollectionRefresh| {
        status(object).schedule.as_ref().is_some_and(|kept| kept.time_zone == "Europe/Berlin")
    };
    let nightly = world.until("products", "nightly", edited).await;
    let table = world.kubectl(&["get", "ecrefresh", "products", "-o", "wide"]);
    let shown = next(&nightly).unwrap().to_string();
    for word in ["CAUSE", "NEXT", "Schedule", &shown] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    println!("{table}");
    let events = world.kubectl(&["get", "events.events.k8s.io", "-o", "jsonpath={.items[*].note}"]);
    assert!(events.contains("Cause: Schedule."), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_runs_although_the_schedule_makes_no_sense() {
    let world = World::new().await;
    for (name, schedule, says) in [
        ("never", json!({ "cron": "0 0 30 2 *" }), "never occurs"),
        ("zone", json!({ "cron": "15 2 * * *", "timeZone": "Europe/Atlantis" }), "Europe/Atlantis"),
    ] {
        world.milvus.create_collection(name, Plan::completes_in(Duration::ZERO));
        world.create_with(name, name, json!({ "runOnCreation": false, "schedule": schedule })).await;
        let is_stalled = |object: &ExternalCollectionRefresh| {
            condition(object, "Stalled").is_some_and(|c| c.status == "True" && c.reason == "InvalidSchedule")
        };
        let stalled = world.until(name, "stalled", is_stalled).await;
        assert!(condition(&stalled, "Stalled").unwrap().message.contains(says));
        assert!(is_idle(&stalled), "the last verdict stands");
        world.edit(name, json!({ "spec": { "trigger": "now" } })).await;
        let ran = |object: &ExternalCollectionRefresh| status(object).history.len() == 1 && is_stalled(object);
        let ended = world.until(name, "run by the trigger", ran).await;
        assert_eq!(status(&ended).history[0].cause.as_deref(), Some("Trigger"));
        world.edit(name, json!({ "spec": { "schedule": { "cron": "15 2 * * *", "timeZone": "Etc/UTC" } } })).await;
        world.until(name, "corrected", |object| next(object).is_some() && !is_stalled(object)).await;
        assert_eq!(world.starts(name), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_what_is_no_schedule_and_says_what_to_write() {
    let world = World::without_operator().await;
    let of = |schedule: Value| refresh("x", json!({ "collectionName": "p", "schedule": schedule }));
    for schedule in [
        json!({ "cron": "15 2 * * *" }),
        json!({ "cron": "*/5 0-6,22 1-31/2 JAN,jul MON-FRI", "timeZone": "America/St_Johns", "jitterSeconds": 3600 }),
        json!({ "cron": "@daily", "timeZone": "Etc/GMT+3" }),
        json!({ "cron": "0 0 30 2 *" }),
    ] {
        let made = dry_run(&world, of(schedule.clone())).await.unwrap_or_else(|error| panic!("{schedule}: {error}"));
        assert_eq!(made.data["spec"]["runOnCreation"], true);
        assert!(made.data["spec"]["schedule"]["timeZone"].is_string(), "it has a default");
    }
    let cron = |text: &str| json!({ "cron": text });
    for (schedule, says) in [
        (cron("0 0 2 * * *"), "must have five fields"),
        (cron("30 0 0 2 * * *"), "must have five fields"),
        (cron("0 2 * *"), "must have five fields"),
        (cron(""), "must have five fields"),
        (cron("TZ=Europe/Berlin 0 2 * * *"), "set timeZone instead"),
        (cron("CRON_TZ=Europe/Berlin 0 2 * * *"), "set timeZone instead"),
        (cron("@reboot"), "must be one of @hourly"),
        (cron("@every 1h"), "must be one of @hourly"),
        (cron("0 0 L * *"), "write the days as numbers"),
        (cron("0 0 * * 5L"), "must hold only"),
        (cron("0 0 15W * *"), "must hold only"),
        (cron("0 0 * * 1#2"), "write the days as numbers"),
        (cron("0 0 ? * 1"), "write the days as numbers"),
        (cron("61 * * * *"), "minute 0-59"),
        (cron("0 24 * * *"), "hour 0-23"),
        (cron("0 0 0 * *"), "day 1-31"),
        (cron("0 0 * 13 *"), "month 1-12"),
        (cron("0 0 * * 7"), "weekday 0-6"),
        (cron("5/10 * * * *"), "must hold only"),
        (cron("0 22-2 * * *"), "write it as two"),
        (cron(&"1,".repeat(5000)), "may not be more than 128"),
        (json!({ "cron": 5 }), "must be of type string"),
        (json!({}), "cron: Required value"),
        (json!({ "cron": "@daily", "timeZone": "" }), "should be at least 1 chars long"),
        (json!({ "cron": "@daily", "timeZone": "../etc" }), "must be the IANA name"),
        (json!({ "cron": "@daily", "timeZone": "+02:00" }), "must be the IANA name"),
        (json!({ "cron": "@daily", "jitterSeconds": -1 }), "greater than or equal to 0"),
        (json!({ "cron": "@daily", "jitterSeconds": 3601 }), "less than or equal to 3600"),
    ] {
        let refused = dry_run(&world, of(schedule.clone())).await.expect_err(&schedule.to_string());
        assert!(refused.contains(says), "{schedule}: {refused}");
    }
    let both = json!({ "collectionName": "p", "schedule": { "cron": "@daily" }, "ttlSecondsAfterFinished": 60 });
    let refused = dry_run(&world, refresh("x", both)).await.unwrap_err();
    assert!(refused.contains("set schedule or ttlSecondsAfterFinished, not both"), "{refused}");
}
