//! How many look at once, and who is next.

use std::{sync::Arc, time::Duration};

use super::fake::{Fake, Says, World, key, lake, plan, refresh, settle, sources};
use crate::object::Key;

/// Has `count` looks begun through `connection`, each at another place.
fn looks(world: &World, connection: &Key, count: usize) {
    for number in 0..count {
        world.look(connection, number, &plan(&format!("s3://lake/{number}")));
    }
}

fn connections(world: &World, store: &Arc<Fake>, namespace: &str, count: usize) -> Vec<Key> {
    let all: Vec<Key> = (0..count).map(|number| key(namespace, &format!("{namespace}{number}"))).collect();
    all.iter().for_each(|connection| world.scout.allow(connection, sources("s3://lake", store)));
    all
}

#[tokio::test(start_paused = true)]
async fn four_look_through_a_connection_eight_in_a_namespace_and_sixteen_in_all() {
    for (namespaces, each, most) in [(1, 1, 4), (1, 5, 8), (3, 1, 12), (5, 5, 16)] {
        let store = Fake::held();
        let world = World::new();
        for namespace in 0..namespaces {
            for connection in connections(&world, &store, &format!("n{namespace}"), each) {
                looks(&world, &connection, 20);
            }
        }
        settle().await;
        assert_eq!((store.open(), store.most()), (most, most), "{namespaces} namespaces with {each} connections");
        let all = namespaces * each * 20;
        store.release(all);
        settle().await;
        assert_eq!((store.most(), store.asked(), world.woken().len()), (most, all, all));
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_looks_makes_a_neighbour_wait_for_a_few_of_them_only() {
    let (crowd, good) = (Fake::held(), Fake::saying(Says::Objects(1)));
    let world = World::new();
    for namespace in ["flood", "torrent", "deluge"] {
        for connection in connections(&world, &crowd, namespace, 3) {
            looks(&world, &connection, 300);
        }
    }
    settle().await;
    world.scout.allow(&lake(), sources("s3://lake", &good));
    looks(&world, &lake(), 4);
    settle().await;
    let mut freed = 0;
    while good.asked() < 4 {
        crowd.release(1);
        freed += 1;
        settle().await;
    }
    assert!(freed <= 16, "{freed} of 2700 went first");
}

#[tokio::test(start_paused = true)]
async fn stores_that_hang_hold_up_their_own_namespaces_alone() {
    let (hanging, good) = (Fake::held(), Fake::saying(Says::Objects(1)));
    let world = World::new();
    for namespace in 0..5 {
        for connection in connections(&world, &hanging, &format!("n{namespace}"), 3) {
            looks(&world, &connection, 20);
        }
    }
    settle().await;
    world.scout.allow(&lake(), sources("s3://lake", &good));
    looks(&world, &lake(), 4);
    settle().await;
    assert_eq!(good.asked(), 0, "all turns are taken");
    tokio::time::sleep(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!((good.asked(), hanging.open()), (4, 40), "and no namespace has more than eight");
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_for_a_collection_counts_as_well() {
    let store = Fake::held();
    let world = World::with(&store);
    world.stores(&lake(), "s3://lake/a", "parquet");
    looks(&world, &lake(), 4);
    settle().await;
    let mut stored = plan("");
    stored.source = None;
    world.look(&lake(), 9, &stored);
    settle().await;
    world.denies(&lake(), crate::milvus::MilvusError::new(crate::milvus::ErrorKind::Timeout, "late"));
    store.release(4);
    settle().await;
    let found = world.sighting(&lake(), 9, &stored).unwrap().found;
    assert!(found.is_err(), "it was asked when a turn came free, not before: {found:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_nobody_knows_leave_nothing_behind() {
    let world = World::new();
    for number in 0..100 {
        let nowhere = key("shop", &format!("nowhere-{number}"));
        world.look(&nowhere, 0, &plan("s3://lake/a"));
        settle().await;
        world.scout.forget(&refresh(&nowhere, 0));
        settle().await;
    }
    assert!(world.scout.shared.sites.len() <= 1, "{}", world.scout.shared.sites.len());
}
