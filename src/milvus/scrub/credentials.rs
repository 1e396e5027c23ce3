//! Credentials by their place: the values of credential keys, and logins in URIs.

use secrecy::SecretString;
use serde_json::Value;

use super::{
    MASK,
    escaping::{MAX_DEPTH, next},
};

/// The keys of an external spec whose values are secret: those that Milvus itself redacts, their relatives, and
/// `access_key_val`, which Milvus' documentation has in places.
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

/// What people write in their place, or inside a key file.
const RELATIVES: [&str; 3] = ["client_secret", "private_key", "secret_key"];

pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    CREDENTIAL_KEYS.into_iter().chain(RELATIVES)
}

/// The credentials in an external spec: every text below a credential key. None in one that is no JSON.
pub(super) fn in_spec(spec: &str) -> Vec<SecretString> {
    let mut secrets = Vec::new();
    if let Ok(value) = serde_json::from_str(spec) {
        collect(&value, false, &mut secrets);
    }
    secrets
}

/// How many there are.
pub fn credentials_in(spec: &str) -> usize {
    in_spec(spec).len()
}

fn collect(value: &Value, secret: bool, secrets: &mut Vec<SecretString>) {
    match value {
        Value::String(text) if secret => {
            secrets.push(text.as_str().into());
            // A key file of a cloud is JSON inside JSON.
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                collect(&inner, true, secrets);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, secret, secrets)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            // As Go matches keys: without case, which includes the long s and the Kelvin sign.
            let key = key.to_uppercase().to_lowercase();
            collect(value, secret || keys().any(|known| key.contains(known)), secrets);
        }),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `text` with the values of credential keys and the logins in URIs masked.
pub(super) fn mask(text: &str) -> String {
    // Each key has an underscore, which may be escaped; most texts are done with here.
    if !text.contains(['_', '\\']) && !text.contains("://") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((c, after)) = next(rest, 0) {
        if let Some((value, after)) = value_at(rest).or_else(|| login_at(rest)) {
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
fn value_at(text: &str) -> Option<(&str, &str)> {
    let may_begin_a_key = |c: char| c.is_ascii_alphabetic() || c == '\\';
    text.starts_with(may_begin_a_key).then_some(())?;
    let keys = (0..=MAX_DEPTH).flat_map(|depth| {
        // Most places are left by their first character, which every key need not be compared for.
        let first = next(text, depth).map(|(c, _)| c.to_ascii_lowercase());
        keys().filter(move |key| key.chars().next() == first).filter_map(move |key| after_key(text, key, depth))
    });
    keys.filter_map(value_after).next()
}

/// What follows `key`, read through `depth` levels of escaping and without case.
fn after_key<'a>(text: &'a str, key: &str, depth: u8) -> Option<&'a str> {
    key.chars().try_fold(text, |rest, wanted| {
        let (c, after) = next(rest, depth)?;
        c.eq_ignore_ascii_case(&wanted).then_some(after)
    })
}

/// The value after a key, and what follows it.
fn value_after(key: &str) -> Option<(&str, &str)> {
    let mut rest = key;
    let value = loop {
        match take(rest, |c| c == ':' || c == '=') {
            Some(value) => break skip(value, char::is_whitespace),
            None => rest = take(rest, |c| c.is_whitespace() || "\\\"'`".contains(c))?,
        }
    };
    let opening = (0..=MAX_DEPTH).find_map(|depth| match next(value, depth) {
        Some((quote @ ('"' | '\'' | '`'), inner)) => Some((quote, depth, inner)),
        _ => None,
    });
    if let Some((quote, depth, inner)) = opening {
        return Some((inner, closing(inner, quote, depth)));
    }
    // An object, a list or a certificate: nobody needs to read on.
    if take(value, |c| c == '{' || c == '[').is_some() || value.starts_with("-----BEGIN") {
        return Some((value, ""));
    }
    let end = value.find(|c: char| c.is_whitespace() || ",}])\"'".contains(c)).unwrap_or(value.len());
    (end > 0).then(|| (value, value.get(end..).unwrap_or_default()))
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

/// Where the text begins with `://` and a login before the host: the text from the login on, and from its end on.
fn login_at(text: &str) -> Option<(&str, &str)> {
    let login = text.strip_prefix("://")?;
    let authority = login.split(|c: char| c.is_whitespace() || "/?#\"'`<>".contains(c)).next()?;
    Some((login, login.get(authority.rfind('@')?..)?))
}

/// A source with its login masked, if it has one.
pub(in crate::milvus) fn without_login(source: &str) -> String {
    let masked = source.find("://").and_then(|at| {
        let (scheme, rest) = source.split_at_checked(at)?;
        let (_, after) = login_at(rest)?;
        Some(format!("{scheme}://{MASK}{after}"))
    });
    masked.unwrap_or_else(|| source.to_owned())
}

/// What follows the first character, if in some reading that is a wanted one. The deepest reading counts first, so that
/// an escape sequence is taken as a whole.
fn take(text: &str, wanted: impl Fn(char) -> bool) -> Option<&str> {
    (0..=MAX_DEPTH).rev().find_map(|depth| next(text, depth).filter(|(c, _)| wanted(*c)).map(|(_, after)| after))
}

/// What follows all leading characters of a kind.
fn skip(text: &str, unwanted: impl Fn(char) -> bool) -> &str {
    let mut rest = text;
    while let Some(after) = take(rest, &unwanted) {
        rest = after;
    }
    rest
}
