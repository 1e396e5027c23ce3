//! Where what a watch has shown is kept, as long as it exists.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::packed::Packed;
use crate::object::Key;

/// What exists of a kind in one scope, by name. Clones share it.
#[derive(Debug)]
pub struct Store<K>(Arc<RwLock<Objects<K>>>);

/// Objects by name.
pub(super) type Objects<K> = HashMap<Key, Arc<Packed<K>>>;

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Store<K> {
    /// The object of this name.
    pub fn get(&self, key: &Key) -> Option<Arc<Packed<K>>> {
        self.0.read().get(key).cloned()
    }

    /// All objects, or those of one namespace.
    pub fn all(&self, namespace: Option<&str>) -> Vec<Arc<Packed<K>>> {
        let objects = self.0.read();
        let wanted = objects.iter().filter(|(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace));
        wanted.map(|(_, object)| object.clone()).collect()
    }

    /// The object of this name is now this one.
    pub(crate) fn put(&self, key: Key, object: Packed<K>) {
        self.0.write().insert(key, Arc::new(object));
    }

    /// The object of this name and uid is gone.
    pub(crate) fn remove(&self, key: &Key, uid: &str) {
        let mut objects = self.0.write();
        if objects.get(key).is_some_and(|object| object.uid() == uid) {
            objects.remove(key);
        }
    }

    /// What exists is now this. Gives what existed before.
    pub(super) fn replace(&self, objects: Objects<K>) -> Objects<K> {
        std::mem::replace(&mut self.0.write(), objects)
    }

    /// Visits all names and objects, in any order.
    pub(super) fn each(&self, mut visit: impl FnMut(&Key, &Packed<K>)) {
        self.0.read().iter().for_each(|(key, object)| visit(key, object));
    }
}
