#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use serde_json::{Value, json};

use super::*;

fn sent() -> Sent {
    Arc::new(|| {})
}

fn spec(sources: &Value, catalogs: &Value) -> ConnectionSpec {
    serde_json::from_value(json!({ "address": "http://m:1", "sources": sources, "catalogs": catalogs })).unwrap()
}

/// One source that is listed with the Secret `reader`, and these fields.
fn one(more: &Value) -> ConnectionSpec {
    let mut source = json!({ "prefix": "s3://lake/a", "region": "r", "auth": { "secretRef": { "name": "reader" } } });
    source.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec(&json!([source]), &json!([]))
}

/// One catalog that is asked with the Secret `reader`, and these fields.
fn catalog(more: &Value) -> ConnectionSpec {
    let mut catalog = json!({ "name": "lake", "uri": "https://c/api", "auth": { "secretRef": { "name": "reader" } } });
    catalog.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec(&json!([]), &json!([catalog]))
}

fn secret_of(type_: &str, texts: &Value) -> View {
    let bytes = |text: &Value| serde_json::to_value(ByteString(text.as_str().unwrap().as_bytes().to_vec())).unwrap();
    let data: serde_json::Map<String, Value> =
        texts.as_object().unwrap().iter().map(|(key, text)| (key.clone(), bytes(text))).collect();
    let secret: Secret = serde_json::from_value(json!({ "metadata": {}, "type": type_, "data": data })).unwrap();
    View::Found(Arc::new(secret.into()))
}

fn secret(texts: &Value) -> View {
    secret_of("Opaque", texts)
}

fn keys() -> View {
    secret(&json!({ "accessKeyID": "id", "secretAccessKey": "hunter2" }))
}

fn map(texts: &Value) -> View {
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": {}, "data": texts })).unwrap();
    View::Found(Arc::new(map.into()))
}

fn resolved(spec: &ConnectionSpec, views: Vec<View>) -> Clients {
    Clients::resolve(spec, views, &Rules::default(), None, &sent()).unwrap()
}

/// The status, the reason and the message of the condition.
fn condition(spec: &ConnectionSpec, views: Vec<View>) -> (&'static str, &'static str, String) {
    resolved(spec, views).condition().unwrap()
}

#[test]
fn every_form_of_a_secret_makes_a_client() {
    let azure = json!({ "prefix": "azure://lake/a" });
    let google = include_str!("../../../stores/tests/service-account.pem");
    let google =
        json!({ "client_email": "a@b", "private_key": google, "private_key_id": "1", "token_uri": "https://t" });
    for (spec, texts) in [
        (one(&json!({})), json!({ "accessKeyID": "id", "secretAccessKey": "hunter2" })),
        (one(&json!({})), json!({ "accessKeyID": "id\n", "secretAccessKey": "hunter2\r\n", "sessionToken": "t\n" })),
        (one(&azure), json!({ "accountName": "shop", "accountKey": "aHVudGVyMg==" })),
        (one(&azure), json!({ "accountName": "shop", "sasToken": "?sv=1&sig=hunter2" })),
        (one(&json!({ "prefix": "gs://lake" })), json!({ "serviceAccount": google.to_string() })),
        (catalog(&json!({})), json!({ "token": "hunter2\n" })),
        (catalog(&json!({})), json!({ "clientID": "id", "clientSecret": "hunter2" })),
        (
            catalog(&json!({})),
            json!({ "clientID": "id", "clientSecret": "hunter2", "tokenURI": "https://t/x", "scope": "a" }),
        ),
    ] {
        let (status, reason, message) = condition(&spec, vec![secret(&texts)]);
        assert_eq!((status, reason), ("True", "Resolved"), "{texts}: {message}");
    }
    let open = json!({ "auth": { "anonymous": {} } });
    assert_eq!(condition(&one(&open), vec![]).0, "True");
    assert_eq!(condition(&catalog(&json!({ "auth": null })), vec![]).0, "True");
    assert!(resolved(&spec(&json!([]), &json!([])), vec![]).condition().is_none());
}

#[test]
fn each_thing_that_is_wrong_with_a_source_has_its_own_sentence_and_no_secret_in_it() {
    let azure = json!({ "prefix": "azure://lake/a" });
    let ca = |kind: &str| json!({ "caRef": { "kind": kind, "name": "ca" } });
    let (source, elsewhere) = (one(&json!({})), "serviceAccount for gs and gcs");
    let (absent, invalid) = ("SecretNotFound", "InvalidSpec");
    for (spec, views, reason, says) in [
        (&source, vec![View::Missing], absent, "Secret reader does not exist"),
        (&source, vec![View::Denied], absent, "may not read Secret reader"),
        (&source, vec![View::Unreadable("too many".to_owned())], absent, "cannot be read: too many"),
        (&source, vec![secret(&json!({}))], absent, "needs the keys accessKeyID and secretAccessKey"),
        (&source, vec![secret(&json!({ "accessKeyID": "hunter2" }))], absent, "needs the keys accessKeyID"),
        (
            &source,
            vec![secret(&json!({ "accessKeyID": "a", "secretAccessKey": "hunter2", "serviceAccount": "{}" }))],
            absent,
            "needs the keys accessKeyID",
        ),
        (
            &source,
            vec![secret(&json!({ "accessKeyID": "a", "secretAccessKey": "" }))],
            invalid,
            "secretAccessKey in the Secret",
        ),
        (&source, vec![secret(&json!({ "accessKeyID": "a", "secretAccessKey": "hunter2 b" }))], invalid, "white space"),
        (&source, vec![secret(&json!({ "accountName": "shop", "accountKey": "aGk=" }))], invalid, elsewhere),
        (
            &source,
            vec![secret_of("kubernetes.io/service-account-token", &json!({ "token": "hunter2" }))],
            invalid,
            "never sends credentials of Kubernetes",
        ),
        (
            &one(&azure),
            vec![secret(&json!({ "accountName": "Shop", "accountKey": "aGk=" }))],
            invalid,
            "accountName is not",
        ),
        (
            &one(&azure),
            vec![secret(&json!({ "accountName": "shop", "accountKey": "hunter2!" }))],
            invalid,
            "not in base64",
        ),
        (&one(&azure), vec![secret(&json!({ "accountName": "shop" }))], absent, "either accountKey or sasToken"),
        (
            &one(&json!({ "prefix": "gs://lake" })),
            vec![secret(&json!({ "serviceAccount": "hunter2" }))],
            invalid,
            "JSON key",
        ),
        (&one(&json!({ "region": null })), vec![keys()], invalid, "Set region or endpoint"),
        (&one(&json!({ "prefix": "minio://store:9000" })), vec![keys()], invalid, "Its prefix has no bucket"),
        (&one(&ca("ConfigMap")), vec![keys(), View::Missing], absent, "ConfigMap ca does not exist"),
        (
            &one(&ca("Secret")),
            vec![keys(), secret(&json!({}))],
            absent,
            "Secret ca cannot be used: it has no key ca.crt",
        ),
        (&one(&ca("ConfigMap")), vec![keys(), map(&json!({ "ca.crt": "hunter2" }))], invalid, "certificate"),
        (
            &one(&json!({ "prefix": "azure://lake", "auth": { "anonymous": {} } })),
            vec![],
            invalid,
            "https://ACCOUNT.blob.core.windows.net",
        ),
        (&catalog(&json!({})), vec![View::Missing], absent, "Secret reader does not exist"),
        (&catalog(&json!({})), vec![secret(&json!({ "clientID": "hunter2" }))], absent, "either the key token, or"),
        (&catalog(&json!({})), vec![secret(&json!({ "token": "hunter2 b" }))], invalid, "token in the Secret"),
        (
            &catalog(&json!({})),
            vec![secret(&json!({ "clientID": "a", "clientSecret": "b", "tokenURI": "https://a:hunter2@t" }))],
            invalid,
            "tokenURI",
        ),
    ] {
        let (status, said, message) = condition(spec, views);
        assert_eq!((status, said), ("False", reason), "{says}: {message}");
        assert!(message.contains(says) && !message.contains("hunter2"), "{says}: {message}");
        assert!(message.starts_with("The source ") || message.starts_with("The catalog lake: "), "{message}");
    }
}

#[test]
fn a_broken_secret_leaves_the_other_sources_as_they_are() {
    let auth = |name: &str| json!({ "secretRef": { "name": name } });
    let sources = json!([
        { "prefix": "s3://lake/a", "region": "r", "auth": auth("gone"), "caRef": { "kind": "Secret", "name": "also-gone" } },
        { "prefix": "s3://lake/b", "region": "r", "auth": auth("reader") },
    ]);
    let spec = spec(&sources, &json!([{ "name": "lake", "uri": "https://c", "auth": auth("token") }]));
    let names: Vec<String> = references(&spec).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["Secret gone", "Secret also-gone", "Secret reader", "Secret token"]);
    let clients = resolved(&spec, vec![View::Missing, View::Missing, keys(), secret(&json!({ "token": "t" }))]);
    let table = clients.sources();
    assert!(table.stores[0].store.as_ref().is_err_and(|problem| problem.contains("Secret gone does not exist")));
    assert!(table.stores[1].store.is_ok() && table.catalogs[0].catalog.is_ok());
    let (_, _, message) = clients.condition().unwrap();
    assert!(message.starts_with("The source s3://lake/a: Secret gone") && !message.contains("lake/b"), "{message}");
}

#[test]
fn what_is_the_same_keeps_its_client_and_another_secret_makes_another() {
    let again = |spec: &ConnectionSpec, view: View, before: &Clients| {
        Clients::resolve(spec, vec![view], &Rules::default(), Some(before), &sent()).unwrap()
    };
    let source = one(&json!({}));
    let first = resolved(&source, vec![keys()]);
    let store = |clients: &Clients| clients.sources().stores[0].store.clone().unwrap();
    let same = again(&source, keys(), &first);
    assert!(Arc::ptr_eq(&store(&first), &store(&same)) && same.is_as(&first));
    let rotated = again(&source, secret(&json!({ "accessKeyID": "id", "secretAccessKey": "other" })), &first);
    assert!(!Arc::ptr_eq(&store(&first), &store(&rotated)) && !rotated.is_as(&first));
    let edited = again(&one(&json!({ "region": "s" })), keys(), &first);
    assert!(!Arc::ptr_eq(&store(&first), &store(&edited)) && !edited.is_as(&first));
    let (gone, gone_still) = (again(&source, View::Missing, &first), again(&source, View::Missing, &first));
    assert!(!gone.is_as(&first) && gone.is_as(&gone_still));
    assert!(again(&source, keys(), &gone).sources().stores[0].store.is_ok());
    assert!(!resolved(&spec(&json!([]), &json!([])), vec![]).is_as(&first));
    let asked = |clients: &Clients| clients.sources().catalogs[0].catalog.clone().unwrap();
    let token = || secret(&json!({ "token": "t" }));
    let first = resolved(&catalog(&json!({})), vec![token()]);
    let same = again(&catalog(&json!({})), token(), &first);
    assert!(Arc::ptr_eq(&asked(&first), &asked(&same)) && same.is_as(&first));
}

#[test]
fn nothing_is_said_before_all_of_it_is_known() {
    let loading = Clients::resolve(&one(&json!({})), vec![View::Loading], &Rules::default(), None, &sent());
    assert!(loading.is_none());
}

#[test]
fn a_secret_must_be_marked_where_that_is_asked_for() {
    let rules = Rules { require_secret_label: true, ..Rules::default() };
    let clients = Clients::resolve(&one(&json!({})), vec![keys()], &rules, None, &sent()).unwrap();
    let (_, reason, message) = clients.condition().unwrap();
    assert!(reason == "InvalidSpec" && message.contains("lacks the label"), "{message}");
}

#[test]
fn credentials_that_go_unencrypted_are_told_and_used() {
    let store = one(&json!({ "endpoint": "http://store:9000" }));
    let open = one(&json!({ "endpoint": "http://store:9000", "auth": { "anonymous": {} } }));
    let token = || vec![secret(&json!({ "token": "t" }))];
    let client = json!({ "clientID": "a", "clientSecret": "b", "tokenURI": "http://t" });
    for (spec, views, exposed) in [
        (&store, vec![keys()], Some("source s3://lake/a")),
        (&open, vec![], None),
        (&one(&json!({ "endpoint": "https://store:9000" })), vec![keys()], None),
        (&catalog(&json!({ "uri": "http://c" })), token(), Some("catalog lake")),
        (&catalog(&json!({ "uri": "http://c", "auth": null })), vec![], None),
        (&catalog(&json!({})), token(), None),
        (&catalog(&json!({})), vec![secret(&client)], Some("catalog lake")),
    ] {
        let clients = resolved(spec, views);
        let (status, reason, message) = clients.condition().unwrap();
        assert_eq!((status, reason == PLAINTEXT), ("True", exposed.is_some()), "{message}");
        assert_eq!(clients.exposed(), exposed.map(|_| message.clone()));
        assert!(message.contains(exposed.unwrap_or_default()), "{message}");
    }
}

#[test]
fn a_workload_identity_is_used_where_the_installation_allows_it_and_shown_to_its_cloud_alone() {
    let tokens = IdentityTokens { aws: "/aws".into(), azure: "/azure".into(), azure_authority: None };
    let allowed = Rules { workload_identity: Some(tokens), ..Rules::default() };
    let aws = json!({ "aws": { "roleARN": "arn:aws:iam::123456789012:role/reader" } });
    let id = "6f0a7c1e-5d3b-4b0e-9a64-2f8c1d3e5a70";
    let azure = json!({ "azure": { "accountName": "shop", "clientID": id, "tenantID": id } });
    let with = |prefix: &str, identity: &Value, more: Value| {
        let mut fields = json!({ "prefix": prefix, "auth": { "workloadIdentity": identity } });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one(&fields)
    };
    let cloud = "at the cloud's own endpoint only";
    for (spec, rules, says) in [
        (with("s3://lake", &aws, json!({})), &allowed, None),
        (with("azure://lake", &azure, json!({ "region": null })), &allowed, None),
        (with("s3://lake", &aws, json!({})), &Rules::default(), Some("--allow-workload-identity")),
        (with("s3://lake", &aws, json!({ "endpoint": "https://evil.example" })), &allowed, Some(cloud)),
        (with("s3://evil.example:443/lake", &aws, json!({})), &allowed, Some(cloud)),
        (with("azure://evil.core.windows.net/lake", &azure, json!({ "region": null })), &allowed, Some(cloud)),
        (with("minio://store/lake", &aws, json!({})), &allowed, Some(cloud)),
        (with("gs://lake", &aws, json!({})), &allowed, Some("of another cloud")),
        (with("s3://lake", &json!({}), json!({})), &allowed, Some("Set either aws or azure")),
    ] {
        let clients = Clients::resolve(&spec, vec![], rules, None, &sent()).unwrap();
        let (status, _, message) = clients.condition().unwrap();
        assert_eq!(status == "True", says.is_none(), "{message}");
        assert!(message.contains(says.unwrap_or_default()), "{message}");
    }
}
