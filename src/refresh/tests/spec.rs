//! Which specs are sent.

use proptest::prelude::*;
use serde_json::json;

use crate::{
    milvus::scrub::CREDENTIAL_KEYS,
    refresh::source::spec::{MAX_CREDENTIALS, MAX_SPEC, check, check_plain, pinned},
};

#[test]
fn specs_without_credentials_may_stand_in_the_object() {
    for text in [
        "{}",
        r#" {"format": "parquet"} "#,
        r#"{"format":"iceberg-table","snapshot_id":9007199254740993}"#,
        r#"{"columns":["access_key_id","id"],"extfs":{"use_iam":"true","region":"eu","role_arn":"arn:aws:iam::1:role/x"}}"#,
        r#"{"extfs":{},"comment":{"region":1,"list":[true,null,{"region":2}]}}"#,
    ] {
        assert_eq!(check_plain(text), Ok(()), "{text}");
        assert_eq!(check(text), Ok(()), "{text}");
    }
}

#[test]
fn credentials_may_stand_in_a_secret_only() {
    for key in CREDENTIAL_KEYS {
        let upper = key.to_uppercase();
        for text in [
            json!({ "extfs": { "region": "eu", key: "hunter2000" } }),
            json!({ "extfs": { key: "hunter2000" } }),
            json!({ "extfs": { upper: "hunter2000" } }),
            json!({ key: "hunter2000" }),
            json!({ "anything": [{ "deep": { key: "hunter2000" } }] }),
            json!({ "anything": { key: { "nested": ["hunter2000"] } } }),
        ] {
            let text = text.to_string();
            let refused = check_plain(&text).expect_err(&text);
            assert!(refused.to_lowercase().contains(key), "{refused}");
            assert!(!refused.contains("hunter2000"), "{refused}");
            for word in ["etcd", "Git", "rotate", "externalSpecFrom"] {
                assert!(refused.contains(word), "{refused}");
            }
            assert_eq!(check(&text), Ok(()), "{text}");
        }
    }
}

#[test]
fn spellings_that_milvus_undoes_do_not_hide_a_credential() {
    for text in [
        r#"{"extfs":{"access\u005fkey_id":"hunter2000"}}"#,
        r#"{"extfs":{"\u0061ccess_key_id":"hunter2000"}}"#,
        r#"{"extfs":{"acceſſ_key_id":"hunter2000"}}"#,
        "{\"extfs\":{\"access_\u{212a}ey_id\":\"hunter2000\"}}",
    ] {
        assert!(check_plain(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_no_spec_is_refused_and_not_repeated() {
    for (text, says) in [
        ("", "cannot be used"),
        ("hunter2000", "cannot be used"),
        ("\u{feff}{}", "cannot be used"),
        (r#"{"extfs":{"access_key_id":"hunter2000"}"#, "cannot be used"),
        (r#"{"extfs":{"access_key_id":"hunter2000"}} x"#, "cannot be used"),
        (r#"{"extfs":{"access_key_id":"hunter2000",}}"#, "cannot be used"),
        (r#"{"extfs":{"access_key_id":'hunter2000'}}"#, "cannot be used"),
        (r#"{"a":"\ud800"}"#, "cannot be used"),
        (r#"{"a":1e999}"#, "cannot be used"),
        (r#""hunter2000""#, "not an object"),
        (r#"["hunter2000"]"#, "not an object"),
        ("null", "not an object"),
        ("7", "not an object"),
        (r#"{"format":"parquet","format":"hunter2000"}"#, r#"the key "format" occurs twice"#),
        (r#"{"extfs":{"region":"a","region":"hunter2000"}}"#, r#"the key "region" occurs twice"#),
        (r#"{"extfs":{"region":"a"},"extfs":{"region":"hunter2000"}}"#, r#"the key "extfs" occurs twice"#),
        (r#"{"x":[{"a":1,"\u0061":2}]}"#, r#"the key "a" occurs twice"#),
        (r#"{"extfs":{},"Extfs":{"access_key_id":"hunter2000"}}"#, r#"the key "Extfs" occurs twice"#),
        (r#"{"EXTFS":{"access_key_id":"hunter2000"}}"#, "Use extfs."),
        (r#"{"extfſ":{"access_key_id":"hunter2000"}}"#, "Use extfs."),
        (r#"{"Format":"parquet"}"#, "Use format."),
        (r#"{"extfs":"hunter2000"}"#, "extfs must be an object"),
        (r#"{"extfs":null}"#, "extfs must be an object"),
        (r#"{"extfs":{"use_iam":true}}"#, "extfs must be an object"),
        (r#"{"extfs":{"external_id":7}}"#, "extfs must be an object"),
    ] {
        for refused in [check(text).expect_err(text), check_plain(text).expect_err(text)] {
            assert!(refused.contains(says), "{text}: {refused}");
            assert!(!refused.contains("hunter2000"), "{text}: {refused}");
            assert!(refused.ends_with('.'), "{refused}");
        }
    }
    let deep = format!("{}{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    assert!(check(&deep).is_err());
}

#[test]
fn the_size_is_bounded() {
    let sized = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
    assert_eq!(sized(MAX_SPEC).len(), 65_536);
    assert_eq!(check(&sized(MAX_SPEC)), Ok(()));
    assert!(check(&sized(MAX_SPEC + 1)).is_err_and(|refused| refused.contains("65537") && refused.len() < 200));
    let key = "k".repeat(60_000);
    assert!(check(&format!(r#"{{"{key}":1,"{key}":2}}"#)).is_err_and(|refused| refused.len() < 300), "keys are cut");
}

#[test]
fn the_number_of_credentials_is_bounded() {
    let with = |count: usize| {
        let texts: Vec<String> = (0..count).map(|number| format!("secret {number}")).collect();
        json!({ "comment": { "secret_key": texts } }).to_string()
    };
    assert_eq!(check(&with(MAX_CREDENTIALS)), Ok(()));
    let refused = check(&with(MAX_CREDENTIALS + 1)).unwrap_err();
    assert!(refused.contains("65 credentials") && !refused.contains("secret 1"), "{refused}");
}

proptest! {
    #[test]
    fn any_text_is_either_taken_or_refused_in_one_bounded_sentence(text in "\\PC{0,60}", json in "[{}\\[\\]:,\"a\\\\u0061 ]{0,40}") {
        for text in [text, json] {
            let taken = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.is_object());
            match check(&text) {
                Ok(()) => prop_assert!(taken),
                Err(refused) => prop_assert!(refused.len() < 600, "{refused}"),
            }
        }
    }

    #[test]
    fn a_credential_is_found_wherever_it_stands(
        path in proptest::collection::vec(prop_oneof![Just(None), "[a-z]{1,6}".prop_map(Some)], 0..8),
        key in proptest::sample::select(&CREDENTIAL_KEYS[..]),
        value in "[ -~]{1,20}",
    ) {
        let inner = json!({ key: value });
        let spec = path.into_iter().fold(inner, |inner, step| match step {
            Some(key) => json!({ key: inner, "beside": 1 }),
            None => json!([0, inner]),
        });
        let text = json!({ "comment": spec }).to_string();
        prop_assert!(check_plain(&text).is_err(), "{text}");
    }
}

#[test]
fn the_template_of_a_watched_table_gets_its_format_and_its_snapshot_and_stays_one_spec() {
    for (template, whole) in [
        ("{}", r#"{"format":"iceberg-table","snapshot_id":"9007199254740993"}"#),
        ("  { }\n", r#"{"format":"iceberg-table","snapshot_id":"9007199254740993" }"#),
        (
            r#"{"extfs":{"region":"eu"}}"#,
            r#"{"format":"iceberg-table","snapshot_id":"9007199254740993","extfs":{"region":"eu"}}"#,
        ),
        (
            r#"{"format":"iceberg-table","columns":[]}"#,
            r#"{"snapshot_id":"9007199254740993","format":"iceberg-table","columns":[]}"#,
        ),
    ] {
        let spec = pinned(template, 9_007_199_254_740_993).unwrap();
        assert_eq!(spec.trim(), whole);
        assert_eq!(check(&spec), Ok(()), "{spec}");
    }
}

#[test]
fn a_template_that_sets_what_the_operator_sets_is_refused() {
    for (template, says) in [
        (r#"{"snapshot_id":"1"}"#, "must not have a snapshot_id"),
        (r#"{"Snapshot_ID":1}"#, "which one part of Milvus reads as snapshot_id"),
        (r#"{"format":"parquet"}"#, "must have the format iceberg-table"),
        ("[]", "not an object"),
        ("{", "cannot be used"),
    ] {
        let refused = pinned(template, 1).unwrap_err();
        assert!(refused.contains(says), "{template}: {refused}");
    }
}
