//! Copies of one refresh, put directly where the API server keeps it: a hundred thousand take seconds so, and the better part
//! of an hour as creations and status writes.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{ListParams, PostParams, Request, VersionMatch};
use kube::{Api, Client, Config};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use milvus_simulator::Plan;
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
type Replacement<'a> = (&'a str, String);

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
    ///
    /// # Errors
    /// etcd refuses them, or the API server does not show them in time.
    pub async fn put(&self, stage: &Stage<'_>, names: &[String]) -> Result<()> {
        self.put_all(stage, names.iter().map(|name| (name, Vec::new()))).await
    }

    /// The same; each comes with what else it has of its own.
    async fn put_all<'a>(
        &self,
        stage: &Stage<'_>,
        copies: impl DoubleEndedIterator<Item = (&'a String, Vec<Replacement<'a>>)>,
    ) -> Result<()> {
        let etcd =
            Client::try_from(Config::new(format!("http://{}", stage.bench.control_plane.etcd_address()).parse()?))?;
        let mut puts = copies.map(|(name, own)| {
            let (key, copy) = (format!("{FOLDER}/{}/{name}", stage.namespace), self.copy(stage, name, own));
            json!({ "requestPut": { "key": STANDARD.encode(key), "value": STANDARD.encode(copy) } })
        });
        // What is put together has one revision: alone, the last one's is known only when all others are.
        let Some(last) = puts.next_back() else { return Ok(()) };
        let transactions = stream::iter(puts).chunks(TOGETHER).map(|puts| transaction(&etcd, puts));
        transactions.buffer_unordered(WRITERS).try_for_each(async |_| Ok(())).await?;
        let revision = transaction(&etcd, vec![last]).await?;
        timeout(LONG, until_known(&stage.refreshes(), &revision))
            .await
            .context("the API server does not show the copies")?
    }

    fn copy(&self, stage: &Stage<'_>, name: &str, own: Vec<Replacement<'_>>) -> String {
        let quoted = |text: &str| format!("\"namespace\":\"{text}\"");
        let copy = self.text.replace(&quoted(&self.namespace), &quoted(&stage.namespace));
        let copy = copy.replace(&self.uid, &stage.bench.uid()).replace(&self.name, name);
        own.into_iter().fold(copy, |copy, (from, to)| copy.replace(from, &to))
    }
}

/// A refresh with a run, and what of that is another's in a copy.
pub struct RunStamp {
    stamp: Stamp,
    job: String,
    collection: String,
    endpoint: String,
}

impl RunStamp {
    /// Of this refresh.
    ///
    /// # Errors
    /// It has no run.
    pub fn of(object: ExternalCollectionRefresh) -> Result<Self> {
        let status = object.status.clone().context("a refresh has no status")?;
        let run = status.run.context("a refresh has no run")?;
        let known = |text: Option<String>| text.context("a refresh does not say what its run is on");
        Ok(Self {
            stamp: Stamp::of(object)?,
            job: known(status.job_id)?,
            collection: known(run.collection_id)?,
            endpoint: known(run.endpoint)?,
        })
    }

    /// Starts such a job for each of `names`, and puts a copy there that has started it.
    ///
    /// # Errors
    /// As [`Stamp::put`].
    pub async fn put(&self, stage: &Stage<'_>, names: &[String], plan: &Plan) -> Result<()> {
        let copies = names.iter().map(|name| {
            let collection = stage.milvus.create_collection(name, plan.clone());
            let job = stage.milvus.start_foreign_job("default", name).context("a job was not started")?;
            let own = vec![
                (self.collection.as_str(), collection.to_string()),
                (self.job.as_str(), job.to_string()),
                (self.endpoint.as_str(), stage.milvus.url()),
            ];
            Ok((name, own))
        });
        let copies: Vec<_> = copies.collect::<Result<_>>()?;
        self.stamp.put_all(stage, copies.into_iter()).await
    }
}

/// Puts these at once. Gives their revision.
async fn transaction(etcd: &Client, puts: Vec<Value>) -> Result<String> {
    let body = serde_json::to_vec(&json!({ "success": puts }))?;
    let request = Request::new("/v3/kv/txn").create(&PostParams::default(), body)?;
    let answer: Value = etcd.request(request).await?;
    if answer.get("succeeded") != Some(&json!(true)) {
        bail!("etcd has not taken the copies: {answer}");
    }
    let revision = answer.pointer("/header/revision").and_then(Value::as_str);
    Ok(revision.context("etcd says no revision")?.to_owned())
}

/// Waits until the API server, which hears from etcd, knows what was there at `revision`: it answers a list that must not be
/// older only then.
async fn until_known(api: &Api<ExternalCollectionRefresh>, revision: &str) -> Result<()> {
    let no_older = ListParams::default().at(revision).matching(VersionMatch::NotOlderThan);
    // There is none with this label: what is listed is of no interest.
    let no_older = no_older.labels("nobody/has=this");
    loop {
        match api.list(&no_older).await {
            // It waits for a few seconds only.
            Err(kube::Error::Api(status)) if status.code == 504 => {}
            answer => return Ok(answer.map(drop)?),
        }
    }
}
