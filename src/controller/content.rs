//! What a Secret or ConfigMap holds, wiped when it is let go.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::core::ObjectMeta;
use secrecy::{ExposeSecret, SecretSlice};

/// Marks a Secret that the operator may use where Secrets have to be marked.
pub const ALLOW_LABEL: &str = "milvus-refresh.dev/allow";

/// The content of a Secret or ConfigMap. Two are equal when a connection would see no difference.
#[derive(Debug)]
pub struct Content {
    /// The object's resourceVersion.
    pub version: String,
    /// The type of a Secret.
    pub type_: Option<String>,
    /// Whether it carries the label [`ALLOW_LABEL`] with the value `true`.
    pub allowed: bool,
    values: BTreeMap<String, SecretSlice<u8>>,
}

impl Content {
    fn new(meta: &ObjectMeta, type_: Option<String>, values: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        let label = meta.labels.as_ref().and_then(|labels| labels.get(ALLOW_LABEL));
        Self {
            version: meta.resource_version.clone().unwrap_or_default(),
            type_,
            allowed: label.is_some_and(|value| value == "true"),
            values: values.map(|(key, bytes)| (key, SecretSlice::from(bytes))).collect(),
        }
    }

    /// The text under `key`, if there is one.
    ///
    /// # Errors
    /// When it is no text; nothing of it is repeated.
    pub fn text(&self, key: &str) -> Option<Result<&str, String>> {
        let bytes = self.values.get(key)?.expose_secret();
        Some(std::str::from_utf8(bytes).map_err(|_| format!("its key {key} is not UTF-8 text")))
    }

    /// The text under a key that has to be there.
    ///
    /// # Errors
    /// When it is not there or no text.
    pub fn required(&self, key: &str) -> Result<&str, String> {
        self.text(key).unwrap_or_else(|| Err(format!("it has no key {key}")))
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.type_ == other.type_
            && self.allowed == other.allowed
            && self.values.len() == other.values.len()
            && self.values.iter().all(|(key, value)| {
                other.values.get(key).is_some_and(|same| same.expose_secret() == value.expose_secret())
            })
    }
}

impl From<Secret> for Content {
    fn from(secret: Secret) -> Self {
        let values = secret.data.unwrap_or_default().into_iter().map(|(key, ByteString(bytes))| (key, bytes));
        Self::new(&secret.metadata, secret.type_, values)
    }
}

impl From<ConfigMap> for Content {
    fn from(map: ConfigMap) -> Self {
        let texts = map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
        let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(bytes))| (key, bytes));
        Self::new(&map.metadata, None, texts.chain(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn secret(version: &str, label: &str, password: &str) -> Content {
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "resourceVersion": version, "labels": { ALLOW_LABEL: label } },
            "data": { "password": ByteString(password.as_bytes().to_vec()) },
        }))
        .unwrap();
        secret.into()
    }

    #[test]
    fn only_what_a_connection_would_see_makes_a_difference() {
        assert_eq!(secret("1", "true", "a"), secret("2", "true", "a"));
        assert_ne!(secret("1", "true", "a"), secret("1", "true", "b"));
        assert_ne!(secret("1", "true", "a"), secret("1", "false", "a"));
    }

    #[test]
    fn what_it_holds_is_never_shown() {
        let text = format!("{:?}", secret("1", "true", "hunter2"));
        let bytes = format!("{:?}", b"hunter2");
        assert!(!text.contains("hunter2") && !text.contains(bytes.trim_matches(['[', ']'])), "{text}");
    }

    #[test]
    fn a_config_map_holds_texts_and_bytes() {
        let map: ConfigMap = serde_json::from_value(json!({
            "metadata": {}, "data": { "a": "x" }, "binaryData": { "b": ByteString(vec![0xff]) },
        }))
        .unwrap();
        let content = Content::from(map);
        assert_eq!(content.required("a"), Ok("x"));
        assert_eq!(content.required("b"), Err("its key b is not UTF-8 text".to_owned()));
        assert_eq!(content.required("c"), Err("it has no key c".to_owned()));
    }
}
