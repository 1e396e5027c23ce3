//! Many objects with schedules: what they cost while they rest, and what happens when all are due in one second.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    api::Api,
    world::{World, claimed},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The status of an object with this schedule that waits for its first run, as the operator writes it.
async fn idle(schedule: &Value) -> Value {
    let api = Api::default();
    create(&api, "one", schedule);
    let world = World::by_the_clock(api, 1);
    world.pass("one").await;
    serde_json::to_value(world.api.object("one").unwrap().status).unwrap()
}

fn create(api: &Api, name: &str, schedule: &Value) {
    api.create_for(name, name);
    api.edit(name, |object| {
        object.spec.run_on_creation = false;
        object.spec.schedule = serde_json::from_value(schedule.clone()).unwrap();
    });
}

/// So many objects that wait for their first run: the first `near` of them each minute, all others by `far`.
async fn resting(objects: usize, near: usize, far: &str) -> World {
    let soon = json!({ "cron": "* * * * *" });
    let later = json!({ "cron": far });
    let (soon_status, later_status) = (idle(&soon).await, idle(&later).await);
    let api = Api::default();
    for number in 0..objects {
        let (schedule, status) = if number < near { (&soon, &soon_status) } else { (&later, &later_status) };
        let name = format!("r{number}");
        create(&api, &name, schedule);
        api.put_status(&name, status);
    }
    World::by_the_clock(api, 16)
}

fn next(status: &Value) -> Timestamp {
    status["schedule"]["nextScheduleTime"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_objects_that_wait_for_their_times_cost_no_pass_and_no_call() {
    let world = resting(10_000, 0, "0 0 1 1 *").await;
    assert_eq!(world.asked(), 0, "none is due for a pass when the process begins");
    assert_eq!(world.play_woken(10 * MINUTE).await, 0, "passes");
    assert_eq!(world.api.written(), (Vec::new(), Vec::new()), "writes and Events");
    assert!(world.milvus.looked().is_empty() && world.milvus.starts() == 0);
}

#[tokio::test(start_paused = true)]
async fn each_object_has_its_passes_at_its_own_time_and_no_other_has_any() {
    const DUE: usize = 3;
    let world = resting(200, DUE, "0 0 1 1 *").await;
    assert!(world.play_woken(MINUTE).await > 0);
    let (writes, _) = world.api.written();
    assert!(writes.iter().all(|name| ["r0", "r1", "r2"].contains(&name.as_str())), "{writes:?}");
    assert_eq!(world.milvus.starts(), DUE);
    world.play_woken(MINUTE).await;
    assert_eq!(world.milvus.starts(), 2 * DUE, "the next minute is another tick");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_objects_that_are_due_in_one_second_start_once_each_and_only_so_many_at_a_time() {
    const OBJECTS: usize = 1000;
    let far = "0 * * * *";
    let due = next(&idle(&json!({ "cron": far })).await);
    let world = resting(OBJECTS, 0, far).await;
    let began: Timestamp = Timestamp::from_second(1_795_600_000).unwrap();
    world.milvus.let_jobs_run_on();
    let before = Duration::try_from(due.duration_since(began)).unwrap();
    assert_eq!(world.play_woken(before.saturating_sub(Duration::from_secs(2))).await, 0);
    world.play_woken(Duration::from_secs(30)).await;
    let running = || world.api.objects().iter().filter(|object| claimed(object)).count();
    assert_eq!((running(), world.milvus.starts()), (16, 16), "as many as maxConcurrentRefreshes allows");
    // From here on each job ends, and the next ones follow.
    world.milvus.end_all();
    for _ in 0..40 {
        world.play_woken(Duration::from_secs(30)).await;
        assert!(running() <= 16);
        world.milvus.end_all();
    }
    assert_eq!(world.milvus.starts(), OBJECTS, "one start each");
    let late = world.api.objects().iter().filter_map(|object| object.status.clone()?.run?.queued_time).max().unwrap();
    assert_eq!(late.0, due, "each has been due since its tick");
}
