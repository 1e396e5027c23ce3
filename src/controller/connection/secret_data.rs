//! What a Secret or ConfigMap holds, wiped when it is let go.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::core::ObjectMeta;
use secrecy::{ExposeSecret, SecretSlice};

/// Marks a Secret that the operator may use where Secrets have to be marked.
pub(super) const ALLOW_LABEL: &str = "milvus-refresh.dev/allow";

/// Credentials of Kubernetes itself. Some have a key called `token` too, which must not be sent to whatever address a
/// connection names.
const REFUSED_TYPES: [&str; 2] = ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"];

/// The content of a Secret or ConfigMap. Two are equal when a connection would see no difference.
#[derive(Debug)]
pub struct Content {
    /// The object's resourceVersion.
    pub version: String,
    /// The type of a Secret.
    pub type_: Option<String>,
    /// Whether it may be used where Secrets have to be marked: a Secret that carries the label [`ALLOW_LABEL`] with the
    /// value `true`, or a ConfigMap.
    allowed: bool,
    values: BTreeMap<String, SecretSlice<u8>>,
}

impl Content {
    fn new(meta: &ObjectMeta, values: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        Self {
            version: meta.resource_version.clone().unwrap_or_default(),
            type_: None,
            allowed: true,
            values: values.map(|(key, bytes)| (key, SecretSlice::from(bytes))).collect(),
        }
    }

    /// Why nothing of it may be sent to anybody, and what to do; `None` when it may. Continues a sentence that begins with
    /// the object. `label` asks for Secrets that are marked.
    pub fn refusal(&self, label: bool) -> Option<String> {
        let type_ = self.type_.as_deref().unwrap_or_default();
        if REFUSED_TYPES.contains(&type_) {
            return Some(format!(
                "is of type {type_}: the operator never sends credentials of Kubernetes anywhere. Use a Secret that was \
                 created for this purpose."
            ));
        }
        (label && !self.allowed).then(|| {
            format!(
                "lacks the label that this operator requires (--require-secret-label). Set the label {ALLOW_LABEL}: \"true\" \
                 on it."
            )
        })
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
        let label = secret.metadata.labels.as_ref().and_then(|labels| labels.get(ALLOW_LABEL));
        let allowed = label.is_some_and(|value| value == "true");
        Self { type_: secret.type_, allowed, ..Self::new(&secret.metadata, values) }
    }
}

impl From<ConfigMap> for Content {
    fn from(map: ConfigMap) -> Self {
        let texts = map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
        let bytes = map.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(bytes))| (key, bytes));
        Self::new(&map.metadata, texts.chain(bytes))
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
    fn credentials_of_kubernetes_are_refused_whatever_their_label() {
        for type_ in REFUSED_TYPES {
            let refused = Content { type_: Some(type_.to_owned()), ..secret("1", "true", "a") };
            assert!(refused.refusal(false).unwrap().starts_with(&format!("is of type {type_}: ")));
        }
    }

    #[test]
    fn a_secret_must_be_marked_where_that_is_asked_for_and_a_config_map_never() {
        assert_eq!(secret("1", "true", "a").refusal(true), None);
        for label in ["false", "", "True"] {
            assert!(secret("1", label, "a").refusal(true).unwrap().starts_with("lacks the label"), "{label}");
            assert_eq!(secret("1", label, "a").refusal(false), None);
        }
        assert_eq!(Content::from(ConfigMap::default()).refusal(true), None);
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
