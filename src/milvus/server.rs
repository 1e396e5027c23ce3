//! How one Milvus server is reached: its address, its login and its TLS.

use std::time::Duration;

use secrecy::SecretString;

/// What is needed to talk to one server.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// `http://host:port` or `https://host:port`.
    pub address: String,
    /// How `https://` is spoken; must be absent with `http://`, and may be with `https://`.
    pub tls: Option<Tls>,
    /// `None` where Milvus runs without authorization.
    pub login: Option<Login>,
    /// The deadline of every call but the submit, which brings its own.
    pub request_timeout: Duration,
}

/// Who the operator is to Milvus.
#[derive(Clone, Debug)]
pub enum Login {
    /// A Milvus user. Its name holds no colon.
    User {
        /// The user's name.
        name: String,
        /// The user's password; may hold colons.
        password: SecretString,
    },
    /// A bare token or API key.
    Token(SecretString),
}

/// How `https://` is spoken.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authorities that the server's certificate must come from, PEM; `None` for those of the system.
    pub ca: Option<String>,
    /// Who the operator is, where the server asks for that.
    pub certificate: Option<ClientCertificate>,
    /// The name that the server's certificate must bear; `None` for the host of the address.
    pub server_name: Option<String>,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, PEM, the client's own first.
    pub chain: String,
    /// The private key, PEM.
    pub key: SecretString,
}

/// Why options cannot be used. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address does not have the form that [`ConnectOptions::address`] asks for.
    #[error(
        "the address {address:?} is invalid: {problem}; use http://host:port or https://host:port, for example \
         http://milvus:19530"
    )]
    Address {
        /// The address as given.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Settings for TLS would be ignored, and what they are to protect would go over the wire in clear.
    #[error("tls is set, but the address begins with http://; use https://, or remove tls")]
    TlsOverHttp,
    /// The authorities to trust cannot be read.
    #[error("the CA of tls.caRef cannot be used: {0}; it must contain one or more PEM certificates")]
    Ca(&'static str),
    /// The client certificate cannot be read.
    #[error(
        "the client certificate of tls.clientCertificateRef cannot be used: {0}; put a certificate and its key there"
    )]
    ClientCertificate(&'static str),
    /// No certificate can bear this name.
    #[error("the name {0:?} of tls.serverName is neither a DNS name nor an IP address; correct it")]
    ServerName(String),
    /// The system's authorities cannot be loaded, or the TLS library refused the settings.
    #[error("TLS cannot be set up: {0}; set tls.caRef, or install CA certificates in the operator's image")]
    TlsSetup(String),
    /// Milvus splits a login at its first colon.
    #[error("the user name contains a colon, which Milvus does not allow; correct the login's user name")]
    UserName,
    /// There is nothing to log in with.
    #[error("the login is empty; set a user name and a password, or a token")]
    EmptyLogin,
}
