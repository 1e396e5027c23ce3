//! TLS: what is trusted, and what a refused certificate means.

use std::sync::{Arc, LazyLock};

use rustls::{
    CertificateError, ClientConfig, Error as TlsError, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// The system's authorities, read once: there are over a hundred, and any number of connections.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
});

/// Trusts the authorities in `ca` (PEM), or else those of the system.
pub(super) fn config(ca: Option<&str>) -> Result<ClientConfig, String> {
    let roots = match ca {
        Some(pem) => Arc::new(roots(pem)?),
        None => SYSTEM.clone(),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}."))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let unusable = || "The CA of caRef cannot be used: it must be one or more PEM certificates. Correct it.".to_owned();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        certificate.ok().and_then(|certificate| roots.add(certificate).ok()).ok_or_else(unusable)?;
    }
    if roots.is_empty() { Err(unusable()) } else { Ok(roots) }
}

/// What is wrong between us and a server, to go on after its name.
pub(super) fn explain(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "its certificate is not signed by a CA that is trusted here. Set caRef to the CA that signed it".to_owned()
        }
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate, or that of its CA, has expired. Renew it there".to_owned()
        }
        TlsError::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet. Check the clocks of the operator's node and of the server".to_owned()
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name. Use a name that is in it".to_owned(),
        TlsError::InvalidCertificate(_) => {
            "its certificate is not accepted. Issue one of X.509 version 3 for the server's host".to_owned()
        }
        TlsError::InvalidMessage(_) => "it does not use TLS. If that is intended, use http://".to_owned(),
        _ => "the TLS handshake failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustls::InvalidMessage;

    use super::*;

    #[test]
    fn a_refused_certificate_is_told_with_what_to_do() {
        let of = |error| explain(&TlsError::InvalidCertificate(error));
        for (said, part) in [
            (of(CertificateError::UnknownIssuer), "caRef"),
            (of(CertificateError::Expired), "expired. Renew it"),
            (of(CertificateError::NotValidYet), "clocks"),
            (of(CertificateError::NotValidForName), "another name"),
            (of(CertificateError::BadEncoding), "X.509 version 3"),
            (explain(&TlsError::InvalidMessage(InvalidMessage::InvalidContentType)), "http://"),
        ] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_ca_is_one_or_more_certificates() {
        assert!(config(None).is_ok());
        for pem in ["", "hunter2", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(!config(Some(pem)).unwrap_err().contains("hunter2"), "{pem}");
        }
    }
}
