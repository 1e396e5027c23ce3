//! The examples for pipelines, run from their files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{
    album::Album,
    engines::apply_by_flux,
    harness::{LONG, World, status},
    python::Environment,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Kubernetes' own client, and what the examples are for.
const PYTHON: Environment = Environment {
    area: "gitops",
    packages: &["kubernetes==36.0.3", "apache-airflow-task-sdk==1.3.2", "dagster==1.13.29"],
    purpose: "the tests of the examples",
    tests: "recipes::",
};

/// A kubeconfig of this world's namespace.
fn kubeconfig(world: &World<'_>) -> PathBuf {
    let admin = fs::read_to_string(world.cluster.control_plane.kubeconfig()).unwrap();
    let mut config: Value = serde_json::from_str(&admin).unwrap();
    config["contexts"][0]["context"]["namespace"] = json!(world.namespace);
    let path = world.cluster.control_plane.folder().join(format!("{}.kubeconfig", world.namespace));
    fs::write(&path, config.to_string()).unwrap();
    path
}

/// Runs a program of the examples against this world.
fn run(world: &World<'_>, program: &Path, args: &[&str]) -> (bool, String) {
    let kubectl = world.cluster.control_plane.kubectl_path();
    let path = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(program);
    command.args(args).env("KUBECONFIG", kubeconfig(world)).env("PATH", path).env("KUBERC", "off");
    // Or Airflow writes into the user's home.
    command.env("AIRFLOW_HOME", world.cluster.control_plane.folder().join("airflow"));
    command.current_dir(format!("{ROOT}/examples/pipelines")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Output { status, stdout, stderr } = block_in_place(|| controlplane::output(command, LONG).unwrap());
    (status.success(), [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_job_waits_for_its_run_and_fails_with_it() {
    let mut album = Album::new().await;
    album.completed("products").await;
    let script = Path::new(ROOT).join("examples/pipelines/refresh.sh");
    let (done, said) = run(&album.world, &script, &["products", "4711"]);
    assert!(done && said.contains("RefreshCompleted: Job"), "{said}");
    assert_eq!(album.world.starts("products"), 2);
    album.world.milvus.set_plan(
        "default",
        "products",
        Plan::fails_in(Duration::ZERO, "no files found in external source"),
    );
    let (done, said) = run(&album.world, &script, &["products", "4712"]);
    assert!(!done && said.contains("RefreshFailed: no files found"), "{said}");
}

#[test]
fn the_task_of_tekton_runs_the_commands_of_the_ci_job() {
    let read = |file: &str| fs::read_to_string(format!("{ROOT}/examples/pipelines/{file}")).unwrap();
    let commands = |text: &str| -> Vec<String> {
        text.lines().map(str::trim).skip_while(|line| *line != "set -eu").skip(2).map(str::to_owned).collect()
    };
    let of_ci = read("refresh.sh").replace("$2", "$REQUEST").replace("${TIMEOUT:-2h}", "$TIMEOUT");
    assert_eq!(commands(&read("tekton-task.yaml")), commands(&of_ci));
    assert!(commands(&of_ci).len() == 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_waits_for_its_run_and_a_second_try_waits_for_the_same() {
    let mut album = Album::new().await;
    album.completed("products").await;
    let python = block_in_place(|| PYTHON.programs()).join("python");
    let file = format!("{ROOT}/examples/pipelines/refresh.py");
    let namespace = album.world.namespace.clone();
    let refresh = |request: &str| run(&album.world, &python, &[&file, &namespace, "products", request]);
    for _ in 0..2 {
        let (done, said) = refresh("run-1");
        assert!(done && said.contains("completed"), "{said}");
        assert_eq!(album.world.starts("products"), 2);
    }
    album.world.milvus.set_plan(
        "default",
        "products",
        Plan::fails_in(Duration::ZERO, "no files found in external source"),
    );
    let (done, said) = refresh("run-2");
    assert!(!done && said.contains("SourceEmpty: no files found"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_of_airflow_and_the_asset_of_dagster_run_and_fail_with_their_run() {
    let mut album = Album::new().await;
    album.completed("products").await;
    let python = block_in_place(|| PYTHON.programs()).join("python");
    let namespace = album.world.namespace.clone();
    let airflow = format!(
        "from airflow_operator import MilvusRefreshOperator\n\
         task = MilvusRefreshOperator(task_id='products', namespace='{namespace}', name='products')\n\
         print('job', task.execute({{'run_id': 'manual__1'}}))"
    );
    let dagster = format!(
        "import dagster, dagster_asset\n\
         result = dagster.materialize([dagster_asset.refreshed('{namespace}', 'products')])\n\
         print('job', result.asset_materializations_for_node('products')[0].metadata['job'].value)"
    );
    for (runs, code) in [(2, &airflow), (3, &dagster)] {
        let (done, said) = run(&album.world, &python, &["-c", code]);
        let job = album.world.milvus.accepted_starts("default", "products").last().unwrap().to_string();
        assert!(done && said.contains(&format!("job {job}")), "{said}");
        assert_eq!(album.world.starts("products"), runs);
    }
    let plan = Plan::fails_in(Duration::ZERO, "no files found in external source");
    album.world.milvus.set_plan("default", "products", plan);
    for code in [airflow.replace("manual__1", "manual__2"), dagster] {
        let (done, said) = run(&album.world, &python, &["-c", &code]);
        assert!(!done && said.contains("SourceEmpty: no files found"), "{said}");
    }
}

/// What kustomize makes of a folder.
fn kustomize(world: &World<'_>, folder: &Path) -> Vec<Value> {
    let made = world.kubectl(&["kustomize", folder.to_str().unwrap()]);
    serde_saphyr::from_multiple(&made).unwrap()
}

/// An empty folder, which goes with the control plane.
fn folder(world: &World<'_>, name: &str) -> PathBuf {
    let folder = world.cluster.control_plane.folder().join(name);
    fs::create_dir(&folder).unwrap();
    folder
}

fn copy(from: &str, to: &Path) {
    for entry in fs::read_dir(format!("{ROOT}/{from}")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_committed_starts_one_run_and_its_revert_none() {
    let album = Album::new().await;
    let world = &album.world;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let repository = folder(world, "gitops-repository");
    copy("examples/kustomize", &repository);
    let file = repository.join("kustomization.yaml");
    let first = fs::read_to_string(&file).unwrap();
    let push = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut objects = kustomize(world, &repository);
        objects[0]["metadata"]["namespace"] = json!(world.namespace);
        block_in_place(|| apply_by_flux(world.cluster.control_plane.kubeconfig(), &objects))
    };
    let handled = |token: &'static str| {
        move |object: &ExternalCollectionRefresh| {
            let seen = status(object).observed_generation == object.metadata.generation;
            seen && status(object).last_handled_trigger.as_deref() == Some(token)
        }
    };
    assert_eq!(push(&first), ["created"]);
    world.until("products", "run", handled("git-4f2c9d1")).await;
    assert_eq!(push(&first), ["unchanged"]);
    let second = first.replace("version=git-4f2c9d1", "version=git-9505540");
    assert_ne!(second, first);
    assert_eq!(push(&second), ["configured"]);
    world.until("products", "run again", handled("git-9505540")).await;
    assert_eq!(world.starts("products"), 2);
    assert_eq!(push(&first), ["configured"]);
    world.until("products", "reverted", handled("git-4f2c9d1")).await;
    assert_eq!(world.starts("products"), 2, "a revert starts nothing");
}

fn examples(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(format!("{ROOT}/examples/pipelines/{file}")).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_starts_one_run_however_often_it_is_delivered() {
    let mut album = Album::new().await;
    album.completed("products").await;
    let world = &album.world;
    let sink = examples("knative.yaml").remove(1);
    let command = sink["spec"]["job"]["spec"]["template"]["spec"]["containers"][0]["command"].as_array().unwrap();
    let (program, args) = command.split_first().unwrap();
    assert_eq!(program, "kubectl");
    let by_knative = |event: &str| {
        let args: Vec<String> = args.iter().map(|arg| arg.as_str().unwrap().replace("$(REQUEST)", event)).collect();
        world.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let sensor = examples("argo-events.yaml").remove(0);
    let trigger = &sensor["spec"]["triggers"][0]["template"]["k8s"];
    assert_eq!(trigger["patchStrategy"], "application/merge-patch+json");
    let by_argo_events = |event: &str| {
        let mut patch = trigger["source"]["resource"].clone();
        patch["metadata"]["annotations"]["milvus-refresh.dev/requestedAt"] = json!(event);
        world.kubectl(&["patch", "ecrefresh", "products", "--type=merge", "-p", &patch.to_string()]);
    };
    for (runs, event) in [(2, "knative"), (3, "argo-events")] {
        for _ in 0..2 {
            if event == "knative" {
                by_knative(event)
            } else {
                by_argo_events(event)
            }
            let answered =
                |object: &ExternalCollectionRefresh| status(object).last_completed_request.as_deref() == Some(event);
            world.until("products", "answered", answered).await;
            assert_eq!(world.starts("products"), runs, "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_of_an_image_that_is_committed_at_the_marker_starts_a_run() {
    let album = Album::new().await;
    let world = &album.world;
    world.milvus.create_collection("products", Plan::completes_in(Duration::ZERO));
    let file = format!("{ROOT}/examples/pipelines/flux-image-automation.yaml");
    let text = fs::read_to_string(file).unwrap();
    let policy = &examples("flux-image-automation.yaml")[1]["metadata"];
    let (namespace, name) = (policy["namespace"].as_str().unwrap(), policy["name"].as_str().unwrap());
    let marker = format!("{{\"$imagepolicy\": \"{namespace}:{name}:tag\"}}");
    let line = text.lines().find(|line| line.ends_with(&format!(" # {marker}"))).expect("a field with the marker");
    for (runs, tag) in [(1, "export-1"), (2, "export-2")] {
        let committed = text.replace(line, &line.replace("export-1", tag));
        let mut object: Value = serde_saphyr::from_multiple(&committed).unwrap().pop().unwrap();
        object["metadata"]["namespace"] = json!(world.namespace);
        block_in_place(|| apply_by_flux(world.cluster.control_plane.kubeconfig(), &[object]));
        let handled = |object: &ExternalCollectionRefresh| status(object).last_handled_trigger.as_deref() == Some(tag);
        world.until("products", "run", handled).await;
        assert_eq!(world.starts("products"), runs);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_component_brings_health_and_actions_into_the_config_map_of_argo_cd() {
    let world = World::without_operator().await;
    let folder = folder(&world, "gitops-argocd-cm");
    let put = |file: &str, text: &str| fs::write(folder.join(file), text).unwrap();
    fs::create_dir(folder.join("component")).unwrap();
    copy("gitops/argocd", &folder.join("component"));
    put(
        "argocd-cm.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm}\ndata: {url: https://a.example}\n",
    );
    put("kustomization.yaml", "namespace: argocd\nresources: [argocd-cm.yaml]\ncomponents: [component]\n");
    let made = kustomize(&world, &folder);
    let data = made[0]["data"].as_object().unwrap();
    let kinds = ["health.milvus-refresh.dev_ExternalCollectionRefresh", "health.milvus-refresh.dev_MilvusConnection"];
    for key in kinds.into_iter().chain(["actions.milvus-refresh.dev_ExternalCollectionRefresh"]) {
        assert!(data.contains_key(&format!("resource.customizations.{key}")), "{key} is not in {data:?}");
    }
    assert_eq!(data["url"], "https://a.example");
}
