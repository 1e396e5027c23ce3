//! What is removed and what stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;
use secrecy::SecretString;

use super::*;

fn secrets(texts: &[&str]) -> Arc<Secrets> {
    Secrets::new(texts.iter().map(|text| SecretString::from(*text)))
}

fn knowing(secrets: &Arc<Secrets>) -> Scrubber {
    let scrubber = Scrubber::default();
    scrubber.learn(secrets);
    scrubber
}

fn scrubber(texts: &[&str]) -> Scrubber {
    knowing(&secrets(texts))
}

/// Go's strconv.Quote.
fn go_quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_ascii() => out.push(c),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

/// A JSON string as strict writers make it: everything that may be escaped is.
fn json_quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '/' => out.push_str("\\/"),
            c if c.is_ascii_alphanumeric() => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out.push('"');
    out
}

fn inner(quoted: &str) -> &str {
    &quoted[1..quoted.len() - 1]
}

fn secret() -> impl Strategy<Value = String> {
    // No asterisk, which the mask has, and no white space alone, which is joined.
    proptest::collection::vec(
        prop_oneof![
            Just('"'),
            Just('\\'),
            Just('\''),
            Just('\n'),
            Just('\u{1}'),
            Just('n'),
            Just('u'),
            Just('😀'),
            any::<char>()
        ],
        4..24,
    )
    .prop_map(|chars| chars.into_iter().filter(|c| *c != '*').chain("7q".chars()).collect::<String>())
    .prop_filter("long enough", |secret| secret.chars().count() >= MIN_LENGTH)
}

const MARK: &str = "7q9Z";

/// A spec with credential keys anywhere, whose values all hold [`MARK`] and whatever may be in a string.
fn spec() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let credential =
        (0..CREDENTIAL_KEYS.len(), any::<bool>(), ".{0,8}", ".{0,8}").prop_map(|(key, upper, before, after)| {
            let key = if upper { CREDENTIAL_KEYS[key].to_uppercase() } else { CREDENTIAL_KEYS[key].to_owned() };
            json!({ "format": "parquet", key: format!("{before}{MARK}{after}"), "region": "eu" })
        });
    credential.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            ("[a-z_\"\\\\ ]{1,8}", inner.clone()).prop_map(|(key, value)| json!({ "a": 1, key: value })),
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
            (inner, 0..CREDENTIAL_KEYS.len()).prop_map(|(value, key)| json!({ CREDENTIAL_KEYS[key]: value })),
        ]
    })
}

proptest! {
    #[test]
    fn a_secret_never_survives_in_any_quoting(secret in secret(), before in "[a-z \\\\\":{]{0,12}", after in "\\PC{0,12}") {
        let json = serde_json::to_string(&secret).unwrap();
        let strict = json_quoted(&secret);
        let go = go_quoted(&secret);
        let forms = [
            secret.clone(),
            inner(&json).to_owned(),
            inner(&strict).to_owned(),
            inner(&go).to_owned(),
            inner(&go_quoted(inner(&json))).to_owned(),
            inner(&go_quoted(inner(&strict))).to_owned(),
            inner(&json_quoted(inner(&go))).to_owned(),
            inner(&go_quoted(inner(&json_quoted(inner(&json))))).to_owned(),
        ];
        for form in forms {
            let text = scrubber(&[&secret]).message(&format!("{before}{form}{after}"));
            prop_assert!(text.contains(MASK), "{form:?} was not recognised: {text:?}");
            prop_assert!(!text.contains(&one_line(&form)), "{form:?} survived: {text:?}");
        }
    }

    #[test]
    fn the_value_of_a_credential_key_never_survives(value in "[ -~]{0,20}", key in 0..CREDENTIAL_KEYS.len()) {
        let value = format!("{value}7q9Z");
        let spec = serde_json::json!({ "extfs": { "region": "eu", CREDENTIAL_KEYS[key]: value } }).to_string();
        for text in [spec.clone(), go_quoted(&spec), serde_json::to_string(&go_quoted(&spec)).unwrap()] {
            let out = scrubber(&[]).message(&format!("bad spec {text} given"));
            prop_assert!(!out.contains("7q9Z"), "{out:?}");
            prop_assert!(out.ends_with("given"), "{out:?}");
        }
    }

    #[test]
    fn no_marked_value_of_a_spec_survives(spec in spec(), quoting in proptest::collection::vec(0..3_usize, 0..3), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&spec) } else { serde_json::to_string(&spec) };
        let quoters: [fn(&str) -> String; 3] = [go_quoted, json_quoted, |text| serde_json::to_string(text).unwrap()];
        let quoted = quoting.iter().fold(text.unwrap(), |text, quoter| quoters[*quoter](&text));
        let out = scrubber(&[]).message(&format!("invalid parameter: {quoted}"));
        prop_assert!(!out.contains(MARK), "{quoting:?} {spec}: {out:?}");
        prop_assert!(out.starts_with("invalid parameter: "), "{out:?}");
    }

    #[test]
    fn a_secret_that_the_server_cut_does_not_leave_its_beginning(secret in "[a-z0-9]{8,40}", told in 5_usize..8) {
        let text = scrubber(&[&secret]).message(&format!("bad login {}", &secret[..told]));
        prop_assert_eq!(text, "bad login ***");
    }

    #[test]
    fn messages_are_single_short_lines(text in "(?s).{0,3000}") {
        let out = scrubber(&["some secret"]).message(&text);
        prop_assert!(out.len() <= MAX_MESSAGE);
        prop_assert!(!out.chars().any(char::is_control));
    }
}

#[test]
fn values_are_masked_and_the_rest_stays_readable() {
    let table = [
        (r#"{"access_key_id":"AKIA","region":"eu"}"#, r#"{"access_key_id":"***","region":"eu"}"#),
        (r#"{\"access_key_value\":\"a\\\"b\",\"x\":1}"#, r#"{\"access_key_value\":\"***\",\"x\":1}"#),
        (r#"{"ssl_ca_cert" : "-----BEGIN\n", "y": 2}"#, r#"{"ssl_ca_cert" : "***", "y": 2}"#),
        ("map[access_key_id:AKIA external_id:7 region:eu]", "map[access_key_id:*** external_id:*** region:eu]"),
        ("access_key_value=abc;x&y=1 z", "access_key_value=*** z"),
        ("access_key_val: abc, region: eu", "access_key_val: ***, region: eu"),
        ("ssl_ca_cert:-----BEGIN CERTIFICATE----- MII region:eu", "ssl_ca_cert:***"),
        ("s3://AKIA:se@cret@bucket/a@b not found", "s3://***@bucket/a@b not found"),
        ("s3://bucket/a@b and c@d", "s3://bucket/a@b and c@d"),
        (r#"{"access_key_value":"cut in the mid"#, r#"{"access_key_value":"***"#),
        (r#"{"credential_json":{"private_key":"x"}}"#, r#"{"credential_json":***"#),
        ("access_key_value:, region: eu", "access_key_value:, region: eu"),
        (
            "extfs.access_key_id and extfs.access_key_value must be set together",
            "extfs.access_key_id and extfs.access_key_value must be set together",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(scrubber(&[]).message(text), expected);
    }
}

#[test]
fn every_escape_sequence_of_go_and_json_is_read() {
    let secret = "p\u{7}\u{8}\u{c}\n\r\t\u{b}w/7q9Z";
    for form in [inner(&go_quoted(secret)), inner(&json_quoted(secret)), r"p\a\b\f\n\r\t\v\u0077/7q9Z"] {
        assert_eq!(scrubber(&[secret]).message(&format!("bad login {form}")), "bad login ***", "{form}");
    }
}

#[test]
fn a_text_that_ends_as_a_secret_begins_stays_until_that_tells_enough() {
    let scrubber = scrubber(&["hunter2000"]);
    assert_eq!(scrubber.message("the end of the hun"), "the end of the hun");
    assert_eq!(scrubber.message("the end of the hunt"), "the end of the ***");
}

#[test]
fn the_longest_secret_wins() {
    assert_eq!(scrubber(&["abcd", "abcdefgh"]).message("<abcdefgh>"), "<***>");
}

#[test]
fn short_secrets_are_removed_where_they_stand_alone() {
    assert_eq!(scrubber(&["ab", ""]).message("about ab, (ab)"), "about ***, (***)");
    assert_eq!(
        scrubber(&["abc", "wxyz"]).message("xabcx vwxyzv"),
        "xabcx v***v",
        "four characters are no longer short"
    );
}

#[test]
fn a_secret_across_the_cut_does_not_leave_its_beginning() {
    let secret = "s3cr3t-".repeat(1000);
    let out = scrubber(&[&secret]).message(&format!("{}{secret}", "x".repeat(MAX_MESSAGE - 10)));
    assert!(!out.contains("s3cr3t"), "{out}");
}

#[test]
fn what_follows_a_long_secret_is_still_read() {
    let secret = "s3cr3t-".repeat(2000);
    assert_eq!(scrubber(&[&secret]).message(&format!("bad login {secret}, port 7")), "bad login ***, port 7");
}

#[test]
fn long_texts_are_cut_between_characters() {
    let out = scrubber(&[]).message(&"ü".repeat(2000));
    assert!(out.len() <= MAX_MESSAGE && out.len() > MAX_MESSAGE - 4, "{}", out.len());
    assert!(out.ends_with('…'));
}

#[test]
fn debug_output_shows_no_secret() {
    assert!(!format!("{:?}", scrubber(&["hunter2000"])).contains("hunter2000"));
}

#[test]
fn keys_and_separators_may_be_escaped_in_any_way() {
    let table = [
        r#"{"access\u005fkey_value":"7q9Z"}"#,
        r#"{"\u0061ccess_key_value":"7q9Z"}"#,
        r#"{"ACCESS_KEY_VALUE" :\n\t"7q9Z"}"#,
        r#"{\"access_key_value\"\u003a\"7q9Z\"}"#,
        r#"{\\\"sas_token\\\":\\\"sv=1&sig=7q9Z\\\"}"#,
        r#"{"secret_key":"7q9Z"}"#,
        "map[sas_token:sv=1&sig=7q9Z region:eu]",
        "{\"access_key_value\":\n    \"7q9Z\"}",
        r#"{"access_key_value":{"inner":"7q9Z"}}"#,
    ];
    for text in table {
        let out = scrubber(&[]).message(text);
        assert!(!out.contains(MARK) && out.contains(MASK), "{text}: {out}");
    }
}

#[test]
fn specs_that_milvus_quotes_from_jobs_lose_their_credentials() {
    let reason = r#"task source mismatch: task source=s3://a/b/{"extfs":{"access_key_id":"AKIA7q9Z","access_key_value":"7q9Z","region":"eu"}}, job source=s3://a/c/{"extfs":{"access_key_id":"7q9Z"}} (task belongs to a different refresh job)"#;
    let expected = r#"task source mismatch: task source=s3://a/b/{"extfs":{"access_key_id":"***","access_key_value":"***","region":"eu"}}, job source=s3://a/c/{"extfs":{"access_key_id":"***"}} (task belongs to a different refresh job)"#;
    assert_eq!(scrubber(&[]).message(reason), expected);
}

#[test]
fn what_one_request_taught_is_kept_out_of_later_messages() {
    let scrubber = scrubber(&["first-secret"]);
    let clone = scrubber.clone();
    assert_eq!(clone.message("first-secret, second-secret"), "***, second-secret");
    scrubber.learn(&secrets(&["second-secret", "", "second-secret"]));
    assert_eq!(clone.message("first-secret, second-secret"), "***, ***");
}

#[test]
fn the_secrets_of_a_spec_are_its_text_and_what_is_below_credential_keys() {
    let key_file = r#"{"type":"service_account","blob":"-----BEGIN KEY-----\nMII7q9Z\n"}"#;
    let spec = serde_json::json!({
        "format": "parquet",
        "extfs": { "region": "us-east-1", "access_key_value": "value7q9Z", "azure_client_secret": ["listed7q9Z"] },
        "credential_json": key_file,
    });
    let spec = format!("{spec}\n");
    let scrubber = knowing(&Secrets::of_spec(&spec));
    for secret in ["value7q9Z", "listed7q9Z", "-----BEGIN KEY-----\nMII7q9Z\n", key_file, spec.trim()] {
        assert_eq!(scrubber.message(&format!("refused: {secret}")), "refused: ***");
    }
    assert_eq!(scrubber.message("region us-east-1, format parquet"), "region us-east-1, format parquet");
    assert_eq!(knowing(&Secrets::of_spec("not json 7q9Z")).message("a not json 7q9Z b"), "a *** b");
    let plain = knowing(&Secrets::in_plain_spec(&spec));
    assert_eq!(plain.message("value7q9Z in this spec"), "*** in this spec");
    let readable = r#"{"format":"parquet"}"#;
    assert_eq!(knowing(&Secrets::in_plain_spec(readable)).message(readable), readable);
}

#[test]
fn what_is_in_use_is_never_forgotten_and_what_was_is_the_oldest_first() {
    let login = secrets(&["the login"]);
    let scrubber = knowing(&login);
    let run = secrets(&["of a run", "of a run as well"]);
    scrubber.learn(&run);
    for number in 0..1000 {
        scrubber.learn(&secrets(&[&format!("former {number:04}")]));
    }
    assert_eq!(scrubber.message("the login; of a run; of a run as well"), "***; ***; ***");
    assert_eq!(scrubber.message("former 0999, former 0488"), "***, ***");
    assert_eq!(scrubber.message("former 0300"), "former 0300");
    drop((login, run));
    for number in 0..1000 {
        scrubber.learn(&secrets(&[&format!("later {number:04}")]));
    }
    assert_eq!(scrubber.message("the login"), "the login");
}

#[test]
fn what_is_learned_again_and_again_takes_no_room_from_others() {
    let scrubber = scrubber(&["the former login"]);
    let login = secrets(&["the login"]);
    for _ in 0..1000 {
        scrubber.learn(&login);
    }
    drop(login);
    scrubber.learn(&secrets(&["something new"]));
    assert_eq!(scrubber.message("the former login"), "***");
}

#[test]
fn the_same_texts_stay_known_for_as_long_as_one_of_those_who_hold_them() {
    let (first, second) = (secrets(&["shared"]), secrets(&["shared"]));
    let scrubber = knowing(&first);
    scrubber.learn(&second);
    let another = knowing(&second);
    drop(first);
    for number in 0..1000 {
        scrubber.learn(&secrets(&[&format!("former {number:04}")]));
    }
    assert_eq!(scrubber.message("shared"), "***");
    drop(second);
    for number in 0..1000 {
        scrubber.learn(&secrets(&[&format!("later {number:04}")]));
    }
    assert_eq!(scrubber.message("shared"), "shared", "another scrubber that knows them does not use them");
    assert_eq!(another.message("shared"), "***");
}

#[test]
fn a_text_is_searched_for_a_key_by_its_underscore() {
    assert!(credentials::keys().all(|key| key.contains('_')));
    for text in [r"sas\u005ftoken=hunter2", "sas_token=hunter2", "s3://u:hunter2@host/path"] {
        assert!(!Scrubber::default().message(text).contains("hunter2"), "{text}");
    }
}
