//! From the sources and catalogs of a connection, and the Secrets that they name, to clients. What is wrong with one of them
//! leaves the others, and the connection itself, as they are.

mod made;
mod secret;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use super::{
    credentials::{self, Problem},
    references::{Kind, Reference, View},
    secret_data::Content,
};
use crate::{
    api::{CaHolder, CaReference, ConnectionReason, ConnectionSpec, IcebergCatalog, SecretReference, WatchedSource},
    catalogs::Catalog,
    scout,
    stores::{Place, Store},
};
use made::Client;

/// What decides about the use of Secrets and identities, for all connections.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether a Secret must be marked to be used.
    pub require_secret_label: bool,
    /// The tokens of the operator's own identity, where connections may use it.
    pub workload_identity: Option<IdentityTokens>,
}

/// Where Kubernetes keeps the tokens of the operator's service account that clouds take for identities of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityTokens {
    /// For AWS.
    pub aws: PathBuf,
    /// For Azure.
    pub azure: PathBuf,
    /// Azure's authority; `None` for that of the public cloud.
    pub azure_authority: Option<String>,
}

/// Hears of each request that is sent.
pub(super) type Sent = Arc<dyn Fn() + Send + Sync>;

/// All clients of a connection, usable or not.
#[derive(Debug, Default)]
pub(in crate::controller) struct Clients {
    stores: Vec<Entry<WatchedSource, Arc<dyn Store>>>,
    catalogs: Vec<Entry<IcebergCatalog, Arc<dyn Catalog>>>,
}

/// One of them, and what it was made from: the same again is not made anew, and keeps its tokens and connections.
#[derive(Debug)]
struct Entry<S, C> {
    spec: S,
    contents: Vec<Arc<Content>>,
    client: Result<Client<C>, Unusable>,
}

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unusable {
    reason: ConnectionReason,
    message: String,
}

impl From<Problem> for Unusable {
    fn from(problem: Problem) -> Self {
        let (reason, message) = match problem {
            Problem::Absent(message) => (ConnectionReason::SecretNotFound, message),
            Problem::Unusable(message) => (ConnectionReason::InvalidSpec, message),
            // Nobody asks before it is known.
            Problem::Loading => (ConnectionReason::SecretNotFound, String::new()),
        };
        Self { reason, message }
    }
}

/// What an entry of the spec refers to.
fn references_of(secret: Option<&SecretReference>, ca: Option<&CaReference>) -> Vec<Reference> {
    let secret = secret.map(|secret| Reference { kind: Kind::Secret, name: secret.name.clone() });
    let ca = ca.map(|ca| {
        let kind = match ca.kind {
            CaHolder::Secret => Kind::Secret,
            CaHolder::ConfigMap => Kind::ConfigMap,
        };
        Reference { kind, name: ca.name.clone() }
    });
    secret.into_iter().chain(ca).collect()
}

fn of_source(source: &WatchedSource) -> Vec<Reference> {
    references_of(source.auth.secret_ref.as_ref(), source.ca_ref.as_ref())
}

fn of_catalog(catalog: &IcebergCatalog) -> Vec<Reference> {
    references_of(catalog.auth.as_ref().map(|auth| &auth.secret_ref), catalog.ca_ref.as_ref())
}

/// The objects that the sources and catalogs of `spec` refer to, in the order in which [`Clients::resolve`] takes them.
pub(super) fn references(spec: &ConnectionSpec) -> Vec<Reference> {
    spec.sources.iter().flat_map(of_source).chain(spec.catalogs.iter().flat_map(of_catalog)).collect()
}

impl Clients {
    /// The clients by `spec` and what its references lead to; `None` while one of these is not known. What is as it was `before`
    /// is taken from there.
    pub(super) fn resolve(
        spec: &ConnectionSpec,
        views: Vec<View>,
        rules: &Rules,
        before: Option<&Self>,
        sent: &Sent,
    ) -> Option<Self> {
        if views.iter().any(|view| matches!(view, View::Loading)) {
            return None;
        }
        let mut views = views.into_iter();
        let mut contents = |references: Vec<Reference>| {
            let found = references.iter().zip(views.by_ref());
            // All of its own, whatever is wrong with the first.
            let found: Vec<_> = found
                .map(|(reference, view)| {
                    Ok((reference.clone(), credentials::found(reference, view, rules.require_secret_label)?))
                })
                .collect();
            found.into_iter().collect::<Result<Vec<_>, Problem>>()
        };
        let stores = spec.sources.iter().map(|source| {
            let before = before.map_or(&[][..], |before| &before.stores);
            Entry::new(source, contents(of_source(source)), before, |held| {
                made::store(source, held, rules.workload_identity.as_ref(), sent)
            })
        });
        let stores = stores.collect();
        let catalogs = spec.catalogs.iter().map(|catalog| {
            let before = before.map_or(&[][..], |before| &before.catalogs);
            Entry::new(catalog, contents(of_catalog(catalog)), before, |held| made::catalog(catalog, held, sent))
        });
        Some(Self { stores, catalogs: catalogs.collect() })
    }

    /// Whether refreshes would see no difference.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let same_stores = self.stores.iter().zip(&other.stores).all(|(own, other)| own.is_as(other, Arc::ptr_eq));
        let same_catalogs = self.catalogs.iter().zip(&other.catalogs).all(|(own, other)| own.is_as(other, Arc::ptr_eq));
        let lengths = |clients: &Self| (clients.stores.len(), clients.catalogs.len());
        lengths(self) == lengths(other) && same_stores && same_catalogs
    }

    /// What the connection lets its refreshes look at.
    pub(super) fn sources(&self) -> scout::Sources {
        let stores = self.stores.iter().filter_map(|entry| {
            let (endpoint, region) = (entry.spec.endpoint.clone(), entry.spec.region.clone());
            // Nothing is within a prefix that is none.
            let place = Place::parse(&entry.spec.prefix, endpoint.as_deref(), region.as_deref()).ok()?;
            let store = entry.client.as_ref().map(|client| client.client.clone());
            Some(scout::Source { place, endpoint, region, store: store.map_err(|unusable| unusable.message.clone()) })
        });
        let catalogs = self.catalogs.iter().map(|entry| {
            let catalog = entry.client.as_ref().map(|client| client.client.clone());
            let catalog = catalog.map_err(|unusable| unusable.message.clone());
            scout::NamedCatalog { name: entry.spec.name.clone(), catalog }
        });
        scout::Sources { stores: stores.collect(), catalogs: catalogs.collect() }
    }

    /// Each of them by its name: what is wrong with it, or whether its credentials go unencrypted.
    fn states(&self) -> impl Iterator<Item = (String, Result<bool, &Unusable>)> {
        let stores = self.stores.iter().map(|entry| (format!("source {}", entry.spec.prefix), entry.state()));
        stores.chain(self.catalogs.iter().map(|entry| (format!("catalog {}", entry.spec.name), entry.state())))
    }

    /// The condition `SourcesReady`, if there is anything to say: its status, its reason and its message.
    pub(super) fn condition(&self) -> Option<(&'static str, &'static str, String)> {
        let wrong: Vec<_> = self.states().filter_map(|(name, state)| Some((name, state.err()?))).collect();
        if let Some((_, first)) = wrong.first() {
            let each: Vec<_> =
                wrong.iter().map(|(name, unusable)| format!("The {name}: {}", unusable.message)).collect();
            let reason = first.reason.as_str();
            return Some(("False", reason, each.join(" ")));
        }
        if let Some(message) = self.exposed() {
            return Some(("True", PLAINTEXT, message));
        }
        let is_empty = self.states().next().is_none();
        (!is_empty).then(|| ("True", "Resolved", "All sources and catalogs have settings that can be used.".to_owned()))
    }

    /// What to say of credentials that go unencrypted.
    pub(super) fn exposed(&self) -> Option<String> {
        let exposed: Vec<_> = self.states().filter(|(_, state)| *state == Ok(true)).map(|(name, _)| name).collect();
        (!exposed.is_empty()).then(|| {
            format!(
                "Requests with credentials are sent unencrypted over http:// for: {}. Use https://, with caRef if the server's \
                 certificate comes from a private CA.",
                exposed.join(", ")
            )
        })
    }
}

/// The reason for credentials that go unencrypted.
pub(super) const PLAINTEXT: &str = "PlaintextCredentials";

/// What an entry refers to, and what was found there.
type Held = Vec<Found>;

/// One of that.
type Found = (Reference, Arc<Content>);

impl<S: Clone + PartialEq, C: Clone> Entry<S, C> {
    fn new(
        spec: &S,
        held: Result<Held, Problem>,
        before: &[Self],
        make: impl FnOnce(&Held) -> Result<Client<C>, Unusable>,
    ) -> Self {
        let held = match held {
            Ok(held) => held,
            Err(problem) => return Self { spec: spec.clone(), contents: Vec::new(), client: Err(problem.into()) },
        };
        let contents: Vec<_> = held.iter().map(|(_, content)| content.clone()).collect();
        let same = before.iter().find(|before| before.spec == *spec && before.contents == contents);
        let client = match same.and_then(|same| same.client.as_ref().ok()) {
            Some(client) => Ok(client.clone()),
            None => make(&held),
        };
        Self { spec: spec.clone(), contents, client }
    }

    fn is_as(&self, other: &Self, same: impl FnOnce(&C, &C) -> bool) -> bool {
        self.spec == other.spec
            && match (&self.client, &other.client) {
                (Ok(own), Ok(other)) => same(&own.client, &other.client),
                (Err(own), Err(other)) => own == other,
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
            }
    }

    /// What is wrong with it, or whether its credentials go unencrypted.
    fn state(&self) -> Result<bool, &Unusable> {
        self.client.as_ref().map(|client| client.exposed)
    }
}
