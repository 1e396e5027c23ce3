//! What a connection tells of itself: each thing that can be wrong with TLS, a Secret or a ConfigMap.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    core::v1::{ConfigMap, Secret, ServiceAccount},
    events::v1::Event,
    rbac::v1::{ClusterRole, Role, RoleBinding},
};
use kube::{
    Api, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use milvus_simulator::{Fault, Method, ServerTls, Settings, Simulator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    certificates::{Ca, Issued},
    harness::World,
};

const HOST: &str = "127.0.0.1";

impl World<'_> {
    /// Creates an object of any kind from JSON.
    pub async fn put<K>(&self, object: Value)
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Serialize
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    pub async fn put_secret(&self, name: &str, type_: &str, data: Value) {
        let annotations = json!({ "kubernetes.io/service-account.name": "somebody" });
        let metadata = json!({ "name": name, "annotations": annotations });
        self.put::<Secret>(json!({ "metadata": metadata, "type": type_, "stringData": data })).await;
    }

    pub async fn put_config_map(&self, name: &str, data: Value) {
        self.put::<ConfigMap>(json!({ "metadata": { "name": name }, "data": data })).await;
    }

    pub async fn put_certificate(&self, name: &str, certificate: &Issued) {
        let data = json!({ "tls.crt": certificate.chain, "tls.key": certificate.key });
        self.put_secret(name, "kubernetes.io/tls", data).await;
    }

    pub async fn put_connection(&self, name: &str, spec: Value) {
        self.put::<milvus_refresh_operator::api::MilvusConnection>(json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection",
            "metadata": { "name": name }, "spec": spec,
        }))
        .await;
    }
}

pub async fn serving(tls: Option<ServerTls>) -> Simulator {
    Simulator::start("127.0.0.1:0".parse().unwrap(), Settings { tls, ..Settings::default() }).await.unwrap()
}

pub fn tls(certificate: &Issued, client_ca: Option<&Ca>) -> Option<ServerTls> {
    Some(ServerTls::new(&certificate.chain, &certificate.key, client_ca.map(|ca| ca.pem.as_str())).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_wrong_has_its_own_reason_and_message_and_never_a_key() {
    let world = World::without_operator().await;
    let (ca, clients) = (Ca::new(), Ca::new());
    let (own, stranger) = (clients.client(), clients.client());
    let secured = serving(tls(&ca.server(HOST), None)).await;
    let expired = serving(tls(&ca.server_in(HOST, (2020, 2021)), None)).await;
    let renamed = serving(tls(&ca.server("milvus.example"), None)).await;
    let mutual = serving(tls(&ca.server(HOST), Some(&clients))).await;
    world.put_config_map("ca", json!({ "ca.crt": ca.pem, "garbage": "hunter2" })).await;
    world.put_secret("ca", "Opaque", json!({ "ca.crt": ca.pem })).await;
    world.put_config_map("other-ca", json!({ "ca.crt": Ca::new().pem })).await;
    world.put_certificate("own", &own).await;
    world.put_certificate("mixed", &Issued { key: stranger.key.clone(), ..own.clone() }).await;
    world.put_secret("token", "Opaque", json!({ "token": "hunter2" })).await;
    world.put_secret("account", "kubernetes.io/service-account-token", json!({ "token": "hunter2" })).await;
    world.put_secret("bootstrap", "bootstrap.kubernetes.io/token", json!({ "token": "hunter2" })).await;
    world.put_secret("odd", "Opaque", json!({ "username": "hunter2" })).await;

    let trusted = json!({ "kind": "ConfigMap", "name": "ca" });
    let with = |milvus: &Simulator, tls: Value| json!({ "address": milvus.url(), "tls": tls });
    let login = |name: &str| json!({ "address": world.milvus.url(), "auth": { "secretRef": { "name": name } } });
    let ca_of = |kind: &str, name: &str, key: &str| json!({ "caRef": { "kind": kind, "name": name, "key": key } });
    let table = [
        ("config-map", with(&secured, json!({ "caRef": trusted })), "Connected", "answers"),
        ("secret", with(&secured, ca_of("Secret", "ca", "ca.crt")), "Connected", "answers"),
        ("named", with(&renamed, json!({ "caRef": trusted, "serverName": "milvus.example" })), "Connected", "answers"),
        (
            "mutual",
            with(&mutual, json!({ "caRef": trusted, "clientCertificateRef": { "name": "own" } })),
            "Connected",
            "answers",
        ),
        (
            "wrong-ca",
            with(&secured, ca_of("ConfigMap", "other-ca", "ca.crt")),
            "Unreachable",
            "not signed by the CA of",
        ),
        ("system-roots", with(&secured, json!({})), "Unreachable", "not signed by a CA that this system"),
        ("expired", with(&expired, json!({ "caRef": trusted })), "Unreachable", "has expired"),
        ("wrong-name", with(&renamed, json!({ "caRef": trusted })), "Unreachable", "not for 127.0.0.1, but for"),
        ("no-certificate", with(&mutual, json!({ "caRef": trusted })), "Unreachable", "requires a client certificate"),
        ("plain", json!({ "address": secured.url().replace("https", "http") }), "Unreachable", "If it expects TLS"),
        (
            "tls-to-plain",
            json!({ "address": world.milvus.url().replace("http", "https"), "tls": { "caRef": trusted } }),
            "Unreachable",
            "it does not use TLS",
        ),
        (
            "garbage",
            with(&secured, ca_of("ConfigMap", "ca", "garbage")),
            "InvalidSpec",
            "the CA of tls.caRef cannot be",
        ),
        (
            "mixed",
            with(&mutual, json!({ "caRef": trusted, "clientCertificateRef": { "name": "mixed" } })),
            "InvalidSpec",
            "tls.key is not the key of",
        ),
        (
            "type",
            with(&mutual, json!({ "caRef": trusted, "clientCertificateRef": { "name": "token" } })),
            "InvalidSpec",
            "Secret token is of type Opaque",
        ),
        ("account", login("account"), "InvalidSpec", "of type kubernetes.io/service-account-token"),
        ("bootstrap", login("bootstrap"), "InvalidSpec", "of type bootstrap.kubernetes.io/token"),
        ("no-key", with(&secured, ca_of("ConfigMap", "ca", "nothing")), "SecretNotFound", "it has no key nothing"),
        ("no-map", with(&secured, ca_of("ConfigMap", "gone", "ca.crt")), "SecretNotFound", "ConfigMap gone does not"),
        (
            "no-secret",
            with(&secured, ca_of("Secret", "gone", "ca.crt")),
            "SecretNotFound",
            "Secret gone does not exist",
        ),
        ("no-login", login("gone"), "SecretNotFound", "Secret gone does not exist"),
        ("half-login", login("odd"), "SecretNotFound", "a login needs either the key token"),
    ];
    for (name, spec, _, _) in &table {
        world.put_connection(name, spec.clone()).await;
    }
    world.start_operator();
    let mut messages = BTreeSet::new();
    for (name, _, reason, says) in &table {
        let ready = world.until_connection(name, reason, |ready| ready.message.contains(says)).await;
        let status = world.connections().get(name).await.unwrap().status.unwrap();
        let is = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_).unwrap().status.clone();
        let row = [is("Ready"), is("Reconciling"), is("Stalled")];
        let expected = match *reason {
            "Connected" => ["True", "False", "False"],
            "InvalidSpec" => ["False", "False", "True"],
            _ => ["False", "True", "False"],
        };
        assert_eq!(row, expected, "{name}");
        assert!(
            !ready.message.contains("hunter2") && !ready.message.contains("-----BEGIN"),
            "{name}: {}",
            ready.message
        );
        if *reason != "Connected" && *name != "no-login" {
            assert!(messages.insert(ready.message.clone()), "{name} says what another one says: {}", ready.message);
        }
    }
    let log = world.log_tail();
    let key = own.key.lines().nth(1).unwrap();
    assert!(!log.contains("hunter2") && !log.contains(key), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_grant_is_named_and_the_connection_comes_up_once_it_is_given() {
    let world = World::without_operator().await;
    let ca = Ca::new();
    let secured = serving(tls(&ca.server(HOST), None)).await;
    world.put_config_map("ca", json!({ "ca.crt": ca.pem })).await;
    world.put::<ServiceAccount>(json!({ "metadata": { "name": "blind" } })).await;
    let shipped = async |name: &str| {
        let role: ClusterRole = Api::all(world.client.clone()).get(name).await.unwrap();
        serde_json::to_value(role.rules.unwrap()).unwrap()
    };
    let without_secrets = shipped("milvus-refresh-operator").await;
    world.put::<Role>(json!({ "metadata": { "name": "blind" }, "rules": without_secrets })).await;
    let subject = json!({ "kind": "ServiceAccount", "name": "blind", "namespace": world.namespace });
    let role = |name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name });
    let binding =
        |name: &str| json!({ "metadata": { "name": name }, "roleRef": role(name), "subjects": [subject.clone()] });
    world.put::<RoleBinding>(binding("blind")).await;

    let trusted = json!({ "caRef": { "kind": "ConfigMap", "name": "ca" } });
    world.put_connection("default", json!({ "address": secured.url(), "tls": trusted })).await;
    let kubeconfig = world.cluster.control_plane.service_account_kubeconfig(&world.namespace, "blind").unwrap();
    let _operator = world.spawn_operator("blind", &kubeconfig, &["--leader-elect=false"]);
    let says = "may not read ConfigMap ca: its role lacks the verbs list and watch on configmaps";
    world.until_connection("default", "SecretNotFound", |ready| ready.message.contains(says)).await;

    // What is shipped is enough also when it is given for that name alone.
    let mut rules = shipped("milvus-refresh-operator-secrets").await;
    for rule in rules.as_array_mut().unwrap() {
        rule["resourceNames"] = json!(["ca"]);
    }
    world.put::<Role>(json!({ "metadata": { "name": "seeing" }, "rules": rules })).await;
    world.put::<RoleBinding>(binding("seeing")).await;
    world.until_connection("default", "Connected", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_must_carry_the_label_where_that_is_asked_for() {
    let world = World::without_operator().await;
    world.put_login("login", "root", "hunter2").await;
    world.connect(Some("login")).await;
    let args = ["--leader-elect=false", "--require-secret-label"];
    let _operator = world.spawn_operator("labels", &world.cluster.operator_kubeconfig, &args);
    world.until_connection("default", "InvalidSpec", |ready| ready.message.contains("milvus-refresh.dev/allow")).await;
    assert!(world.milvus.journal().is_empty(), "nothing was sent");
    let label = Patch::Merge(json!({ "metadata": { "labels": { "milvus-refresh.dev/allow": "true" } } }));
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    secrets.patch("login", &PatchParams::default(), &label).await.unwrap();
    world.until_connection("default", "Connected", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_over_http_is_warned_of_once_and_not_at_every_look() {
    let world = World::without_operator().await;
    world.put_login("login", "root", "hunter2").await;
    world.connect(Some("login")).await;
    world.start_operator();
    world.until_connected().await;
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    let warnings = async || {
        let all = events.list(&ListParams::default()).await.unwrap();
        let about = |event: &Event| event.reason.as_deref() == Some("PlaintextCredentials");
        all.items.into_iter().filter(about).map(|event| event.series.map_or(1, |series| series.count)).sum::<i32>()
    };
    while warnings().await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    world.milvus.pause().await;
    // A refresh finds out, a look confirms it, and more looks follow.
    world.create("products", "products").await;
    world.until_connection("default", "Unreachable", |_| true).await;
    world.milvus.resume().await.unwrap();
    world.until_connection("default", "Connected", |_| true).await;
    assert!(world.milvus.calls(Method::Version) >= 2);
    assert_eq!(warnings().await, 1);
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let changed = Patch::Merge(json!({ "stringData": { "password": "hunter3" } }));
    secrets.patch("login", &PatchParams::default(), &changed).await.unwrap();
    while warnings().await < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_no_longer_than_the_connection_allows() {
    let world = World::without_operator().await;
    world.milvus.fault(Method::Version, Fault::HangBeforeEffect.forever());
    world.put_connection("default", json!({ "address": world.milvus.url(), "requestTimeoutSeconds": 1 })).await;
    world.start_operator();
    world.until_connection("default", "Unreachable", |ready| ready.message.contains("did not answer within 1s")).await;
}
