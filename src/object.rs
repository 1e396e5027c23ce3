//! What an object is called, everywhere in this program.

use kube::Resource;
use sha2::{Digest as _, Sha256};

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

/// What tells an object from all others that there ever were, in 16 bytes: its uid, which Kubernetes makes a UUID, or the hash of
/// one that is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(u128);

impl Uid {
    /// Of this `metadata.uid`.
    pub fn of(text: &str) -> Self {
        Self(uuid(text).unwrap_or_else(|| {
            Sha256::digest(text).iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
        }))
    }
}

/// The number that a UUID in its usual form stands for.
fn uuid(text: &str) -> Option<u128> {
    let mut number = 0;
    for (index, byte) in text.bytes().enumerate() {
        match (matches!(index, 8 | 13 | 18 | 23), byte) {
            (true, b'-') => {}
            (false, b'0'..=b'9' | b'a'..=b'f') => number = number << 4 | u128::from(char::from(byte).to_digit(16)?),
            _ => return None,
        }
    }
    (text.len() == 36).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_its_uuid_or_else_a_hash_of_its_own() {
        let usual = "0f10e036-6dc8-4b8b-a4fd-e68be08911e0";
        assert_eq!(Uid::of(usual), Uid(0x0f10_e036_6dc8_4b8b_a4fd_e68b_e089_11e0));
        let others = [
            "",
            "a",
            "0f10e0366dc84b8ba4fde68be08911e0",
            "0F10E036-6DC8-4B8B-A4FD-E68BE08911E0",
            "+f10e036-6dc8-4b8b-a4fd-e68be08911e0",
            "0f10e036-6dc84-b8b-a4fd-e68be08911e0",
        ];
        let mut all: Vec<Uid> = others.into_iter().chain([usual]).map(Uid::of).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), others.len() + 1);
    }
}
