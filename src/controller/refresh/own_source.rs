//! The source that a refresh brings along: its spec is read once, when a run is about to start, and checked.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use super::outside::Outside;
use crate::{
    cluster::request::DEADLINE,
    controller::connection::Content,
    milvus::{Source, scrub::Secrets},
    refresh::{
        FailureClass, OwnSource, OwnSourceCheck, SpecPlace,
        limits::LOOK_FOR_SECRET,
        source::{self, spec},
    },
};

/// How often a Secret is looked for, in seconds.
const LOOK: u64 = LOOK_FOR_SECRET.as_secs();

impl Outside<'_> {
    /// The source that the refresh brings along, read and checked.
    pub(super) async fn read_own_source(&self, own: &OwnSource) -> Result<Source, OwnSourceCheck> {
        let text = match &own.spec {
            SpecPlace::Object(text) => SecretString::from(text.as_str()),
            SpecPlace::Secret { name, key } => self.read_spec(name, key).await?,
        };
        let text = match own.snapshot {
            Some(snapshot) => pinned(text.expose_secret(), snapshot)?,
            None => text,
        };
        check(own, &text, &self.context.servers.allowed(&self.connection))?;
        Ok(Source { uri: own.source.clone(), secrets: secrets(&own.spec, text.expose_secret()), spec: text })
    }

    /// What of its spec nobody may read, if that can be had.
    pub(super) async fn read_spec_secrets(&self, place: &SpecPlace) -> Option<Arc<Secrets>> {
        match place {
            SpecPlace::Object(text) => Some(secrets(place, text)),
            SpecPlace::Secret { name, key } => {
                self.read_spec(name, key).await.ok().map(|text| secrets(place, text.expose_secret()))
            }
        }
    }

    /// Reads the spec from a Secret of the refresh's namespace.
    async fn read_spec(&self, name: &str, key: &str) -> Result<SecretString, OwnSourceCheck> {
        let secrets: Api<Secret> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        let missing = OwnSourceCheck::Missing;
        let secret = match timeout(DEADLINE, secrets.get_opt(name)).await {
            Ok(Ok(Some(secret))) => secret,
            Ok(Ok(None)) => {
                return Err(missing(format!(
                    "Secret {name} of spec.externalSpecFrom does not exist in this namespace. Create it; the operator checks every {LOOK} s."
                )));
            }
            Ok(Err(kube::Error::Api(refusal))) if refusal.code == 403 => {
                return Err(missing(format!(
                    "The operator may not read Secret {name} of spec.externalSpecFrom. Grant it get on secrets in this namespace; it retries every {LOOK} s."
                )));
            }
            Ok(Err(error)) => {
                return Err(missing(format!(
                    "Secret {name} could not be read: {error}. The operator retries every {LOOK} s."
                )));
            }
            Err(_) => {
                return Err(missing(format!(
                    "Secret {name} could not be read in time. The operator retries every {LOOK} s."
                )));
            }
        };
        let invalid = |problem: String| OwnSourceCheck::Refused(FailureClass::InvalidSpec, problem);
        let content = Content::from(secret);
        if let Some(refusal) = content.refusal(self.context.rules.require_secret_label) {
            return Err(invalid(format!("Secret {name} {refusal}")));
        }
        let Some(text) = content.text(key) else {
            return Err(missing(format!(
                "Secret {name} has no key {key}, which spec.externalSpecFrom refers to. Add it; the operator checks every {LOOK} s."
            )));
        };
        match text {
            Ok(text) if !text.trim().is_empty() => Ok(SecretString::from(text)),
            Ok(_) | Err(_) => {
                Err(invalid(format!("Key {key} of Secret {name} must contain the external spec as JSON in UTF-8.")))
            }
        }
    }
}

/// The spec of a watched table for this snapshot of it. It is checked as a whole after that.
fn pinned(template: &str, snapshot: i64) -> Result<SecretString, OwnSourceCheck> {
    let spec = spec::pinned(template, snapshot);
    spec.map(SecretString::from).map_err(|problem| OwnSourceCheck::Refused(FailureClass::InvalidSpec, problem))
}

fn secrets(place: &SpecPlace, spec: &str) -> Arc<Secrets> {
    match place {
        SpecPlace::Object(_) => Secrets::in_plain_spec(spec),
        SpecPlace::Secret { .. } => Secrets::of_spec(spec),
    }
}

/// What Milvus would find wrong with it, and what the connection's owner does not want.
fn check(own: &OwnSource, text: &SecretString, allowed: &[String]) -> Result<(), OwnSourceCheck> {
    let text = text.expose_secret();
    let checked = match &own.spec {
        SpecPlace::Object(_) => spec::check_plain(text),
        SpecPlace::Secret { .. } => spec::check(text),
    };
    checked.map_err(|problem| OwnSourceCheck::Refused(FailureClass::InvalidSpec, problem))?;
    let allowed = source::allows(allowed, &own.source, text);
    allowed.map_err(|problem| OwnSourceCheck::Refused(FailureClass::SourceNotAllowed, problem))
}
