//! Completion, as a real bash and a real kubectl ask for it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use milvus_simulator::Plan;
use tokio::task::block_in_place;

use crate::{
    harness::{Cluster, World},
    world::{PLUGIN, ROOT, ended},
};

/// A PATH with kubectl, the plugin, and the program that kubectl completes it by, as a release has them side by side.
fn path(world: &World<'_>) -> String {
    let folder = world.cluster.control_plane.folder().join(format!("bin-{}", world.namespace));
    fs::create_dir(&folder).unwrap();
    fs::copy(PLUGIN, folder.join("kubectl-ecrefresh")).unwrap();
    let completes = "kubectl_complete-ecrefresh";
    fs::copy(format!("{ROOT}/plugin/completion/{completes}"), folder.join(completes)).unwrap();
    let kubectl = world.cluster.control_plane.kubectl_path().parent().unwrap();
    format!("{}:{}:{}", folder.display(), kubectl.display(), std::env::var("PATH").unwrap())
}

fn with_path(world: &World<'_>, program: &str, path: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", path).env("KUBECONFIG", world.cluster.control_plane.kubeconfig()).env("KUBERC", "off");
    command
}

/// In a namespace of this name, with which no other namespace's name begins.
async fn world(namespace: &str) -> World<'static> {
    let shared = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
    block_in_place(|| shared.control_plane.kubectl_ok(&["create", "namespace", namespace]).unwrap());
    let world = World::in_namespace(shared, namespace.to_owned()).await;
    for name in ["products", "prices", "orders"] {
        world.refresh(name, Plan::hangs());
    }
    world.apply("MilvusConnection", "lake", serde_json::json!({ "address": "http://127.0.0.1:1" }));
    world
}

/// Answers that say nothing: on a slow machine the cluster may not have been heard of in time.
const MOST_EMPTY: usize = 60;

/// The first answer that says something, as somebody gets it who presses Tab again.
fn asked_again(ask: impl Fn() -> Vec<String>) -> Vec<String> {
    let mut answers = (0..MOST_EMPTY).map(|_| ask());
    let says = |answer: &Vec<String>| answer.iter().any(|line| !line.is_empty() && line != ":4");
    answers.find(says).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_commands_names_flags_and_values() {
    let world = world("completed-by-kubectl").await;
    let path = path(&world);
    let kubectl = world.cluster.control_plane.kubectl_path().to_str().unwrap().to_owned();
    let completes = |typed: &[&str]| -> Vec<String> {
        asked_again(|| {
            let mut command = with_path(&world, &kubectl, &path);
            command.args(["__complete", "ecrefresh"]).args(typed);
            let done = ended(command);
            assert_eq!(done.code, 0, "{done:?}");
            done.out.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
        })
    };
    let namespace = world.namespace.as_str();
    assert_eq!(completes(&["hist"]), ["history", ":4"]);
    assert_eq!(completes(&["run", "-n", namespace, "pr"]), ["prices", "products", ":4"]);
    assert_eq!(completes(&["run", "-n", namespace, "prices", "p"]), ["products", ":4"]);
    assert_eq!(completes(&["create", "a", "-n", namespace, "--connection", ""]), ["lake", ":4"]);
    assert_eq!(completes(&["run", "--time"]), ["--timeout", ":4"]);
    assert_eq!(completes(&["list", "-n", namespace]), [namespace, ":4"]);
    assert_eq!(completes(&["list", "--output="]), ["json", "yaml", "name", "wide", ":4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_what_is_typed() {
    let world = world("completed-by-bash").await;
    let path = path(&world);
    let completes = |typed: &str| -> Vec<String> {
        let script = format!(
            "source <(kubectl-ecrefresh completion bash)\n\
             COMP_LINE='{typed}' COMP_POINT={} _kubectl_ecrefresh\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            typed.len()
        );
        asked_again(|| {
            let mut bash = with_path(&world, "bash", &path);
            bash.args(["--norc", "-c", &script]);
            let done = ended(bash);
            assert_eq!(done.code, 0, "{done:?}");
            done.out.lines().map(str::to_owned).collect()
        })
    };
    let namespace = &world.namespace;
    assert_eq!(completes("kubectl-ecrefresh susp"), ["suspend"]);
    assert_eq!(completes(&format!("kubectl-ecrefresh -n {namespace} status p")), ["prices", "products"]);
    assert_eq!(completes("kubectl-ecrefresh list --output=y"), ["yaml"]);
    let registered = ended({
        let mut bash = with_path(&world, "bash", &path);
        bash.args(["--norc", "-c", "source <(kubectl-ecrefresh completion bash); complete -p kubectl-ecrefresh"]);
        bash
    });
    assert!(registered.out.contains("-F _kubectl_ecrefresh kubectl-ecrefresh"), "{registered:?}");
}

#[test]
fn a_login_that_takes_its_time_or_asks_does_not_hold_up_the_shell() {
    let folder = std::env::temp_dir().join(format!("ecrefresh-login-{}", std::process::id()));
    let (waits, asked) = (folder.join("waits"), folder.join("asked"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(&waits, "").unwrap();
    let login = format!(
        "echo \"$KUBERNETES_EXEC_INFO\" > {}; while [ -e {} ]; do sleep 0.1; done",
        asked.display(),
        waits.display()
    );
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
        "clusters": [{ "name": "a", "cluster": { "server": "http://127.0.0.1:9" } }],
        "users": [{ "name": "a", "user": { "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", login], "interactiveMode": "IfAvailable" } } }],
    });
    fs::write(folder.join("kubeconfig"), config.to_string()).unwrap();
    let mut command = Command::new(PLUGIN);
    command.args(["__complete", "run", ""]).env("KUBECONFIG", folder.join("kubeconfig"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let said = controlplane::output(command, crate::harness::LONG).unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), ":4\n");
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.contains("\"interactive\":false"), "{asked}");
    // Whatever became of the login ends with this.
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_where_nothing_can_be_found_out() {
    let world = World::without_operator().await;
    let nowhere = ended({
        let mut command = Command::new(PLUGIN);
        command.args(["__complete", "run", ""]).env("KUBECONFIG", "/nowhere");
        command
    });
    assert_eq!((nowhere.code, nowhere.out.as_str(), nowhere.err.as_str()), (0, ":4\n", ""));
    let folder = world.cluster.control_plane.folder().join("man");
    let written = world.plugin(&["man", folder.to_str().unwrap()]);
    assert_eq!(written.code, 0, "{written:?}");
    let page = fs::read_to_string(Path::new(&folder).join("kubectl-ecrefresh-run.1")).unwrap();
    assert!(page.contains("\\-\\-timeout"), "{page}");
    let scripts = ["bash", "zsh", "fish", "kubectl"];
    for shell in scripts {
        let script = block_in_place(|| world.plugin(&["completion", shell]));
        assert!(script.code == 0 && script.out.contains("__complete"), "{script:?}");
    }
}
