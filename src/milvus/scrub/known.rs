//! The secrets that a scrubber knows, and for how long.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use secrecy::{ExposeSecret, SecretString};

use super::credentials;

/// How many secrets are kept that nobody uses any more, since Milvus can quote them for a while; the oldest are forgotten.
const MAX_FORMER: usize = 512;

/// Texts that nobody may read and that come and go together: a login, or the credentials of a spec. In use for as long as
/// somebody holds them.
#[derive(Debug, Default)]
pub struct Secrets(Arc<Vec<SecretString>>);

impl Secrets {
    /// These texts. Empty ones are left out.
    pub fn new(texts: impl IntoIterator<Item = SecretString>) -> Arc<Self> {
        let texts = texts.into_iter().filter(|text| !text.expose_secret().is_empty()).collect();
        Arc::new(Self(Arc::new(texts)))
    }

    /// Of an external spec that came from a Secret: the text itself and every text below a credential key.
    pub fn of_spec(spec: &str) -> Arc<Self> {
        Self::new([spec.trim().into()].into_iter().chain(credentials::in_spec(spec)))
    }

    /// Of an external spec that everyone may read who may read the object: what stands below a credential key all the same.
    pub fn in_plain_spec(spec: &str) -> Arc<Self> {
        Self::new(credentials::in_spec(spec))
    }
}

/// What a scrubber knows of [`Secrets`].
#[derive(Debug)]
struct Held {
    texts: Arc<Vec<SecretString>>,
    /// Other scrubbers are no users.
    users: Weak<Secrets>,
}

impl Held {
    fn is_used(&self) -> bool {
        self.users.strong_count() > 0
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(SecretString::expose_secret)
    }
}

/// All that a scrubber knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Oldest first.
    held: Vec<Held>,
    /// Where in `held` are the texts that begin with a character: a message is compared with these alone.
    by_first: HashMap<char, Vec<(usize, usize)>>,
}

impl Known {
    pub(super) fn learn(&mut self, secrets: &Arc<Secrets>) {
        let is_known = |held: &Held| std::ptr::eq(held.users.as_ptr(), Arc::as_ptr(secrets));
        if secrets.0.is_empty() || self.held.iter().any(is_known) {
            return;
        }
        // The same texts that nobody uses are known for longer with those that are used.
        let new = Held { texts: secrets.0.clone(), users: Arc::downgrade(secrets) };
        self.held.retain(|held| held.is_used() || !held.texts().eq(new.texts()));
        self.held.push(new);
        let former = self.held.iter().filter(|held| !held.is_used()).map(|held| held.texts.len()).sum::<usize>();
        let mut excess = former.saturating_sub(MAX_FORMER);
        self.held.retain(|held| {
            let forgotten = excess > 0 && !held.is_used();
            excess = excess.saturating_sub(if forgotten { held.texts.len() } else { 0 });
            !forgotten
        });
        self.by_first.clear();
        for (at, held) in self.held.iter().enumerate() {
            for (position, text) in held.texts().enumerate() {
                if let Some(first) = text.chars().next() {
                    self.by_first.entry(first).or_default().push((at, position));
                }
            }
        }
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.by_first.is_empty()
    }

    /// The secrets that begin with this character.
    pub(super) fn beginning_with(&self, first: char) -> impl Iterator<Item = &str> {
        let places = self.by_first.get(&first).into_iter().flatten();
        places.filter_map(|(at, position)| Some(self.held.get(*at)?.texts.get(*position)?.expose_secret()))
    }
}
