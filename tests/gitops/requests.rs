//! Requests and actions on objects that a GitOps tool owns, and what becomes of them when it applies again.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::{Outcome, Plan};
use serde_json::{Value, json};

use crate::{
    album::{Album, REFRESH},
    engines::judge,
    harness::status,
};

const REQUEST: &str = "milvus-refresh.dev/requestedAt=2026-11-26T02:00:00Z";

fn request_of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"]["milvus-refresh.dev/requestedAt"].as_str()
}

fn has_run(runs: usize) -> impl Fn(&ExternalCollectionRefresh) -> bool {
    move |object| status(object).history.len() == runs
}

#[tokio::test(flavor = "multi_thread")]
async fn flux_removes_what_kubectl_annotates_unless_the_command_says_the_name_of_its_exception() {
    let mut album = Album::new().await;
    album.completed("plain").await;
    album.completed("tolerated").await;
    album.apply_by_flux();
    album.world.kubectl(&["annotate", "ecrefresh/plain", REQUEST]);
    let manager = "--field-manager=flux-client-side-apply";
    album.world.kubectl(&["annotate", manager, "ecrefresh/tolerated", REQUEST]);
    // A request at rest opens its run at once, so that both are answered before Flux comes.
    for name in ["plain", "tolerated"] {
        album.world.until(name, "run again", has_run(2)).await;
    }
    album.apply_by_flux();
    assert_eq!(request_of(&album.now(REFRESH, "plain").await), None);
    assert_eq!(request_of(&album.now(REFRESH, "tolerated").await), Some("2026-11-26T02:00:00Z"));
    for name in ["plain", "tolerated"] {
        let object = album.world.refreshes().get(name).await.unwrap();
        assert_eq!(status(&object).last_completed_request.as_deref(), Some("2026-11-26T02:00:00Z"));
        assert_eq!(album.world.starts(name), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_during_a_run_is_answered_after_it_also_when_flux_has_removed_it() {
    let mut album = Album::new().await;
    album.running("products").await;
    album.apply_by_flux();
    album.world.kubectl(&["annotate", "ecrefresh/products", REQUEST]);
    let seen =
        |object: &ExternalCollectionRefresh| status(object).pending_request.as_deref() == Some("2026-11-26T02:00:00Z");
    album.world.until("products", "seen", seen).await;
    album.apply_by_flux();
    assert_eq!(request_of(&album.now(REFRESH, "products").await), None);
    let job = album.world.milvus.accepted_starts("default", "products")[0];
    album.world.milvus.set_plan("default", "products", Plan::completes_in(Duration::ZERO));
    album.world.milvus.finish_job(job, Outcome::Complete);
    let ended = album.world.until("products", "run again", has_run(2)).await;
    assert_eq!(status(&ended).last_completed_request.as_deref(), Some("2026-11-26T02:00:00Z"));
    assert_eq!((album.world.starts("products"), &status(&ended).pending_request), (2, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_by_hand_and_stands_in_git_is_taken_back_and_what_does_not_stays() {
    let mut album = Album::new().await;
    album.completed("products").await;
    album.commit("products", json!({ "trigger": "of-git" })).await;
    album.world.until("products", "run again", has_run(2)).await;
    album.apply_by_flux();
    let by_hand = json!({ "spec": { "trigger": "by-hand", "suspend": true } }).to_string();
    album.world.kubectl(&["patch", "ecrefresh/products", "--type=merge", "-p", &by_hand]);
    album.apply_by_flux();
    let healed = album.now(REFRESH, "products").await;
    assert_eq!(healed["spec"]["trigger"], "of-git");
    assert_eq!(healed["spec"]["suspend"], false, "Flux takes back all that kubectl has set");
    let generation = healed["metadata"]["generation"].as_i64();
    let seen = |object: &ExternalCollectionRefresh| status(object).observed_generation == generation;
    album.world.until("products", "settled", seen).await;
    assert_eq!(album.world.starts("products"), 2, "a token that was handled starts nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_argo_cd_do_what_their_names_say() {
    let mut album = Album::new().await;
    album.completed("products").await;
    let act = async |album: &Album, action: &str| {
        let object = album.now(REFRESH, "products").await;
        let (_, argo_cd) = tokio::task::spawn_blocking(move || judge(&[object])).await.unwrap().remove(0);
        assert!(argo_cd.offers().contains(&action), "{action} is not offered: {argo_cd:?}");
        let patch = Patch::Merge(&argo_cd.actions[action].patch);
        album.world.refreshes().patch("products", &PatchParams::default(), &patch).await.unwrap()
    };
    act(&album, "refresh").await;
    album.world.until("products", "run again", has_run(2)).await;
    let held = act(&album, "suspend").await;
    assert!(held.spec.suspend);
    let until_seen = async |album: &Album, generation: Option<i64>| {
        let seen = |object: &ExternalCollectionRefresh| status(object).observed_generation == generation;
        album.world.until("products", "seen", seen).await;
    };
    until_seen(&album, held.metadata.generation).await;
    let resumed = act(&album, "resume").await;
    until_seen(&album, resumed.metadata.generation).await;
    assert_eq!(album.world.starts("products"), 2);
}
