//! Edits that need no run: every engine and `kubectl wait` are settled with the one write that answers them.

use serde_json::{Value, json};

use crate::{
    album::{Album, REFRESH},
    engines::judge,
    harness::status,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_needs_no_run_settles_every_engine_with_the_write_that_answers_it() {
    let mut album = Album::new().await;
    album.completed("products").await;
    let trigger = album.commit("products", json!({ "trigger": "a" })).await;
    let ran = |generation: i64| {
        move |object: &milvus_refresh_operator::api::ExternalCollectionRefresh| {
            let seen = status(object).observed_generation == Some(generation);
            seen && status(object).last_handled_trigger.as_deref() == object.spec.trigger.as_deref()
        }
    };
    album.world.until("products", "run", ran(trigger)).await;
    let trigger = album.commit("products", json!({ "trigger": "b" })).await;
    album.world.until("products", "run", ran(trigger)).await;
    let edits = [
        ("a limit", json!({ "activeDeadlineSeconds": 9000 })),
        ("a token of before", json!({ "trigger": "a" })),
        ("no token", json!({ "trigger": null })),
        ("a schedule", json!({ "schedule": { "cron": "15 2 * * *" } })),
        ("no schedule", json!({ "schedule": null })),
        ("suspend", json!({ "suspend": true })),
        ("resume", json!({ "suspend": false })),
        ("a retry more", json!({ "backoffLimit": 5 })),
    ];
    let starts = album.world.starts("products");
    let mut after: Vec<(&str, Value)> = Vec::new();
    for (edit, change) in edits {
        let began = std::time::Instant::now();
        let generation = album.commit("products", change).await;
        let answered = |object: &milvus_refresh_operator::api::ExternalCollectionRefresh| {
            status(object).observed_generation == Some(generation)
        };
        let first = album.world.until("products", edit, answered).await;
        println!("{edit}: answered after {} ms", began.elapsed().as_millis());
        let object = album.now(REFRESH, "products").await;
        assert_eq!(
            object["metadata"]["resourceVersion"].as_str(),
            first.metadata.resource_version.as_deref(),
            "{edit}"
        );
        after.push((edit, object));
        album.world.kubectl(&["wait", "--for=condition=Complete", "--timeout=120s", "ecrefresh/products"]);
    }
    assert_eq!(album.world.starts("products"), starts, "none of them needs a run");
    let objects: Vec<Value> = after.iter().map(|(_, object)| object.clone()).collect();
    let verdicts = tokio::task::spawn_blocking(move || judge(&objects)).await.unwrap();
    for ((edit, object), (flux, argo_cd)) in after.iter().zip(verdicts) {
        let settled = (flux.kstatus.as_str(), flux.expressions.as_str(), argo_cd.status.as_str());
        assert_eq!(settled, ("Current", "Current", "Healthy"), "{edit}: {object:#}");
    }
}
