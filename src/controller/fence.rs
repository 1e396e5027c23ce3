//! What a process does before it starts or takes any job: it writes its name on every run that was due when it took over.
//! A claim of its predecessor that is still on its way then meets a conflict, so that it cannot run beside one of ours.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::refresh::Permission;

/// The runs that do not carry this process' name yet.
#[derive(Debug)]
pub struct Fence {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    unlisted: BTreeSet<Option<String>>,
    unannounced: HashSet<String>,
}

impl Fence {
    /// Holds everything until each of `scopes` has been listed once.
    pub fn new(scopes: &[Option<String>]) -> Self {
        let unlisted = scopes.iter().cloned().collect();
        Self { inner: Mutex::new(Inner { unlisted, unannounced: HashSet::new() }) }
    }

    /// The first listing of `scope` has shown these runs to be due. Later listings change nothing: what has come since
    /// can only have been claimed by a process that leads.
    pub fn listed(&self, scope: &Option<String>, due: impl IntoIterator<Item = String>) {
        let mut inner = self.lock();
        if inner.unlisted.remove(scope) {
            inner.unannounced.extend(due);
        }
    }

    /// The run carries this process' name, is not due any more, or cannot be claimed by anybody.
    pub fn announced(&self, uid: &str) {
        self.lock().unannounced.remove(uid);
    }

    /// What the run of `uid` may do in a process that leads, or does not (any more).
    pub fn permission(&self, uid: &str, leads: bool) -> Permission {
        if !leads {
            return Permission::Withheld;
        }
        let inner = self.lock();
        if inner.unannounced.contains(uid) {
            Permission::Announce
        } else if inner.unlisted.is_empty() && inner.unannounced.is_empty() {
            Permission::Granted
        } else {
            Permission::Withheld
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_start_until_all_scopes_are_listed_and_every_due_run_is_announced() {
        let scopes = [Some("a".to_owned()), Some("b".to_owned())];
        let fence = Fence::new(&scopes);
        assert_eq!(fence.permission("x", true), Permission::Withheld);
        fence.listed(&scopes[0], ["x".to_owned()]);
        assert_eq!(fence.permission("x", true), Permission::Announce);
        fence.listed(&scopes[1], ["y".to_owned()]);
        fence.announced("x");
        assert_eq!(fence.permission("x", true), Permission::Withheld);
        fence.announced("y");
        assert_eq!(fence.permission("x", true), Permission::Granted);
        assert_eq!(fence.permission("x", false), Permission::Withheld);
    }

    #[test]
    fn a_later_listing_announces_nothing() {
        let fence = Fence::new(&[None]);
        fence.listed(&None, []);
        fence.listed(&None, ["new".to_owned()]);
        assert_eq!(fence.permission("new", true), Permission::Granted);
    }
}
