//! Copies of one refresh, put directly where the API server keeps it: a hundred thousand take seconds so, and the better part
//! of an hour as creations and status writes.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, PostParams, Request, WatchEvent, WatchParams};
use kube::{Api, Client, Config, ResourceExt};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::stage::Stage;
use crate::world::LONG;

/// Where the API server keeps the refreshes.
const FOLDER: &str = "/registry/milvus-refresh.dev/externalcollectionrefreshes";
/// How many objects are put in one transaction, of which etcd takes 128, and how many of those at a time.
const TOGETHER: usize = 100;
const WRITERS: usize = 4;

/// A refresh as the API server keeps it, for many of its kind.
#[derive(Debug)]
pub struct Stamp {
    text: String,
    namespace: String,
    name: String,
    uid: String,
}

/// A text of the stamp, and what stands there in a copy.
pub type Replacement = (String, String);

impl Stamp {
    /// Of this refresh.
    ///
    /// # Errors
    /// It has never been in a cluster.
    pub fn of(mut object: ExternalCollectionRefresh) -> Result<Self> {
        // Not part of what is kept.
        object.metadata.resource_version = None;
        let part = |part: &Option<String>| part.clone().context("a refresh is not whole");
        let text = serde_json::to_string(&object)?;
        let meta = object.metadata;
        Ok(Self { text, namespace: part(&meta.namespace)?, name: part(&meta.name)?, uid: part(&meta.uid)? })
    }

    /// Puts a copy of each of `names` into `stage`, over a collection of that name, and waits until the API server shows all.
    /// `own` gives what else each has of its own, by its number.
    ///
    /// # Errors
    /// etcd refuses them, or the API server does not show them in time.
    pub async fn put(
        &self,
        stage: &Stage<'_>,
        names: &[String],
        own: impl Fn(usize) -> Vec<Replacement>,
    ) -> Result<()> {
        let etcd =
            Client::try_from(Config::new(format!("http://{}", stage.bench.control_plane.etcd_address()).parse()?))?;
        let puts = names.iter().enumerate().map(|(number, name)| {
            let (key, copy) = (format!("{FOLDER}/{}/{name}", stage.namespace), self.copy(stage, name, own(number)));
            json!({ "requestPut": { "key": STANDARD.encode(key), "value": STANDARD.encode(copy) } })
        });
        let transactions = stream::iter(puts).chunks(TOGETHER).map(|puts| {
            let etcd = &etcd;
            async move {
                let body = serde_json::to_vec(&json!({ "success": puts }))?;
                let request = Request::new("/v3/kv/txn").create(&PostParams::default(), body)?;
                let answer: Value = etcd.request(request).await?;
                if answer.get("succeeded") != Some(&json!(true)) {
                    bail!("etcd has not taken the copies: {answer}");
                }
                Ok(())
            }
        });
        let put = transactions.buffer_unordered(WRITERS).try_for_each(async |()| Ok(()));
        let api = stage.refreshes();
        let none = api.list(&ListParams::default().limit(1)).await?.metadata.resource_version;
        let shown = until_shown(&api, none.context("a list has no version")?, names.len());
        timeout(LONG, async { tokio::try_join!(put, shown) })
            .await
            .context("the API server does not show all copies")??;
        Ok(())
    }

    fn copy(&self, stage: &Stage<'_>, name: &str, own: Vec<Replacement>) -> String {
        let quoted = |text: &str| format!("\"namespace\":\"{text}\"");
        let copy = self.text.replace(&quoted(&self.namespace), &quoted(&stage.namespace));
        let copy = copy.replace(&self.uid, &stage.bench.uid()).replace(&self.name, name);
        own.into_iter().fold(copy, |copy, (from, to)| copy.replace(&from, &to))
    }
}

/// Waits until the API server, which hears from etcd, has shown `count` refreshes from `version` on, where there was none.
async fn until_shown(api: &Api<ExternalCollectionRefresh>, mut version: String, count: usize) -> Result<()> {
    let mut shown = 0;
    // The API server ends watches that do not follow as fast as it hears.
    while shown < count {
        let mut events = api.watch(&WatchParams::default(), &version).await?.boxed();
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) => {
                    shown += 1;
                    version = object.resource_version().context("a copy has no version")?;
                }
                WatchEvent::Error(refusal) => bail!("the API server does not show the copies: {refusal:?}"),
                WatchEvent::Modified(_) | WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
            }
            if shown == count {
                break;
            }
        }
    }
    Ok(())
}
