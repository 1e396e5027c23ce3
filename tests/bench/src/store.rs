//! An object store that has whatever it is asked for: the objects below `s3://bench/COUNT/NAME/` are that many. They are computed,
//! not stored, so a hundred thousand of them cost nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where its objects are.
pub const BUCKET: &str = "s3://bench";
/// When they were written, but for those that were added.
const WRITTEN: &str = "2026-01-01T00:00:00Z";

/// A running store; dropping it ends it.
pub struct Store {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    _server: JoinSet<std::io::Result<()>>,
}

#[derive(Default)]
struct Shelf {
    requests: AtomicUsize,
    /// When objects were added, by prefix.
    added: Mutex<HashMap<String, Vec<Timestamp>>>,
}

/// What a listing is asked for with.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ask {
    prefix: String,
    max_keys: usize,
    /// The number of the first object.
    continuation_token: Option<usize>,
}

/// The source with so many objects that has this name.
pub fn source(objects: usize, name: &str) -> String {
    format!("{BUCKET}/{}", prefix(objects, name))
}

fn prefix(objects: usize, name: &str) -> String {
    format!("{objects}/{name}/")
}

impl Store {
    /// Starts one.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, shelf) = (listener.local_addr()?, Arc::<Shelf>::default());
        let app = Router::new().route("/bench", get(list)).with_state(shelf.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, shelf, _server: server })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> usize {
        self.shelf.requests.load(Ordering::Relaxed)
    }

    /// Adds an object to a source, and says when.
    pub fn add(&self, objects: usize, name: &str) -> Timestamp {
        let mut added = self.shelf.added.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        added.entry(prefix(objects, name)).or_default().push(now);
        now
    }
}

/// `ListObjectsV2`.
async fn list(State(shelf): State<Arc<Shelf>>, RawQuery(query): RawQuery) -> Result<impl IntoResponse, StatusCode> {
    shelf.requests.fetch_add(1, Ordering::Relaxed);
    let ask: Ask = serde_urlencoded::from_str(&query.unwrap_or_default()).map_err(|_| StatusCode::BAD_REQUEST)?;
    let added = {
        let added = shelf.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.get(&ask.prefix).cloned().unwrap_or_default()
    };
    Ok(([(CONTENT_TYPE, "application/xml")], page(&ask, &added)))
}

fn page(ask: &Ask, added: &[Timestamp]) -> String {
    let Ask { prefix, max_keys, continuation_token } = ask;
    let count: usize = prefix.split('/').next().and_then(|count| count.parse().ok()).unwrap_or_default();
    let all = count + added.len();
    let first = continuation_token.unwrap_or_default();
    let end = all.min(first + max_keys);
    let mut page =
        String::from(r#"<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name>"#);
    for number in first..end {
        let written = number.checked_sub(count).and_then(|number| added.get(number));
        let written = written.map_or_else(|| WRITTEN.to_owned(), Timestamp::to_string);
        let _ = write!(
            page,
            "<Contents><Key>{prefix}part-{number:06}.parquet</Key><LastModified>{written}</LastModified>\
             <ETag>&quot;{number:032x}&quot;</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            (64 << 20) + number
        );
    }
    if end < all {
        let _ = write!(page, "<NextContinuationToken>{end}</NextContinuationToken>");
    }
    let _ = write!(page, "<IsTruncated>{}</IsTruncated></ListBucketResult>", end < all);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(objects: usize, from: Option<usize>) -> Ask {
        Ask { prefix: prefix(objects, "a"), max_keys: 1000, continuation_token: from }
    }

    #[test]
    fn a_listing_has_as_many_objects_as_its_prefix_says_and_those_that_were_added() {
        let keys = |page: &str| page.matches("<Key>").count();
        let first = page(&ask(1500, None), &[]);
        assert_eq!(keys(&first), 1000);
        assert!(first.contains("<NextContinuationToken>1000<") && first.contains("<IsTruncated>true<"), "{first}");
        let last = page(&ask(1500, Some(1000)), &[Timestamp::UNIX_EPOCH]);
        assert_eq!(keys(&last), 501);
        assert!(last.contains("<IsTruncated>false<") && last.contains("1970-01-01"), "{last}");
    }
}
