//! The client of Milvus against a simulator with real TLS: what is trusted, what is not, and what a person is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use milvus_refresh_operator::milvus::{
    ClientCertificate, ConnectError, ConnectOptions, ErrorKind, Milvus, Tls, grpc::GrpcMilvus,
};
use milvus_simulator::{ServerTls, Settings, Simulator};

#[path = "operator/certificates.rs"]
mod certificates;

use certificates::{Ca, Issued};

const HOST: &str = "127.0.0.1";

async fn serving(tls: Option<ServerTls>) -> Simulator {
    // The operator's main does the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Simulator::start("127.0.0.1:0".parse().unwrap(), Settings { tls, ..Settings::default() }).await.unwrap()
}

fn with(certificate: &Issued, client_ca: Option<&Ca>) -> Option<ServerTls> {
    Some(ServerTls::new(&certificate.chain, &certificate.key, client_ca.map(|ca| ca.pem.as_str())).unwrap())
}

fn trusting(ca: &Ca) -> Tls {
    Tls { ca: Some(ca.pem.clone()), ..Tls::default() }
}

fn options(address: String, tls: Option<Tls>) -> ConnectOptions {
    ConnectOptions { address, tls, login: None, request_timeout: Duration::from_secs(60) }
}

/// What a person is told who asks `milvus` for its version, `None` when all is well.
async fn told(milvus: &Simulator, tls: Tls) -> Option<String> {
    told_at(milvus.url(), Some(tls)).await
}

async fn told_at(address: String, tls: Option<Tls>) -> Option<String> {
    let error = GrpcMilvus::connect(options(address, tls)).unwrap().version().await.err()?;
    assert!(matches!(error.kind, ErrorKind::NotSent | ErrorKind::Unreachable), "{error:?}");
    Some(error.message)
}

fn own(certificate: &Issued) -> Option<ClientCertificate> {
    Some(ClientCertificate { chain: certificate.chain.clone(), key: certificate.key.as_str().into() })
}

#[tokio::test]
async fn a_certificate_of_the_ca_is_trusted() {
    let ca = Ca::new();
    let milvus = serving(with(&ca.server(HOST), None)).await;
    assert_eq!(told(&milvus, trusting(&ca)).await, None);
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_not_trusted() {
    let milvus = serving(with(&Ca::new().server(HOST), None)).await;
    let message = told(&milvus, trusting(&Ca::new())).await.unwrap();
    assert!(message.contains("its certificate is not signed by the CA of tls.caRef"), "{message}");
    let message = told(&milvus, Tls::default()).await.unwrap();
    assert!(message.contains("not signed by a CA that this system trusts. Set tls.caRef"), "{message}");
}

#[tokio::test]
async fn a_certificate_is_trusted_only_in_its_time() {
    let ca = Ca::new();
    let milvus = serving(with(&ca.server_in(HOST, (2020, 2021)), None)).await;
    let message = told(&milvus, trusting(&ca)).await.unwrap();
    assert!(message.contains("has expired. Renew it at the server"), "{message}");
    milvus.configure(|settings| settings.tls = with(&ca.server_in(HOST, (4080, 4090)), None));
    let message = told(&milvus, trusting(&ca)).await.unwrap();
    assert!(message.contains("is not valid yet"), "{message}");
}

#[tokio::test]
async fn a_certificate_is_trusted_only_for_its_name() {
    let ca = Ca::new();
    let milvus = serving(with(&ca.server("milvus.example"), None)).await;
    let message = told(&milvus, trusting(&ca)).await.unwrap();
    assert!(message.contains("its certificate is not for 127.0.0.1, but for "), "{message}");
    assert!(message.contains("milvus.example") && message.contains("Set tls.serverName"), "{message}");
    let named = |name: &str| Tls { server_name: Some(name.to_owned()), ..trusting(&ca) };
    assert_eq!(told(&milvus, named("milvus.example")).await, None);
    assert!(told(&milvus, named("other.example")).await.unwrap().contains("not for other.example"));
}

#[tokio::test]
async fn of_a_certificate_without_any_name_it_is_said_how_to_get_one_with_it() {
    let ca = Ca::new();
    let milvus = serving(with(&ca.server(""), None)).await;
    for server_name in [None, Some("milvus.example".to_owned())] {
        let expected = server_name.clone().unwrap_or(HOST.to_owned());
        let message = told(&milvus, Tls { server_name, ..trusting(&ca) }).await.unwrap();
        assert!(message.contains("subject alternative name") && message.contains(&expected), "{message}");
        assert!(!message.contains("Set tls.serverName"), "it bears no name to set: {message}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_gets_one_of_its_ca_or_none_of_us() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let milvus = serving(with(&ca.server(HOST), Some(&clients))).await;
    let known = Tls { certificate: own(&clients.client()), ..trusting(&ca) };
    assert_eq!(told(&milvus, known).await, None);
    let message = told(&milvus, trusting(&ca)).await.unwrap();
    assert!(
        message.contains("requires a client certificate") && message.contains("tls.clientCertificateRef"),
        "{message}"
    );
    let stranger = Tls { certificate: own(&Ca::new().client()), ..trusting(&ca) };
    let message = told(&milvus, stranger).await.unwrap();
    assert!(
        message.contains("tls.clientCertificateRef") && message.contains("issued by a CA that it trusts"),
        "{message}"
    );
}

#[tokio::test]
async fn http_to_a_server_with_tls_and_https_to_one_without_are_told_from_each_other() {
    let ca = Ca::new();
    let secured = serving(with(&ca.server(HOST), None)).await;
    let message = told_at(secured.url().replace("https", "http"), None).await.unwrap();
    assert!(message.contains("If it expects TLS, use https://"), "{message}");
    let plain = serving(None).await;
    let message = told_at(plain.url().replace("http", "https"), Some(trusting(&ca))).await.unwrap();
    assert!(message.contains("it does not use TLS") && message.contains("use http://"), "{message}");
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_no_matter_of_tls() {
    let ca = Ca::new();
    let milvus = serving(with(&ca.server(HOST), None)).await;
    milvus.stop().await;
    let message = told(&milvus, trusting(&ca)).await.unwrap();
    assert!(message.contains("Connection refused") && !message.contains("tls."), "{message}");
}

#[tokio::test]
async fn what_is_no_certificate_or_key_is_refused_and_never_repeated() {
    let ca = Ca::new();
    let (one, another) = (ca.client(), ca.client());
    let armour = |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let refused = |tls: Tls| {
        let error = GrpcMilvus::connect(options("https://milvus:19530".to_owned(), Some(tls))).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        error
    };
    for ca in ["", "hunter2", &armour("hunter2!"), &armour("aHVudGVyMg=="), &one.key] {
        assert!(matches!(refused(Tls { ca: Some(ca.to_owned()), ..Tls::default() }), ConnectError::Ca(_)), "{ca}");
    }
    for (chain, key) in [
        ("hunter2", one.key.as_str()),
        (&one.chain, "hunter2"),
        (&one.chain, &one.chain),
        (&armour("aHVudGVyMg=="), &one.key),
        (&one.chain, &another.key),
    ] {
        let certificate = Some(ClientCertificate { chain: chain.to_owned(), key: key.into() });
        let error = refused(Tls { certificate, ..trusting(&ca) });
        assert!(matches!(error, ConnectError::ClientCertificate(_)), "{error}");
    }
    let server_name = Some("not a name".to_owned());
    assert!(matches!(refused(Tls { server_name, ..trusting(&ca) }), ConnectError::ServerName(_)));
}

#[tokio::test]
async fn tls_settings_with_http_are_refused() {
    let options = options("http://milvus:19530".to_owned(), Some(trusting(&Ca::new())));
    assert_eq!(GrpcMilvus::connect(options).unwrap_err(), ConnectError::TlsOverHttp);
}
