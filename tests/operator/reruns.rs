//! What starts a run and what does not, counted by Milvus: stories of edits, each on a collection of its own.

use futures::{FutureExt, future::join_all};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, RunStatus};
use milvus_simulator::{Outcome, Plan};
use serde_json::{Value, json};

use crate::harness::{World, condition, ready, status};

/// One object, whose name is that of its collection. Its jobs run until the story ends them.
struct Story<'a> {
    world: &'a World<'static>,
    name: &'a str,
}

impl Story<'_> {
    async fn create(&self, name: &str, spec: Value) {
        self.world.create_with(name, self.name, spec).await;
    }

    async fn begin(&self, spec: Value) {
        self.world.milvus.create_collection(self.name, Plan::hangs());
        self.create(self.name, spec).await;
    }

    async fn patch(&self, patch: Value) {
        self.world.edit(self.name, patch).await;
    }

    async fn edit(&self, spec: Value) {
        self.patch(json!({ "spec": spec })).await;
    }

    async fn until(&self, what: &str, condition: impl Fn(&ExternalCollectionRefresh) -> bool) -> RunStatus {
        let object = self.world.until(self.name, what, condition).await;
        status(&object).run.clone().unwrap()
    }

    async fn until_reason(&self, reason: &str) -> RunStatus {
        self.until(reason, |object| ready(object).is_some_and(|ready| ready.reason == reason)).await
    }

    /// Waits until the operator has seen the spec as it is now, and asks for no run of it.
    async fn at_rest(&self) {
        let seen = |object: &ExternalCollectionRefresh| {
            status(object).completion_time.is_some() && status(object).observed_generation == object.metadata.generation
        };
        self.until("at rest", seen).await;
    }

    fn job(&self, number: usize) -> Option<String> {
        self.world.milvus.accepted_starts("default", self.name).get(number - 1).map(ToString::to_string)
    }

    /// Waits until the job of this number runs.
    async fn running(&self, number: usize) -> RunStatus {
        let follows = |object: &ExternalCollectionRefresh| {
            status(object).job_id.is_some() && status(object).job_id == self.job(number)
        };
        self.until("following its job", follows).await
    }

    /// Ends the job that runs.
    fn end(&self, outcome: Outcome) {
        let job = *self.world.milvus.accepted_starts("default", self.name).last().unwrap();
        assert!(self.world.milvus.finish_job(job, outcome), "job {job} does not run");
    }

    /// Has the job of this number run and complete, and waits until that is recorded.
    async fn completes(&self, number: usize) {
        self.running(number).await;
        self.end(Outcome::Complete);
        let recorded = |object: &ExternalCollectionRefresh| {
            status(object).history.first().is_some_and(|run| run.job_id == self.job(number))
        };
        self.until("over", recorded).await;
    }

    /// Has the job of this number run and fail in a class that is retried.
    async fn fails(&self, number: usize) -> RunStatus {
        self.running(number).await;
        self.end(Outcome::Fail("task not found".to_owned()));
        self.until("failed", |object| status(object).failure.as_ref().is_some_and(|f| f.class == "ServerInternal"))
            .await
    }

    /// Fails three times: the pauses are 10, 20 and 40 s, and an edit is to come well before the last is over.
    async fn fails_until_a_retry_is_far_away(&self) {
        for number in 1..=3 {
            self.fails(number).await;
        }
    }
}

async fn a_token_is_reverted_after_its_run(story: Story<'_>) -> usize {
    story.begin(json!({ "trigger": "a" })).await;
    story.completes(1).await;
    story.edit(json!({ "trigger": "b" })).await;
    story.completes(2).await;
    story.edit(json!({ "trigger": "a" })).await;
    story.at_rest().await;
    2
}

async fn tokens_come_while_a_run_is_under_way(story: Story<'_>) -> usize {
    story.begin(json!({ "trigger": "a" })).await;
    story.running(1).await;
    for token in ["b", "c", "d"] {
        story.edit(json!({ "trigger": token })).await;
    }
    story.completes(1).await;
    let follow_up = story.running(2).await;
    assert_eq!(follow_up.trigger.as_deref(), Some("d"), "the newest wins");
    story.completes(2).await;
    2
}

async fn a_token_is_reverted_while_a_run_is_under_way(story: Story<'_>) -> usize {
    story.begin(json!({ "trigger": "a" })).await;
    story.running(1).await;
    story.edit(json!({ "trigger": "b" })).await;
    story.edit(json!({ "trigger": "a" })).await;
    story.completes(1).await;
    story.at_rest().await;
    1
}

async fn a_source_is_reverted_after_its_run(story: Story<'_>) -> usize {
    let source = |name: &str| {
        let spec = r#"{"extfs":{"anonymous":"true","cloud_provider":"aws","region":"eu-west-1"}}"#;
        json!({ "externalSource": format!("s3://bucket/{name}"), "externalSpec": spec })
    };
    story.begin(source("s1")).await;
    for (number, name) in [(1, "s2"), (2, "s1")] {
        story.completes(number).await;
        story.edit(source(name)).await;
    }
    story.completes(3).await;
    3
}

async fn requests_come_while_a_run_is_under_way_and_after_it(story: Story<'_>) -> usize {
    let request = |value: &str| json!({ "metadata": { "annotations": { "milvus-refresh.dev/requestedAt": value } } });
    story.begin(json!({})).await;
    story.running(1).await;
    story.patch(request("r1")).await;
    story.patch(request("r2")).await;
    story.completes(1).await;
    story.completes(2).await;
    story.until("done as requested", |object| status(object).last_completed_request.as_deref() == Some("r2")).await;
    // An annotation changes no generation.
    story.patch(request("r3")).await;
    story.completes(3).await;
    3
}

async fn it_is_created_suspended(story: Story<'_>) -> usize {
    story.begin(json!({ "suspend": true })).await;
    let held = |object: &ExternalCollectionRefresh| status(object).observed_generation == object.metadata.generation;
    story.until("held", held).await;
    story.edit(json!({ "trigger": "a" })).await;
    story.until("held with a token", held).await;
    story.edit(json!({ "suspend": false })).await;
    story.completes(1).await;
    1
}

async fn a_token_is_reverted_while_it_is_suspended(story: Story<'_>) -> usize {
    story.begin(json!({ "trigger": "a" })).await;
    story.completes(1).await;
    story.edit(json!({ "suspend": true, "trigger": "b" })).await;
    // The last verdict stands meanwhile.
    let due = |object: &ExternalCollectionRefresh| {
        let held = condition(object, "Suspended").is_some_and(|held| held.message.contains("A run is due"));
        held && ready(object).is_some_and(|ready| ready.reason == "RefreshCompleted")
    };
    story.until("held with a run due", due).await;
    story.edit(json!({ "trigger": "a" })).await;
    story.at_rest().await;
    story.edit(json!({ "suspend": false })).await;
    story.at_rest().await;
    1
}

async fn a_token_comes_during_a_retry(story: Story<'_>) -> usize {
    story.begin(json!({ "trigger": "a" })).await;
    story.fails_until_a_retry_is_far_away().await;
    story.edit(json!({ "trigger": "b" })).await;
    let next = story.running(4).await;
    assert_eq!((next.number, next.attempt, next.failures), (1, 4, 0));
    story.completes(4).await;
    4
}

async fn a_retry_is_suspended(story: Story<'_>) -> usize {
    story.begin(json!({})).await;
    story.fails_until_a_retry_is_far_away().await;
    story.edit(json!({ "suspend": true })).await;
    story.until("held", |object| status(object).run.as_ref().is_some_and(|run| run.suspended_time.is_some())).await;
    story.edit(json!({ "suspend": false })).await;
    let next = story.running(4).await;
    assert_eq!((next.number, next.attempt, next.failures), (1, 4, 3));
    story.completes(4).await;
    4
}

async fn it_fails_without_a_retry_and_is_edited(story: Story<'_>) -> usize {
    story.begin(json!({ "backoffLimit": 0 })).await;
    story.fails(1).await;
    story.patch(json!({ "metadata": { "labels": { "team": "search" } } })).await;
    story.edit(json!({ "activeDeadlineSeconds": 9000, "backoffLimit": 5 })).await;
    story.at_rest().await;
    1
}

async fn it_fails_with_one_retry(story: Story<'_>) -> usize {
    story.begin(json!({ "backoffLimit": 1 })).await;
    story.fails(1).await;
    story.fails(2).await;
    story.at_rest().await;
    2
}

async fn a_token_is_reverted_in_the_queue(story: Story<'_>) -> usize {
    story.begin(json!({ "trigger": "a" })).await;
    story.completes(1).await;
    story.create("first-in-line", json!({})).await;
    story.world.until("first-in-line", "running", |object| status(object).job_id.is_some()).await;
    story.edit(json!({ "trigger": "b" })).await;
    story.until_reason("Queued").await;
    story.edit(json!({ "trigger": "a" })).await;
    story.at_rest().await;
    story.end(Outcome::Complete);
    story.world.until_ended("first-in-line").await;
    2
}

#[tokio::test(flavor = "multi_thread")]
async fn each_story_of_edits_has_as_many_starts_as_it_asks_for() {
    let world = World::without_operator().await;
    let connection = json!({ "address": world.milvus.url(), "allowedSources": ["*"] });
    world.put_connection("default", connection).await;
    world.start_operator();
    let story = |name: &'static str| Story { world: &world, name };
    let stories = [
        ("reverted", a_token_is_reverted_after_its_run(story("reverted")).boxed()),
        ("meanwhile", tokens_come_while_a_run_is_under_way(story("meanwhile")).boxed()),
        ("nothing", a_token_is_reverted_while_a_run_is_under_way(story("nothing")).boxed()),
        ("source", a_source_is_reverted_after_its_run(story("source")).boxed()),
        ("request", requests_come_while_a_run_is_under_way_and_after_it(story("request")).boxed()),
        ("suspended", it_is_created_suspended(story("suspended")).boxed()),
        ("held", a_token_is_reverted_while_it_is_suspended(story("held")).boxed()),
        ("retry", a_token_comes_during_a_retry(story("retry")).boxed()),
        ("resumed", a_retry_is_suspended(story("resumed")).boxed()),
        ("none", it_fails_without_a_retry_and_is_edited(story("none")).boxed()),
        ("once", it_fails_with_one_retry(story("once")).boxed()),
        ("queued", a_token_is_reverted_in_the_queue(story("queued")).boxed()),
    ];
    let played = stories.map(async |(name, played)| {
        let expected = played.await;
        // One more run, so that a start that should not be would have come before it.
        story(name).edit(json!({ "trigger": "the last" })).await;
        story(name).completes(expected + 1).await;
        assert_eq!(world.starts(name), expected + 1, "{name}");
    });
    join_all(played).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_retry_the_operator_goes_on_at_the_right_attempt_at_the_right_time() {
    let world = World::new().await;
    let story = Story { world: &world, name: "products" };
    story.begin(json!({ "backoffLimit": 2, "trigger": "a" })).await;
    let mut next_attempt: Option<Time> = None;
    for attempt in 1..=3 {
        let run = story.running(usize::try_from(attempt).unwrap()).await;
        assert_eq!((run.number, run.attempt, run.failures), (1, attempt, attempt - 1));
        assert!(run.submit_time >= next_attempt, "attempt {attempt} was too early");
        let failed = story.fails(usize::try_from(attempt).unwrap()).await;
        world.kill_operator();
        world.start_operator();
        next_attempt = failed.next_attempt_time;
        assert_eq!(next_attempt.is_some(), attempt < 3);
    }
    story.edit(json!({ "backoffLimit": 1 })).await;
    story.at_rest().await;
    assert_eq!(world.starts("products"), 3, "two retries");
}
