//! Where what a watch has shown is kept, as long as it exists.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use super::packed::Packed;
use crate::object::Key;

/// What exists of a kind in one scope, by name. Clones share it.
#[derive(Debug)]
pub struct Store<K>(Arc<RwLock<Objects<K>>>);

/// Objects by namespace and name: thousands share a namespace, which is kept once.
#[derive(Debug)]
pub(super) struct Objects<K>(HashMap<Arc<str>, Names<K>>);

type Names<K> = HashMap<Arc<str>, Arc<Packed<K>>>;

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
        let Objects(objects) = &*self.0.read();
        let wanted = objects.iter().filter(|(name, _)| namespace.is_none_or(|namespace| &***name == namespace));
        wanted.flat_map(|(_, objects)| objects.values().cloned()).collect()
    }

    /// The object of this name is now this one.
    pub(crate) fn put(&self, key: &Key, object: Arc<Packed<K>>) {
        self.0.write().put(key, object);
    }

    /// The object of this name and uid is gone.
    pub(crate) fn remove(&self, key: &Key, uid: &str) {
        let Objects(objects) = &mut *self.0.write();
        let Some(names) = objects.get_mut(&*key.namespace) else { return };
        if names.get(&*key.name).is_some_and(|object| object.uid() == uid) {
            names.remove(&*key.name);
        }
        if names.is_empty() {
            objects.remove(&*key.namespace);
        }
    }

    /// What exists is now this. Gives what existed before.
    pub(super) fn replace(&self, objects: Objects<K>) -> Objects<K> {
        std::mem::replace(&mut self.0.write(), objects)
    }

    /// The keys of all objects, in any order. They can be thousands, so each is made when it is asked for.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> + Send + use<K> {
        self.0.read().all().map(|(key, _)| key)
    }
}

impl<K> Objects<K> {
    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Packed<K>>> {
        self.0.get(&*key.namespace)?.get(&*key.name)
    }

    pub(super) fn put(&mut self, key: &Key, object: Arc<Packed<K>>) {
        let names = match self.0.get_mut(&*key.namespace) {
            Some(names) => names,
            None => self.0.entry(key.namespace.as_str().into()).or_default(),
        };
        names.insert(key.name.as_str().into(), object);
    }

    /// All objects, in any order. They can be thousands, so each key is made when it is asked for.
    pub(super) fn all(&self) -> impl Iterator<Item = (Key, Arc<Packed<K>>)> + use<K> {
        let of_namespace = |(namespace, names): (&Arc<str>, &Names<K>)| {
            let of = |(name, object): (&Arc<str>, &Arc<Packed<K>>)| (namespace.clone(), name.clone(), object.clone());
            names.iter().map(of).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.0.iter().flat_map(of_namespace).collect();
        all.into_iter()
            .map(|(namespace, name, object)| (Key { namespace: namespace.to_string(), name: name.to_string() }, object))
    }
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}
