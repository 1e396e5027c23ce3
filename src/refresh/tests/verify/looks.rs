//! What one look says.

use serde_json::{Value, json};

use super::{completed, error, failed, found, not_loaded, not_served, served, verdict};
use crate::{
    milvus::{
        ErrorKind, Index, IndexState, LoadState,
        examiner::{Evidence, Mapped, Served},
    },
    refresh::{Outcome, VerifyReason, tests::verify::checked},
};

/// What this look says at the deadline, when it counts whatever waiting could bring, and whether it counted before.
fn judged(verify: Value, evidence: Evidence) -> (Outcome, VerifyReason, bool) {
    let mut spec = json!({ "policy": "Report", "timeoutSeconds": 10 });
    spec.as_object_mut().unwrap().append(&mut verify.as_object().unwrap().clone());
    let mut scene = completed(&spec);
    scene.play(found(evidence.clone()));
    if let (Some(outcome), reason) = verdict(&scene) {
        return (outcome, reason, true);
    }
    scene.pass(super::SECOND * 10);
    scene.play(found(evidence));
    let (outcome, reason) = verdict(&scene);
    (outcome.unwrap(), reason, false)
}

#[test]
fn a_look_asks_for_what_the_spec_demands_and_the_connection_allows() {
    let queries = json!([{ "name": "new", "filter": "batch == 1" }]);
    let scene = completed(&json!({ "policy": "Report", "index": "Require", "queries": queries }));
    let plan = |allowed| scene.want.verify.as_ref().unwrap().plan(("default", "products"), 3, &scene.record(), allowed);
    let allowed = plan(true);
    assert_eq!((allowed.occasion, allowed.indexes), ((1, 3), true));
    assert_eq!((&*allowed.database, &*allowed.collection), ("default", "products"));
    assert_eq!(allowed.filters, Some(vec!["batch == 1".to_owned()]));
    assert_eq!(plan(false).filters, None);
    let scene = completed(&json!({ "policy": "Report" }));
    let plan = scene.want.verify.as_ref().unwrap().plan(("default", "products"), 1, &scene.record(), true);
    assert_eq!((plan.indexes, plan.filters), (false, Some(Vec::new())));
}

#[test]
fn each_look_has_its_verdict_at_once_or_when_waiting_is_over() {
    use Outcome::{Error, Failed, Inconclusive, Passed};
    let missing = Some(Ok(Served { segments: 1, rows: 10 }));
    let unsupported = || error(ErrorKind::Unsupported);
    let denied = || error(ErrorKind::PermissionDenied);
    let old_server = Evidence { mapped: Err(unsupported()), served: Some(Err(unsupported())), ..served() };
    let loading = Evidence { load: Ok(LoadState::Loading), ..not_loaded() };
    let required = json!({ "load": "Required" });
    let rows = json!({ "rows": { "min": 11 } });
    let none = json!({});
    let table = [
        ("all is served", none.clone(), served(), (Passed, VerifyReason::Passed, true)),
        ("nothing is served", none.clone(), not_served(), (Failed, VerifyReason::NotServed, false)),
        (
            "the sums are right and a segment is missing",
            none.clone(),
            Evidence { served: missing, ..served() },
            (Failed, VerifyReason::NotServed, false),
        ),
        (
            "the segments are all there with fewer rows",
            none.clone(),
            Evidence { served: Some(Ok(Served { segments: 2, rows: 9 })), ..served() },
            (Failed, VerifyReason::NotServed, false),
        ),
        (
            "a query finds fewer rows than are served",
            none.clone(),
            Evidence { count: Some(Ok(9)), ..served() },
            (Failed, VerifyReason::NotServed, false),
        ),
        (
            "a query still finds rows that are gone",
            none.clone(),
            Evidence { count: Some(Ok(11)), ..served() },
            (Failed, VerifyReason::NotServed, false),
        ),
        ("not loaded", none.clone(), not_loaded(), (Inconclusive, VerifyReason::NotLoaded, true)),
        ("not loaded, though it has to be", required.clone(), not_loaded(), (Failed, VerifyReason::NotLoaded, false)),
        ("being loaded", none.clone(), loading.clone(), (Inconclusive, VerifyReason::NotLoaded, false)),
        ("being loaded, as it has to", required, loading, (Failed, VerifyReason::NotLoaded, false)),
        (
            "released in the middle",
            none.clone(),
            Evidence {
                served: Some(Err(error(ErrorKind::NotLoaded))),
                count: Some(Err(error(ErrorKind::NotLoaded))),
                ..served()
            },
            (Inconclusive, VerifyReason::NotLoaded, false),
        ),
        (
            "an older server that counts rows",
            none.clone(),
            old_server.clone(),
            (Inconclusive, VerifyReason::Unsupported, true),
        ),
        (
            "an older server that counts none",
            none.clone(),
            Evidence { count: Some(Ok(0)), ..old_server.clone() },
            (Failed, VerifyReason::NotServed, false),
        ),
        (
            "an older server with too few rows, by its count",
            rows.clone(),
            old_server.clone(),
            (Failed, VerifyReason::TooFewRows, false),
        ),
        (
            "an older server that is not loaded, with a limit of rows",
            rows.clone(),
            Evidence { load: Ok(LoadState::NotLoaded), served: None, count: None, ..old_server },
            (Inconclusive, VerifyReason::Unsupported, true),
        ),
        (
            "as many rows as have to be",
            json!({ "rows": { "min": 10 } }),
            served(),
            (Passed, VerifyReason::Passed, true),
        ),
        (
            "a server that does not tell how far it is loaded",
            none.clone(),
            Evidence { load: Err(unsupported()), ..served() },
            (Passed, VerifyReason::Passed, true),
        ),
        (
            "an account that may not ask how far it is loaded",
            none.clone(),
            Evidence { load: Err(denied()), ..served() },
            (Error, VerifyReason::CheckFailed, false),
        ),
        (
            "an account that may not see what is served",
            none.clone(),
            Evidence { served: Some(Err(denied())), ..served() },
            (Error, VerifyReason::CheckFailed, false),
        ),
        (
            "a limit of rows that the account may not read, while a query counts them",
            rows.clone(),
            Evidence { mapped: Err(denied()), ..served() },
            (Error, VerifyReason::CheckFailed, false),
        ),
        (
            "the same of a collection that is not loaded",
            rows.clone(),
            Evidence { mapped: Err(denied()), ..not_loaded() },
            (Error, VerifyReason::CheckFailed, false),
        ),
        ("too few rows", rows, served(), (Failed, VerifyReason::TooFewRows, true)),
        (
            "a privilege is missing",
            none.clone(),
            Evidence { mapped: Err(denied()), ..served() },
            (Error, VerifyReason::CheckFailed, false),
        ),
        (
            "the privilege to query is missing",
            none.clone(),
            Evidence { count: Some(Err(denied())), ..served() },
            (Error, VerifyReason::CheckFailed, false),
        ),
        (
            "another incarnation of the collection",
            none.clone(),
            Evidence { collection: Some(7), ..served() },
            (Failed, VerifyReason::NotServed, true),
        ),
        (
            "an account that may not describe the collection",
            none,
            Evidence { collection: None, ..served() },
            (Passed, VerifyReason::Passed, true),
        ),
    ];
    for (what, verify, evidence, expected) in table {
        assert_eq!(judged(verify, evidence), expected, "{what}");
    }
}

#[test]
fn indexes_have_to_be_finished_where_the_spec_says_so() {
    let index = |state, pending_rows| {
        let index = Index { name: "vector".into(), state, pending_rows, reason: "bad file.".into() };
        Evidence { indexes: Some(Ok(vec![index])), ..served() }
    };
    let verify = || json!({ "index": "Require" });
    let of = |evidence| judged(verify(), evidence);
    assert_eq!(of(index(IndexState::Finished, 0)), (Outcome::Passed, VerifyReason::Passed, true));
    assert_eq!(of(index(IndexState::Finished, 3)), (Outcome::Failed, VerifyReason::IndexPending, false));
    assert_eq!(of(index(IndexState::Unfinished, 0)), (Outcome::Failed, VerifyReason::IndexPending, false));
    assert_eq!(
        of(index(IndexState::Failed, 0)),
        (Outcome::Failed, VerifyReason::IndexFailed, true),
        "it does not heal"
    );
    assert_eq!(of(Evidence { indexes: Some(Ok(Vec::new())), ..served() }).0, Outcome::Passed);
    let unknown = Evidence { indexes: Some(Err(error(ErrorKind::Internal))), ..served() };
    assert_eq!(of(unknown), (Outcome::Error, VerifyReason::CheckFailed, false));
}

#[test]
fn queries_have_to_find_their_rows() {
    let verify = || json!({ "queries": [{ "name": "new", "filter": "batch == \"x\"", "minRows": 3 }] });
    let of = |queries| judged(verify(), Evidence { queries, ..served() });
    assert_eq!(of(Some(vec![Ok(3)])), (Outcome::Passed, VerifyReason::Passed, true));
    assert_eq!(of(Some(vec![Ok(2)])), (Outcome::Failed, VerifyReason::QueryFailed, false));
    assert_eq!(of(None), (Outcome::Error, VerifyReason::NotAllowed, false), "the owner may still allow it");
    let invalid = of(Some(vec![Err(error(ErrorKind::InvalidRequest))]));
    assert_eq!(invalid, (Outcome::Error, VerifyReason::CheckFailed, true), "the same filter never parses");
    assert_eq!(of(Some(vec![Err(error(ErrorKind::Internal))])), (Outcome::Error, VerifyReason::CheckFailed, false));
    let none = || error(ErrorKind::NotLoaded);
    let released =
        Evidence { served: Some(Err(none())), count: Some(Err(none())), queries: Some(vec![Err(none())]), ..served() };
    assert_eq!(judged(verify(), released), (Outcome::Inconclusive, VerifyReason::NotLoaded, false));
    assert_eq!(
        judged(verify(), not_loaded()),
        (Outcome::Inconclusive, VerifyReason::NotLoaded, true),
        "no query is made"
    );
}

#[test]
fn a_query_that_is_not_allowed_leaves_the_other_checks_their_results() {
    let verify = json!({ "policy": "Report", "timeoutSeconds": 10, "rows": { "min": 1 },
                         "queries": [{ "name": "new", "filter": "batch == \"x\"" }] });
    let mut scene = completed(&verify);
    scene.pass(super::SECOND * 10);
    scene.play(found(served()));
    let checks = checked(&scene).checks;
    let outcomes: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.outcome.as_str())).collect();
    let expected = [("rows", "Passed"), ("served", "Passed"), ("count", "Passed"), ("query/new", "Error")];
    assert_eq!(outcomes, expected);
    assert!(checks[3].message.contains("allowVerifyQueries"), "{}", checks[3].message);
}

#[test]
fn what_waiting_cannot_mend_is_told_before_what_it_may() {
    let index = Index { name: "vector".into(), state: IndexState::Failed, pending_rows: 0, reason: String::new() };
    let evidence = Evidence { indexes: Some(Ok(vec![index])), ..not_served() };
    assert_eq!(judged(json!({ "index": "Require" }), evidence), (Outcome::Failed, VerifyReason::IndexFailed, true));
}

#[test]
fn each_check_says_what_it_found_and_what_it_expected() {
    let mut scene = completed(&json!({ "policy": "Report", "timeoutSeconds": 10, "rows": { "min": 4 } }));
    scene.pass(super::SECOND * 10);
    scene.play(found(Evidence { mapped: Ok(Mapped { segments: 3, rows: 12 }), ..served() }));
    let checked = checked(&scene);
    let numbers: Vec<_> =
        checked.checks.iter().map(|check| (check.name.as_str(), check.observed, check.expected)).collect();
    let expected = [("rows", Some(12), Some(4)), ("served", Some(2), Some(3)), ("count", Some(10), Some(12))];
    assert_eq!(numbers, expected);
    assert_eq!((checked.mapped, checked.served), (Some(12), Some(10)));
    assert_eq!(checked.message, "Milvus serves 2 of the 3 segments of the collection.");
}

#[test]
fn a_drop_is_judged_against_the_last_run_that_was_verified() {
    let rows = |count| Evidence {
        mapped: Ok(Mapped { segments: 2, rows: count }),
        served: Some(Ok(Served { segments: 2, rows: count })),
        count: Some(Ok(count)),
        ..served()
    };
    let mut scene = completed(&json!({ "policy": "Report", "rows": { "maxDropPercent": 20 } }));
    scene.play(found(rows(100)));
    assert_eq!(verdict(&scene).0, Some(Outcome::Passed), "there is nothing to compare with");
    let again = |scene: &mut super::Scene, id: i64, count| {
        scene.want.trigger = Some(id.to_string());
        scene.want.generation += 1;
        super::run(scene, super::NEW + id);
        scene.play(found(rows(count)));
        (verdict(scene), checked(scene).previous)
    };
    assert_eq!(again(&mut scene, 1, 79), ((Some(Outcome::Failed), VerifyReason::RowsDropped), Some(100)));
    assert_eq!(
        again(&mut scene, 2, 79),
        ((Some(Outcome::Failed), VerifyReason::RowsDropped), Some(100)),
        "not against 79"
    );
    assert_eq!(again(&mut scene, 3, 80), ((Some(Outcome::Passed), VerifyReason::Passed), Some(100)));
    assert_eq!(again(&mut scene, 4, 64), ((Some(Outcome::Passed), VerifyReason::Passed), Some(80)));
}

#[test]
fn a_look_that_meets_no_collection_finds_nothing_served_and_other_trouble_is_no_failure() {
    for (kind, expected) in [
        (ErrorKind::CollectionNotFound, (Some(Outcome::Failed), VerifyReason::NotServed)),
        (ErrorKind::DatabaseNotFound, (Some(Outcome::Failed), VerifyReason::NotServed)),
        (ErrorKind::Unreachable, (Some(Outcome::Error), VerifyReason::CheckFailed)),
        (ErrorKind::Timeout, (Some(Outcome::Error), VerifyReason::CheckFailed)),
    ] {
        let mut scene = completed(&json!({ "policy": "Report", "timeoutSeconds": 10 }));
        scene.play(failed(kind));
        assert_eq!(verdict(&scene).0, None, "{kind:?}");
        scene.pass(super::SECOND * 10);
        scene.play(failed(kind));
        assert_eq!(verdict(&scene), expected, "{kind:?}");
    }
}
