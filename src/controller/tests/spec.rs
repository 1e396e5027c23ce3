//! What the spec in a Secret holds is kept out of what Milvus says for as long as a run with it lives.

use super::world::World;
use crate::api::{ExternalSpecSource, SecretKeyReference};

const WORDS: &str = "key AKIA7 is disabled";
const SCRUBBED: &str = "key *** is disabled";

/// A world whose refresh has a job that was started with a spec from a Secret.
async fn started() -> World {
    let world = World::with(&["a"]).await;
    world.allow_every_source();
    world.milvus.let_jobs_run_on();
    world.api.set_secret(Some(r#"{"extfs":{"access_key_id":"AKIA7"}}"#));
    world.api.edit("a", |object| {
        object.spec.external_source = Some("s3://bucket/products/".to_owned());
        let secret_key_ref = SecretKeyReference { name: "spec".to_owned(), key: "spec".to_owned() };
        object.spec.external_spec_from = Some(ExternalSpecSource { secret_key_ref });
    });
    tracked(&world).await;
    world
}

async fn tracked(world: &World) {
    let tracked = |status: &crate::api::RefreshStatus| status.job_id.is_some();
    world.until("a", |object| object.and_then(|object| object.status.as_ref()).is_some_and(tracked)).await;
    world.pass("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_made_while_the_job_runs_knows_the_spec_of_its_start() {
    let world = started().await;
    assert_eq!(world.milvus.says(WORDS), SCRUBBED);
    world.api.set_secret(None);
    let world = world.reconnected();
    assert_eq!(world.milvus.says(WORDS), WORDS, "this client has not been told yet");
    world.pass("a").await;
    assert_eq!(world.milvus.says(WORDS), SCRUBBED);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_tracks_the_job_of_another_reads_the_spec_until_it_has_it() {
    let old = started().await;
    old.api.set_secret(None);
    let new = old.beside("successor").reconnected();
    tracked(&new).await;
    assert_eq!(new.milvus.says(WORDS), WORDS);
    old.api.set_secret(Some(r#"{"extfs":{"access_key_id":"AKIA7"}}"#));
    new.pass("a").await;
    assert_eq!(new.milvus.says(WORDS), WORDS, "it has just been looked for");
    tokio::time::sleep(crate::refresh::limits::LOOK_FOR_SECRET).await;
    new.pass("a").await;
    assert_eq!(new.milvus.says(WORDS), SCRUBBED);
}
