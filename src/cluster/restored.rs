//! Notices that the cluster was restored from a backup below the running operator. Its versions then count again from those
//! of the backup, and the API server keeps a watch from a version that is yet to come silent, without an error, until the
//! cluster gets there. So before a watch is opened the cluster is asked for its version, and a watch that is ahead of it is
//! told to list anew, as the API server tells one that is too far behind.

use axum::http::{Method, Request, Response, header::ACCEPT};
use kube::{Client, client::Body, core::ListMeta, runtime::watcher};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{client, request::DEADLINE};

/// Names this case to [`told_by`]; the API server has no word for it.
const REASON: &str = "ClusterRestored";
/// Metadata alone: the answer can be a Secret.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The same client, whose watches notice it. Must be called within a tokio runtime.
pub fn noticed(client: Client) -> Client {
    client::intercepted(client, async |client, request| {
        if let Some(watch) = Watch::of(&request)
            && watch.is_ahead(&client).await?
        {
            return Ok(list_anew());
        }
        client.send(request).await
    })
}

/// Whether `error` is what a watch gets in that case.
pub fn told_by(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.reason == REASON)
}

/// A watch to be opened.
struct Watch {
    /// The last version that it knows.
    version: u64,
    /// Lists one of the watched objects.
    list: String,
}

#[derive(Deserialize)]
struct Listed {
    metadata: ListMeta,
}

impl Watch {
    fn of(request: &Request<Body>) -> Option<Self> {
        let query = request.uri().query().filter(|_| request.method() == Method::GET)?;
        let asks =
            |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(asked, _)| *asked == name);
        asks("watch")?;
        let (_, version) = asks("resourceVersion")?;
        let selector = asks("fieldSelector").map(|(name, value)| format!("&{name}={value}")).unwrap_or_default();
        let list = format!("{}?limit=1{selector}", request.uri().path());
        Some(Self { version: version.parse().ok()?, list })
    }

    /// # Errors
    /// When the cluster does not say. A watch that cannot be opened is tried again.
    async fn is_ahead(&self, client: &Client) -> kube::Result<bool> {
        let request =
            Request::get(&self.list).header(ACCEPT, METADATA).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let late = |_| kube::Error::Service("the API server did not answer in time".into());
        let Listed { metadata } = timeout(DEADLINE, client.request(request)).await.map_err(late)??;
        let version = metadata.resource_version.and_then(|version| version.parse::<u64>().ok());
        Ok(version.is_some_and(|version| version < self.version))
    }
}

fn list_anew() -> Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": REASON, "code": 410,
        "message": "the cluster was restored from a backup; the operator lists its objects again",
    });
    let event = json!({ "type": "ERROR", "object": status });
    Response::new(Body::from(format!("{event}\n").into_bytes()))
}
