//! Clients, made of a spec and of what its references hold.

use std::sync::Arc;

use super::{Found, Held, IdentityTokens, Sent, Unusable, secret};
use crate::{
    api::{CaReference, ConnectionReason, IcebergCatalog, SourceAuth, SourceIdentity, WatchedSource},
    catalogs::{self, Catalog, CatalogError, Rest},
    controller::connection::credentials::absent,
    stores::{self, Access, Credentials, Lister, Place, Scheme, Store, StoreError, WorkloadIdentity},
};

/// A client, and whether its credentials go unencrypted.
#[derive(Clone, Debug)]
pub(super) struct Client<C> {
    pub(super) client: C,
    pub(super) exposed: bool,
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Self {
        invalid(error.message)
    }
}

impl From<CatalogError> for Unusable {
    fn from(error: CatalogError) -> Self {
        invalid(error.message)
    }
}

fn invalid(message: impl Into<String>) -> Unusable {
    Unusable { reason: ConnectionReason::InvalidSpec, message: message.into() }
}

/// The Secret, if the spec names one, and the authorities in what `ca` refers to.
fn parts<'a>(
    held: &'a Held,
    has_secret: bool,
    ca: Option<&CaReference>,
) -> Result<(Option<&'a Found>, Option<String>), Unusable> {
    let mut held = held.iter();
    let secret = if has_secret { held.next() } else { None };
    let ca = held.next().zip(ca).map(|((reference, content), ca)| {
        content.required(&ca.key).map(str::to_owned).map_err(|problem| absent(reference, &problem))
    });
    Ok((secret, ca.transpose()?))
}

/// Lists the places below the prefix of `source`.
pub(super) fn store(
    source: &WatchedSource,
    held: &Held,
    tokens: Option<&IdentityTokens>,
    sent: &Sent,
) -> Result<Client<Arc<dyn Store>>, Unusable> {
    let (secret, ca) = parts(held, source.auth.secret_ref.is_some(), source.ca_ref.as_ref())?;
    let (endpoint, region) = (source.endpoint.clone(), source.region.clone());
    let place = Place::parse(&source.prefix, endpoint.as_deref(), region.as_deref())
        .map_err(|problem| invalid(format!("Its prefix {problem}.")))?;
    let credentials = match &source.auth {
        SourceAuth { workload_identity: Some(identity), .. } => own_identity(source, &place, identity, tokens)?,
        SourceAuth { anonymous: Some(_), .. } => anonymous(source, &place)?,
        SourceAuth { .. } => {
            let (reference, content) = secret.ok_or_else(|| invalid("It has no auth. Set one."))?;
            secret::store(content).map_err(|problem| absent(reference, &problem))?
        }
    };
    let has_credentials = !matches!(credentials, Credentials::Anonymous);
    let exposed = has_credentials && endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let access = Access { endpoint, region, credentials, ca };
    let sent = sent.clone();
    let lister = Lister::new(access, place, stores::Limits::default())?.heard(move || sent());
    Ok(Client { client: Arc::new(lister), exposed })
}

/// Nobody in particular.
fn anonymous(source: &WatchedSource, place: &Place) -> Result<Credentials, Unusable> {
    if place.scheme == Scheme::Azure && source.endpoint.is_none() {
        return Err(invalid(
            "Without credentials nothing names its Azure storage account. Set endpoint to https://ACCOUNT.blob.core.windows.net.",
        ));
    }
    Ok(Credentials::Anonymous)
}

/// The operator's own identity, which is shown to its cloud alone: another server could use the token that it gets.
fn own_identity(
    source: &WatchedSource,
    place: &Place,
    identity: &SourceIdentity,
    tokens: Option<&IdentityTokens>,
) -> Result<Credentials, Unusable> {
    let tokens = tokens.ok_or_else(|| {
        invalid(
            "This installation does not let connections use a workload identity. Use auth.secretRef, or ask the administrator of the \
             operator to allow it (--allow-workload-identity, in the chart workloadIdentity.enabled).",
        )
    })?;
    if source.endpoint.is_some() || !place.is_at_its_cloud(source.region.as_deref()) {
        return Err(invalid(
            "A workload identity is used at the cloud's own endpoint only. Write the prefix without an endpoint and set region, or use \
             auth.secretRef.",
        ));
    }
    let identity = match (&identity.aws, &identity.azure) {
        (Some(aws), _) => {
            WorkloadIdentity::Aws { role_arn: aws.role_arn.clone(), token_file: tokens.aws.clone(), sts_endpoint: None }
        }
        (None, Some(azure)) => WorkloadIdentity::Azure {
            account: azure.account_name.clone(),
            client_id: azure.client_id.clone(),
            tenant_id: azure.tenant_id.clone(),
            token_file: tokens.azure.clone(),
            authority_host: tokens.azure_authority.clone(),
        },
        (None, None) => return Err(invalid("Its workload identity is empty. Set either aws or azure.")),
    };
    Ok(Credentials::WorkloadIdentity(identity))
}

/// Asks `catalog`.
pub(super) fn catalog(
    catalog: &IcebergCatalog,
    held: &Held,
    sent: &Sent,
) -> Result<Client<Arc<dyn Catalog>>, Unusable> {
    let (secret, ca) = parts(held, catalog.auth.is_some(), catalog.ca_ref.as_ref())?;
    let login = match secret {
        None => catalogs::Login::None,
        Some((reference, content)) => {
            secret::catalog(content, &catalog.uri).map_err(|problem| absent(reference, &problem))?
        }
    };
    let exposed = match &login {
        catalogs::Login::None => false,
        catalogs::Login::Token(_) => catalog.uri.starts_with("http://"),
        catalogs::Login::Client { token_uri, .. } => {
            catalog.uri.starts_with("http://") || token_uri.starts_with("http://")
        }
    };
    let access = catalogs::Access { uri: catalog.uri.clone(), warehouse: catalog.warehouse.clone(), login, ca };
    let sent = sent.clone();
    let rest = Rest::new(access, catalogs::Limits::default())?.heard(move || sent());
    Ok(Client { client: Arc::new(rest), exposed })
}
