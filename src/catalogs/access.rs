//! How a catalog is reached: where, as whom, and whom to trust.

use secrecy::{ExposeSecret, SecretString};

use super::port::{CatalogError, CatalogErrorKind};
use crate::web;

/// Longest name of a warehouse, in bytes.
const MAX_WAREHOUSE: usize = 1024;

/// How to reach a catalog. Nothing else is used: neither the environment, nor another address that the catalog names.
#[derive(Clone, Debug)]
pub struct Access {
    /// `https://host[:port][/path]` or `http://…`: what `/v1/config` comes after.
    pub uri: String,
    /// Which of the catalog's warehouses, where it has several.
    pub warehouse: Option<String>,
    /// As whom.
    pub login: Login,
    /// The authorities that the certificates of the catalog and of its token server must come from, PEM; `None` for those of
    /// the system.
    pub ca: Option<String>,
}

/// As whom a catalog is asked.
#[derive(Clone, Debug)]
pub enum Login {
    /// Nobody in particular.
    None,
    /// Whoever has this bearer token.
    Token(SecretString),
    /// An OAuth2 client, by the grant `client_credentials`.
    Client {
        /// `clientID`
        id: SecretString,
        /// `clientSecret`
        secret: SecretString,
        /// Where the tokens come from, as in [`Access::uri`].
        token_uri: String,
        /// What the token is for. Some servers, such as Polaris' (`PRINCIPAL_ROLE:ALL`), give none without.
        scope: Option<String>,
    },
}

/// A sentence about settings that cannot be used.
pub(super) fn invalid(message: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, message)
}

impl Access {
    /// Refuses what cannot be sent.
    ///
    /// # Errors
    /// With a sentence that repeats nothing of it.
    pub(super) fn check(&self) -> Result<(), CatalogError> {
        address("The uri", &self.uri)?;
        if self.warehouse.as_ref().is_some_and(|warehouse| warehouse.len() > MAX_WAREHOUSE) {
            return Err(invalid("The warehouse of the connection's catalog is longer than 1024 bytes. Correct it."));
        }
        match &self.login {
            Login::None => Ok(()),
            Login::Token(token) => credential("token", token),
            Login::Client { id, secret, token_uri, .. } => {
                credential("clientID", id)?;
                credential("clientSecret", secret)?;
                address("tokenURI", token_uri)
            }
        }
    }
}

fn address(name: &str, url: &str) -> Result<(), CatalogError> {
    match web::check(url) {
        Ok(_) => Ok(()),
        Err(problem) => Err(invalid(format!(
            "{name} of the connection's catalog {problem}. Write it as https://host/path or https://host:port/path."
        ))),
    }
}

fn credential(name: &str, credential: &SecretString) -> Result<(), CatalogError> {
    let text = credential.expose_secret();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(invalid(format!(
        "{name} in the Secret of the catalog's auth is empty or has white space or other characters that no credential has. \
         Correct it."
    )))
}
