//! The adapter: a listing, page after page.

use std::time::Duration;

use async_trait::async_trait;
use hyper::{Method, Request, Response, body::Bytes, header::CONTENT_TYPE};
use object_store::client::{HttpRequest, HttpRequestBody};

use super::{
    access::{Access, invalid},
    http::kind,
    page::{Dialect, Next, Page},
    place::{Place, Scheme},
    port::{Ask, Snapshot, Store, StoreError, StoreErrorKind},
    refusal,
    sign::Signer,
    tally::Tally,
};
use crate::web::{Http, encoded, host_of};

/// A page of a thousand of the longest keys is 2 MiB, of Azure 3 MiB.
const MAX_PAGE: usize = 4 << 20;

/// How much is looked at, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the whole listing, tokens and connections included.
    pub deadline: Duration,
    /// Of all objects of a place, whether they count or not.
    pub objects: u64,
    /// Of a listing. Stores may give fewer than 1,000 objects a page, even none.
    pub pages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(120), objects: 100_000, pages: 1000 }
    }
}

/// Lists the places below one prefix, over a few connections of its own.
#[derive(Debug)]
pub struct Lister {
    access: Access,
    prefix: Place,
    limits: Limits,
    signer: Signer,
    http: Http,
}

/// One listing's requests.
struct Call<'a> {
    /// The bucket's URL.
    url: &'a str,
    dialect: Dialect,
    /// For messages.
    store: String,
}

impl Lister {
    /// For places within `prefix`: the credentials are for nothing else. Nothing is sent.
    ///
    /// # Errors
    /// When the access cannot be used.
    pub fn new(access: Access, prefix: Place, limits: Limits) -> Result<Self, StoreError> {
        access.bucket_url(&prefix)?;
        let http = Http::new(access.ca.as_deref()).map_err(invalid)?;
        let signer = Signer::new(&access, prefix.scheme, &http)?;
        Ok(Self { access, prefix, limits, signer, http })
    }

    /// `sent` hears of each request that is sent, those for tokens included.
    #[must_use]
    pub fn heard(self, sent: impl Fn() + Send + Sync + 'static) -> Self {
        self.http.heard(sent);
        self
    }

    async fn pages(&self, ask: &Ask) -> Result<Snapshot, StoreError> {
        if !ask.place.is_within(&self.prefix) {
            return Err(invalid("The source is not within the prefix that the credentials are for."));
        }
        let url = self.access.bucket_url(&ask.place)?;
        let dialect = if ask.place.scheme == Scheme::Azure { Dialect::Azure } else { Dialect::S3 };
        let store = format!("The object store at {} with the bucket {}", host_of(&url), ask.place.bucket);
        let call = Call { url: &url, dialect, store };
        let folder = if ask.place.key.is_empty() { String::new() } else { format!("{}/", ask.place.key) };
        let mut tally = Tally::new(ask);
        let (mut from, mut seen) = (None, 0_u64);
        for _ in 0..self.limits.pages {
            let page = self.page(&call, &folder, 1000, from.as_ref()).await?;
            seen += u64::try_from(page.objects.len()).unwrap_or(u64::MAX);
            if seen > self.limits.objects {
                return Err(too_large(self.limits.objects));
            }
            for object in page.objects {
                let path = object.key.strip_prefix(&folder).map(str::to_owned);
                let path = path.ok_or_else(|| call.malformed("its objects are not those that were asked for"))?;
                tally.add(&path, object).map_err(|problem| call.malformed(problem))?;
            }
            match page.next {
                Some(next) if from.as_ref() == Some(&next) => {
                    return Err(call.malformed("its pages do not go on: two of them name the same next one"));
                }
                Some(next) => from = Some(next),
                None if tally.is_empty() && !ask.place.key.is_empty() => return self.single(&call, ask, tally).await,
                None => return Ok(tally.finish()),
            }
        }
        Err(call.malformed("its pages do not end"))
    }

    /// There is no such folder, but there may be such an object. It is the first of those whose keys begin with its own.
    async fn single(&self, call: &Call<'_>, ask: &Ask, mut tally: Tally<'_>) -> Result<Snapshot, StoreError> {
        let page = self.page(call, &ask.place.key, 1, None).await?;
        if let Some(object) = page.objects.into_iter().next().filter(|object| object.key == ask.place.key) {
            tally.add("", object).map_err(|problem| call.malformed(problem))?;
        }
        Ok(tally.finish())
    }

    async fn page(&self, call: &Call<'_>, prefix: &str, size: u16, from: Option<&Next>) -> Result<Page, StoreError> {
        let mut request = call.request(prefix, size, from)?;
        self.signer.sign(&mut request).await?;
        let answer = self.http.send(request, MAX_PAGE).await.map_err(|failure| {
            StoreError::new(kind(&failure), format!("{} cannot be listed: {failure}.", call.store))
        })?;
        call.read(&answer)
    }
}

impl Call<'_> {
    fn request(&self, prefix: &str, size: u16, from: Option<&Next>) -> Result<HttpRequest, StoreError> {
        let by_marker = matches!(from, Some(Next::After(_)));
        let (query, name) = match self.dialect {
            Dialect::S3 if by_marker => ("max-keys", "marker"),
            Dialect::S3 => ("list-type=2&max-keys", "continuation-token"),
            Dialect::Azure => ("restype=container&comp=list&maxresults", "marker"),
        };
        let mut uri = format!("{}?{query}={size}&prefix={}", self.url, encoded(prefix));
        if let Some(Next::Token(value) | Next::After(value)) = from {
            uri.push_str(&format!("&{name}={}", encoded(value)));
        }
        let request = Request::builder().method(Method::GET).uri(uri).body(HttpRequestBody::empty());
        request.map_err(|_| self.malformed("the token of its next page is longer than any URL"))
    }

    fn read(&self, answer: &Response<Bytes>) -> Result<Page, StoreError> {
        if answer.status() != hyper::StatusCode::OK {
            return Err(refusal::refused(&self.store, answer));
        }
        let is_xml = |kind: &str| kind.split(';').next().is_some_and(|kind| kind.trim_end().ends_with("xml"));
        if answer.headers().get(CONTENT_TYPE).is_some_and(|kind| !kind.to_str().is_ok_and(is_xml)) {
            return Err(self.malformed("it is no XML"));
        }
        self.dialect.read(answer.body()).map_err(|problem| self.malformed(problem))
    }

    fn malformed(&self, problem: &str) -> StoreError {
        let message = format!(
            "{} gives no usable listing: {problem}. Check that the endpoint is that of an object store, and that nothing between \
             answers in its place.",
            self.store
        );
        StoreError::new(StoreErrorKind::Malformed, message)
    }
}

fn too_large(limit: u64) -> StoreError {
    let message = format!(
        "The source has more than {limit} objects, which is more than the operator lists. Watch a part of it, or remove objects that \
         nobody needs."
    );
    StoreError::new(StoreErrorKind::TooLarge, message)
}

#[async_trait]
impl Store for Lister {
    async fn list(&self, ask: &Ask) -> Result<Snapshot, StoreError> {
        let limit = self.limits.deadline;
        tokio::time::timeout(limit, self.pages(ask)).await.unwrap_or_else(|_| {
            let message = format!(
                "The object store did not give the whole listing within {} s. Check that it is reachable and not overloaded.",
                limit.as_secs()
            );
            Err(StoreError::new(StoreErrorKind::Timeout, message))
        })
    }
}
