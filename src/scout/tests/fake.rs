//! A world to look at: stores and catalogs whose answers can be held, and what the scout tells.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use super::super::*;
use crate::{
    catalogs::{self, Catalog, CatalogError, Table},
    milvus::{Collection, MilvusError},
    stores::{self, Place, Snapshot, Store, StoreError},
};

/// Whoever is asked.
#[derive(Debug)]
pub struct Fake {
    /// Each answer takes a permit.
    gate: Semaphore,
    says: Mutex<Says>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most: AtomicUsize,
    listed: Mutex<Vec<stores::Ask>>,
}

#[derive(Clone, Debug)]
pub enum Says {
    Objects(u8),
    Fails(StoreError),
    Refuses(CatalogError),
    Stands(String),
    Panics,
}

/// Counts who is being asked, also when it is given up.
struct Asking<'a>(&'a AtomicUsize);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fake {
    pub fn saying(says: Says) -> Arc<Self> {
        let (asked, at_once, most) = Default::default();
        let (gate, says) = (Semaphore::new(10_000), Mutex::new(says));
        Arc::new(Self { gate, says, asked, at_once, most, listed: Mutex::default() })
    }

    /// One that keeps its answers to itself.
    pub fn held() -> Arc<Self> {
        let fake = Self::saying(Says::Objects(1));
        fake.gate.forget_permits(10_000);
        fake
    }

    pub fn release(&self, answers: usize) {
        self.gate.add_permits(answers);
    }

    pub fn says(&self, says: Says) {
        *self.says.lock() = says;
    }

    /// How many questions there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many are without an answer.
    pub fn open(&self) -> usize {
        self.at_once.load(Ordering::SeqCst)
    }

    /// How many were at most.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// The last listing that it was asked for.
    pub fn last(&self) -> stores::Ask {
        self.listed.lock().last().unwrap().clone()
    }

    async fn answer(&self) -> Says {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _asking = Asking(&self.at_once);
        self.gate.acquire().await.unwrap().forget();
        self.says.lock().clone()
    }
}

#[async_trait]
impl Store for Fake {
    async fn list(&self, ask: &stores::Ask) -> Result<Snapshot, StoreError> {
        self.listed.lock().push(ask.clone());
        match self.answer().await {
            Says::Objects(count) => Ok(Snapshot::of(count)),
            Says::Fails(error) => Err(error),
            Says::Panics => panic!("a fault"),
            other => unreachable!("{other:?}"),
        }
    }
}

#[async_trait]
impl Catalog for Fake {
    async fn table(&self, _: &catalogs::Ask) -> Result<Table, CatalogError> {
        match self.answer().await {
            Says::Stands(metadata_location) => Ok(Table { metadata_location, snapshot: 7, pinned_is_gone: false }),
            Says::Refuses(error) => Err(error),
            other => unreachable!("{other:?}"),
        }
    }
}

/// What the scout has told, and who Milvus says that collections are.
#[derive(Default)]
struct Ears {
    woken: Mutex<Vec<String>>,
    checked: Mutex<Vec<Result<(), BlindReason>>>,
    described: Mutex<HashMap<Key, milvus::Result<Collection>>>,
}

#[async_trait]
impl Surroundings for Arc<Ears> {
    async fn describe(&self, connection: &Key, _: &str, _: &str) -> Option<milvus::Result<Collection>> {
        self.described.lock().get(connection).cloned()
    }

    fn changed(&self, refresh: Key) {
        self.woken.lock().push(refresh.name);
    }

    fn checked(&self, result: Result<(), BlindReason>, _: Option<Duration>) {
        self.checked.lock().push(result);
    }
}

/// A scout, and what it has told.
pub struct World {
    pub scout: Scout,
    ears: Arc<Ears>,
}

pub fn key(namespace: &str, name: &str) -> Key {
    Key { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// The connection of most tests.
pub fn lake() -> Key {
    key("shop", "lake")
}

/// The refresh of that number in the namespace of `connection`.
pub fn refresh(connection: &Key, number: usize) -> Key {
    key(&connection.namespace, &format!("{}-{number}", connection.name))
}

/// Looks at the files of `source`.
pub fn plan(source: &str) -> Plan {
    let (format, include, marker, newer_than, among) = (None, vec![], None, None, vec![]);
    Plan {
        collection: ("default".to_owned(), "products".to_owned()),
        source: Some(source.to_owned()),
        what: What::Objects { format, include, marker, newer_than, among },
    }
}

/// What is listed through `store`.
pub fn source(prefix: &str, store: &Arc<Fake>) -> Source {
    let place = Place::parse(prefix, None, None).unwrap();
    Source { place, endpoint: None, region: None, store: Ok(store.clone()) }
}

pub fn sources(prefix: &str, store: &Arc<Fake>) -> Arc<Sources> {
    Arc::new(Sources { stores: vec![source(prefix, store)], catalogs: vec![] })
}

/// Lets whatever can go on.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

impl World {
    pub fn new() -> Self {
        let ears = Arc::<Ears>::default();
        Self { scout: Scout::new(ears.clone()), ears }
    }

    /// One in which the connection [`lake`] allows to list `s3://lake` through `store`.
    pub fn with(store: &Arc<Fake>) -> Self {
        let world = Self::new();
        world.scout.allow(&lake(), sources("s3://lake", store));
        world
    }

    /// Milvus has this source and format for the collections of `connection`.
    pub fn stores(&self, connection: &Key, source: &str, format: &str) {
        let (name, source, format) = ("products".to_owned(), source.to_owned(), format.to_owned());
        let collection = Collection { id: 7, name, external: true, source, format };
        self.ears.described.lock().insert(connection.clone(), Ok(collection));
    }

    pub fn denies(&self, connection: &Key, error: MilvusError) {
        self.ears.described.lock().insert(connection.clone(), Err(error));
    }

    /// The refreshes that were woken since this was last asked.
    pub fn woken(&self) -> Vec<String> {
        std::mem::take(&mut *self.ears.woken.lock())
    }

    /// How looks ended since this was last asked.
    pub fn checked(&self) -> Vec<Result<(), BlindReason>> {
        std::mem::take(&mut *self.ears.checked.lock())
    }

    /// The refresh of that number asks through `connection`, for what is so from now on.
    pub fn look(&self, connection: &Key, number: usize, plan: &Plan) {
        self.scout.look(&refresh(connection, number), connection, plan.clone(), Instant::now());
    }

    pub fn sighting(&self, connection: &Key, number: usize, plan: &Plan) -> Option<Sighting> {
        self.scout.sighting(&refresh(connection, number), plan)
    }

    /// What a look by `plan` through the connection [`lake`] finds.
    pub async fn looked(&self, plan: &Plan) -> Result<Sight, Blind> {
        self.look(&lake(), 0, plan);
        settle().await;
        self.sighting(&lake(), 0, plan).unwrap().found
    }
}
