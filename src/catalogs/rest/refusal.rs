//! What it means that a catalog does not answer as it should, in sentences.

use std::{fmt, time::Duration};

use hyper::{Response, StatusCode};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    super::port::{CatalogError, CatalogErrorKind},
    answer::{self, Unread},
    guard,
};
use crate::{
    milvus::scrub::Scrubber,
    web::{self, Body, Failure},
};

/// Longest part of a server's own message that is repeated, in bytes.
const MAX_QUOTE: usize = 300;

/// Longest refusal of which the server's own message is read, in bytes. They may have a stack of Java.
const MAX_REFUSAL: usize = 64 << 10;

/// A server, for messages: without what we sent it.
#[derive(Debug)]
pub(super) struct Server {
    /// A sentence begins with it.
    name: String,
    scrubber: Scrubber,
}

/// What it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// Its configuration.
    Config,
    /// The table of this name.
    Table(&'a str),
    /// A token.
    Token,
}

/// An error of the protocol, or of OAuth2.
#[derive(Deserialize)]
struct Refusal {
    error: Details,
}

/// What a server says itself. Stacks and the like are passed over.
struct Details(Option<String>);

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Model {
            message: Option<String>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Details;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an error")
            }

            /// The code of an error of OAuth2, whose description is not repeated.
            fn visit_str<E>(self, code: &str) -> Result<Details, E> {
                Ok(Details(Some(code.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, model: A) -> Result<Details, A::Error> {
                Ok(Details(Model::deserialize(MapAccessDeserializer::new(model))?.message))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Server {
    pub(super) fn new(name: String, scrubber: Scrubber) -> Self {
        Self { name, scrubber }
    }

    /// There is no answer.
    pub(super) fn failed(&self, failure: &Failure) -> CatalogError {
        let kind = match failure {
            Failure::Certificate(_) => CatalogErrorKind::Certificate,
            Failure::Unreachable(_) => CatalogErrorKind::Unreachable,
            Failure::TooLong(_) => CatalogErrorKind::TooLarge,
            Failure::LinkLocal => CatalogErrorKind::Invalid,
        };
        CatalogError::new(kind, format!("{} cannot be asked: {failure}.", self.name))
    }

    /// There was no answer in time.
    pub(super) fn late(&self, limit: Duration) -> CatalogError {
        let message = format!(
            "{} did not answer within {} s. Check that it and its token server are reachable and not overloaded.",
            self.name,
            limit.as_secs()
        );
        CatalogError::new(CatalogErrorKind::Timeout, message)
    }

    /// The answer is none of the protocol.
    pub(super) fn malformed(&self, problem: &str) -> CatalogError {
        let message = format!(
            "{} gives no usable answer: {problem}. Check uri and tokenURI of the connection's catalog, and that nothing between \
             answers in its place.",
            self.name
        );
        CatalogError::new(CatalogErrorKind::Malformed, message)
    }

    pub(super) fn unread(&self, unread: &Unread) -> CatalogError {
        match unread {
            Unread::Failed(failure) => self.failed(failure),
            Unread::TooLarge => {
                let message = format!(
                    "{} cannot be asked: its answer has a text of more than {} KiB or more than {} levels, more than the operator \
                     reads.",
                    self.name,
                    guard::MAX_TEXT >> 10,
                    guard::MAX_DEPTH
                );
                CatalogError::new(CatalogErrorKind::TooLarge, message)
            }
            Unread::Malformed => self.malformed("it is no JSON of the protocol, or is cut off"),
        }
    }

    /// The answer is another one than was hoped for.
    pub(super) async fn refused(&self, subject: Subject<'_>, answer: Response<Body>) -> CatalogError {
        let (parts, body) = answer.into_parts();
        let refusal: Option<Refusal> = answer::read(body, MAX_REFUSAL).await.ok();
        let (kind, advice) = meaning(parts.status, subject, refusal.is_some());
        let said = refusal.and_then(|refusal| self.quote(refusal.error)).unwrap_or_default();
        let message = format!("{} answers {}: {advice}{said}", self.name, parts.status.as_str());
        CatalogError { retry_after: web::retry_after(&parts.headers), ..CatalogError::new(kind, message) }
    }

    /// What a server says itself, to go on after a sentence.
    fn quote(&self, details: Details) -> Option<String> {
        let said = self.scrubber.message(&details.0?);
        let end = said.floor_char_boundary(MAX_QUOTE);
        let (short, more) = (said.get(..end).unwrap_or_default(), if end < said.len() { "…" } else { "" });
        (!short.is_empty()).then(|| format!(" It says: {short}{more}"))
    }
}

fn meaning(status: StatusCode, subject: Subject<'_>, is_protocol: bool) -> (CatalogErrorKind, String) {
    use CatalogErrorKind::{Busy, Denied, Invalid, Malformed, NoTable, Redirected};
    let (kind, advice) = match (status.as_u16(), subject) {
        (304, _) => {
            (Malformed, "that is no answer to what it was asked. Check that nothing between answers in its place.")
        }
        (200..=299, _) => {
            (Malformed, "that is no answer of the protocol. Check uri and tokenURI of the connection's catalog.")
        }
        (300..=399, _) => (
            Redirected,
            "it sends the operator to another address, which is not followed. Set uri or tokenURI of the connection's catalog to \
             where it is.",
        ),
        (429 | 500.., _) => (Busy, "it is overloaded or has an internal error."),
        (400 | 401 | 403, Subject::Token) if is_protocol => (
            Denied,
            "it gives no token for clientID and clientSecret. Correct the Secret of the catalog's auth, or the scope.",
        ),
        (401 | 419, _) => {
            (Denied, "the credentials are missing, unknown or expired. Correct the Secret of the catalog's auth.")
        }
        (403, Subject::Table(table)) => {
            return (Denied, format!("the credentials may not read the table {table}. Grant them to read it."));
        }
        (403, _) => (Denied, "the credentials may not read the warehouse. Grant them to read it."),
        (404, Subject::Table(table)) if is_protocol => {
            let advice = format!(
                "it has no table {table}. Check the name of the table, and warehouse of the connection's catalog."
            );
            return (NoTable, advice);
        }
        (404, Subject::Token) => (Invalid, "it gives out no tokens there. Check tokenURI of the connection's catalog."),
        (404, _) => (
            Invalid,
            "there is no Iceberg REST catalog, or no such warehouse. Check uri and warehouse of the connection's catalog.",
        ),
        _ => (Invalid, "it does not accept the request. Check uri, warehouse and auth of the connection's catalog."),
    };
    (kind, advice.to_owned())
}
