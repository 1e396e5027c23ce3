//! Manifests from flags: what is not asked for is left out, so that the API server's defaults count.

mod connection;
mod refresh;

pub use connection::connection;
pub use refresh::refresh;

use std::time::Duration;

use milvus_refresh_operator::api::{GROUP, VERSION};
use serde_json::{Map, Value, json};

/// A manifest of one of our kinds. As kubectl's, it names a namespace only where that was asked for.
fn manifest(kind: &str, name: &str, namespace: Option<&str>, spec: Fields) -> Value {
    let mut metadata = Fields::default();
    metadata.set("name", name).set_some("namespace", namespace);
    json!({ "apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind, "metadata": metadata.0, "spec": spec.0 })
}

/// Fields of an object, as far as they are set.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    fn set_if(&mut self, name: &str, wanted: bool) -> &mut Self {
        self.set_some(name, wanted.then_some(true))
    }

    /// Whole seconds; a part of one counts as one.
    fn set_seconds(&mut self, name: &str, time: Option<Duration>) -> &mut Self {
        self.set_some(name, time.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0)))
    }

    fn set_filled(&mut self, name: &str, fields: Self) -> &mut Self {
        self.set_some(name, Some(fields.0).filter(|fields| !fields.is_empty()))
    }
}
