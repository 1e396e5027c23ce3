//! Which sources pass an allow list: a table here, and an oracle that reads each source in every way it can think of.

use crate::refresh::{FailureClass::SourceNotAllowed, limits::MESSAGE_BYTES, source::allows};

mod oracle;

const SPEC: &str = r#"{"format":"parquet","extfs":{"cloud_provider":"aws","region":"eu-central-1"}}"#;

fn list(prefixes: &[&str]) -> Vec<String> {
    prefixes.iter().map(|prefix| (*prefix).to_owned()).collect()
}

fn allowed(prefixes: &[&str], source: &str) -> Result<(), String> {
    allows(&list(prefixes), source, SPEC)
}

#[test]
fn a_place_below_a_prefix_is_allowed() {
    for (prefix, source) in [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket", "s3://bucket/a/b.parquet"),
        ("s3://bucket/a", "s3://bucket/a"),
        ("s3://bucket/a/", "s3://bucket/a"),
        ("s3://bucket/a", "s3://bucket/a/"),
        ("s3://bucket/a", "s3://bucket/a/dt=2026-11-23/x~1"),
        ("s3://s3.eu-central-1.amazonaws.com/bucket", "s3://s3.eu-central-1.amazonaws.com/bucket/a"),
        ("minio://store.data.svc:9000/lake", "minio://store.data.svc:9000/lake/a"),
        ("minio://10.0.0.7:9000/lake", "minio://10.0.0.7:9000/lake/a"),
        ("gs://b_1", "gs://b_1/..a/a../..."),
        ("azure://core.windows.net/c", "azure://core.windows.net/c/@x:y"),
    ] {
        assert_eq!(allowed(&[prefix], source), Ok(()), "{prefix} {source}");
        assert_eq!(allowed(&["gs://other/x", prefix], source), Ok(()), "{prefix} {source}");
    }
}

#[test]
fn everything_else_is_refused_with_the_reason() {
    let outside = "matches no prefix";
    for (prefix, source, says) in [
        ("s3://bucket", "s3://bucket-evil/a", outside),
        ("s3://bucket", "s3://bucket.evil/a", outside),
        ("s3://bucket", "s3://evil.bucket/a", outside),
        ("s3://bucket/a", "s3://bucket/ab", outside),
        ("s3://bucket/a", "s3://bucket/A", outside),
        ("s3://bucket/a", "s3://bucket", outside),
        ("s3://bucket/a/b", "s3://bucket/a", outside),
        ("s3://bucket/a", "s3://bucket/b/a", outside),
        ("s3://bucket", "s3a://bucket/a", outside),
        ("s3://bucket", "gs://bucket/a", outside),
        ("s3://bucket", "s3://bucket:443/a", outside),
        ("s3://store:9000/b", "s3://store/b", outside),
        ("s3://store:9000/b", "s3://store:90/b", outside),
        ("s3://bucket", "S3://bucket/a", "scheme that Milvus does not support"),
        ("s3://bucket", "file://bucket/a", "scheme that Milvus does not support"),
        ("s3://bucket", "https://bucket/a", "scheme that Milvus does not support"),
        ("s3://bucket", "volume://bucket/a", "scheme that Milvus does not support"),
        ("s3://bucket", "://bucket/a", "scheme that Milvus does not support"),
        ("s3://bucket", "bucket/a", "has no scheme"),
        ("s3://bucket", "s3:/bucket/a", "has no scheme"),
        ("s3://bucket", "s3:bucket/a", "has no scheme"),
        ("s3://bucket", "", "has no scheme"),
        ("s3://bucket", "s3://", "no host or bucket"),
        ("s3://bucket", "s3:///bucket/a", "no host or bucket"),
        ("s3://bucket", "s3://bucket@evil/a", "a login before an @"),
        ("s3://bucket", "s3://user:pass@bucket/a", "a login before an @"),
        ("s3://bucket", "s3://@bucket/a", "a login before an @"),
        ("s3://bucket", "s3://Bucket/a", "a host that is not plain"),
        ("s3://bucket", "s3://bucket./a", "a host that is not plain"),
        ("s3://bucket", "s3://.bucket/a", "a host that is not plain"),
        ("s3://bucket", "s3://buc%6bet/a", "a host that is not plain"),
        ("s3://bucket", "s3://bücket/a", "a host that is not plain"),
        ("s3://bucket", "s3://[::1]:9000/a", "a host that is not plain"),
        ("s3://bucket", "s3://bucket:/a", "an invalid port"),
        ("s3://bucket", "s3://bucket:0443/a", "an invalid port"),
        ("s3://bucket", "s3://bucket:+443/a", "an invalid port"),
        ("s3://bucket", "s3://bucket:0/a", "an invalid port"),
        ("s3://bucket:0", "s3://bucket:0/a", "an invalid port"),
        ("s3://bucket", "s3://bucket:65536/a", "an invalid port"),
        ("s3://bucket", "s3://bucket:443:443/a", "an invalid port"),
        ("s3://bucket/a", "s3://bucket/a/../b", "the segment . or .."),
        ("s3://bucket/a", "s3://bucket/a/..", "the segment . or .."),
        ("s3://bucket/a", "s3://bucket/./a", "the segment . or .."),
        ("s3://bucket", "s3://bucket//", "an empty path segment"),
        ("s3://bucket/a", "s3://bucket//a", "an empty path segment"),
        ("s3://bucket/a", "s3://bucket/a//b", "an empty path segment"),
        ("s3://bucket/a", "s3://bucket/a//", "an empty path segment"),
        ("s3://bucket/a", "s3://bucket/a/%2e%2e/b", "contains a %"),
        ("s3://bucket/a", "s3://bucket/a/%2E./b", "contains a %"),
        ("s3://bucket/a", "s3://bucket/a%2F..%2Fb", "contains a %"),
        ("s3://bucket/a", "s3://bucket/a/%252e%252e/b", "contains a %"),
        ("s3://bucket/a", "s3://bucket/a/100%", "contains a %"),
        ("s3://bucket/a", "s3://bucket\\@evil/a", "contains a ?, # or \\"),
        ("s3://bucket/a", "s3://bucket/a\\..\\b", "contains a ?, # or \\"),
        ("s3://bucket/a", "s3://bucket/a?x=../b", "contains a ?, # or \\"),
        ("s3://bucket/a", "s3://bucket/a#b", "contains a ?, # or \\"),
        ("s3://bucket", "s3://bucket?/a", "contains a ?, # or \\"),
        ("s3://bucket/a", "s3://bucket/a/．．/b", "other than ASCII"),
        ("s3://bucket/a", "s3://bucket/a／b", "other than ASCII"),
        ("s3://bucket/a", "s3://bucket/a/é", "other than ASCII"),
        ("s3://bucket/a", "s3://bucket/a/{x}", "other than ASCII"),
        ("s3://bucket/a", "s3://bucket/a/\u{200b}", "other than ASCII"),
        ("s3://bucket/a", "s3://bucket/a/\0", "a control character"),
        ("s3://bucket/a", "s3://bucket/a\n", "a control character"),
        ("s3://bucket/a", "s3://bucket/a/.\t./b", "a control character"),
        ("s3://bucket/a", " s3://bucket/a", "white space"),
        ("s3://bucket/a", "s3://bucket/a b", "white space"),
        ("s3://bucket/a", "s3://bucket/a\u{a0}", "white space"),
        ("s3://bucket/a", "s3://bucket/a\u{2028}", "white space"),
    ] {
        let refused = allowed(&[prefix], source).expect_err(source);
        assert!(refused.contains(says), "{prefix} {source:?}: {refused}");
        assert!(refused.ends_with('.'), "{refused}");
    }
    let long = format!("s3://bucket/{}", "a".repeat(2037));
    assert!(allowed(&["s3://bucket"], &long).is_err_and(|refused| refused.contains("2048")));
    assert_eq!(allowed(&["s3://bucket"], &long[..2048]), Ok(()));
}

#[test]
fn no_list_allows_nothing() {
    for source in ["s3://bucket/a", "nonsense", ""] {
        let refused = allowed(&[], source).unwrap_err();
        assert!(refused.contains("allows no externalSource") && refused.contains("allowedSources"), "{refused}");
    }
}

#[test]
fn what_to_do_about_a_source_outside_of_the_list_is_said_once() {
    for prefixes in [&[][..], &["s3://other"]] {
        let told = format!("{} {}", allowed(prefixes, "s3://bucket/a").unwrap_err(), SourceNotAllowed.remedy());
        assert_eq!(told.matches("owner").count(), 1, "{told}");
        assert!(told.len() < MESSAGE_BYTES, "{told}");
    }
}

#[test]
fn the_asterisk_opens_to_every_place_that_milvus_takes_but_to_no_credentials() {
    for scheme in ["s3", "s3a", "aws", "minio", "oss", "cos", "obs", "gs", "gcs", "azure"] {
        assert_eq!(allowed(&["*"], &format!("{scheme}://Any-Host:1/größe/a%2Fb/../c")), Ok(()));
    }
    for source in
        ["file:///etc/passwd", "http://x/y", "s3://u:p@b/x", "s3://b/x?X-Amz-Signature=1", "s3:///x", "x", "s3://b/ x"]
    {
        assert!(allowed(&["*"], source).is_err(), "{source}");
    }
    assert!(allowed(&["*", "gs://other"], "s3://bucket").is_err(), "only alone does it open");
    assert!(allowed(&["s3://*"], "s3://bucket").is_err());
}

#[test]
fn a_login_in_a_source_is_not_repeated() {
    for prefixes in [&["*"][..], &["s3://bucket"], &[]] {
        let refused = allowed(prefixes, "s3://AKIA7:hunter2000@bucket/a").unwrap_err();
        assert!(!refused.contains("hunter2000") && !refused.contains("AKIA7"), "{refused}");
    }
}

#[test]
fn a_spec_cannot_lead_an_allowed_source_elsewhere() {
    for key in [
        "bucket_name",
        "endpoint_url",
        "address",
        "storage_type",
        "iam_endpoint",
        "azure_credential_endpoint",
        "sts_endpoint",
        "proxy_url",
    ] {
        let spec = format!(r#"{{"extfs":{{"region":"eu","{key}":"elsewhere"}}}}"#);
        let refused = allows(&list(&["s3://bucket"]), "s3://bucket/a", &spec).unwrap_err();
        assert!(refused.contains(key) && !refused.contains("elsewhere"), "{refused}");
        assert_eq!(allows(&list(&["*"]), "s3://bucket/a", &spec), Ok(()), "nothing is closed there");
    }
    let escaped = r#"{"extfs":{"bucket\u005fname":"elsewhere"}}"#;
    assert!(allows(&list(&["s3://bucket"]), "s3://bucket/a", escaped).is_err());
}

#[test]
fn a_value_of_an_allowed_spec_cannot_lead_to_another_host() {
    let judged = |extfs: &str| allows(&list(&["s3://bucket"]), "s3://bucket/a", &format!(r#"{{"extfs":{{{extfs}}}}}"#));
    for name in ["eu-central-1", "us-east-1", "oss-cn-hangzhou", "auto", "EU", "", "a"] {
        assert_eq!(judged(&format!(r#""cloud_provider":"aws","region":"{name}""#)), Ok(()), "{name}");
    }
    assert_eq!(judged(r#""use_ssl":"true","use_virtual_host":"false""#), Ok(()));
    for moved in [
        "x.attacker.example/#",
        "attacker.example",
        "x/",
        "x#",
        "x?",
        "x@y",
        "x:9000",
        "x\\\\y",
        "x%2f",
        "x y",
        "x\\n",
        "ü",
        "-x",
        "x-",
        "..",
        &"x".repeat(64),
    ] {
        for key in ["region", "cloud_provider", "Region", "use_ssl", "use_virtual_host"] {
            let refused = judged(&format!(r#""{key}":"{moved}""#)).expect_err(moved);
            assert!(refused.to_lowercase().contains(&key.to_lowercase()) && refused.len() < 400, "{refused}");
            assert!(!refused.contains("attacker"), "{refused}");
        }
    }
    let spec = r#"{"extfs":{"region":"x.attacker.example/#"}}"#;
    assert_eq!(allows(&list(&["*"]), "s3://bucket/a", spec), Ok(()), "nothing is closed there");
}

#[test]
fn the_storage_account_of_azure_which_is_a_part_of_the_host_is_a_plain_name() {
    let spec = |extfs: &str| format!(r#"{{"extfs":{{{extfs}}}}}"#);
    let azure =
        |extfs: &str| allows(&list(&["azure://core.windows.net/c"]), "azure://core.windows.net/c/a", &spec(extfs));
    let s3 = |extfs: &str| allows(&list(&["s3://bucket"]), "s3://bucket/a", &spec(extfs));
    assert_eq!(azure(r#""access_key_id":"account7""#), Ok(()));
    assert!(azure(r#""access_key_id":"attacker.example/#""#).is_err());
    assert_eq!(s3(r#""cloud_provider":"aws","access_key_id":"any/text""#), Ok(()));
    assert!(s3(r#""cloud_provider":"azure","access_key_id":"attacker.example/#""#).is_err());
}

#[test]
fn a_prefix_that_cannot_match_is_told() {
    for broken in
        ["", "s3://", "s3", "bucket/a", "s3://bucket/a/../b", "s3://bucket/%61", "s3://Bucket", "s3://bucket/a*?", "**"]
    {
        assert!(allowed(&[broken], "s3://bucket/a").is_err(), "{broken}");
        assert_eq!(allowed(&[broken, "s3://bucket"], "s3://bucket/a"), Ok(()), "the others still hold");
    }
    let refused = allowed(&["s3://bucket/%61"], "s3://bucket/a").unwrap_err();
    assert!(refused.contains("One of the prefixes matches nothing: it contains a %"), "{refused}");
}
