//! A real Prometheus and its promtool.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use controlplane::{Process, Program, output};
use serde_json::Value;

use crate::{
    harness::LONG,
    http::{encoded, get},
};

const PROMETHEUS: Program = Program {
    name: "prometheus",
    purpose: "the tests of the metrics and the dashboard",
    version_args: &["--version"],
    // Any of the same major version.
    skew: 99,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/observability/go/prometheus"),
    go_mod: include_str!("go/prometheus/go.mod"),
    module: "github.com/prometheus/prometheus",
    package: "github.com/prometheus/prometheus/cmd/prometheus",
    // The discovery of targets in two dozen clouds is most of it.
    tags: "remove_all_sd",
    variables: &["github.com/prometheus/common/version.Version={major}.{minor}"],
    build_time: "about four minutes",
};

const PROMTOOL: Program = Program {
    name: "promtool",
    purpose: "the tests of the metrics and the alerts",
    package: "github.com/prometheus/prometheus/cmd/promtool",
    ..PROMETHEUS
};

/// Runs promtool with `input`, if there is one, on standard input.
pub fn promtool(args: &[&str], input: Option<&Path>) -> Output {
    let mut command = Command::new(PROMTOOL.find().unwrap());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(input.map_or_else(Stdio::null, |input| fs::File::open(input).unwrap().into()));
    output(command, LONG).unwrap()
}

/// What a program said.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// A Prometheus that scrapes one operator every second.
pub struct Prometheus {
    address: String,
    _process: Process,
}

impl Prometheus {
    /// Scrapes `operator`, with its files in `folder`.
    pub fn start(operator: &str, folder: &Path) -> Self {
        let config = format!(
            "scrape_configs:\n- job_name: operator\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  honor_labels: true\n  \
             static_configs:\n  - targets: ['{operator}']\n    labels: {{namespace: operator-system}}\n"
        );
        let (file, data): (PathBuf, PathBuf) = (folder.join("prometheus.yaml"), folder.join("prometheus"));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(PROMETHEUS.find().unwrap());
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        let process = Process::spawn("prometheus", command, &folder.join("prometheus.log")).unwrap();
        let address = field(&process, "Listening on", "address");
        // It listens a while before it answers queries.
        until("Prometheus that is ready", || get(&address, "/-/ready").ok().filter(|(code, ..)| *code == 200));
        Self { address, _process: process }
    }

    /// The samples of an instant query.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let (code, _, body) = get(&self.address, &format!("/api/v1/query?query={}", encoded(query))).unwrap();
        assert_eq!(code, 200, "{query}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

/// The field of the first JSON line with this message that the process logs.
pub fn field(process: &Process, message: &str, field: &str) -> String {
    until(&format!("a line {message:?}"), || {
        lines(process).into_iter().find(|line| line["msg"] == message || line["message"] == message)
    })[field]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The JSON lines that the process has logged.
pub fn lines(process: &Process) -> Vec<Value> {
    let log = fs::read_to_string(process.log()).unwrap();
    log.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Looks again and again until there is something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "there is no {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
