//! Who keeps an object, so that deleting it by its own time would be in vain or not ours to do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::limits::bounded;
use crate::api::ExternalCollectionRefresh;

/// The annotation by which Argo CD tracks an object.
pub(super) const ANNOTATION: &str = "argocd.argoproj.io/tracking-id";
/// The labels of an object that are read.
pub const LABELS_READ: [&str; 5] = [TOOLS[0].0, TOOLS[1].0, TOOLS[2].0, INSTANCE, MANAGED_BY];
/// Labels by which a tool marks what it owns.
const TOOLS: [(&str, &str); 3] = [
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
];
/// The label of Argo CD's tracking by label, which Kubernetes recommends to everybody.
const INSTANCE: &str = "app.kubernetes.io/instance";
/// Names the tool that an object is managed by.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Who keeps an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A GitOps tool or Helm would recreate it and so refresh in an endless loop.
    Tool {
        /// Its name.
        name: &'static str,
        /// The annotation or label that it is known by.
        mark: String,
    },
    /// Another object that controls this one, by its kind and name, has limits of its own for what it keeps.
    Owner(String),
}

impl Keeper {
    /// Whoever the marks of `object` name.
    pub(super) fn of(object: &ExternalCollectionRefresh) -> Option<Self> {
        let meta = &object.metadata;
        let label = |name: &str| meta.labels.as_ref()?.get(name).map(String::as_str);
        let is_controller = |owner: &&OwnerReference| owner.controller == Some(true);
        if let Some(owner) = meta.owner_references.iter().flatten().find(is_controller) {
            return Some(Self::Owner(format!("{} {}", owner.kind, owner.name)));
        }
        if meta.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(ANNOTATION)) {
            return Some(Self::Tool { name: "Argo CD", mark: format!("annotation {ANNOTATION}") });
        }
        if let Some((mark, name)) = TOOLS.into_iter().find(|(mark, _)| label(mark).is_some()) {
            return Some(Self::Tool { name, mark: format!("label {mark}") });
        }
        match label(MANAGED_BY) {
            Some("Helm") => Some(Self::Tool { name: "Helm", mark: format!("label {MANAGED_BY}: Helm") }),
            manager if label(INSTANCE).is_some() && manager.is_none_or(is_argo) => {
                Some(Self::Tool { name: "Argo CD", mark: format!("label {INSTANCE}") })
            }
            Some(_) | None => None,
        }
    }

    /// Why the object stays although its time has come, and what can be done about it.
    pub(super) fn why_it_stays(&self) -> String {
        match self {
            Self::Tool { name, mark } => bounded(&format!(
                "spec.ttlSecondsAfterFinished is ignored: according to the {mark}, {name} owns the object and would recreate it and \
                 so refresh in an endless loop. Remove spec.ttlSecondsAfterFinished and delete the object through {name}. If {name} \
                 does not own it, remove the {mark}{}.",
                if mark.ends_with(INSTANCE) {
                    format!(", or set the label {MANAGED_BY} to its manager")
                } else {
                    String::new()
                },
            )),
            Self::Owner(owner) => bounded(&format!(
                "spec.ttlSecondsAfterFinished is ignored: {owner} is the controller of the object (metadata.ownerReferences) and \
                 decides how long it stays. Set the limit there, or remove that owner reference.",
            )),
        }
    }
}

/// Whether this manager is Argo CD, in any of its spellings.
fn is_argo(manager: &str) -> bool {
    let letters: String = manager.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.eq_ignore_ascii_case("argocd")
}
