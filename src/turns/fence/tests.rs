#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;
use crate::{
    api::ExternalCollectionRefresh,
    milvus::JobState,
    refresh::{Desired, JobRecord, Run},
};

const OURS: &str = "http://ours:19530";
const THEIRS: &str = "http://theirs:19530";
const DATABASE: &str = "default";

fn key(name: &str) -> Key {
    Key { namespace: "n".to_owned(), name: name.to_owned() }
}

fn want() -> Desired {
    let spec = serde_json::from_value(serde_json::json!({ "collectionName": "c" })).unwrap();
    Desired::of(&ExternalCollectionRefresh::new("r", spec))
}

/// A due run that goes through the connection of this name; with a collection, one whose last claim is not proven over.
fn due(uid: &'static str, connection: &str, collection: Option<i64>) -> Shown {
    let attempt = i64::from(collection.is_some());
    let record = Recorded {
        run: Some(Run { collection_id: collection, attempt, ..Run::default() }),
        job: JobRecord { state: Some(JobState::Pending), ..JobRecord::default() },
        ..Recorded::default()
    };
    Shown { uid, connection: key(connection), record }
}

/// An object as a listing shows it, at version 1.
struct Shown {
    uid: &'static str,
    connection: Key,
    record: Recorded,
}

impl Fence {
    fn show(&self, scope: &Option<String>, Shown { uid, connection, record }: Shown) {
        let member = Member { uid, key: &key(uid), connection: &connection, want: &want() };
        self.shown(scope, member, "1", &record);
    }

    /// The listing of `scope` shows all these and is complete.
    fn lists(&self, scope: &Option<String>, all: impl IntoIterator<Item = Shown>) -> Option<usize> {
        all.into_iter().for_each(|shown| self.show(scope, shown));
        self.listed(scope)
    }
}

/// A fence of one scope in which these runs are due and whose connections are told, and whom it has woken since that was
/// last asked.
struct Scene<W> {
    fence: Fence,
    began: Instant,
    woken: W,
}

fn scene(due: Vec<Shown>) -> Scene<impl FnMut() -> Vec<String>> {
    let (router, woken) = Router::heard();
    let (fence, began) = (Fence::new(&[None], router, Gauge::default()), Instant::now());
    fence.begin(began);
    for (name, address) in [("ours", OURS), ("theirs", THEIRS)] {
        fence.connection_seen(&key(name), [address.to_owned()]);
    }
    fence.connections_listed(&None);
    fence.lists(&None, due);
    Scene { fence, began, woken }
}

impl<W> Scene<W> {
    fn ask(&self, uid: &str, endpoint: &str, lock: Option<Lock>) -> (Permission, Option<Ahead>) {
        self.ask_at(uid, endpoint, lock, self.began)
    }

    fn ask_at(&self, uid: &str, endpoint: &str, lock: Option<Lock>, now: Instant) -> (Permission, Option<Ahead>) {
        let key = key(uid);
        self.fence.permission(uid, &Asking { key: &key, endpoint: Some(endpoint), database: DATABASE, lock, now })
    }

    fn may(&self, uid: &str, endpoint: &str, collection: Option<i64>) -> Permission {
        self.ask(uid, endpoint, collection.map(Lock::Collection)).0
    }
}

use Permission::{Announce, Fenced, Granted};

#[test]
fn a_run_that_is_due_at_a_takeover_is_announced_first() {
    let scene = scene(vec![due("a", "ours", None)]);
    assert_eq!(scene.may("a", OURS, None), Announce);
    scene.fence.announced("a");
    assert_eq!(scene.may("a", OURS, None), Granted);
}

#[test]
fn an_unannounced_run_of_an_unknown_collection_withholds_its_address_and_database_and_nothing_else() {
    let scene = scene(vec![due("a", "theirs", None)]);
    for collection in [None, Some(7)] {
        assert_eq!(scene.may("b", THEIRS, collection), Fenced);
        assert_eq!(scene.may("b", OURS, collection), Granted);
    }
    let key = key("b");
    let elsewhere = Asking { key: &key, endpoint: Some(THEIRS), database: "other", lock: None, now: scene.began };
    assert_eq!(scene.fence.permission("b", &elsewhere).0, Granted);
}

#[test]
fn an_unannounced_run_of_a_known_collection_withholds_that_one_through_whatever_address() {
    let scene = scene(vec![due("a", "theirs", Some(7))]);
    for endpoint in [OURS, THEIRS] {
        assert_eq!(scene.may("b", endpoint, None), Granted, "it may look which collection it is");
        assert_eq!(scene.may("b", endpoint, Some(7)), Fenced);
        assert_eq!(scene.may("b", endpoint, Some(8)), Granted);
    }
    let name = || Some(Lock::Name(String::new(), String::new(), String::new()));
    assert_eq!(scene.ask("b", THEIRS, name()).0, Fenced, "it cannot find out");
    assert_eq!(scene.ask("b", OURS, name()).0, Granted);
}

#[test]
fn a_run_is_bound_to_a_collection_only_while_an_earlier_claim_is_not_proven_over() {
    let claimed = Run { attempt: 2, collection_id: Some(7), ..Run::default() };
    for (run, bound) in [
        (Run { proven_claims: 1, ..claimed.clone() }, Some(7)),
        (Run { proven_claims: 2, ..claimed }, None),
        (Run { collection_id: Some(7), ..Run::default() }, None),
    ] {
        assert_eq!(Recorded { run: Some(run.clone()), ..Recorded::default() }.bound_to(), bound, "{run:?}");
    }
}

#[test]
fn before_the_connections_are_told_nobody_knows_where_a_run_leads() {
    let (router, mut woken) = Router::heard();
    let fence = Fence::new(&[None], router, Gauge::default());
    fence.lists(&None, [due("a", "unknown", None)]);
    let key = key("b");
    let ask = || Asking { key: &key, endpoint: Some(OURS), database: DATABASE, lock: None, now: Instant::now() };
    assert_eq!(fence.permission("b", &ask()).0, Fenced);
    fence.connections_listed(&None);
    assert_eq!(woken(), ["b"]);
    assert_eq!(fence.permission("b", &ask()).0, Granted, "it leads nowhere");
}

#[test]
fn a_connection_that_is_edited_after_the_takeover_withholds_what_it_led_to_before() {
    let scene = scene(vec![due("a", "theirs", None)]);
    scene.fence.connection_seen(&key("theirs"), ["http://new:19530".to_owned()]);
    assert_eq!(scene.may("b", THEIRS, None), Fenced);
}

#[test]
fn who_is_fenced_is_woken_when_the_last_that_withholds_the_same_is_written() {
    let mut scene = scene(vec![due("a", "ours", None), due("b", "ours", None), due("c", "theirs", None)]);
    assert_eq!(scene.may("x", OURS, None), Fenced);
    scene.fence.announced("c");
    scene.fence.announced("a");
    assert_eq!((scene.woken)(), [""; 0]);
    scene.fence.announced("b");
    assert_eq!((scene.woken)(), ["x"]);
    assert!(scene.fence.is_over());
}

#[test]
fn another_version_of_the_object_ends_it_and_the_same_one_does_not() {
    let scene = scene(vec![due("a", "ours", None)]);
    scene.fence.seen("a", "1");
    assert_eq!(scene.may("b", OURS, None), Fenced);
    scene.fence.seen("a", "2");
    assert_eq!((scene.may("a", OURS, None), scene.may("b", OURS, None)), (Granted, Granted));
}

#[test]
fn a_run_that_cannot_be_written_withholds_until_it_is_read_when_no_late_claim_can_land_any_more() {
    let mut scene = scene(vec![due("a", "ours", None)]);
    let late = scene.began + LATE_CLAIM;
    assert_eq!(scene.fence.late(), Some(late));
    assert!(scene.fence.unread(late - Duration::from_millis(1)).is_empty());
    assert_eq!(scene.may("b", OURS, None), Fenced);
    for _ in 0..2 {
        assert_eq!(scene.fence.unread(late), [("a".to_owned(), key("a"))], "also when a read has failed");
        assert_eq!(scene.may("b", OURS, None), Fenced);
    }
    (scene.woken)();
    scene.fence.read("a");
    assert_eq!((scene.woken)(), ["b"]);
    assert_eq!((scene.may("b", OURS, None), scene.may("a", OURS, None)), (Granted, Announce));
    assert!(scene.fence.unread(late).is_empty() && scene.fence.is_over());
}

#[test]
fn who_cannot_be_written_is_named_to_those_who_wait_and_told_once() {
    let mut scene = scene(vec![due("a", "ours", None)]);
    assert_eq!(scene.ask("b", OURS, None), (Fenced, None), "it is about to be written");
    assert!(scene.fence.failed("a"));
    assert_eq!((scene.woken)(), ["b"]);
    assert_eq!(scene.ask("b", OURS, None), (Fenced, Some(Ahead::Unwritten("n/a".to_owned()))));
    assert!(!scene.fence.failed("a"));
    assert!(!scene.fence.failed("b"), "it was not due");
    assert_eq!(scene.fence.unwritten.get(), 1);
    scene.fence.announced("a");
    assert_eq!(scene.fence.unwritten.get(), 0);
}

#[test]
fn nobody_may_start_until_all_scopes_are_listed_or_count_as_empty() {
    let scopes = [Some("a".to_owned()), Some("b".to_owned())];
    for listed in [true, false] {
        let (router, mut woken) = Router::heard();
        let (fence, began) = (Fence::new(&scopes, router, Gauge::default()), Instant::now());
        fence.begin(began);
        fence.connection_seen(&key("ours"), [OURS.to_owned()]);
        fence.lists(&scopes[0], []);
        let key = key("x");
        let ask = |now| {
            fence.permission("x", &Asking { key: &key, endpoint: Some(OURS), database: DATABASE, lock: None, now })
        };
        assert_eq!(ask(began), (Fenced, None));
        assert_eq!(ask(began + QUIET), (Fenced, Some(Ahead::Unlisted("b".to_owned()))));
        assert!(!fence.lists_everything());
        if listed {
            fence.lists(&scopes[1], [due("y", "ours", None)]);
        } else {
            assert!(fence.unread(began + LATE_CLAIM).is_empty());
        }
        assert_eq!(woken(), ["x"]);
        assert!(fence.lists_everything());
        assert_eq!(ask(began).0, if listed { Fenced } else { Granted });
        if !listed {
            fence.lists(&scopes[1], [due("y", "ours", None)]);
            assert_eq!(fence.unread(began + LATE_CLAIM).len(), 1, "what it shows is read, too");
        }
    }
}

#[test]
fn of_what_a_listing_shows_before_it_is_complete_the_last_counts() {
    let (router, _) = Router::heard();
    let fence = Fence::new(&[None], router, Gauge::default());
    for uid in ["stays", "ends", "goes"] {
        fence.show(&None, due(uid, "ours", None));
    }
    let mut ended = due("ends", "ours", None);
    ended.record.job.state = Some(JobState::Completed);
    fence.show(&None, ended);
    fence.gone("goes");
    assert_eq!(fence.listed(&None), Some(1));
    assert_eq!(fence.inner.lock().unannounced.keys().collect::<Vec<_>>(), ["stays"]);
    assert_eq!(fence.listed(&None), None, "only the first counts");
}

#[test]
fn a_later_listing_announces_nothing() {
    let scene = scene(Vec::new());
    scene.fence.lists(&None, [due("new", "ours", None)]);
    assert_eq!(scene.may("new", OURS, None), Granted);
}
