use serde_json::json;

use super::*;
use crate::{
    catalogs::{Ask, Table},
    refresh::{OwnSource, Reason, SpecPlace},
    scout::What,
};

const FIRST: i64 = 9_007_199_254_740_993;

fn table(snapshot: i64) -> Result<Sight, Blind> {
    let metadata_location = format!("s3://lake/shop/{snapshot}.metadata.json");
    Ok(Sight::Table {
        source: metadata_location.clone(),
        table: Table { metadata_location, snapshot, pinned_is_gone: false },
    })
}

fn expired(snapshot: i64) -> Result<Sight, Blind> {
    match table(snapshot) {
        Ok(Sight::Table { table, source }) => {
            Ok(Sight::Table { table: Table { pinned_is_gone: true, ..table }, source })
        }
        other => other,
    }
}

fn watching_a_table() -> Desired {
    let iceberg = json!({ "catalog": "lake", "table": "shop.products" });
    desired(json!({ "watch": { "iceberg": iceberg }, "externalSpec": "{\"extfs\":{}}", "backoffLimit": 0 }))
}

fn refreshed(want: Desired) -> Scene {
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want, ..Scene::new() };
    scene.look(table(FIRST));
    scene.start(NEW);
    scene.later(20 * SECOND);
    scene.end(NEW);
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
    scene
}

fn see(scene: &mut Scene, after: Duration, found: Result<Sight, Blind>) -> Decision {
    scene.later(after);
    scene.look(found);
    scene.play(Fact::Nothing)
}

#[test]
fn every_run_brings_the_snapshot_that_the_catalog_has() {
    let scene = refreshed(watching_a_table());
    let run = scene.run();
    assert_eq!(run.source, format!("s3://lake/shop/{FIRST}.metadata.json"));
    assert_eq!(run.seen.unwrap().version.name, FIRST.to_string());
    let brings = scene.want.brings(scene.scouted.last.as_ref()).unwrap();
    let spec = SpecPlace::Object("{\"extfs\":{}}".into());
    assert_eq!(brings, OwnSource { source: run.source, spec, snapshot: Some(FIRST) });
}

#[test]
fn without_an_answer_of_the_catalog_nothing_is_claimed() {
    let mut scene = Scene { now: time("2026-11-26T12:00:00Z"), want: watching_a_table(), ..Scene::new() };
    assert_eq!(scene.play(Fact::Nothing).effect, Effect::None);
    scene.scouted.waited = Some(10 * MINUTE);
    assert_eq!(scene.see(Fact::Nothing).effect, Effect::None, "however long that takes");
    scene.look(blind(BlindReason::CheckFailed));
    let waits = scene.play(Fact::Nothing);
    assert_eq!((waits.effect, waits.reason()), (Effect::None, Reason::SourceNotResolved));
    assert_eq!(waits.events(), ["SourceNotResolved", "CheckFailed"]);
    scene.later(31 * SECOND);
    assert!(scene.see(Fact::Nothing).look.is_some(), "and the catalog is asked again");
    scene.look(table(FIRST));
    scene.start(NEW);
}

#[test]
fn a_commit_starts_a_run_at_once() {
    let mut scene = refreshed(watching_a_table());
    see(&mut scene, 5 * MINUTE, table(FIRST + 1));
    assert_eq!(scene.number(), 2);
    scene.start(NEW + 1);
    assert_eq!(scene.run().source, format!("s3://lake/shop/{}.metadata.json", FIRST + 1));
    scene.end(NEW + 1);
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
}

#[test]
fn the_claim_is_of_the_table_as_it_was_when_its_spec_was_made() {
    let mut scene = refreshed(watching_a_table());
    see(&mut scene, 5 * MINUTE, table(FIRST + 1));
    let listing = scene.listing(NEW + 1);
    // Somebody commits while Milvus is asked.
    scene.look(table(FIRST + 2));
    assert_eq!(scene.play(Fact::Looked(Ok(listing))).effect, Effect::Submit);
    assert_eq!(scene.run().source, format!("s3://lake/shop/{}.metadata.json", FIRST + 1));
    assert_eq!(scene.run().seen.unwrap().version.name, (FIRST + 1).to_string());
}

#[test]
fn a_snapshot_that_has_expired_below_the_collection_is_replaced_without_waiting() {
    let iceberg = json!({ "catalog": "lake", "table": "shop.products" });
    let mut scene = refreshed(desired(
        json!({ "watch": { "iceberg": iceberg, "quietSeconds": 3600, "minIntervalSeconds": 86_400 } }),
    ));
    let Some(What::Iceberg { ask, .. }) = scene.want.plan(&scene.record()).map(|plan| plan.what) else { panic!() };
    let wanted = Ask { table: "shop.products".into(), reference: "main".into(), pinned: Some(FIRST) };
    assert_eq!(ask, wanted, "the catalog is asked for it");
    see(&mut scene, 5 * MINUTE, table(FIRST + 1));
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::Settling, 1));
    let seen = see(&mut scene, 5 * MINUTE, expired(FIRST + 1));
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::PinnedSnapshotExpired, 2));
    assert_eq!(seen.events(), ["PinnedSnapshotExpired"]);
    scene.start(NEW + 1);
    scene.end(NEW + 1);
    scene.scouted = Scouted::default();
    scene.play(Fact::Nothing);
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
}

#[test]
fn another_table_branch_or_template_is_another_source() {
    let of = |spec| desired(spec).fingerprint;
    let base = of(json!({ "watch": { "iceberg": { "catalog": "lake", "table": "shop.products" } } }));
    for other in [
        json!({ "watch": { "iceberg": { "catalog": "other", "table": "shop.products" } } }),
        json!({ "watch": { "iceberg": { "catalog": "lake", "table": "shop.orders" } } }),
        json!({ "watch": { "iceberg": { "catalog": "lake", "table": "shop.products", "ref": "audit" } } }),
        json!({ "watch": { "iceberg": { "catalog": "lake", "table": "shop.products" } }, "externalSpec": "{\"columns\":[]}" }),
    ] {
        assert_ne!(of(other.clone()), base, "{other}");
    }
    let interval =
        json!({ "watch": { "iceberg": { "catalog": "lake", "table": "shop.products" }, "intervalSeconds": 30 } });
    assert_eq!(of(interval), base);
}
