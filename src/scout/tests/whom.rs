//! From a plan to whom to ask.

use std::{sync::Arc, time::Duration};

use super::{
    super::{Blind, BlindReason, NamedCatalog, Plan, Sight, Source, Sources, What},
    fake::{Fake, Says, World, lake, plan, source},
};
use crate::{
    catalogs::{self, CatalogError, CatalogErrorKind},
    milvus::{ErrorKind, MilvusError},
    stores::{Place, Snapshot, StoreError, StoreErrorKind},
};

/// A plan for the source that Milvus has stored.
fn stored() -> Plan {
    Plan { source: None, ..plan("") }
}

fn table(catalog: &str) -> Plan {
    let ask = catalogs::Ask { table: "shop.products".to_owned(), reference: "main".to_owned(), pinned: None };
    Plan { what: What::Iceberg { catalog: catalog.to_owned(), ask }, ..stored() }
}

fn good(catalog: &Arc<Fake>) -> NamedCatalog {
    NamedCatalog { name: "good".to_owned(), catalog: Ok(catalog.clone()) }
}

async fn blind(world: &World, plan: &Plan) -> (BlindReason, String) {
    let Blind { reason, message, .. } = world.looked(plan).await.unwrap_err();
    (reason, message)
}

#[tokio::test(start_paused = true)]
async fn a_source_is_listed_through_the_longest_prefix_that_it_is_within() {
    let (all, some, broken) = (Fake::saying(Says::Objects(1)), Fake::saying(Says::Objects(2)), Fake::held());
    let world = World::new();
    let broken = Source { store: Err("Secret reader does not exist.".to_owned()), ..source("s3://lake/c", &broken) };
    let stores = vec![source("s3://lake", &all), source("s3://lake/b", &some), broken];
    world.scout.allow(&lake(), Arc::new(Sources { stores, catalogs: vec![] }));
    for (uri, objects) in [("s3://lake/a", 1), ("s3a://lake/b/c", 2), ("s3://lake/bc", 1), ("s3://lake", 1)] {
        assert_eq!(world.looked(&plan(uri)).await, Ok(Sight::Objects(Snapshot::of(objects))), "{uri}");
    }
    let (reason, message) = blind(&world, &plan("s3://lake/c")).await;
    assert!(reason == BlindReason::CheckFailed && message.contains("Secret reader does not exist"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_no_prefix_covers_is_not_allowed_and_the_sentence_says_what_to_ask_for() {
    let store = Fake::held();
    let world = World::with(&store);
    for uri in ["s3://other/a", "gs://lake/a", "s3://store.example:9000/lake/a"] {
        let (reason, message) = blind(&world, &plan(uri)).await;
        assert_eq!(reason, BlindReason::NotAllowed, "{message}");
        assert!(message.contains("MilvusConnection lake") && message.contains(&format!("prefix {uri},")), "{message}");
    }
    let (reason, message) = blind(&world, &plan("s3://key:hunter2@lake/a")).await;
    assert!(reason == BlindReason::CheckFailed && !message.contains("hunter2"), "{message}");
    assert_eq!(store.asked(), 0);
    assert_eq!(world.checked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_store_of_ones_own_is_found_by_either_form_of_its_uri() {
    let store = Fake::saying(Says::Objects(1));
    let world = World::new();
    let endpoint = Some("https://store.example:9000".to_owned());
    let place = Place::parse("s3://lake", endpoint.as_deref(), None).unwrap();
    let stores = vec![Source { place, endpoint, ..source("s3://lake", &store) }];
    world.scout.allow(&lake(), Arc::new(Sources { stores, catalogs: vec![] }));
    for uri in ["s3://lake/a", "minio://store.example:9000/lake/a"] {
        assert!(world.looked(&plan(uri)).await.is_ok(), "{uri}");
        assert_eq!(store.last().place.endpoint.as_deref(), Some("store.example:9000"));
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_refresh_brings_no_source_that_of_milvus_is_looked_at() {
    let store = Fake::saying(Says::Objects(1));
    let world = World::with(&store);
    let (reason, message) = blind(&world, &stored()).await;
    assert!(reason == BlindReason::CheckFailed && message.contains("lake is not ready"), "{message}");
    world.stores(&lake(), "s3://lake/products", "parquet");
    assert!(world.looked(&stored()).await.is_ok());
    assert_eq!((store.last().place.key.as_str(), store.last().lance), ("products", false));
    world.stores(&lake(), "", "");
    assert!(blind(&world, &stored()).await.1.contains("stored no source"));
    world.denies(&lake(), MilvusError::new(ErrorKind::PermissionDenied, "no privilege DescribeCollection."));
    assert!(blind(&world, &stored()).await.1.ends_with(": no privilege DescribeCollection."));
}

#[tokio::test(start_paused = true)]
async fn the_hidden_folder_of_a_lance_table_counts_where_it_may_be_one() {
    let store = Fake::saying(Says::Objects(1));
    let world = World::with(&store);
    for (known, lance) in [("lance-table", true), ("parquet", false), ("", true)] {
        world.stores(&lake(), "s3://lake/products", known);
        assert!(world.looked(&stored()).await.is_ok());
        assert_eq!(store.last().lance, lance, "{known}");
        let mut own = plan("s3://lake/a");
        if let What::Objects { format, .. } = &mut own.what {
            *format = Some(known.to_owned()).filter(|known| !known.is_empty());
        }
        assert!(world.looked(&own).await.is_ok());
        assert_eq!(store.last().lance, lance, "{known}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_store_says_is_told_with_its_reason_and_pause() {
    let store = Fake::held();
    let world = World::with(&store);
    store.release(100);
    for (kind, reason) in [
        (StoreErrorKind::TooLarge, BlindReason::ListingTooLarge),
        (StoreErrorKind::Denied, BlindReason::CheckFailed),
        (StoreErrorKind::Busy, BlindReason::CheckFailed),
    ] {
        let retry_after = Some(Duration::from_secs(7));
        store.says(Says::Fails(StoreError { kind, message: "The store said so.".to_owned(), retry_after }));
        let expected = Blind { reason, message: "The store said so.".to_owned(), retry_after };
        assert_eq!(world.looked(&plan("s3://lake/a")).await, Err(expected));
        assert_eq!(world.checked(), [Err(reason)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_is_asked_of_the_catalog_of_that_name() {
    let catalog = Fake::saying(Says::Stands("s3://lake/products/v7.json".to_owned()));
    let world = World::new();
    let bad = NamedCatalog { name: "bad".to_owned(), catalog: Err("Secret c does not exist.".to_owned()) };
    let catalogs = vec![good(&catalog), bad];
    world.scout.allow(&lake(), Arc::new(Sources { stores: vec![], catalogs }));
    match world.looked(&table("good")).await {
        Ok(Sight::Table { table, source }) => {
            assert_eq!((table.snapshot, source.as_str()), (7, "s3://lake/products/v7.json"));
        }
        other => panic!("{other:?}"),
    }
    assert!(blind(&world, &table("bad")).await.1.contains("Secret c does not exist"));
    let (reason, message) = blind(&world, &table("else")).await;
    assert!(reason == BlindReason::NotAllowed && message.contains("no catalog else"), "{message}");
    assert!(message.contains("it has: good, bad."), "{message}");
    catalog.says(Says::Refuses(CatalogError::new(CatalogErrorKind::NoTable, "The table was dropped.")));
    assert_eq!(blind(&world, &table("good")).await, (BlindReason::CheckFailed, "The table was dropped.".to_owned()));
    catalog.says(Says::Stands("file:///products/v7.json".to_owned()));
    assert!(blind(&world, &table("good")).await.1.contains("Milvus cannot read"));
}

#[tokio::test(start_paused = true)]
async fn the_metadata_file_of_a_store_of_ones_own_is_named_with_its_endpoint() {
    let catalog = Fake::saying(Says::Stands("s3://lake/products/v7.json".to_owned()));
    let world = World::new();
    let endpoint = Some("http://store.example:9000".to_owned());
    let place = Place::parse("s3://lake", endpoint.as_deref(), None).unwrap();
    let stores = vec![Source { place, endpoint, ..source("s3://lake", &Fake::held()) }];
    let catalogs = vec![good(&catalog)];
    world.scout.allow(&lake(), Arc::new(Sources { stores, catalogs }));
    match world.looked(&table("good")).await {
        Ok(Sight::Table { source, .. }) => assert_eq!(source, "s3://store.example:9000/lake/products/v7.json"),
        other => panic!("{other:?}"),
    }
}
