#![allow(clippy::unwrap_used)]

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
use tokio::{sync::Semaphore, time::sleep};

use super::{Evidence, Examiner, Mapped, Plan, Served};
use crate::milvus::{
    Collection, ConnectError, ConnectOptions, ErrorKind, Index, Job, JobId, LoadState, Milvus, MilvusError, Result,
    Segments, Source, scrub::Secrets,
};

/// A Milvus with one collection, whose calls can be held and made to fail.
#[derive(Debug)]
struct Fake {
    asked: Mutex<Vec<&'static str>>,
    fails: Mutex<HashMap<&'static str, ErrorKind>>,
    load: LoadState,
    served: Segments,
    /// A describe takes a permit and goes on.
    gate: Semaphore,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl Fake {
    fn new() -> Self {
        Self {
            asked: Mutex::default(),
            fails: Mutex::default(),
            load: LoadState::Loaded,
            served: Segments::from([(1, 6), (2, 4)]),
            gate: Semaphore::new(1000),
            at_once: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    fn failing(call: &'static str, kind: ErrorKind) -> Self {
        let fake = Self::new();
        fake.fails.lock().insert(call, kind);
        fake
    }

    fn asked(&self, call: &'static str) -> Result<()> {
        self.asked.lock().push(call);
        let kind = self.fails.lock().get(call).copied();
        kind.map_or(Ok(()), |kind| Err(MilvusError::new(kind, "Milvus said so")))
    }
}

#[async_trait]
impl Milvus for Fake {
    async fn version(&self) -> Result<String> {
        unreachable!("an examiner only looks")
    }

    async fn probe(&self) -> Result<()> {
        unreachable!("an examiner only looks")
    }

    async fn describe(&self, _: &str, name: &str) -> Result<Collection> {
        self.asked("describe")?;
        let most = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(most, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Ok(Collection { id: 7, name: name.to_owned(), external: true, source: String::new(), format: String::new() })
    }

    async fn list(&self, _: &str, _: &str) -> Result<Vec<Job>> {
        unreachable!("an examiner only looks")
    }

    async fn list_all(&self, _: &(dyn Fn(JobId) -> bool + Sync)) -> Result<Vec<Job>> {
        unreachable!("an examiner only looks")
    }

    async fn submit(&self, _: &str, _: &str, _: Option<&Source>, _: Duration) -> Result<JobId> {
        unreachable!("an examiner starts nothing")
    }

    async fn load_state(&self, _: &str, _: &str) -> Result<LoadState> {
        self.asked("load").map(|()| self.load)
    }

    async fn mapped_segments(&self, _: &str, _: &str) -> Result<Segments> {
        self.asked("mapped").map(|()| Segments::from([(1, 6), (2, 4)]))
    }

    async fn served_segments(&self, _: &str, _: &str) -> Result<Segments> {
        self.asked("served").map(|()| self.served.clone())
    }

    async fn indexes(&self, _: &str, _: &str) -> Result<Vec<Index>> {
        self.asked("indexes").map(|()| Vec::new())
    }

    async fn count(&self, _: &str, _: &str, filter: &str) -> Result<i64> {
        self.asked(if filter.is_empty() { "count" } else { "query" }).map(|()| 10)
    }

    fn keep_secret(&self, _: &Arc<Secrets>) {}

    async fn progress(&self, _: JobId) -> Result<Job> {
        unreachable!("an examiner only looks")
    }

    fn reconnect(&self, _: ConnectOptions) -> std::result::Result<(), ConnectError> {
        unreachable!("an examiner only looks")
    }

    fn disconnect(&self) {}
}

/// An examiner of `fake`, and whom it has woken.
fn examiner(fake: &Arc<Fake>) -> (Examiner<u32>, Arc<Mutex<Vec<u32>>>) {
    let woken = Arc::new(Mutex::new(Vec::new()));
    let noted = woken.clone();
    (Examiner::new(fake.clone(), move |key| noted.lock().push(key)), woken)
}

fn plan(run: i64) -> Plan {
    Plan {
        occasion: (run, 1),
        database: "default".to_owned(),
        collection: "products".to_owned(),
        indexes: true,
        filters: Some(vec!["batch == 1".to_owned()]),
    }
}

/// Lets whatever can go on.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// What a look at `fake` brings.
async fn looked(fake: Fake) -> (Result<Evidence>, Vec<&'static str>) {
    let fake = Arc::new(fake);
    let (examiner, _) = examiner(&fake);
    assert_eq!(examiner.examine(&1, plan(1)), None);
    settle().await;
    let found = examiner.examine(&1, plan(1)).unwrap();
    let asked = fake.asked.lock().clone();
    (found, asked)
}

#[tokio::test(start_paused = true)]
async fn a_look_asks_for_all_that_its_plan_names() {
    let (found, asked) = looked(Fake::new()).await;
    assert_eq!(asked, ["describe", "load", "mapped", "served", "count", "query", "indexes"]);
    let expected = Evidence {
        collection: Some(7),
        load: Ok(LoadState::Loaded),
        mapped: Ok(Mapped { segments: 2, rows: 10 }),
        served: Some(Ok(Served { segments: 2, rows: 10 })),
        count: Some(Ok(10)),
        indexes: Some(Ok(Vec::new())),
        queries: Some(vec![Ok(10)]),
    };
    assert_eq!(found, Ok(expected));
}

#[tokio::test(start_paused = true)]
async fn of_what_is_served_only_what_is_mapped_counts() {
    let (found, _) = looked(Fake { served: Segments::from([(1, 6), (9, 4)]), ..Fake::new() }).await;
    assert_eq!(found.unwrap().served, Some(Ok(Served { segments: 1, rows: 6 })));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_of_a_collection_that_is_not_loaded_but_what_it_consists_of() {
    let (found, asked) = looked(Fake { load: LoadState::NotLoaded, ..Fake::new() }).await;
    assert_eq!(asked, ["describe", "load", "mapped", "indexes"]);
    let found = found.unwrap();
    assert_eq!((found.served, found.count, found.queries), (None, None, None));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_denied_or_unknown_leaves_the_others_and_trouble_of_the_server_ends_the_look() {
    let (found, asked) = looked(Fake::failing("mapped", ErrorKind::Unsupported)).await;
    assert_eq!((asked.len(), found.unwrap().mapped.map_err(|error| error.kind)), (7, Err(ErrorKind::Unsupported)));
    let (found, asked) = looked(Fake::failing("describe", ErrorKind::PermissionDenied)).await;
    assert_eq!((asked.len(), found.unwrap().collection), (7, None));
    let (found, asked) = looked(Fake::failing("load", ErrorKind::Timeout)).await;
    assert_eq!((asked.len(), found.map_err(|error| error.kind)), (2, Err(ErrorKind::Timeout)));
    let (found, _) = looked(Fake::failing("describe", ErrorKind::CollectionNotFound)).await;
    assert_eq!(found.map_err(|error| error.kind), Err(ErrorKind::CollectionNotFound));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_ends_a_look_after_minutes() {
    let fake = Arc::new(Fake { gate: Semaphore::new(0), ..Fake::new() });
    let (examiner, woken) = examiner(&fake);
    examiner.examine(&1, plan(1));
    sleep(Duration::from_secs(299)).await;
    assert_eq!(examiner.examine(&1, plan(1)), None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(*woken.lock(), [1]);
    let found = examiner.examine(&1, plan(1)).unwrap();
    assert_eq!(found.map_err(|error| error.kind), Err(ErrorKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn four_looks_are_under_way_at_a_time_twenty_begin_in_a_second_and_a_key_has_one() {
    let fake = Arc::new(Fake { gate: Semaphore::new(0), ..Fake::new() });
    let (examiner, woken) = examiner(&fake);
    for _ in 0..3 {
        for key in 0..100 {
            assert_eq!(examiner.examine(&key, plan(1)), None);
        }
        settle().await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.most.load(Ordering::SeqCst), 4);
    fake.gate.add_permits(1000);
    sleep(Duration::from_secs(1)).await;
    assert!(woken.lock().len() <= 25, "{} looks in a second", woken.lock().len());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(fake.most.load(Ordering::SeqCst), 4);
    assert_eq!(woken.lock().len(), 100, "each is woken once");
    assert_eq!(fake.asked.lock().iter().filter(|call| **call == "describe").count(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_a_look_brought_is_taken_once_and_only_by_who_asks_for_the_same() {
    let fake = Arc::new(Fake::new());
    let (examiner, _) = examiner(&fake);
    examiner.examine(&1, plan(1));
    settle().await;
    assert_eq!(examiner.examined(&1), None);
    assert_eq!(examiner.examine(&1, plan(2)), None, "it was for another run");
    sleep(Duration::from_secs(1)).await;
    assert!(examiner.examine(&1, plan(2)).is_some());
    assert!(examiner.examined(&1).is_some());
    assert_eq!(examiner.examine(&1, plan(2)), None, "the next look");
    examiner.forget(&1);
    assert_eq!(examiner.examined(&1), None);
    settle().await;
    assert_eq!(examiner.shared.looks.lock().len(), 0, "what was forgotten stays so");
}

#[tokio::test(start_paused = true)]
async fn no_look_outlives_its_server() {
    let fake = Arc::new(Fake { gate: Semaphore::new(0), ..Fake::new() });
    let (examiner, woken) = examiner(&fake);
    examiner.examine(&1, plan(1));
    settle().await;
    drop(examiner);
    settle().await;
    fake.gate.add_permits(1);
    settle().await;
    assert_eq!(woken.lock().len(), 0);
    assert_eq!(Arc::strong_count(&fake), 1);
}
