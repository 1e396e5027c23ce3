//! What passes lies below the prefix for whoever reads it, however careless.

use proptest::{prelude::*, sample::select};

use super::allowed;

/// Where somebody may think that a source leads.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    scheme: String,
    authority: String,
    path: Vec<String>,
}

/// What a careless reader may do to a text, in any combination.
const HABITS: u32 = 12;

/// Reads `source` with the habits whose bits are set. Written for the test alone, and generous: it finds a place in anything.
fn read(source: &str, habits: u32) -> Reading {
    let has = |habit: u32| habits & (1 << habit) != 0;
    let mut text = source.to_owned();
    if has(0) {
        text.retain(|c| !c.is_control() && !c.is_whitespace());
    }
    if has(1) {
        text = text.replace('\\', "/");
    }
    if has(2) {
        text = text.replace('．', ".").replace('／', "/").replace('\u{200b}', "");
    }
    for _ in 0..[0, 1, 2, 3][usize::from(has(3)) + 2 * usize::from(has(4))] {
        text = decoded(&text);
    }
    if has(5) {
        text = text.split(['?', '#']).next().unwrap_or_default().to_owned();
    }
    let (scheme, rest) = text.split_once(':').unwrap_or(("", &text));
    let rest = rest.trim_start_matches(if has(6) { "/" } else { "//" });
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = if has(7) { authority.rsplit('@').next() } else { authority.split('@').next() }.unwrap_or_default();
    let mut authority = authority.to_owned();
    if has(8) {
        authority = authority.trim_matches('.').to_owned();
    }
    let (mut scheme, mut path) = (scheme.to_owned(), path.split('/').map(str::to_owned).collect::<Vec<_>>());
    if has(9) {
        scheme = scheme.to_lowercase();
        authority = authority.to_lowercase();
    }
    if has(10) {
        path.retain(|segment| !segment.is_empty());
    } else if path.last().is_some_and(String::is_empty) {
        path.pop();
    }
    if has(11) {
        let mut resolved: Vec<String> = Vec::new();
        for segment in path {
            match segment.as_str() {
                "." => {}
                ".." => {
                    // Beyond the root of the path lies the host, which for some readers is the bucket.
                    if resolved.pop().is_none() {
                        authority.clear();
                    }
                }
                _ => resolved.push(segment),
            }
        }
        path = resolved;
    }
    Reading { scheme, authority, path }
}

fn decoded(text: &str) -> String {
    let (mut out, bytes) = (Vec::new(), text.as_bytes());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if bytes[at] == b'%' => (out.push(code), at += 3).1,
            _ => (out.push(bytes[at]), at += 1).1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Pieces that attacks are made of, with the harmless ones between them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "bucket",
        "bucket",
        "evil",
        "a",
        "a",
        "b",
        "ab",
        "/",
        "/",
        "/",
        "//",
        ".",
        "..",
        "../",
        "/../",
        "/./",
        "\\",
        "@",
        ":",
        ":443",
        ":80",
        "%2e%2e",
        "%2E",
        "%2f",
        "%252e",
        "%252f",
        "%00",
        "%",
        "?",
        "#",
        ";",
        "=",
        "-evil",
        ".evil",
        "．．",
        "／",
        "\u{200b}",
        "\t",
        "\n",
        " ",
        "\0",
        "é",
        "A",
        "Bucket",
        "s3://",
        "user:pass@",
        "*",
        "~",
    ]);
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn evil() -> impl Strategy<Value = String> {
    let head = select(vec![
        "s3://bucket/a",
        "s3://bucket/a/",
        "s3://bucket",
        "s3://",
        "S3://bucket/a",
        "s3:",
        "gs://bucket/a",
        "",
    ]);
    (head, pieces()).prop_map(|(head, tail)| format!("{head}{tail}"))
}

/// A segment that means itself to everyone.
fn segment() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]{0,8}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_allowed_lies_below_the_prefix_for_every_reader(source in evil()) {
        if allowed(&["s3://bucket/a"], &source).is_ok() {
            for habits in 0..1 << HABITS {
                let reading = read(&source, habits);
                let inside = reading.scheme == "s3" && reading.authority == "bucket" && reading.path.first().is_some_and(|first| first == "a");
                prop_assert!(inside, "{source:?} with the habits {habits:#b} leads to {reading:?}");
            }
        }
    }

    #[test]
    fn plain_places_are_allowed_exactly_below_the_prefix(
        prefix in proptest::collection::vec(segment(), 0..4),
        below in proptest::collection::vec(segment(), 0..4),
        slash in any::<bool>(),
        cut in 0_usize..4,
    ) {
        let join = |path: &[String]| path.iter().fold("oss://lake:9000".to_owned(), |text, segment| format!("{text}/{segment}"));
        let end = if slash { "/" } else { "" };
        let whole = [prefix.clone(), below].concat();
        prop_assert_eq!(allowed(&[&join(&prefix)], &format!("{}{end}", join(&whole))), Ok(()));
        if cut < prefix.len() {
            let above = join(&prefix[..cut]) + end;
            prop_assert!(allowed(&[&join(&prefix)], &above).is_err());
            let mut other = prefix.clone();
            other[cut].push('x');
            prop_assert!(allowed(&[&join(&prefix)], &join(&other)).is_err());
        }
    }

    #[test]
    fn no_text_makes_the_check_panic_or_repeat_a_credential(source in "\\PC{0,40}", prefix in "\\PC{0,20}") {
        let marked = format!("s3://{source}:c4n4ry@{source}");
        if let Err(refused) = allowed(&[&prefix], &marked) {
            prop_assert!(!refused.contains("c4n4ry"), "{refused}");
        }
        let _ = allowed(&[&prefix], &source);
    }
}

#[test]
fn the_oracle_itself_sees_the_attacks() {
    for attack in [
        "s3://bucket/a/../b",
        "s3://bucket/a/%2e%2e/b",
        "s3://bucket/a/%252e%252e/b",
        "s3://bucket/a\\..\\b",
        "s3://bucket@evil/a",
        "s3://evil/a",
        "s3://evil#@bucket/a",
        "S3://bucket/a",
        "s3://bucket/a%2f..%2fb",
        "s3://bucket/a/．．/b",
        "s3://bucket/a/.\t./b",
    ] {
        let escapes = (0..1 << HABITS).map(|habits| read(attack, habits)).any(|reading| {
            (reading.scheme.as_str(), reading.authority.as_str()) != ("s3", "bucket")
                || reading.path.first().is_none_or(|s| s != "a")
        });
        assert!(escapes, "{attack}");
    }
    assert!((0..1 << HABITS).all(|habits| read("s3://bucket/a/b", habits).path == ["a", "b"]));
}
