//! What is refused, with which code and in which order, and what is shown of a collection.

use super::*;

const SPEC: &str = r#"{"format":"parquet","extfs":{"use_iam":"true","cloud_provider":"aws","region":"eu-west-1"}}"#;

async fn stage() -> (Simulator, Client) {
    let (simulator, client) = milvus().await;
    simulator.create(CollectionSpec { external: false, ..CollectionSpec::external("internal", Plan::default()) });
    let deferred = CollectionSpec::external("deferred", Plan::default());
    simulator.create(CollectionSpec { source: String::new(), spec: String::new(), ..deferred });
    (simulator, client)
}

#[tokio::test]
async fn each_bad_submit_has_its_code_and_text() {
    let (_simulator, mut client) = stage().await;
    let long = "a".repeat(256);
    let rows: [(&str, &str, &str, &str, i32, &str); 12] = [
        ("default", "", "", "", 1100, "collection name should not be empty"),
        ("default", "1st", "", "", 1100, "first character"),
        ("default", "a-b", "", "", 1100, "can only contain"),
        ("default", &long, "", "", 1100, "must be less than 255"),
        ("nowhere", "products", "", "", 800, "database not found[database=nowhere]"),
        ("default", "missing", "", "", 100, "collection not found[database=default][collection=missing]"),
        ("default", "internal", "", "", 1100, "is not an external collection"),
        ("default", "deferred", "", "", 1100, "has no persisted external_source/external_spec"),
        ("default", "products", "s3://b/p/", "", 1100, "external_source=\"s3://b/p/\" external_spec=\"\""),
        ("default", "products", "", "{\"a\\\n", 1100, r#"external_spec="{\"a\\\n""#),
        ("default", "missing", "s3://b/p/", "{", 1100, "failed to parse external spec"),
        ("default", "1st", "s3://b/p/", "", 1100, "first character"),
    ];
    for (database, collection, source, spec, expected, text) in rows {
        let answer = client.submit(Submit { database, collection, source, spec }).await.unwrap();
        let status = answer.status.unwrap();
        assert_eq!((status.code, answer.job_id), (expected, 0), "{collection:?} {source:?} {spec:?}");
        assert!(status.reason.contains(text), "{:?} does not say {text:?}", status.reason);
        assert!(!status.retriable);
        let legacy = match expected {
            100 => common::ErrorCode::CollectionNotExists,
            1100 => common::ErrorCode::IllegalArgument,
            _ => common::ErrorCode::UnexpectedError,
        };
        assert_eq!(status.error_code, i32::from(legacy));
    }
}

#[tokio::test]
async fn each_bad_source_or_spec_is_refused() {
    let (_simulator, mut client) = stage().await;
    let extfs = |settings: &str| format!(r#"{{"extfs":{{{settings}}}}}"#);
    let aws = r#""cloud_provider":"aws","region":"r""#;
    let iam = format!(r#""use_iam":"true",{aws}"#);
    let rows: Vec<(&str, String, &str)> = vec![
        ("bucket/p", SPEC.into(), "scheme"),
        ("http://h/p", SPEC.into(), "not supported"),
        ("file:///p", SPEC.into(), "not supported"),
        ("volume://v/p", SPEC.into(), "not supported"),
        ("s3:///p", SPEC.into(), "host"),
        ("s3://me:secret@h/p", SPEC.into(), "user info"),
        ("s3://b/p", "[]".into(), "not a JSON object"),
        ("s3://b/p", r#"{"format":"csv"}"#.into(), "format"),
        ("s3://b/p", r#"{"columns":[1]}"#.into(), "columns"),
        ("s3://b/p", r#"{"snapshot_id":1.5}"#.into(), "snapshot_id"),
        ("s3://b/p", r#"{"snapshot_id":"1x"}"#.into(), "snapshot_id"),
        ("s3://b/p", r#"{"extfs":[]}"#.into(), "must be an object"),
        ("s3://b/p", extfs(r#""access_key_val":"x""#), "unknown external spec extfs key"),
        ("s3://b/p", extfs(r#""use_ssl":true"#), "must be a string"),
        ("s3://b/p", extfs(r#""use_ssl":"yes""#), "must be \"true\" or \"false\""),
        ("s3://b/p", extfs(aws), "exactly one credential mode, got 0"),
        ("s3://b/p", extfs(&format!(r#""role_arn":"a",{iam}"#)), "exactly one credential mode, got 2"),
        ("s3://b/p", extfs(&format!(r#""access_key_id":"a",{aws}"#)), "must both be set"),
        ("s3://b/p", extfs(r#""use_iam":"true","region":"r""#), "cloud_provider"),
        ("s3://b/p", extfs(r#""use_iam":"true","cloud_provider":"AWS","region":"r""#), "cloud_provider"),
        ("s3://b/p", extfs(r#""use_iam":"true","cloud_provider":"aws""#), "region is required"),
        ("s3://b/p/", format!(r#"{{"format":"milvus-table","extfs":{{{iam}}}}}"#), "snapshot metadata"),
    ];
    for (source, spec, text) in &rows {
        let answer =
            client.submit(Submit { database: "", collection: "products", source, spec }).await.unwrap().status.unwrap();
        assert_eq!(answer.code, 1100, "{source} {spec}");
        assert!(answer.reason.contains(text), "{source} {spec}: {:?} does not say {text:?}", answer.reason);
    }
}

#[tokio::test]
async fn good_sources_and_specs_are_accepted() {
    let rows = [
        ("s3://b/p", SPEC),
        ("minio://b/p", r#"{"extfs":{"anonymous":"true"}}"#),
        ("gs://b/p", r#"{"unknown":1,"extfs":{"gcp_target_service_account":"a","cloud_provider":"gcp"}}"#),
        ("s3://h/b/m.json", &SPEC.replace("parquet", "milvus-table")),
        ("oss://b/p", r#"{"snapshot_id":7,"extfs":{"role_arn":"a","cloud_provider":"aliyun"}}"#),
    ];
    let (simulator, mut client) = stage().await;
    for (source, spec) in rows {
        let answer = client.submit(Submit { database: "", collection: "products", source, spec }).await.unwrap();
        assert_eq!(code(&answer.status), 0, "{source} {spec}: {answer:?}");
        assert!(simulator.finish_job(JobId(answer.job_id), Outcome::Complete));
    }
}

#[tokio::test]
async fn a_second_start_is_refused_in_each_wording() {
    let (simulator, mut client) = milvus().await;
    let active = client.start("products").await;
    for (wording, text, named) in [
        (DuplicateWording::PollIt, "poll that jobID", true),
        (DuplicateWording::WaitOrCancel, "cancel it first", true),
        (DuplicateWording::WithoutId, "cancel it first", false),
    ] {
        simulator.configure(|settings| settings.duplicate_wording = wording);
        let answer = client.refresh("products").await.unwrap();
        assert_eq!((code(&answer.status), answer.job_id), (703, 0));
        let reason = reason(&answer.status);
        assert!(reason.contains(text) && reason.contains("taskType=refresh_external_collection"), "{reason}");
        assert_eq!(reason.contains(&format!("refresh job {active} is already in progress")), named, "{reason}");
    }
    assert_eq!(simulator.accepted_starts("default", "products"), [JobId(active)]);
}

#[tokio::test]
async fn a_collection_is_described_by_name_and_alias() {
    let (simulator, mut client) = stage().await;
    assert!(simulator.alias("default", "products", "live"));
    assert!(!simulator.alias("default", "missing", "live"));
    for name in ["products", "live"] {
        let seen = client.describe("", name).await.unwrap();
        let schema = seen.schema.unwrap();
        assert_eq!(
            (code(&seen.status), seen.collection_name.as_str(), seen.db_name.as_str()),
            (0, "products", "default")
        );
        assert_eq!(seen.aliases, ["live"]);
        assert_eq!(schema.external_source, "s3://bucket/products/");
        assert!(schema.fields.iter().any(|field| !field.external_field.is_empty()));
        assert!(schema.external_spec.contains("\"***\"") && !schema.external_spec.contains("minioadmin"));
        assert!(seen.collection_id > 1 << 53);
    }
    let internal = client.describe("default", "internal").await.unwrap().schema.unwrap();
    assert!(internal.fields.iter().all(|field| field.external_field.is_empty()));
    assert_eq!(code(&client.describe("default", "missing").await.unwrap().status), 100);
    assert_eq!(code(&client.describe("nowhere", "products").await.unwrap().status), 800);
}

#[tokio::test]
async fn a_moved_alias_leads_to_the_other_collection() {
    let (simulator, mut client) = milvus().await;
    simulator.create_collection("newer", Plan::default());
    assert!(simulator.alias("default", "products", "live"));
    assert!(simulator.alias("default", "newer", "live"));
    assert_eq!(client.describe("default", "live").await.unwrap().collection_name, "newer");
    assert!(client.describe("default", "products").await.unwrap().aliases.is_empty());
}

#[tokio::test]
async fn shown_specs_are_redacted() {
    let rows = [
        ("", ""),
        ("{", "<invalid spec>"),
        ("[]", "<invalid spec>"),
        (r#"{"snapshot_id":12345678901234567890}"#, r#"{"snapshot_id":"12345678901234567890"}"#),
        (
            r#"{"extfs":{"access_key_id":"a","access_key_value":"","external_id":"e","role_arn":"r","ssl_ca_cert":"c"}}"#,
            r#"{"extfs":{"access_key_id":"***","access_key_value":"","external_id":"***","role_arn":"r","ssl_ca_cert":"***"}}"#,
        ),
    ];
    let (simulator, mut client) = milvus().await;
    for (spec, shown) in rows {
        simulator.create(CollectionSpec { spec: spec.to_owned(), ..CollectionSpec::external("c", Plan::default()) });
        assert_eq!(client.describe("default", "c").await.unwrap().schema.unwrap().external_spec, shown);
    }
}
