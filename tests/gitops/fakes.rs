//! A catalog and a store that hold what a scene needs, where real ones would have to hold too much or too long.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

/// Objects of a page.
const PAGE: usize = 1000;

/// A server; dropping it ends it.
pub struct Fake {
    pub url: String,
    snapshot: Arc<AtomicI64>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Fake {
    /// An Iceberg catalog with one table, which has one snapshot.
    pub async fn catalog() -> Self {
        let table =
            get(async |State(snapshot): State<Arc<AtomicI64>>| table(snapshot.load(Ordering::Relaxed)).to_string());
        let config = get(async || json!({ "defaults": {}, "overrides": {} }).to_string());
        Self::serve(Router::new().route("/v1/config", config).route("/v1/namespaces/{namespace}/tables/{table}", table))
            .await
    }

    /// An S3 server whose one bucket `endless` has objects without end.
    pub async fn endless_store() -> Self {
        Self::serve(Router::new().route("/endless", get(listing))).await
    }

    async fn serve(app: Router<Arc<AtomicI64>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let snapshot = Arc::new(AtomicI64::new(1));
        let app = app.with_state(snapshot.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        Self { url, snapshot, _server: server }
    }

    /// The table gets a snapshot, and those before expire.
    pub fn replace_snapshot(&self) {
        self.snapshot.fetch_add(1, Ordering::Relaxed);
    }
}

fn table(snapshot: i64) -> Value {
    json!({
        "metadata-location": format!("s3://lake/{snapshot}.metadata.json"),
        "metadata": {
            "current-snapshot-id": snapshot,
            "refs": { "main": { "snapshot-id": snapshot, "type": "branch" } },
            "snapshots": [{ "snapshot-id": snapshot }],
        },
    })
}

/// `ListObjectsV2`; the token of the next page is the number of its first object.
async fn listing(RawQuery(query): RawQuery) -> impl IntoResponse {
    let query = query.unwrap_or_default();
    let of = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let first: usize = of("continuation-token").map_or(0, |token| token.parse().unwrap());
    let folder = of("prefix").unwrap_or_default().replace("%2F", "/");
    let objects: String = (first..first + PAGE)
        .map(|number| {
            format!(
                "<Contents><Key>{folder}{number:09}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>\
                 <ETag>\"{number}\"</ETag><Size>1</Size></Contents>"
            )
        })
        .collect();
    let next = first + PAGE;
    let page = format!(
        "<ListBucketResult>{objects}<NextContinuationToken>{next}</NextContinuationToken><IsTruncated>true</IsTruncated>\
         </ListBucketResult>"
    );
    ([(CONTENT_TYPE, "application/xml")], page)
}
