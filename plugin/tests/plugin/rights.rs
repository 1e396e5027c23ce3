//! What people are told who may not do everything, or ask the wrong cluster; and the exit codes for scripts.

use serde_json::{Value, json};

use crate::{harness::World, stage::plugin, terminal::piped};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_do_is_told_with_the_right_that_is_missing() {
    let world = World::new().await;
    world.create("products", "missing").await;
    world.until_reason("products", "CollectionNotFound").await;
    let namespace = world.namespace.as_str();
    world.kubectl(&["create", "serviceaccount", "viewer"]);
    world.kubectl(&["create", "serviceaccount", "nobody"]);
    let viewer = format!("{namespace}:viewer");
    world.kubectl(&[
        "create",
        "rolebinding",
        "viewer",
        "--clusterrole",
        "milvus-refresh-operator-view",
        "--serviceaccount",
        &viewer,
    ]);
    let plane = &world.cluster.control_plane;
    let kubeconfig =
        |name: &str| tokio::task::block_in_place(|| plane.service_account_kubeconfig(namespace, name).unwrap());
    let (viewer, nobody) = (kubeconfig("viewer"), kubeconfig("nobody"));
    let run = |kubeconfig: &std::path::Path, args: &[&str]| {
        tokio::task::block_in_place(|| piped(&mut plugin(kubeconfig, namespace, args)))
    };

    let (out, err, code) = run(&viewer, &["list"]);
    assert!(out.contains("products") && err.is_empty() && code == Some(0), "{out}{err}");
    let (out, err, code) = run(&viewer, &["why", "products"]);
    assert!(out.contains("CollectionNotFound") && out.contains("What to do:") && code == Some(0), "{out}{err}");
    let (out, err, code) = run(&viewer, &["status", "products"]);
    let told = format!("You may not list events in namespace {namespace}.");
    assert!(
        out.contains(&told) && out.contains("Connection   default (http://127.0.0.1") && code == Some(0),
        "{out}{err}"
    );

    for args in [
        &["list"] as &[&str],
        &["history", "products"],
        &["status", "products"],
        &["why", "products"],
        &["list", "-w"],
        &["list", "-o", "json"],
    ] {
        let (out, err, code) = run(&nobody, args);
        let verb = if args[0] == "list" { "list" } else { "get" };
        let told = format!(
            "You may not {verb} externalcollectionrefreshes.milvus-refresh.dev in namespace {namespace}. Ask for a role with the verb \
             {verb} on externalcollectionrefreshes.milvus-refresh.dev, for example view, or milvus-refresh-operator-view.\n"
        );
        assert_eq!((out.as_str(), err.as_str(), code), ("", told.as_str(), Some(1)), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_tell_by_the_exit_code_what_went_wrong() {
    let world = World::without_operator().await;
    let plane = &world.cluster.control_plane;
    let admin = plane.kubeconfig();
    let run = |args: &[&str]| tokio::task::block_in_place(|| piped(&mut plugin(admin, &world.namespace, args)));

    let (_, err, code) = run(&["list"]);
    assert_eq!((err, code), (format!("No refreshes in namespace {}. All namespaces: -A\n", world.namespace), Some(0)));
    let (_, err, code) = run(&["status", "nope"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.starts_with(&format!("There is no refresh nope in namespace {}.", world.namespace)), "{err}");
    for wrong in [
        &["frobnicate"] as &[&str],
        &["status"],
        &["why", "a", "-o", "json"],
        &["-w", "why", "a"],
        &["list", "--request-timeout", "soon"],
    ] {
        let (_, err, code) = run(wrong);
        assert_eq!(code, Some(2), "{wrong:?}: {err}");
    }
    let (_, err, code) = run(&["list", "--context", "staging"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("The kubeconfig has no context staging. It has: controlplane."), "{err}");
    let (_, err, code) = run(&["list", "--kubeconfig", "/nowhere"]);
    assert_eq!(code, Some(5));
    assert!(err.starts_with("No cluster can be asked:"), "{err}");

    let config = plane.folder().join("nobody-listens.kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a", "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        "clusters": [{ "name": "a", "cluster": { "server": "http://127.0.0.1:9" } }], "users": [{ "name": "a", "user": {} }],
    });
    std::fs::write(&config, text.to_string()).unwrap();
    for args in [&["list"] as &[&str], &["list", "-w"], &["why", "a"]] {
        let (_, err, code) = tokio::task::block_in_place(|| piped(&mut plugin(&config, "shop", args)));
        assert_eq!(code, Some(5), "{args:?}: {err}");
        assert!(err.starts_with("The cluster at http://127.0.0.1:9/ does not answer:"), "{err}");
    }
    // A login by a command, as clouds have it, which prints the token of a service account.
    let text = std::fs::read_to_string(&world.cluster.operator_kubeconfig).unwrap();
    let operator: Value = serde_json::from_str(&text).unwrap_or_else(|_| serde_saphyr::from_str(&text).unwrap());
    let token = operator["users"][0]["user"]["token"].as_str().unwrap();
    let (credential, config) = (plane.folder().join("credential.json"), plane.folder().join("exec.kubeconfig"));
    let says = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token },
    });
    std::fs::write(&credential, says.to_string()).unwrap();
    let mut with_exec = operator.clone();
    with_exec["users"][0]["user"] = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [credential], "interactiveMode": "Never",
    } });
    std::fs::write(&config, with_exec.to_string()).unwrap();
    let (_, err, code) = tokio::task::block_in_place(|| piped(&mut plugin(&config, &world.namespace, &["list"])));
    assert!(err.starts_with("No refreshes in namespace") && code == Some(0), "{err}");
    with_exec["users"][0]["user"]["exec"]["command"] = json!("no-such-program");
    std::fs::write(&config, with_exec.to_string()).unwrap();
    let (_, err, code) = tokio::task::block_in_place(|| piped(&mut plugin(&config, &world.namespace, &["list"])));
    assert!(err.contains("no-such-program") && code == Some(5), "{err}");

    let (_, err, code) = run(&["list", "--as", "somebody"]);
    assert!(err.starts_with("You may not list") && code == Some(1), "{err}");
}
