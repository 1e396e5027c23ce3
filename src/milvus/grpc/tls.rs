//! TLS to a Milvus server: what is trusted, who we are, and what a failed handshake means.

use std::{error::Error, io};

use rustls::{
    CertificateError, Error as TlsError, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};
use secrecy::ExposeSecret;
use tonic::{
    Status,
    transport::{Certificate, ClientTlsConfig, Identity},
};

use super::{
    super::server::{ClientCertificate, ConnectError, Tls},
    classify::chain,
};

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
            "it does not answer with HTTP/2. If it expects TLS, use https:// in the address"
        }
        None if says("connection error") => "it closed the connection. If it expects TLS, use https:// in the address",
        None => return None,
        Some(tls) => match (&tls.certificate, alert) {
            (_, Some(alert)) => return Some(of_alert(&alert, tls)),
            _ if says("HTTP/2 was not negotiated") => {
                "it uses TLS, but not HTTP/2 (gRPC). Check the port in the address"
            }
            (None, None) if says("connection error") || says("tls handshake eof") => {
                "it closed the connection during or after the TLS handshake. If it asks for a client certificate, set \
                 tls.clientCertificateRef"
            }
            (Some(_), None) if says("connection error") || says("tls handshake eof") => {
                "it closed the connection during or after the TLS handshake. If it refuses the certificate of \
                 tls.clientCertificateRef, use one that is issued by a CA that it trusts"
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
            "it does not use TLS. If that is intended, use http:// in the address".to_owned()
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
        (None, true) => "it requires a client certificate. Set tls.clientCertificateRef".to_owned(),
        (Some(_), true) => format!(
            "it refuses the client certificate of tls.clientCertificateRef ({alert}). Use one that is issued by a CA that it trusts"
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
            "its certificate is not signed by a CA that this system trusts. Set tls.caRef to the CA that signed it"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate, or that of its CA, has expired. Renew it at the server".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet. Check the clocks of the operator's node and of the server".to_owned()
        }
        CertificateError::NotValidForName => {
            "its certificate is for another name. Set tls.serverName to the name in it".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "its certificate has no subject alternative name, and a common name alone does not count. Reissue it with {} as a \
             subject alternative name",
            expected.to_str()
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "its certificate is not for {}, but for {}. Set tls.serverName to a name in it",
            expected.to_str(),
            listed(presented)
        ),
        CertificateError::Other(cause) => of_other(&cause.to_string()),
        error => format!("its certificate is not accepted ({error}). {ISSUE_AGAIN}"),
    }
}

/// What the library has no error of its own for, by the name that its certificate checker gives it.
fn of_other(cause: &str) -> String {
    match cause {
        "UnsupportedCertVersion" => format!("its certificate has an X.509 version below 3. {ISSUE_AGAIN}"),
        "CaUsedAsEndEntity" => format!("its certificate belongs to a CA, not to a server. {ISSUE_AGAIN}"),
        cause => format!("its certificate is not accepted ({cause}). {ISSUE_AGAIN}"),
    }
}

const ISSUE_AGAIN: &str = "Issue one for the server: X.509 version 3, not a CA, with the server's host as a subject alternative \
     name";

/// The first few of the names, which the server chooses, in a bounded length.
fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    const LONGEST: usize = 100;
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| name.chars().take(LONGEST).collect()).collect();
    if names.len() > MOST {
        shown.push("others".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use rustls::{
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::UnixTime,
    };

    use super::*;

    /// What a person is told of a server that shows `certificate` and is trusted as far as `ca` reaches.
    fn told(certificate: &CertificateDer<'_>, ca: &CertificateDer<'static>) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider())).build();
        let host = ServerName::try_from("milvus").unwrap();
        let error = verifier.unwrap().verify_server_cert(certificate, &[], &host, &[], UnixTime::now()).unwrap_err();
        of_handshake(&error, &Tls::default())
    }

    fn ca() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["milvus".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// The elements of a DER sequence, whole.
    fn elements(der: &[u8]) -> Vec<&[u8]> {
        let (_, mut rest) = der.split_at(header(der));
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (element, after) = rest.split_at(header(rest) + content(rest));
            found.push(element);
            rest = after;
        }
        found
    }

    /// How long tag and length of an element are, and its content.
    fn header(der: &[u8]) -> usize {
        2 + if der[1] & 0x80 == 0 { 0 } else { usize::from(der[1] & 0x7f) }
    }

    fn content(der: &[u8]) -> usize {
        match header(der) - 2 {
            0 => usize::from(der[1]),
            long => der[2..2 + long].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        }
    }

    fn sequence(elements: &[&[u8]]) -> Vec<u8> {
        let content = elements.concat();
        let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = match (high, low) {
            (0, 0..0x80) => vec![0x30, low],
            (0, _) => vec![0x30, 0x81, low],
            (_, _) => vec![0x30, 0x82, high, low],
        };
        [head, content].concat()
    }

    /// The same certificate as version 1 has it: without version and extensions.
    fn of_version_1(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
        let whole = elements(certificate);
        let mut signed = elements(whole[0]);
        signed.retain(|element| element[0] & 0xc0 == 0);
        sequence(&[&sequence(&signed), whole[1], whole[2]]).into()
    }

    #[test]
    fn advice_about_a_certificate_of_an_unusual_kind_can_be_followed() {
        let ca = ca();
        let of_ca = told(&ca, &ca);
        assert!(of_ca.starts_with("its certificate belongs to a CA, not to a server. Issue one"), "{of_ca}");
        let old = told(&of_version_1(&ca), &ca);
        assert!(old.starts_with("its certificate has an X.509 version below 3. Issue one"), "{old}");
        assert!(old.contains("subject alternative name"), "{old}");
    }
}
