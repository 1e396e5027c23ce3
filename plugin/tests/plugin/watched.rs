//! Watches that an API server ends for reasons that pass.

use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::{
    played::{Answer, folder, serve},
    stage::plugin,
};

/// `list -w` in a pipe, which ends with the test.
struct Watcher(Child, Lines<BufReader<ChildStdout>>);

impl Watcher {
    fn start(kubeconfig: &std::path::Path) -> Self {
        let mut command = plugin(kubeconfig, "shop", &["list", "-w"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self(child, lines)
    }

    fn sees(&mut self, begin: &str) {
        let line = self.1.next().expect("it goes on").unwrap();
        assert!(line.starts_with(begin), "{line}");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_watch_logs_in_anew_when_its_token_has_run_out() {
    let folder = folder("token");
    let credential = folder.join("credential.json");
    let user: Value = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "cat",
        "args": [credential], "interactiveMode": "Never" } });
    let issue = {
        let credential = credential.clone();
        move |token: &str| {
            let says = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                "status": { "token": token } });
            fs::write(&credential, says.to_string()).unwrap();
        }
    };
    fs::create_dir_all(&folder).unwrap();
    issue("one");
    let kubeconfig = serve(&folder, &user, move |asked| match (asked.token.as_str(), asked.parameter("watch")) {
        ("one", None) => Answer::page(&["a"], "RefreshCompleted", ""),
        ("two", None) => Answer::page(&["a"], "RefreshFailed", ""),
        ("two", _) => Answer::Watch,
        _ => {
            issue("two");
            Answer::error(401)
        }
    });
    let mut watcher = Watcher::start(&kubeconfig);
    for begin in ["NAME", "a      Completed ", "a      Failed "] {
        watcher.sees(begin);
    }
    drop(watcher);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_watch_goes_on_when_an_api_server_that_starts_knows_the_kind_again() {
    let folder = folder("starts");
    let asked = AtomicUsize::new(0);
    let kubeconfig = serve(&folder, &json!({}), move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::page(&["a"], "RefreshCompleted", ""),
        1 | 2 => Answer::error(404),
        3 => Answer::page(&["a"], "RefreshFailed", ""),
        _ => Answer::Watch,
    });
    let mut watcher = Watcher::start(&kubeconfig);
    for begin in ["NAME", "a      Completed ", "a      Failed "] {
        watcher.sees(begin);
    }
    drop(watcher);
    fs::remove_dir_all(folder).unwrap();
}
