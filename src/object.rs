//! What an object is called, everywhere in this program.

use kube::Resource;

/// The controller of refreshes, as labels and log lines name it.
pub const REFRESH: &str = "refresh";
/// The controller of connections.
pub const CONNECTION: &str = "connection";

/// Names an object of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of `object`.
    pub fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
    }
}
