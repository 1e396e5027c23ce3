//! Certificates of every kind, made anew for each test.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    pub chain: String,
    pub key: String,
}

impl Ca {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a CA of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For a server of this DNS name or IP address; of none at all, but for a common name, where it is empty.
    pub fn server(&self, name: &str) -> Issued {
        self.server_in(name, (2020, 4090))
    }

    /// The same, valid from the beginning of one year to that of another.
    pub fn server_in(&self, name: &str, years: (i32, i32)) -> Issued {
        self.issue(name, ExtendedKeyUsagePurpose::ServerAuth, years)
    }

    /// For a client.
    pub fn client(&self) -> Issued {
        self.issue("operator", ExtendedKeyUsagePurpose::ClientAuth, (2020, 4090))
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose, years: (i32, i32)) -> Issued {
        let names: Vec<String> = Some(name).filter(|name| !name.is_empty()).map(str::to_owned).into_iter().collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }
}
