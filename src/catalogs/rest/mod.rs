//! The adapter for the REST API.

use std::{marker::PhantomData, time::Duration};

use async_trait::async_trait;
use hyper::{
    Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, ETAG, HeaderValue, IF_NONE_MATCH},
};
use object_store::client::HttpRequestBody;
use parking_lot::Mutex;
use serde::de::DeserializeSeed;

use super::{
    access::{Access, invalid},
    port::{Ask, Catalog, CatalogError, CatalogErrorKind, Table},
};
use crate::{
    milvus::{MAX_SOURCE, scrub::Scrubber},
    web::{Body, Http, host_of},
};
use answer::Config;
use loaded::{Loaded, Wanted};
use login::Logins;
use refusal::{Server, Subject};
use routes::Routes;
use seen::Seen;

mod answer;
mod guard;
mod loaded;
mod login;
mod refusal;
mod routes;
mod seen;

/// What the protocol has for a token that is over, besides 401.
const EXPIRED: u16 = 419;

/// Longest configuration, in bytes.
const MAX_CONFIG: usize = 1 << 20;

/// How much of an answer is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the whole look, tokens and connections included.
    pub deadline: Duration,
    /// Of the answer about a table, in bytes; others are shorter. It is read as it comes, and what nobody needs is not kept.
    pub answer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30), answer: 64 << 20 }
    }
}

/// Asks one catalog, over a few connections of its own.
#[derive(Debug)]
pub struct Rest {
    access: Access,
    limits: Limits,
    http: Http,
    server: Server,
    logins: Logins,
    routes: tokio::sync::Mutex<Option<Routes>>,
    seen: Mutex<Seen>,
}

impl Rest {
    /// For the tables of one catalog. Nothing is sent.
    ///
    /// # Errors
    /// When the access cannot be used.
    pub fn new(access: Access, limits: Limits) -> Result<Self, CatalogError> {
        access.check()?;
        let http = Http::new(access.ca.as_deref()).map_err(invalid)?;
        let scrubber = Scrubber::default();
        let server = Server::new(format!("The Iceberg catalog at {}", host_of(&access.uri)), scrubber.clone());
        let logins = Logins::new(&access.login, scrubber)?;
        Ok(Self { access, limits, http, server, logins, routes: tokio::sync::Mutex::default(), seen: Mutex::default() })
    }

    /// `sent` hears of each request that is sent, those for tokens included.
    #[must_use]
    pub fn heard(self, sent: impl Fn() + Send + Sync + 'static) -> Self {
        self.http.heard(sent);
        self
    }

    async fn look(&self, ask: &Ask) -> Result<Table, CatalogError> {
        let path = self.routes().await?.table(&ask.table)?;
        let known = self.seen.lock().get(ask);
        let answer = self.get(&format!("{path}?snapshots=refs"), known.as_ref().map(|known| &known.tag)).await?;
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (answer.status(), known) {
            return Ok(known.table);
        }
        let tag = answer.headers().get(ETAG).cloned();
        let loaded = self.read(Wanted::by(ask), answer, Subject::Table(&ask.table)).await?;
        let table = self.stands(&path, ask, loaded).await?;
        if let Some(tag) = tag {
            self.seen.lock().put(ask, tag, &table);
        }
        Ok(table)
    }

    /// Where the table of `path` stands.
    async fn stands(&self, path: &str, ask: &Ask, loaded: Loaded) -> Result<Table, CatalogError> {
        let snapshot = loaded.snapshot(ask)?;
        // It is kept with the tables that were seen.
        if loaded.metadata_location.len() > MAX_SOURCE {
            return Err(self.server.malformed("the location of its metadata is longer than 2048 bytes"));
        }
        let pinned = ask.pinned.filter(|pinned| *pinned != snapshot && !loaded.has_pinned);
        let mut table = Table { metadata_location: loaded.metadata_location, snapshot, pinned_is_gone: false };
        if pinned.is_some() {
            let answer = self.get(&format!("{path}?snapshots=all"), None).await?;
            table.pinned_is_gone = match self.read(Wanted::by(ask), answer, Subject::Table(&ask.table)).await {
                Ok(whole) => !whole.has_pinned,
                // It has a longer history than is read: nobody can tell.
                Err(error) if error.kind == CatalogErrorKind::TooLarge => false,
                Err(error) => return Err(error),
            };
        }
        Ok(table)
    }

    /// How this catalog wants to be asked, which it tells one look for all that come soon.
    async fn routes(&self) -> Result<Routes, CatalogError> {
        let mut kept = self.routes.lock().await;
        if let Some(routes) = kept.as_ref().filter(|routes| routes.are_fresh()) {
            return Ok(routes.clone());
        }
        let base = format!("{}/v1", self.access.uri.trim_end_matches('/'));
        let answer = self.get(&routes::config(&base, self.access.warehouse.as_deref()), None).await?;
        let config = self.read(PhantomData::<Config>, answer, Subject::Config).await?;
        let routes = Routes::new(&base, config).map_err(|problem| self.server.malformed(problem))?;
        Ok(kept.insert(routes).clone())
    }

    /// Sends a GET; once more with a new token, where the one that was kept is not taken.
    async fn get(&self, url: &str, known: Option<&HeaderValue>) -> Result<Response<Body>, CatalogError> {
        let bearer = self.logins.bearer(&self.http).await?;
        let answer = self.send(url, known, bearer.as_ref()).await?;
        let is_old = [StatusCode::UNAUTHORIZED.as_u16(), EXPIRED].contains(&answer.status().as_u16());
        if !is_old || !self.logins.forget(bearer.as_ref()).await {
            return Ok(answer);
        }
        let bearer = self.logins.bearer(&self.http).await?;
        self.send(url, known, bearer.as_ref()).await
    }

    async fn send(
        &self,
        url: &str,
        known: Option<&HeaderValue>,
        bearer: Option<&HeaderValue>,
    ) -> Result<Response<Body>, CatalogError> {
        let mut request = Request::get(url).header(ACCEPT, "application/json");
        for (name, value) in [(IF_NONE_MATCH, known), (AUTHORIZATION, bearer)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(HttpRequestBody::empty());
        let request =
            request.map_err(|_| invalid("The uri of the connection's catalog cannot be used. Correct it."))?;
        self.http.open(request, self.limits.answer).await.map_err(|failure| self.server.failed(&failure))
    }

    async fn read<S>(&self, seed: S, answer: Response<Body>, subject: Subject<'_>) -> Result<S::Value, CatalogError>
    where
        S: DeserializeSeed<'static> + Send + 'static,
        S::Value: Send,
    {
        if answer.status() != StatusCode::OK {
            return Err(self.server.refused(subject, answer).await);
        }
        let limit = if matches!(subject, Subject::Table(_)) { self.limits.answer } else { MAX_CONFIG };
        answer::read_by(seed, answer.into_body(), limit).await.map_err(|unread| self.server.unread(&unread))
    }
}

#[async_trait]
impl Catalog for Rest {
    async fn table(&self, ask: &Ask) -> Result<Table, CatalogError> {
        let limit = self.limits.deadline;
        tokio::time::timeout(limit, self.look(ask)).await.unwrap_or_else(|_| Err(self.server.late(limit)))
    }
}
