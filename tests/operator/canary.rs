//! Marked credentials in every place that can hold one, and a search through all that the operator writes.

use std::{
    fmt::Debug,
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use controlplane::Process;
use futures::StreamExt;
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Secret, api::events::v1::Event};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use milvus_simulator::{Fault, JobId, Login, Method, Outcome, Plan, Simulator, When};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    certificates::{Ca, Issued},
    connection::{serving, tls},
    harness::{LONG, World, refresh, status},
    needles::Needles,
};

/// Every marked credential begins so, that a part of one is found as well.
const MARK: &str = "kanari9q";
const USER: &str = "shopkeeper";

/// The credential of one place, with characters that every quoting treats in its own way.
fn marked(place: &str) -> String {
    format!("{MARK}{place}\"ü\\/+&?")
}

/// The spec of a source with marked keys.
fn spec(place: &str) -> String {
    let keys = ["access_key_id", "access_key_value", "external_id", "ssl_ca_cert"];
    let mut extfs = json!({ "cloud_provider": "aws", "region": "eu-central-1" });
    for key in keys {
        extfs[key] = marked(&format!("{place}-{key}")).into();
    }
    json!({ "format": "parquet", "extfs": extfs }).to_string()
}

/// A server's words about a spec: whole, quoted, and key by key.
fn echo_of_spec(place: &str) -> String {
    let text = spec(place);
    let id = marked(&format!("{place}-access_key_id"));
    let key = marked(&format!("{place}-access_key_value"));
    format!("the key {id} is not known; bad signature of \"{key}\" ({}); spec {text} {text:?}", json!(key))
}

/// A server's words about a login.
fn echo_of_login(user: &str, password: &str) -> String {
    let header = STANDARD.encode(format!("{user}:{password}"));
    format!("login {password} of {user} is refused: {password:?} {} authorization={header}", json!(password))
}

/// All versions of the objects of a namespace.
#[derive(Clone, Default)]
struct Versions(Arc<Mutex<Vec<String>>>);

impl Versions {
    fn follow<K>(&self, world: &World<'_>)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned
            + Send
            + 'static,
    {
        let (seen, api) = (self.0.clone(), Api::<K>::namespaced(world.client.clone(), &world.namespace));
        let objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
        tokio::spawn(objects.for_each(move |object| {
            if let Ok(object) = object {
                seen.lock().unwrap().push(serde_json::to_string(&object).unwrap());
            }
            std::future::ready(())
        }));
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl World<'_> {
    /// Creates a refresh of the collection of its own name.
    async fn put_refresh(&self, name: &str, more: Value) {
        let mut spec = json!({ "collectionName": name, "backoffLimit": 0 });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let object = serde_json::from_value(refresh(name, spec)).unwrap();
        self.refreshes().create(&PostParams::default(), &object).await.unwrap();
    }

    async fn set_secret(&self, name: &str, data: Value) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let patch = Patch::Merge(json!({ "stringData": data }));
        secrets.patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    fn start_at_trace_level(&self) -> Process {
        let args = ["--leader-elect=false", "--log-format=json", "--per-object-metrics"];
        self.spawn_operator_logging("canary", &self.cluster.operator_kubeconfig, &args, "trace")
    }

    /// A run that ends in failure with what Milvus says.
    async fn fails(&self, name: &str) {
        let failed = self.until_ended(name).await;
        assert_eq!(status(&failed).state.as_deref(), Some("RefreshFailed"), "{name}");
    }
}

fn own_source(key: &str) -> Value {
    let from = json!({ "secretKeyRef": { "name": "lake", "key": key } });
    json!({ "externalSource": "s3://lake/products", "externalSpecFrom": from })
}

fn with_password(place: &str) -> Option<Login> {
    Some(Login::Password { user: USER.to_owned(), password: marked(place) })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_operator_writes_holds_a_credential() {
    let world = World::without_operator().await;
    let versions = Versions::default();
    versions.follow::<ExternalCollectionRefresh>(&world);
    versions.follow::<MilvusConnection>(&world);
    versions.follow::<Event>(&world);

    let (ca, clients) = (Ca::new(), Ca::new());
    let own = clients.client();
    let secured = serving(tls(&ca.server("127.0.0.1"), Some(&clients))).await;
    secured.configure(|settings| settings.login = Some(Login::Token(marked("token"))));
    connections(&world, &ca, &own, &secured.url()).await;
    let mut operator = world.start_at_trace_level();
    world.until_connected().await;
    world.until_connection("second", "Connected", |_| true).await;
    for (name, reason) in [("key", "InvalidSpec"), ("ca", "InvalidSpec"), ("both", "SecretNotFound")] {
        world.until_connection(name, reason, |_| true).await;
    }

    succeed_and_fail(&world).await;
    through_the_second(&world, &secured).await;
    jobs_of_others(&world).await;
    rotate(&world).await;
    let job = left_running(&world).await;
    let mut pages = metrics(&operator);
    operator.terminate(LONG).unwrap();
    let operator = world.start_at_trace_level();
    fail_after_restart(&world, job).await;
    pages += &metrics(&operator);

    let line = own.key.lines().nth(1).unwrap().trim_matches('=');
    let token = fs::read_to_string(&world.cluster.operator_kubeconfig).unwrap();
    let token: Value = serde_json::from_str(&token).unwrap();
    let signature = token["users"][0]["user"]["token"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let needles = Needles::new(&[MARK, &line[..24], &signature[..24]]);
    let (stored, secrets): (Vec<_>, Vec<_>) =
        in_etcd(&world).into_iter().partition(|(key, _)| !key.starts_with("/registry/secrets/"));
    let text = |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
    let (stored, secrets): (String, String) = (text(&stored), text(&secrets));
    assert!(secrets.contains(MARK) && secrets.contains(line), "the Secrets are in etcd");
    let folder = world.cluster.control_plane.folder();
    let file = |name: &str| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap()).into_owned();
    let places = [
        ("the log", fs::read_to_string(operator.log()).unwrap(), "\"level\":\"TRACE\""),
        ("a metrics page", pages, "milvus_refresh"),
        ("a version of an object", versions.text(), "***"),
        ("etcd", stored, "***"),
        ("the audit log", file("audit.log"), &world.namespace),
        ("the log of the API server", file("kube-apiserver.log"), "apiserver"),
    ];
    let found = |(place, text, _): &(&str, String, &str)| {
        needles.found_in(text).into_iter().map(|found| format!("{place}: {found}")).collect::<Vec<_>>()
    };
    let leaks: Vec<String> = places.iter().flat_map(found).collect();
    assert!(leaks.is_empty(), "{} leaks\n{}", leaks.len(), leaks.join("\n\n"));
    for (place, text, holds) in &places {
        assert!(text.contains(holds), "{place} does not hold {holds}, so it was not read");
    }
}

/// A connection with a login, one with a token and a client certificate, and some that cannot be used.
async fn connections(world: &World<'_>, ca: &Ca, own: &Issued, secured: &str) {
    world.milvus.configure(|settings| settings.login = with_password("password"));
    world.put_login("login", USER, &marked("password")).await;
    world
        .put_secret(
            "lake",
            "Opaque",
            json!({
                "spec.json": spec("lake"), "broken.json": format!("{{\"extfs\": {}", spec("broken")),
                "twice.json": format!("{{\"extfs\": {{}}, {}", &spec("twice")[1..]), "text": marked("text"),
            }),
        )
        .await;
    world.put_secret("token", "Opaque", json!({ "token": marked("token") })).await;
    world.put_certificate("own", own).await;
    world.put_certificate("garbage", &Issued { key: marked("tls.key"), ..own.clone() }).await;
    world.put_secret("garbage-ca", "Opaque", json!({ "ca.crt": marked("ca.crt") })).await;
    let all = json!({ "token": marked("a"), "username": USER, "password": marked("b") });
    world.put_secret("both", "Opaque", all).await;
    world.put_config_map("ca", json!({ "ca.crt": ca.pem })).await;

    let login = |name: &str| json!({ "secretRef": { "name": name } });
    let trusted = json!({ "kind": "ConfigMap", "name": "ca" });
    let with_key = |name: &str| json!({ "caRef": trusted, "clientCertificateRef": { "name": name } });
    let garbage = json!({ "caRef": { "kind": "Secret", "name": "garbage-ca" } });
    for (name, spec) in [
        ("default", json!({ "address": world.milvus.url(), "auth": login("login"), "allowedSources": ["*"] })),
        ("second", json!({ "address": secured, "auth": login("token"), "tls": with_key("own") })),
        ("key", json!({ "address": secured, "tls": with_key("garbage") })),
        ("ca", json!({ "address": secured, "tls": garbage })),
        ("both", json!({ "address": world.milvus.url(), "auth": login("both") })),
    ] {
        world.put_connection(name, spec).await;
    }
}

/// A success, each kind of refusal, a failure, polls that fail, and specs that cannot be read.
async fn succeed_and_fail(world: &World<'_>) {
    let milvus = &world.milvus;
    milvus.create_collection("works", Plan::hangs());
    // Before a start Milvus knows none of the keys.
    let login = || echo_of_login(USER, &marked("password"));
    milvus.fault(Method::List, Fault::Milvus { code: 5, reason: login(), when: When::Before });
    milvus.fault(Method::Describe, Fault::Status { code: 14, text: login(), when: When::Before });
    world.put_refresh("works", own_source("spec.json")).await;
    world.until("works", "started", |object| status(object).job_id.is_some()).await;
    let words = || format!("{} {}", echo_of_spec("lake"), login());
    let polls = milvus.calls(Method::Progress) + 5;
    for fault in [
        Fault::Status { code: 13, text: words(), when: When::Before }.times(2),
        Fault::Milvus { code: 5, reason: words(), when: When::Before }.times(2),
        Fault::Garbage.into(),
    ] {
        milvus.fault(Method::Progress, fault);
    }
    let polled = tokio::time::timeout(LONG, milvus.wait_until(|milvus| milvus.calls(Method::Progress) > polls));
    polled.await.expect("polls");
    milvus.finish_job(milvus.accepted_starts("default", "works")[0], Outcome::Complete);
    assert_eq!(status(&world.until_ended("works").await).state.as_deref(), Some("RefreshCompleted"));
    milvus.clear_faults();

    milvus.create_collection("fails", Plan::fails_in(Duration::ZERO, words()));
    world.put_refresh("fails", own_source("spec.json")).await;
    world.fails("fails").await;
    for (name, fault) in [
        ("refused", Fault::Milvus { code: 1100, reason: words(), when: When::Before }),
        ("denied", Fault::Status { code: 7, text: words(), when: When::Before }),
    ] {
        milvus.create_collection(name, Plan::hangs());
        milvus.fault(Method::Refresh, fault);
        world.put_refresh(name, own_source("spec.json")).await;
        world.fails(name).await;
    }
    milvus.create_collection("unknown", Plan::hangs());
    milvus.fault(Method::Refresh, Fault::Milvus { code: 65535, reason: words(), when: When::After });
    world.put_refresh("unknown", own_source("spec.json")).await;
    world.until_reason("unknown", "OutcomeUnknown").await;
    for (name, key) in [("broken", "broken.json"), ("twice", "twice.json"), ("text", "text")] {
        milvus.create_collection(name, Plan::hangs());
        world.put_refresh(name, own_source(key)).await;
        world.fails(name).await;
    }
}

/// A job through the connection with the token fails and the server tells the token.
async fn through_the_second(world: &World<'_>, secured: &Simulator) {
    let token = marked("token");
    let words = format!("token {token} {token:?} {} expired", STANDARD.encode(&token));
    secured.create_collection("second", Plan::fails_in(Duration::ZERO, words));
    world.put_refresh("second", json!({ "connectionRef": { "name": "second" } })).await;
    world.fails("second").await;
}

/// Jobs of others, whose keys the operator cannot know: by their place in a spec they are told.
async fn jobs_of_others(world: &World<'_>) {
    let words = || format!("spec {} is refused: {:?}", spec("others"), spec("others"));
    world.milvus.create_collection("foreign", Plan::hangs());
    let start = || world.milvus.start_foreign_job_from("default", "foreign", "s3://lake/x", &spec("others")).unwrap();
    let ended = start();
    world.milvus.finish_job(ended, Outcome::Fail(words()));
    let active = start();
    world.put_refresh("foreign", own_source("spec.json")).await;
    world.until_reason("foreign", "WaitingForActiveJob").await;
    world.milvus.set_plan("default", "foreign", Plan::fails_in(Duration::ZERO, words()));
    world.milvus.finish_job(active, Outcome::Fail(words()));
    world.fails("foreign").await;
}

/// Another password and other keys while a job runs; the server tells old and new ones.
async fn rotate(world: &World<'_>) {
    let milvus = &world.milvus;
    milvus.create_collection("rotated", Plan::hangs());
    world.put_refresh("rotated", own_source("spec.json")).await;
    let running = world.until("rotated", "started", |object| status(object).job_id.is_some()).await;
    let words = || {
        let logins = ["password", "second-password"].map(|place| echo_of_login(USER, &marked(place)));
        format!("{} {}", logins.concat(), echo_of_spec("lake"))
    };
    milvus.configure(|settings| {
        settings.login = with_password("second-password");
        settings.version = format!("3.0.1 {}", marked("second-password"));
    });
    world.until_connection("default", "Unauthenticated", |_| true).await;
    milvus.fault(Method::Version, Fault::Status { code: 16, text: words(), when: When::Before });
    world.set_secret("login", json!({ "password": marked("second-password") })).await;
    world.set_secret("lake", json!({ "spec.json": spec("second-lake") })).await;
    world.until_connection("default", "Connected", |_| true).await;
    let job = milvus.accepted_starts("default", "rotated")[0];
    assert_eq!(status(&running).job_id, Some(job.to_string()));
    milvus.finish_job(job, Outcome::Fail(words()));
    world.fails("rotated").await;
    milvus.create_collection("again", Plan::fails_in(Duration::ZERO, echo_of_spec("second-lake")));
    world.put_refresh("again", own_source("spec.json")).await;
    world.fails("again").await;
}

/// A job that outlives the process that started it.
async fn left_running(world: &World<'_>) -> JobId {
    world.milvus.create_collection("restarted", Plan::hangs());
    world.put_refresh("restarted", own_source("spec.json")).await;
    world.until("restarted", "started", |object| status(object).job_id.is_some()).await;
    world.milvus.accepted_starts("default", "restarted")[0]
}

/// A process that has not sent the start itself hears of its failure.
async fn fail_after_restart(world: &World<'_>, job: JobId) {
    world.milvus.finish_job(job, Outcome::Fail(echo_of_spec("second-lake")));
    world.fails("restarted").await;
}

/// What the metrics page says.
fn metrics(operator: &Process) -> String {
    let log = fs::read_to_string(operator.log()).unwrap();
    let mut lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let served = lines.find(|line| line["message"] == "serving /livez, /readyz and /metrics").unwrap();
    ask(served["address"].as_str().unwrap(), "GET", "/metrics", "")
}

/// Every key in etcd with its value.
fn in_etcd(world: &World<'_>) -> Vec<(String, String)> {
    let address = world.cluster.control_plane.etcd_address();
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    let mut all = Vec::new();
    let mut from = vec![0];
    loop {
        let range = json!({ "key": STANDARD.encode(&from), "range_end": STANDARD.encode([0]), "limit": "100" });
        let page: Value = serde_json::from_str(&ask(&address, "POST", "/v3/kv/range", &range.to_string())).unwrap();
        for pair in page["kvs"].as_array().unwrap() {
            from = bytes(&pair["key"]);
            let text = |key: &str| String::from_utf8_lossy(&bytes(&pair[key])).into_owned();
            all.push((text("key"), text("value")));
        }
        // The smallest key that is greater.
        from.push(0);
        if page["more"] != true {
            return all;
        }
    }
}

/// The body of an answer.
fn ask(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // HTTP/1.0, so that the body comes in one piece and ends with the connection.
    write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{answer}");
    body.to_owned()
}
