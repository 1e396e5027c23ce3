use super::*;
use crate::{
    refresh::Rewritten,
    scout::{Plan, What},
};

fn question(scene: &Scene) -> (Option<Timestamp>, Vec<String>) {
    let Some(Plan { what: What::Objects { newer_than, among, .. }, .. }) = scene.want.plan(&scene.record()) else {
        panic!("files are watched")
    };
    (newer_than, among)
}

fn newer(names: &[&str], snapshot: Snapshot) -> Snapshot {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    Snapshot { newer: Newer { count: u64::try_from(names.len()).unwrap(), names }, ..snapshot }
}

/// Two of ten files were rewritten.
fn rewritten() -> Scene {
    let mut scene = fresh(watching());
    assert_eq!(question(&scene), (None, vec![]));
    scene.see_later(5 * MINUTE, files(10, 2));
    let refreshed = scene.watch().refreshed.unwrap().time;
    assert_eq!(question(&scene), (Some(refreshed), vec![]), "which ones");
    scene.scouted = Scouted::default();
    assert!(scene.see(Fact::Nothing).look.is_some(), "which is looked at now");
    scene.see_later(SECOND, newer(&["a", "b"], files(10, 2)));
    scene
}

fn names(scene: &Scene) -> Vec<String> {
    scene.watch().rewritten.map(|listed| listed.names).unwrap_or_default()
}

#[test]
fn files_that_are_rewritten_in_place_are_named_and_start_nothing() {
    let mut scene = rewritten();
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::InPlaceRewrite, 1));
    let message = scene.watch().fresh.unwrap().message;
    assert!(message.starts_with("2 files were rewritten under their names (a, b)."), "{message}");
    for _ in 0..5 {
        scene.see_later(5 * MINUTE, newer(&["a", "b"], files(10, 2)));
    }
    assert_eq!((scene.fresh(), scene.number()), (FreshReason::InPlaceRewrite, 1));
}

#[test]
fn it_is_over_when_the_files_have_their_old_contents_again() {
    let mut scene = rewritten();
    scene.see_later(5 * MINUTE, newer(&["a", "b"], files(10, 1)));
    assert_eq!((scene.fresh(), names(&scene)), (FreshReason::UpToDate, vec![]));
}

#[test]
fn it_stays_through_later_runs_until_the_files_are_gone() {
    let mut scene = rewritten();
    scene.see_later(5 * MINUTE, newer(&["a", "b"], files(11, 2)));
    assert_eq!(scene.fresh(), FreshReason::Settling);
    scene.see_later(2 * MINUTE, newer(&["a", "b"], files(11, 2)));
    scene.start(NEW + 1);
    scene.end(NEW + 1);
    assert_eq!((scene.fresh(), names(&scene)), (FreshReason::InPlaceRewrite, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(question(&scene).1, ["a", "b"], "what was added since is not asked for");
    scene.see_later(5 * MINUTE, newer(&["b"], files(12, 2)));
    assert_eq!(names(&scene), ["b"]);
    scene.see_later(5 * MINUTE, newer(&[], files(13, 2)));
    assert_eq!(scene.watch().rewritten, None);
}

#[test]
fn further_rewrites_are_added() {
    let mut scene = rewritten();
    scene.see_later(5 * MINUTE, newer(&["a", "b"], files(10, 3)));
    assert_eq!(question(&scene).1, [""; 0], "which ones now");
    scene.see_later(SECOND, newer(&["a", "b", "c"], files(10, 3)));
    assert_eq!(names(&scene), ["a", "b", "c"]);
    assert_eq!(scene.watch().rewritten.unwrap().count, 3);
}

#[test]
fn a_collection_that_was_recreated_has_read_the_new_contents() {
    let mut scene = rewritten();
    scene.want.trigger = Some("again".into());
    scene.want.generation += 1;
    scene.look(saw(newer(&["a", "b"], files(10, 2))));
    let mut listing = scene.listing(NEW + 1);
    listing.collection.as_mut().unwrap().id += 1;
    assert_eq!(scene.play(Fact::Looked(Ok(listing))).effect, Effect::Submit);
    scene.play(accepted(NEW + 1));
    scene.end(NEW + 1);
    assert_eq!((scene.watch().rewritten, scene.fresh()), (None, FreshReason::UpToDate));
}

#[test]
fn files_that_no_clock_shows_to_be_newer_are_counted_for_none_and_said() {
    let mut scene = fresh(watching());
    scene.see_later(5 * MINUTE, files(10, 2));
    scene.see_later(SECOND, files(10, 2));
    assert!(matches!(scene.watch().rewritten, Some(Rewritten { ref names, .. }) if names.is_empty()));
    assert_eq!(scene.fresh(), FreshReason::InPlaceRewrite);
    scene.see_later(5 * MINUTE, files(10, 1));
    assert_eq!(scene.fresh(), FreshReason::UpToDate);
}
