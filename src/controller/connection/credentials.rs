//! From what a connection refers to, to a login and TLS: which object it is, whether it may be used, and what is wrong.

use std::sync::Arc;

use super::{
    references::{Kind, Reference, View},
    secret_data::Content,
};
use crate::{
    api::{CaHolder, ConnectionSpec},
    milvus::{ClientCertificate, Login, Tls},
};

/// The type of a Secret that holds a certificate and its key.
const TLS_TYPE: &str = "kubernetes.io/tls";

/// What the spec of a connection refers to.
#[derive(Debug)]
pub(super) struct Wanted {
    login: Option<Reference>,
    ca: Option<(Reference, String)>,
    certificate: Option<Reference>,
    server_name: Option<String>,
    has_tls: bool,
}

/// What a connection is made with, besides its address.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// The login.
    pub login: Option<Login>,
    /// How TLS is spoken, if anything is said of that.
    pub tls: Option<Tls>,
    /// The resourceVersions of all that was referred to: others mean other credentials.
    pub versions: Vec<String>,
}

/// Why there are no credentials.
#[derive(Debug)]
pub(super) enum Problem {
    /// It will be known in a moment.
    Loading,
    /// What is referred to, or a part of it, is not there or cannot be read.
    Absent(String),
    /// It is there and must not or cannot be used.
    Unusable(String),
}

impl Wanted {
    /// What `spec` refers to.
    pub(super) fn by(spec: &ConnectionSpec) -> Self {
        let secret = |name: &String| Reference { kind: Kind::Secret, name: name.clone() };
        let tls = spec.tls.as_ref();
        let ca = tls.and_then(|tls| tls.ca_ref.as_ref()).map(|ca| {
            let kind = match ca.kind {
                CaHolder::Secret => Kind::Secret,
                CaHolder::ConfigMap => Kind::ConfigMap,
            };
            (Reference { kind, name: ca.name.clone() }, ca.key.clone())
        });
        Self {
            login: spec.auth.as_ref().map(|auth| secret(&auth.secret_ref.name)),
            ca,
            certificate: tls.and_then(|tls| tls.client_certificate_ref.as_ref()).map(|own| secret(&own.name)),
            server_name: tls.and_then(|tls| tls.server_name.clone()),
            has_tls: tls.is_some(),
        }
    }

    /// The objects, in the order in which [`Self::read`] takes them.
    pub(super) fn references(&self) -> Vec<&Reference> {
        self.login.iter().chain(self.ca.iter().map(|(reference, _)| reference)).chain(&self.certificate).collect()
    }

    /// The credentials in what the references lead to. `label` asks for Secrets that are marked.
    ///
    /// # Errors
    /// When one of them is not known, not there, or cannot be used.
    pub(super) fn read(&self, views: Vec<View>, label: bool) -> Result<Credentials, Problem> {
        let references = self.references();
        let found = references.iter().zip(views).map(|(reference, view)| found(reference, view, label));
        let mut contents = found.collect::<Result<Vec<_>, _>>()?.into_iter();
        let versions = contents.as_slice().iter().map(|content| content.version.clone()).collect();
        let mut next = |reference: &Option<Reference>| {
            reference.as_ref().and_then(|reference| Some((reference.clone(), contents.next()?)))
        };
        let login = next(&self.login).map(|(reference, content)| login(&reference, &content)).transpose()?;
        let ca = next(&self.ca.as_ref().map(|(reference, _)| reference.clone()));
        let ca = ca.zip(self.ca.as_ref()).map(|((reference, content), (_, key))| {
            content.required(key).map(str::to_owned).map_err(|problem| absent(&reference, &problem))
        });
        let ca = ca.transpose()?;
        let certificate = next(&self.certificate);
        let certificate = certificate.map(|(reference, content)| own_certificate(&reference, &content)).transpose()?;
        let tls = self.has_tls.then(|| Tls { ca, certificate, server_name: self.server_name.clone() });
        Ok(Credentials { login, tls, versions })
    }
}

impl Credentials {
    /// The credentials, if they may go to `address`: whoever writes a `Milvus` decides whether it speaks TLS, and must not
    /// decide for the connection's author that a login is sent in clear.
    ///
    /// # Errors
    /// When they hold a login, the Milvus that the connection names speaks no TLS, and the connection does not allow that.
    pub(super) fn sendable_to(self, address: &str, spec: &ConnectionSpec) -> Result<Self, Problem> {
        match &spec.milvus_ref {
            Some(milvus) if self.login.is_some() && address.starts_with("http://") && !milvus.allow_plaintext_login => {
                Err(Problem::Unusable(format!(
                    "Milvus {} does not use TLS, so the login would be sent unencrypted. The operator sends nothing. Set \
                     config.common.security.tlsMode of the Milvus to 1 or 2 or, if you trust the network, \
                     spec.milvusRef.allowPlaintextLogin of this connection to true. The operator reconnects once either changes.",
                    milvus.name
                )))
            }
            Some(_) | None => Ok(self),
        }
    }
}

/// The content of an object that is there and may be used.
///
/// # Errors
/// When it is not known, not there, or must not be used.
pub(super) fn found(reference: &Reference, view: View, label: bool) -> Result<Arc<Content>, Problem> {
    let content = match view {
        View::Loading => return Err(Problem::Loading),
        View::Missing => {
            return Err(Problem::Absent(format!(
                "{reference} does not exist in this namespace. Create it; the operator then connects automatically."
            )));
        }
        View::Denied => {
            return Err(Problem::Absent(format!(
                "The operator may not read {reference}: its role lacks the verbs list and watch on {} (for that name) in \
                 this namespace. Grant them; the operator retries at least every minute.",
                reference.kind.resource()
            )));
        }
        View::Unreadable(problem) => {
            return Err(Problem::Absent(format!(
                "{reference} cannot be read: {problem}. The operator retries at least every minute."
            )));
        }
        View::Found(content) => content,
    };
    match content.refusal(label) {
        Some(refusal) => Err(Problem::Unusable(format!("{reference} {refusal}"))),
        None => Ok(content),
    }
}

/// What is wrong with an object that is there.
pub(super) fn absent(reference: &Reference, problem: &str) -> Problem {
    Problem::Absent(format!(
        "{reference} cannot be used: {problem}. Correct it; the operator then connects automatically."
    ))
}

/// The login in a Secret: `token`, or `username` and `password`.
fn login(reference: &Reference, secret: &Content) -> Result<Login, Problem> {
    let line = |key| secret.text(key).map(|text| text.map(without_line_break));
    let read = match (line("token"), line("username"), line("password")) {
        (Some(token), None, None) => token.map(|token| Login::Token(token.into())),
        (None, Some(name), Some(password)) => name
            .and_then(|name| password.map(|password| Login::User { name: name.to_owned(), password: password.into() })),
        (_, _, _) => Err("a login needs either the key token, or the keys username and password".to_owned()),
    };
    read.map_err(|problem| absent(reference, &problem))
}

/// A file mostly ends with a line break, which `kubectl create secret --from-file` keeps and nobody means.
pub(super) fn without_line_break(text: &str) -> &str {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text)
}

fn own_certificate(reference: &Reference, secret: &Content) -> Result<ClientCertificate, Problem> {
    let type_ = secret.type_.as_deref().unwrap_or_default();
    if type_ != TLS_TYPE {
        return Err(Problem::Unusable(format!(
            "{reference} is of type {type_}, but a client certificate must be in a Secret of type {TLS_TYPE}. Use one of that type."
        )));
    }
    let text = |key| secret.required(key).map_err(|problem| absent(reference, &problem));
    Ok(ClientCertificate { chain: text("tls.crt")?.to_owned(), key: text("tls.key")?.into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;
    use crate::controller::connection::secret_data::ALLOW_LABEL;

    fn wanted(spec: Value) -> Wanted {
        Wanted::by(&serde_json::from_value(spec).unwrap())
    }

    fn with_login() -> Wanted {
        wanted(json!({ "address": "https://milvus:19530", "auth": { "secretRef": { "name": "login" } } }))
    }

    fn secret(type_: &str, labels: Value, texts: Value) -> View {
        let data: serde_json::Map<String, Value> = texts
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, text)| {
                let bytes = k8s_openapi::ByteString(text.as_str().unwrap().as_bytes().to_vec());
                (key.clone(), serde_json::to_value(bytes).unwrap())
            })
            .collect();
        let metadata = json!({ "resourceVersion": "7", "labels": labels });
        let secret: Secret =
            serde_json::from_value(json!({ "metadata": metadata, "type": type_, "data": data })).unwrap();
        View::Found(Arc::new(secret.into()))
    }

    fn opaque(texts: Value) -> View {
        secret("Opaque", json!({}), texts)
    }

    fn problem(outcome: Result<Credentials, Problem>) -> String {
        match outcome {
            Err(Problem::Absent(text)) => format!("absent: {text}"),
            Err(Problem::Unusable(text)) => format!("unusable: {text}"),
            Err(Problem::Loading) => "loading".to_owned(),
            Ok(credentials) => panic!("{credentials:?}"),
        }
    }

    #[test]
    fn a_token_or_a_user_with_a_password_is_a_login() {
        let token = with_login().read(vec![opaque(json!({ "token": "t" }))], false).unwrap();
        assert!(matches!(token.login, Some(Login::Token(_))) && token.tls.is_none());
        let user = with_login().read(vec![opaque(json!({ "username": "u", "password": "p" }))], false).unwrap();
        assert!(matches!(user.login, Some(Login::User { .. })));
        assert_eq!(user.versions, ["7"]);
    }

    #[test]
    fn anything_else_is_not_and_the_message_says_what_is_missing() {
        for texts in [json!({}), json!({ "username": "u" }), json!({ "token": "t", "username": "u", "password": "p" })]
        {
            let text = problem(with_login().read(vec![opaque(texts.clone())], false));
            assert!(
                text.starts_with("absent: Secret login cannot be used: a login needs either the key token"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_line_break_that_a_file_ends_with_is_no_part_of_a_login() {
        for (end, kept) in [("", ""), ("\n", ""), ("\r\n", ""), ("\n\n", "\n"), ("\r", "\r"), (" ", " ")] {
            let read = |texts: Value| with_login().read(vec![opaque(texts)], false).unwrap().login.unwrap();
            match read(json!({ "token": format!("hunter2{end}") })) {
                Login::Token(token) => assert_eq!(token.expose_secret(), format!("hunter2{kept}"), "{end:?}"),
                other @ Login::User { .. } => panic!("{other:?}"),
            }
            match read(json!({ "username": format!("root{end}"), "password": format!("hunter2{end}") })) {
                Login::User { name, password } => {
                    assert_eq!(name, format!("root{kept}"), "{end:?}");
                    assert_eq!(password.expose_secret(), format!("hunter2{kept}"), "{end:?}");
                }
                other @ Login::Token(_) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn credentials_of_kubernetes_are_refused() {
        let type_ = "kubernetes.io/service-account-token";
        let text = problem(with_login().read(vec![secret(type_, json!({}), json!({ "token": "t" }))], false));
        assert!(text.starts_with(&format!("unusable: Secret login is of type {type_}")), "{text}");
    }

    #[test]
    fn a_secret_must_be_marked_where_that_is_asked_for_and_a_config_map_never() {
        let login = json!({ "token": "t" });
        let marked = secret("Opaque", json!({ ALLOW_LABEL: "true" }), login.clone());
        assert!(with_login().read(vec![marked], true).is_ok());
        for labels in [json!({}), json!({ ALLOW_LABEL: "false" }), json!({ ALLOW_LABEL: "" })] {
            let text = problem(with_login().read(vec![secret("Opaque", labels, login.clone())], true));
            assert!(text.starts_with("unusable: Secret login lacks the label"), "{text}");
        }
        let map: ConfigMap = serde_json::from_value(json!({ "metadata": {}, "data": { "ca.crt": "pem" } })).unwrap();
        let ca = json!({ "kind": "ConfigMap", "name": "ca" });
        let wanted = wanted(json!({ "address": "https://milvus:19530", "tls": { "caRef": ca } }));
        let credentials = wanted.read(vec![View::Found(Arc::new(map.into()))], true).unwrap();
        assert_eq!(credentials.tls.unwrap().ca.as_deref(), Some("pem"));
    }

    #[test]
    fn each_reference_gets_its_own_content() {
        let wanted = wanted(json!({
            "address": "https://milvus:19530",
            "auth": { "secretRef": { "name": "login" } },
            "tls": {
                "caRef": { "kind": "Secret", "name": "ca", "key": "root.pem" },
                "clientCertificateRef": { "name": "own" },
                "serverName": "milvus",
            },
        }));
        let names: Vec<String> = wanted.references().into_iter().map(ToString::to_string).collect();
        assert_eq!(names, ["Secret login", "Secret ca", "Secret own"]);
        let login = || opaque(json!({ "token": "t" }));
        let ca = || opaque(json!({ "root.pem": "the ca" }));
        let own = |type_| secret(type_, json!({}), json!({ "tls.crt": "the chain", "tls.key": "the key" }));
        let credentials = wanted.read(vec![login(), ca(), own(TLS_TYPE)], false).unwrap();
        let tls = credentials.tls.unwrap();
        assert_eq!((tls.ca.as_deref(), tls.server_name.as_deref()), (Some("the ca"), Some("milvus")));
        assert_eq!(tls.certificate.unwrap().chain, "the chain");

        let text = problem(wanted.read(vec![login(), opaque(json!({})), own(TLS_TYPE)], false));
        assert!(text.starts_with("absent: Secret ca cannot be used: it has no key root.pem."), "{text}");
        let text = problem(wanted.read(vec![login(), ca(), own("Opaque")], false));
        assert!(text.starts_with("unusable: Secret own is of type Opaque"), "{text}");
        let text = problem(wanted.read(vec![login(), ca(), View::Missing], false));
        assert!(text.starts_with("absent: Secret own does not exist"), "{text}");
        let text = problem(wanted.read(vec![login(), View::Denied, own(TLS_TYPE)], false));
        assert!(text.contains("may not read Secret ca: its role lacks the verbs list and watch on secrets"), "{text}");
        assert_eq!(problem(wanted.read(vec![login(), View::Loading, own(TLS_TYPE)], false)), "loading");
    }
}
