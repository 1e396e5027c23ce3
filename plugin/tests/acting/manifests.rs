//! `create` and `connect`.

use serde_json::Value;

use crate::harness::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_and_a_refresh_that_are_written_by_flags_run() {
    let world = World::without_operator().await;
    world.milvus.create_collection("products", milvus_simulator::Plan::completes_in(std::time::Duration::ZERO));
    let address = world.milvus.url();
    let connect = ["connect", "--address", &address, "--allow-source", "s3://shop"];
    let printed = world.plugin(&connect);
    assert_eq!(printed.code, 0, "{printed:?}");
    let expected = format!(
        "apiVersion: milvus-refresh.dev/v1alpha1\nkind: MilvusConnection\nmetadata:\n  name: default\n  namespace: {}\nspec:\n  \
         address: \"{address}\"\n  allowedSources:\n  - \"s3://shop\"\n",
        world.namespace
    );
    let parsed = |text: &str| -> Value { serde_saphyr::from_str(text).unwrap() };
    assert_eq!(parsed(&printed.out), parsed(&expected));
    assert_eq!(world.kubectl(&["get", "milvusconn", "-o", "name"]), "", "printing changes nothing");
    world.apply_object(&parsed(&printed.out));
    let applied = world.plugin(&[&connect[..], &["--apply"]].concat());
    assert!(applied.code == 0 && applied.out.contains("default: Applied"), "{applied:?}");

    let create = ["create", "products", "--schedule", "@daily", "--verify", "report"];
    assert_eq!(world.plugin(&create).code, 0);
    let applied = world.plugin(&[&create[..], &["--apply"]].concat());
    assert_eq!(applied.code, 0, "{applied:?}");
    let managers =
        world.kubectl(&["get", "ecrefresh", "products", "-o", "jsonpath={.metadata.managedFields[*].manager}"]);
    assert_eq!(managers, "kubectl-ecrefresh");
    let json = world.plugin(&[&create[..], &["-o", "json"]].concat());
    let written: Value = serde_json::from_str(&json.out).unwrap();
    assert!(!json.out.contains("null") && written["spec"]["schedule"]["cron"] == "@daily", "{json:?}");
    world.start_operator();
    world.wait_for("products", "condition=Complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_server_refuses_is_told_in_its_words_with_what_to_do() {
    let world = World::without_operator().await;
    let wrong = world.plugin(&["create", "my-products", "--collection", "my-products"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.err.contains("must begin with a letter or _") && wrong.err.contains("Correct the flag"), "{wrong:?}");
    let both = world.plugin(&["create", "products", "--source", "s3://shop/products", "--apply"]);
    assert!(both.code == 1 && both.err.contains("set externalSource together with"), "{both:?}");
    assert_eq!(world.kubectl(&["get", "ecrefresh", "-o", "name"]), "");
    let offline = world.plugin(&["create", "products", "--offline", "--kubeconfig", "/nowhere"]);
    assert_eq!(offline.code, 0, "{offline:?}");
    let viewer = world.account("viewer", "get,list,watch");
    let refused = world.plugin_as(&viewer, &["create", "products", "--apply"]);
    assert!(refused.code == 1 && refused.err.contains("You may not patch"), "{refused:?}");
    assert_eq!(world.plugin(&["connect"]).code, 2);
}
