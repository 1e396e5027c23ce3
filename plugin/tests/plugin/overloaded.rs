//! API servers that have too much to do.

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
