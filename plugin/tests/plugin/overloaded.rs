//! API servers that have too much to do.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::{
    played::{Answer, folder, serve},
    stage::plugin,
    terminal::piped,
};

#[test]
fn a_wait_ends_in_time_also_where_nothing_was_answered_yet() {
    let folder = folder("silent");
    let kubeconfig = serve(&folder, &json!({}), |_| Answer::Silence);
    for command in [&["wait", "a"][..], &["run", "a", "--wait"]] {
        let (_, err, code) = piped(&mut plugin(&kubeconfig, "shop", &[command, &["--timeout", "300ms"]].concat()));
        assert_eq!((err.as_str(), code), ("The cluster has not answered within 300ms. This command ends.\n", Some(3)));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn one_that_fails_is_not_reached() {
    let folder = folder("fails");
    let kubeconfig = serve(&folder, &json!({}), |_| Answer::error(500));
    let (_, err, code) = piped(&mut plugin(&kubeconfig, "shop", &["list"]));
    assert!(err.ends_with("at the moment (500): no. Try again later.\n") && code == Some(5), "{err}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_list_that_was_read_too_slowly_goes_on_where_it_was() {
    let folder = folder("expired");
    let asked = AtomicUsize::new(0);
    let kubeconfig = serve(&folder, &json!({}), move |request| {
        match (request.parameter("continue"), asked.fetch_add(1, Ordering::SeqCst)) {
            (None, 0) => Answer::page(&["a", "b"], "RefreshCompleted", "old"),
            (Some("old"), _) => Answer::error(410),
            // Meanwhile one before the place was deleted and another one created.
            (None, _) => Answer::page(&["aa", "b"], "RefreshCompleted", "new"),
            _ => Answer::page(&["c"], "RefreshCompleted", ""),
        }
    });
    let (out, err, code) = piped(&mut plugin(&kubeconfig, "shop", &["list", "-o", "name"]));
    let names: Vec<_> = out.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!((names, err.as_str(), code), (vec!["a", "b", "c"], "", Some(0)));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_list_that_expires_at_once_each_time_is_given_up() {
    let folder = folder("expires");
    let kubeconfig = serve(&folder, &json!({}), |request| match request.parameter("continue") {
        None => Answer::page(&["a"], "RefreshCompleted", "old"),
        Some(_) => Answer::error(410),
    });
    let (out, err, code) = piped(&mut plugin(&kubeconfig, "shop", &["list", "-o", "name"]));
    assert!(err.contains("The API server refuses to list") && code == Some(1), "{out}{err}");
    std::fs::remove_dir_all(folder).unwrap();
}
