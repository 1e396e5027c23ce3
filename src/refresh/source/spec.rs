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

use crate::{
    milvus::scrub::{CREDENTIAL_KEYS, credentials_in},
    refresh::limits::quoted,
};

/// The longest spec, in bytes.
pub const MAX_SPEC: usize = 64 * 1024;

/// The most credentials in a spec: each has to be looked for in all that Milvus says. A key file of a cloud has about ten.
pub const MAX_CREDENTIALS: usize = 64;

/// How much of a key a message quotes, in bytes.
const KEY_SHOWN: usize = 64;

/// The format of a table that a catalog keeps.
const ICEBERG: &str = "iceberg-table";

/// The keys that Milvus reads.
const KEYS: [&str; 4] = ["columns", "extfs", "format", "snapshot_id"];

/// What a key of `extfs` is called that makes Milvus read from, or send its own identity to, a place that the source does not
/// name. Which of them a Milvus takes depends on its version, so a part of the key is enough.
const DETOURS: [&str; 5] = ["address", "bucket_name", "endpoint", "storage_type", "url"];

/// The keys whose values become a part of the host.
const HOST_NAMES: [&str; 2] = ["cloud_provider", "region"];

/// The same on Azure, where this is the storage account.
const AZURE_ACCOUNT: &str = "access_key_id";

/// The keys that say how a host is spoken to.
const SWITCHES: [&str; 2] = ["use_ssl", "use_virtual_host"];

/// Checks a spec that may hold credentials, as it comes from a Secret.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn check(text: &str) -> Result<(), String> {
    parse(text)?;
    let credentials = credentials_in(text);
    if credentials > MAX_CREDENTIALS {
        return Err(format!(
            "The external spec has {credentials} credentials, more than the allowed {MAX_CREDENTIALS}. Remove those that Milvus \
             does not need."
        ));
    }
    Ok(())
}

/// The spec for a snapshot of an Iceberg table, with the rest from `template`.
///
/// # Errors
/// A sentence that says what is wrong with the template and what to do.
pub fn pinned(template: &str, snapshot: i64) -> Result<String, String> {
    let members = parse(template)?;
    let keys: Vec<String> = members.members().into_iter().map(|(key, _)| folded(key)).collect();
    let has = |name: &str| keys.iter().any(|key| key == name);
    if has("snapshot_id") {
        return Err("The external spec of a watched Iceberg table must not have a snapshot_id: the operator sets it."
            .to_owned());
    }
    let format = serde_json::from_str::<Format>(template).map(|spec| spec.format).unwrap_or_default();
    if has("format") && format.as_deref() != Some(ICEBERG) {
        return Err(format!("The external spec of a watched Iceberg table must have the format {ICEBERG}, or none."));
    }
    // Written into the text, so that nothing of it is copied that is not wiped later. The id is a text, too: readers of JSON would
    // round the number.
    let rest = template.trim_start().strip_prefix('{').unwrap_or_default();
    let format = if has("format") { String::new() } else { format!("\"format\":\"{ICEBERG}\",") };
    let comma = if keys.is_empty() { "" } else { "," };
    Ok(format!("{{{format}\"snapshot_id\":\"{snapshot}\"{comma}{rest}"))
}

#[derive(Deserialize)]
struct Format {
    format: Option<String>,
}

/// Checks a spec that anyone who may read the object can read: it must not hold credentials.
///
/// # Errors
/// A sentence that says what is wrong and what to do.
pub fn check_plain(text: &str) -> Result<(), String> {
    match parse(text)?.members().into_iter().map(|(key, _)| key).find(|key| is_credential(key)) {
        None => Ok(()),
        Some(key) => Err(format!(
            "externalSpec contains the credential key {}. The credential is now in etcd, and in Git if it came from there: \
             rotate it, put the spec with the new one into a Secret, and refer to the Secret in externalSpecFrom.",
            quoted(key, KEY_SHOWN)
        )),
    }
}

/// Why `text` could lead Milvus to another place than a source with this scheme, and what to do; continues a sentence. None
/// where it is no spec.
pub(in crate::refresh) fn detour(text: &str, scheme: &str) -> Option<String> {
    let spec = parse(text).ok()?;
    let members: Vec<(String, &str, &Json)> =
        spec.members().into_iter().map(|(key, value)| (folded(key), key, value)).collect();
    let is_azure = |(read_as, _, value): &(String, &str, &Json)| {
        read_as == "cloud_provider" && matches!(value, Json::Text(Shape::Azure))
    };
    let on_azure = scheme == "azure" || members.iter().any(is_azure);
    members.iter().find_map(|(read_as, key, value)| {
        let key = quoted(key, KEY_SHOWN);
        if DETOURS.iter().any(|detour| read_as.contains(detour)) {
            return Some(format!(
                "the spec's key {key} would make Milvus read from another place. Remove the key; externalSource already sets \
                 endpoint and bucket"
            ));
        }
        let is_name = HOST_NAMES.contains(&read_as.as_str()) || on_azure && read_as == AZURE_ACCOUNT;
        if is_name && !value.is(|shape| shape != Shape::Free) {
            return Some(format!(
                "the value of the spec's key {key} is not a plain name and could make Milvus read from another host. Use at \
                 most 63 letters, digits and -, as in eu-central-1"
            ));
        }
        (SWITCHES.contains(&read_as.as_str()) && !value.is(|shape| shape == Shape::Switch))
            .then(|| format!("the value of the spec's key {key} is neither \"true\" nor \"false\". Use one of them"))
    })
}

fn parse(text: &str) -> Result<Json, String> {
    if text.len() > MAX_SPEC {
        return Err(format!(
            "The external spec is {} bytes long, more than the allowed {MAX_SPEC}. Shorten it.",
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
                "The external spec has the key {}, which one part of Milvus reads as {read_as} and another ignores. Use {read_as}.",
                quoted(key, KEY_SHOWN)
            ));
        }
        let texts =
            |value: &Json| matches!(value, Json::Object(all) if all.iter().all(|(_, v)| matches!(v, Json::Text(_))));
        if key == "extfs" && !texts(value) {
            return Err(
                "The external spec's extfs must be an object whose values are all strings: put numbers, true and \
                        false in quotes."
                    .to_owned(),
            );
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

/// JSON whose objects have no two keys that could be taken for one another.
#[derive(Debug)]
enum Json {
    Text(Shape),
    Other,
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// What a text looks like; the text itself, which may be a credential, is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `true` or `false`.
    Switch,
    /// The name of that cloud.
    Azure,
    /// Another plain name, or nothing.
    Name,
    /// Anything else.
    Free,
}

impl Shape {
    fn of(text: &str) -> Self {
        /// One label of a host.
        const LONGEST: usize = 63;
        let is_plain = text.len() <= LONGEST
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        match text {
            "true" | "false" => Self::Switch,
            _ if text.eq_ignore_ascii_case("azure") => Self::Azure,
            _ if is_plain => Self::Name,
            _ => Self::Free,
        }
    }
}

impl Json {
    /// Whether it is a text that looks so, or neither a text nor something that may hold one.
    fn is(&self, so: impl Fn(Shape) -> bool) -> bool {
        match self {
            Self::Text(shape) => so(*shape),
            Self::Other => true,
            Self::List(_) | Self::Object(_) => false,
        }
    }

    /// Every key at any depth, with its value.
    fn members(&self) -> Vec<(&str, &Self)> {
        let mut found = Vec::new();
        self.each_member(&mut |key, value| found.push((key, value)));
        found
    }

    fn each_member<'a>(&'a self, visit: &mut impl FnMut(&'a str, &'a Self)) {
        match self {
            Self::Object(members) => {
                for (key, value) in members {
                    visit(key, value);
                    value.each_member(visit);
                }
            }
            Self::List(items) => items.iter().for_each(|item| item.each_member(visit)),
            Self::Text(_) | Self::Other => {}
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

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(Shape::of(text)))
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
                return Err(A::Error::custom(format_args!("the key {} occurs twice", quoted(&key, KEY_SHOWN))));
            }
            members.push((key, value));
        }
        Ok(Json::Object(members))
    }
}
