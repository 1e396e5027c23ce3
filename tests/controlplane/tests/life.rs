//! The control plane itself: it serves, it comes back with its data, and nothing of it stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use controlplane::{AuditLine, Binaries, ControlPlane, Process};

/// Generous: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// For the tests that do not stop the API server. Never dropped: its processes must end with the test's.
static SHARED: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start().unwrap());

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn kubectl_applies_what_it_gets_on_standard_input() {
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: given}, data: {key: value}}";
    let applied = SHARED.kubectl_stdin(&["apply", "--server-side", "-f", "-"], manifest).unwrap();
    assert!(applied.status.success(), "{}", stderr(&applied));
    assert_eq!(SHARED.kubectl_ok(&["get", "configmap", "given", "-o", "jsonpath={.data.key}"]).unwrap(), "value");
}

#[test]
fn a_failing_kubectl_is_an_error_with_its_own_words() {
    let error = SHARED.kubectl_ok(&["get", "configmap", "absent"]).unwrap_err().to_string();
    assert!(error.contains("\"absent\" not found"), "{error}");
}

#[test]
fn a_service_account_without_rights_is_refused_and_the_audit_log_says_so() {
    SHARED.kubectl_ok(&["create", "serviceaccount", "nobody"]).unwrap();
    let kubeconfig = SHARED.service_account_kubeconfig("default", "nobody").unwrap();
    let refused = SHARED.kubectl(&["get", "secret", "x", "--kubeconfig", kubeconfig.to_str().unwrap()]).unwrap();
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("Forbidden"), "{}", stderr(&refused));
    let expected = AuditLine {
        user: "system:serviceaccount:default:nobody".to_owned(),
        verb: "get".to_owned(),
        group: String::new(),
        resource: "secrets".to_owned(),
        subresource: String::new(),
        namespace: "default".to_owned(),
        name: "x".to_owned(),
        uri: "/api/v1/namespaces/default/secrets/x".to_owned(),
        code: 403,
        ended: String::new(),
    };
    let timeless = |line: &AuditLine| AuditLine { ended: String::new(), ..line.clone() };
    // An answer may come before its line.
    until("the line", || SHARED.audit().unwrap().iter().any(|line| timeless(line) == expected));
    let audit = SHARED.audit().unwrap();
    assert_eq!(audit.iter().filter(|line| timeless(line) == expected).count(), 1, "{audit:#?}");
    assert!(audit.iter().all(|line| line.ended.ends_with('Z')), "{audit:#?}");
    let (all, end) = SHARED.audit_from(0).unwrap();
    assert!(all.len() >= audit.len() && SHARED.audit_from(end).unwrap().1 >= end);
}

#[test]
fn objects_outlive_a_stop_of_the_api_server() {
    let control_plane = ControlPlane::start().unwrap();
    let url = control_plane.url().to_owned();
    control_plane.kubectl_ok(&["create", "serviceaccount", "stays"]).unwrap();
    let kubeconfig = control_plane.service_account_kubeconfig("default", "stays").unwrap();

    // An open watch must not hold up the stop.
    let mut watch = Command::new(control_plane.kubectl_path());
    watch.args(["get", "namespaces", "--watch", "--kubeconfig", control_plane.kubeconfig().to_str().unwrap()]);
    let mut watch = Process::spawn("kubectl", watch, &control_plane.folder().join("watch.log")).unwrap();
    watch.wait_for_line("default", LIMIT).unwrap();

    control_plane.stop_api_server().unwrap();
    let refused = control_plane.kubectl(&["get", "serviceaccount", "stays"]).unwrap();
    assert!(stderr(&refused).contains("refused"), "{}", stderr(&refused));

    control_plane.start_api_server().unwrap();
    control_plane.kubectl_ok(&["get", "serviceaccount", "stays"]).unwrap();
    assert_eq!(control_plane.url(), url);
    // A token from before the stop still says who its bearer is.
    let whoami = control_plane
        .kubectl_ok(&["auth", "whoami", "-o", "name", "--kubeconfig", kubeconfig.to_str().unwrap()])
        .unwrap_or_else(|error| panic!("{error:#}"));
    assert!(!whoami.is_empty());

    let folder = control_plane.folder().to_owned();
    drop(control_plane);
    assert!(!folder.exists());
    assert!(TcpStream::connect(url.trim_start_matches("https://")).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_survives_the_kill_of_the_owner() {
    // Where they have to be built, that takes minutes.
    Binaries::find().unwrap();
    // Their standard input is to stay open, so that the first ends by the kill alone.
    let (stdin, stdin_open) = std::io::pipe().unwrap();
    let logs = tempfile::tempdir().unwrap();
    // A place of their own, for each control plane sweeps what it finds in its.
    let place = tempfile::tempdir().unwrap();
    let own = |log: &str| {
        let out = std::fs::File::create(logs.path().join(log)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_controlplane"));
        command.env("TMPDIR", place.path()).stdin(stdin.try_clone().unwrap()).stdout(out).stderr(Stdio::inherit());
        command.spawn().unwrap()
    };
    let mut owner = own("owner.log");
    let said = || std::fs::read_to_string(logs.path().join("owner.log")).unwrap();
    until("the owner names its kubeconfig", || said().lines().any(|line| line.starts_with("kubeconfig: ")));
    let said = said();
    let line = |prefix: &str| said.lines().find_map(|line| line.strip_prefix(prefix)).unwrap();
    let address = line("url: https://");
    let folder = std::path::Path::new(line("kubeconfig: ")).parent().unwrap();
    let children = children_of(owner.id());
    assert_eq!(children.len(), 2, "etcd and kube-apiserver, not {children:?}");
    TcpStream::connect(address).unwrap();

    owner.kill().unwrap();
    owner.wait().unwrap();

    until("its children are gone", || children.iter().all(|pid| !is_alive(*pid)));
    // A process of many threads calls itself a zombie before the last of them has let go of the port.
    until("the port is free", || TcpStream::connect(address).is_err());
    assert!(folder.exists());
    let mut next = own("next.log");
    until("the next control plane sweeps what is left", || !folder.exists());
    drop(stdin_open);
    assert!(next.wait().unwrap().success());
}

#[test]
fn a_process_is_watched_through_its_log() {
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("the shell", command, &log).unwrap()
    };

    let mut patient = shell("echo ready at 1; exec sleep 1000");
    assert_eq!(patient.wait_for_line("ready at", LIMIT).unwrap(), "ready at 1");
    assert!(patient.is_running());
    let end = patient.terminate(LIMIT).unwrap();
    assert!(!end.success());
    assert!(!patient.is_running());

    // The words of the one before do not count for its successor.
    let mut short = shell("echo only this >&2");
    let error = short.wait_for_line("ready at", LIMIT).unwrap_err().to_string();
    assert!(error.contains("ended") && error.contains("only this") && !error.contains("ready at 1"), "{error}");

    let mut stubborn = shell("trap '' TERM; echo deaf; while :; do sleep 1; done");
    stubborn.wait_for_line("deaf", LIMIT).unwrap();
    let error = format!("{:#}", stubborn.terminate(Duration::from_millis(1)).unwrap_err());
    assert!(error.contains("so it was killed"), "{error}");
    assert!(!stubborn.is_running());
}

/// Waits for something that must come, and says what did not.
#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// State and parent of a process, of `/proc/<pid>/stat`: `pid (name) state parent ...`.
#[cfg(target_os = "linux")]
fn state_and_parent(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

#[cfg(target_os = "linux")]
fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// A zombie is gone: it waits for an `init` that some containers do not have.
#[cfg(target_os = "linux")]
fn is_alive(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != "Z")
}
