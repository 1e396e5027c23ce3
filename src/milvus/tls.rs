//! TLS to a Milvus server: what is trusted, who we are, and what a failed handshake means.

use std::{error::Error, io};

use rustls::{
    CertificateError, Error as TlsError, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use secrecy::{ExposeSecret, SecretString};
use tonic::{
    Status,
    transport::{Certificate, ClientTlsConfig, Identity},
};

use super::{classify::chain, connect::ConnectError};

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

impl Tls {
    /// The transport's settings.
    ///
    /// # Errors
    /// When one of the texts is not what it has to be. Nothing of a text is repeated.
    pub(super) fn config(&self) -> Result<ClientTlsConfig, ConnectError> {
        let config = match &self.ca {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem).map_err(ConnectError::Ca)? {
                    roots
                        .add(certificate)
                        .map_err(|_| ConnectError::Ca("it holds something that is no certificate"))?;
                }
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
            }
        };
        let config = match &self.certificate {
            None => config,
            Some(own) => {
                own.check()?;
                config.identity(Identity::from_pem(&own.chain, own.key.expose_secret()))
            }
        };
        match &self.server_name {
            None => Ok(config),
            Some(name) if ServerName::try_from(name.as_str()).is_err() => Err(ConnectError::ServerName(name.clone())),
            Some(name) => Ok(config.domain_name(name)),
        }
    }
}

impl ClientCertificate {
    fn check(&self) -> Result<(), ConnectError> {
        let chain = certificates(&self.chain).map_err(ConnectError::ClientCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret().as_bytes())
            .map_err(|_| ConnectError::ClientCertificate("tls.key holds no private key in PEM form"))?;
        match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
            Ok(_) => Ok(()),
            Err(TlsError::InconsistentKeys(_)) => {
                Err(ConnectError::ClientCertificate("tls.key is not the key of the certificate in tls.crt"))
            }
            Err(_) => Err(ConnectError::ClientCertificate("tls.crt or tls.key is of a kind that is not supported")),
        }
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err("it holds no certificate in PEM form"),
        Ok(found) => Ok(found),
        Err(_) => Err("it holds broken PEM"),
    }
}

/// What is wrong between us and a server that cannot be talked to, where TLS has or may have to do with it: a sentence for
/// whoever can mend it. `tls` is `None` where the address is `http://`.
pub(super) fn explain(status: &Status, tls: Option<&Tls>) -> Option<String> {
    if let Some(error) = chain(status).filter_map(deepest).find_map(|cause| cause.downcast_ref::<TlsError>()) {
        return Some(of_handshake(error, tls?));
    }
    let says = |text: &str| chain(status).any(|cause| cause.to_string().starts_with(text));
    // After a handshake the HTTP/2 library keeps only the text of what goes wrong. With TLS 1.3 that is where a server says that
    // it does not like the client's certificate.
    let alert = chain(status).find_map(|cause| cause.to_string().strip_prefix(ALERT).map(str::to_owned));
    let answer = match tls {
        None if says("connection error detected") => {
            "it answers something else than HTTP/2. If it expects TLS, write https:// in the address"
        }
        None if says("connection error") => {
            "it closed the connection. If it expects TLS, write https:// in the address"
        }
        None => return None,
        Some(tls) => match (&tls.certificate, alert) {
            (_, Some(alert)) => return Some(of_alert(&alert, tls)),
            _ if says("HTTP/2 was not negotiated") => {
                "it speaks TLS, but not HTTP/2 (gRPC) with it. Check the port in the address"
            }
            (None, None) if says("connection error") || says("tls handshake eof") => {
                "it closed the connection during or after the TLS handshake. If it asks for a client certificate, set \
                 tls.clientCertificateRef"
            }
            (Some(_), None) if says("connection error") || says("tls handshake eof") => {
                "it closed the connection during or after the TLS handshake. If it does not like the certificate of \
                 tls.clientCertificateRef, have one issued by the CA that it trusts"
            }
            (_, None) => return None,
        },
    };
    Some(answer.to_owned())
}

/// How the TLS library begins to tell of a refusal by the other side.
const ALERT: &str = "received fatal alert: ";

/// An I/O error may carry the error that matters as its content rather than as its source.
fn deepest<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => deepest(inner),
        None => Some(cause),
    }
}

fn of_handshake(error: &TlsError, tls: &Tls) -> String {
    match error {
        TlsError::InvalidCertificate(error) => of_certificate(error, tls),
        TlsError::InvalidMessage(_) => {
            "it does not speak TLS. If it is meant to be talked to without, write http:// in the address".to_owned()
        }
        TlsError::AlertReceived(alert) => of_alert(&format!("{alert:?}"), tls),
        error => format!("the TLS handshake failed ({error})"),
    }
}

fn of_alert(alert: &str, tls: &Tls) -> String {
    const ABOUT_CERTIFICATES: [&str; 9] = [
        "AccessDenied",
        "BadCertificate",
        "CertificateExpired",
        "CertificateRequired",
        "CertificateRevoked",
        "CertificateUnknown",
        "DecryptError",
        "UnknownCA",
        "UnsupportedCertificate",
    ];
    match (&tls.certificate, ABOUT_CERTIFICATES.contains(&alert)) {
        (None, true) => "it asks for a client certificate. Set tls.clientCertificateRef".to_owned(),
        (Some(_), true) => format!(
            "it refuses the client certificate of tls.clientCertificateRef ({alert}). Have one issued by the CA that it trusts"
        ),
        (_, false) => format!("it refuses the TLS handshake ({alert})"),
    }
}

fn of_certificate(error: &CertificateError, tls: &Tls) -> String {
    match error {
        // Another CA of the same name shows as a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature if tls.ca.is_some() => {
            "its certificate is not signed by the CA of tls.caRef. Put the CA that signed it there".to_owned()
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is not signed by an authority that this system trusts. Set tls.caRef to the CA that signed it"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate, or that of its CA, has expired. Renew it at the server".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet. Check the clocks here and there".to_owned()
        }
        CertificateError::NotValidForName => {
            "its certificate is for another name. Set tls.serverName to the name that it bears".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "its certificate is not for {}, but for {}. Set tls.serverName to a name that it bears",
            expected.to_str(),
            listed(presented)
        ),
        error => format!("its certificate is not accepted ({error})"),
    }
}

/// The first few of the names, which the server chooses, in a bounded length.
fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    const LONGEST: usize = 100;
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| name.chars().take(LONGEST).collect()).collect();
    match names.len() {
        0 => return "no name at all".to_owned(),
        1..=MOST => {}
        _ => shown.push("others".to_owned()),
    }
    shown.join(", ")
}
