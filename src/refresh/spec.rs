//! What an external spec may look like before it is sent.
//!
//! Milvus reads a spec three times: in Go, where keys match whatever their case and the last of two wins; in Go once more,
//! to hide credentials; and in C++, where the first of two wins and case matters. A spec that could be read in two ways is
//! refused, so that what is checked here is what is used there. No message repeats a value.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

use crate::milvus::scrub::CREDENTIAL_KEYS;

/// The longest spec, in bytes.
pub const MAX_SPEC: usize = 64 * 1024;

/// The keys that Milvus reads.
const KEYS: [&str; 4] = ["columns", "extfs", "format", "snapshot_id"];

/// The keys of `extfs` that make Milvus read from, or send its own identity to, a place that the source does not name.
/// Which of them a Milvus takes depends on its version.
const DETOURS: [&str; 6] =
    ["address", "azure_credential_endpoint", "bucket_name", "endpoint_url", "iam_endpoint", "storage_type"];

/// Checks a spec that may hold credentials, as it comes from a Secret.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn check(text: &str) -> Result<(), String> {
    parse(text).map(|_| ())
}

/// Checks a spec that anyone who may read the object can read: it must not hold credentials.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn check_plain(text: &str) -> Result<(), String> {
    match parse(text)?.keys().into_iter().find(|key| is_credential(key)) {
        None => Ok(()),
        Some(key) => Err(format!(
            "externalSpec holds the credential key {}. The text is in etcd by now, and in Git if it came from there: \
             rotate that credential, put the spec with the new one into a Secret, and name it in externalSpecFrom instead.",
            shown(key)
        )),
    }
}

/// A key of `text` that leads Milvus to another place than the source. None where it is no spec.
pub(super) fn detour(text: &str) -> Option<&'static str> {
    let spec = parse(text).ok()?;
    let found: Vec<String> = spec.keys().into_iter().map(folded).collect();
    DETOURS.into_iter().find(|detour| found.iter().any(|key| key == detour))
}

fn parse(text: &str) -> Result<Json, String> {
    if text.len() > MAX_SPEC {
        return Err(format!(
            "The external spec is {} bytes long, of which at most {MAX_SPEC} are taken. Shorten it.",
            text.len()
        ));
    }
    let spec: Json = serde_json::from_str(text)
        .map_err(|error| format!("The external spec cannot be used: {error}. Write it as one JSON object."))?;
    let Json::Object(members) = &spec else {
        return Err(
            "The external spec is JSON, but not an object. Write it as {\"format\": …, \"extfs\": {…}}.".to_owned()
        );
    };
    for (key, value) in members {
        let read_as = folded(key);
        if KEYS.contains(&read_as.as_str()) && read_as != *key {
            return Err(format!(
                "The external spec has the key {}, which one part of Milvus reads as {read_as} and another ignores. Write {read_as}.",
                shown(key)
            ));
        }
        let texts =
            |value: &Json| matches!(value, Json::Object(all) if all.iter().all(|(_, v)| matches!(v, Json::Text)));
        if key == "extfs" && !texts(value) {
            return Err("The external spec's extfs must be an object whose values are all in quotes, numbers and \
                        true or false, too. Correct it."
                .to_owned());
        }
    }
    Ok(spec)
}

fn is_credential(key: &str) -> bool {
    CREDENTIAL_KEYS.contains(&folded(key).as_str())
}

/// The key as Go matches it: without case, which includes the long s and the Kelvin sign.
fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}

/// A key for a message: quoted, since it may be anything, and not at length.
fn shown(key: &str) -> String {
    const LONGEST: usize = 64;
    format!("{:?}", super::limits::cut(key, LONGEST))
}

/// JSON whose objects have no two keys that could be taken for one another.
#[derive(Debug)]
enum Json {
    Text,
    Other,
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Every key at any depth.
    fn keys(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.each_key(&mut |key| found.push(key));
        found
    }

    fn each_key<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            Self::Object(members) => {
                for (key, value) in members {
                    visit(key);
                    value.each_key(visit);
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.each_key(visit)),
            Self::Text | Self::Other => {}
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Json, E> {
        Ok(Json::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some((key, value)) = entries.next_entry::<String, Json>()? {
            if !seen.insert(folded(&key)) {
                return Err(A::Error::custom(format_args!("the key {} stands there twice", shown(&key))));
            }
            members.push((key, value));
        }
        Ok(Json::Object(members))
    }
}
