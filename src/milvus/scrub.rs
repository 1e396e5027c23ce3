//! Removes credentials from text that came from Milvus, before anyone reads it.
//!
//! Milvus echoes what it refuses, and it quotes what it echoes: a password may come back as it is, as a JSON string, as a
//! Go string, or as one inside the other. So a secret is not searched for as text: every place of the text is read
//! through 0 to 3 levels of unescaping and compared character by character.

use secrecy::{ExposeSecret, SecretString};

/// Longest message that leaves this module, in bytes.
pub const MAX_MESSAGE: usize = 1024;

const MASK: &str = "***";

/// Levels of quoting that are looked through. Milvus makes two at most: a Go string of a JSON text.
const MAX_DEPTH: u8 = 3;

/// A shorter secret is only removed where it stands alone: masking every "a" would destroy the text and tell the secret.
const MIN_LENGTH: usize = 4;

/// The keys of an external spec whose values are secret: those that Milvus itself redacts, their relatives, and
/// `access_key_val`, which Milvus' documentation has in places. A key comes before its own beginnings.
pub const CREDENTIAL_KEYS: [&str; 10] = [
    "access_key_id",
    "access_key_value",
    "access_key_val",
    "account_key",
    "credential_json",
    "external_id",
    "sas_token",
    "secret_access_key",
    "session_token",
    "ssl_ca_cert",
];

/// Knows the secrets of one connection and keeps them out of messages.
#[derive(Clone, Debug, Default)]
pub struct Scrubber {
    secrets: Vec<SecretString>,
}

impl Scrubber {
    /// A scrubber that removes `secrets` besides the values of credential keys. Empty secrets are ignored.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self { secrets: secrets.into_iter().filter(|secret| !secret.expose_secret().is_empty()).collect() }
    }

    /// `text` on one line, without credentials, at most [`MAX_MESSAGE`] bytes long.
    pub fn message(&self, text: &str) -> String {
        // Some room, since masking and joining lines shorten the text. Cutting before the keys are searched is safe: a
        // value without an end is masked to the end of the text.
        let known = self.mask_secrets(text, 4 * MAX_MESSAGE);
        cut(&one_line(&mask_credentials(&known)))
    }

    fn mask_secrets(&self, text: &str, limit: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        let mut previous = None;
        while let Some((c, after)) = next(rest, 0)
            && out.len() < limit
        {
            if let Some(after) = self.secret_at(rest, previous) {
                out.push_str(MASK);
                previous = Some('*');
                rest = after;
            } else {
                out.push(c);
                previous = Some(c);
                rest = after;
            }
        }
        out
    }

    /// What follows the longest secret that `text` begins with.
    fn secret_at<'a>(&self, text: &'a str, previous: Option<char>) -> Option<&'a str> {
        let readings = self.secrets.iter().flat_map(|secret| {
            let secret = secret.expose_secret();
            (0..=MAX_DEPTH).filter_map(move |depth| {
                let after = strip(text, secret, depth)?;
                let alone = !previous.is_some_and(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
                (alone || secret.chars().count() >= MIN_LENGTH).then_some(after)
            })
        });
        readings.min_by_key(|after| after.len())
    }
}

/// What follows `wanted` in `text`, read through `depth` levels of escaping.
fn strip<'a>(text: &'a str, wanted: &str, depth: u8) -> Option<&'a str> {
    wanted.chars().try_fold(text, |rest, wanted| {
        let (c, after) = next(rest, depth)?;
        (c == wanted).then_some(after)
    })
}

/// The next character of `text` after undoing `depth` levels of JSON or Go escaping, and what follows it.
fn next(text: &str, depth: u8) -> Option<(char, &str)> {
    let Some(outer) = depth.checked_sub(1) else {
        let mut chars = text.chars();
        return Some((chars.next()?, chars.as_str()));
    };
    let (c, rest) = next(text, outer)?;
    if c == '\\' { escaped(rest, outer).or(Some((c, rest))) } else { Some((c, rest)) }
}

/// The character that the escape sequence after a backslash stands for.
fn escaped(text: &str, depth: u8) -> Option<(char, &str)> {
    let (kind, rest) = next(text, depth)?;
    let plain = match kind {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '"' | '\'' | '\\' | '/' => kind,
        'x' => return numbered(rest, 2, depth),
        'u' => return numbered(rest, 4, depth).or_else(|| surrogates(rest, depth)),
        'U' => return numbered(rest, 8, depth),
        _ => return None,
    };
    Some((plain, rest))
}

fn numbered(text: &str, digits: u8, depth: u8) -> Option<(char, &str)> {
    let (number, rest) = hex(text, digits, depth)?;
    Some((char::from_u32(number)?, rest))
}

/// Beyond the basic plane JSON writes two escapes, of which the second is a whole `\uXXXX`.
fn surrogates(text: &str, depth: u8) -> Option<(char, &str)> {
    let (high, rest) = hex(text, 4, depth)?;
    let (low, rest) = hex(strip(rest, "\\u", depth)?, 4, depth)?;
    let unit = |number: u32| u16::try_from(number).ok();
    let c = char::decode_utf16([unit(high)?, unit(low)?]).next()?.ok()?;
    Some((c, rest))
}

fn hex(text: &str, digits: u8, depth: u8) -> Option<(u32, &str)> {
    (0..digits).try_fold((0, text), |(number, rest): (u32, &str), _| {
        let (c, after) = next(rest, depth)?;
        Some((number.checked_mul(16)?.checked_add(c.to_digit(16)?)?, after))
    })
}

fn mask_credentials(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((c, after)) = next(rest, 0) {
        if let Some((value, after)) = credential_at(rest) {
            out.push_str(rest.strip_suffix(value).unwrap_or_default());
            out.push_str(MASK);
            rest = after;
        } else {
            out.push(c);
            rest = after;
        }
    }
    out
}

/// Where the text begins with a credential key and its value: the text from the value on, and from the value's end on.
fn credential_at(text: &str) -> Option<(&str, &str)> {
    let after_key = CREDENTIAL_KEYS.iter().find_map(|key| {
        let (head, tail) = text.split_at_checked(key.len())?;
        head.eq_ignore_ascii_case(key).then_some(tail)
    })?;
    let value = after_key.trim_start_matches(['\\', '"', '\'']).trim_start().strip_prefix([':', '='])?.trim_start();
    let opening = (0..=MAX_DEPTH).find_map(|depth| match next(value, depth) {
        Some((quote @ ('"' | '\'' | '`'), inner)) => Some((quote, depth, inner)),
        _ => None,
    });
    match opening {
        Some((quote, depth, inner)) => Some((inner, closing(inner, quote, depth))),
        // An object or a list: nobody needs to read on.
        None if value.starts_with(['{', '[']) => Some((value, "")),
        None => {
            let end = value.find(|c: char| c.is_whitespace() || ",;&}])\"'\\".contains(c)).unwrap_or(value.len());
            (end > 0).then(|| (value, value.get(end..).unwrap_or_default()))
        }
    }
}

/// The text from the closing quote on; empty when there is none.
fn closing(text: &str, quote: char, depth: u8) -> &str {
    let mut rest = text;
    while let Some((c, after)) = next(rest, depth) {
        match c {
            _ if c == quote => return rest,
            '\\' => rest = next(after, depth).map_or("", |(_, after)| after),
            _ => rest = after,
        }
    }
    ""
}

/// Line breaks, runs of white space and control characters become single spaces.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// At most [`MAX_MESSAGE`] bytes of `text`; an ellipsis tells that something is missing.
fn cut(text: &str) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= MAX_MESSAGE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_MESSAGE - ELLIPSIS.len());
    text.get(..end).unwrap_or_default().to_owned() + ELLIPSIS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn scrubber(secrets: &[&str]) -> Scrubber {
        Scrubber::new(secrets.iter().map(|secret| SecretString::from(*secret)))
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
            ("access_key_value=abc&x=1", "access_key_value=***&x=1"),
            (r#"{"access_key_value":"cut in the mid"#, r#"{"access_key_value":"***"#),
            (r#"{"credential_json":{"private_key":"x"}}"#, r#"{"credential_json":***"#),
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
    fn the_longest_secret_wins() {
        assert_eq!(scrubber(&["abcd", "abcdefgh"]).message("<abcdefgh>"), "<***>");
    }

    #[test]
    fn short_secrets_are_removed_where_they_stand_alone() {
        assert_eq!(scrubber(&["ab", ""]).message("about ab, (ab)"), "about ***, (***)");
    }

    #[test]
    fn a_secret_across_the_cut_does_not_leave_its_beginning() {
        let secret = "s3cr3t-".repeat(1000);
        let out = scrubber(&[&secret]).message(&format!("{}{secret}", "x".repeat(MAX_MESSAGE - 10)));
        assert!(!out.contains("s3cr3t"), "{out}");
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
}
