//! The baselines: what it takes without an operator.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams, Request, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, FIELD_MANAGER, RefreshStatus};
use milvus_refresh_operator::milvus::ConnectOptions;
use milvus_refresh_operator::milvus::Milvus;
use milvus_refresh_operator::milvus::grpc::GrpcMilvus;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::results::Row;
use crate::stage::Stage;

/// Between two questions of the bare client, as in the examples of Milvus' own SDK.
const PAUSE: Duration = Duration::from_secs(2);
/// The deadline of its calls.
const DEADLINE: Duration = Duration::from_secs(30);
/// The operator's workers, by default.
const WORKERS: usize = 16;

/// A client of the Milvus at `url`.
///
/// # Errors
/// The address cannot be used.
pub fn milvus_client(url: &str) -> Result<GrpcMilvus> {
    let options = ConnectOptions { address: url.to_owned(), tls: None, login: None, request_timeout: DEADLINE };
    Ok(GrpcMilvus::connect(options)?)
}

/// The bare client: starts one refresh and asks for its progress every 2 s until it has ended. Gives the time from the end
/// of the job to the answer that told it, in seconds.
///
/// # Errors
/// Milvus refuses a call.
pub async fn follow(milvus: GrpcMilvus, collection: String) -> Result<f64> {
    let id = milvus.submit("default", &collection, None, DEADLINE).await?;
    loop {
        let job = milvus.progress(id).await?;
        if let Some(ended) = job.end_time.filter(|_| job.state.is_terminal()) {
            return Ok(Timestamp::now().duration_since(ended).as_secs_f64());
        }
        sleep(PAUSE).await;
    }
}

/// How a whole status is written.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// As the operator does: it is replaced where the object is still at the version that it was read at.
    Put,
    /// As a server-side apply of the same, which the API server merges by the fields' owners.
    Apply,
}

/// What status writes took.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// How many a second.
    pub rate: f64,
    /// The API server's CPU for each, in milliseconds.
    pub cpu: f64,
}

impl Written {
    /// Row `id`, beside that of the API server's `cpu` for a refresh with its creation, in milliseconds: by as many of these writes
    /// as there were requests. That depends on no machine.
    pub fn compared(self, id: &'static str, cpu: f64, requests: f64) -> Row {
        let (requests, most) = (requests + 1.0, 1.1);
        let ratio = cpu / (requests * self.cpu);
        Row::new(
            id,
            "the same, by that of as many bare status writes as it takes requests",
            &format!("<= {most}"),
            format!("{ratio:.2} ({cpu:.1} ms to {requests:.1} of {:.1} ms)", self.cpu),
            ratio <= most,
        )
    }
}

/// The bare API server: a status write on each refresh of the stage, as many at a time as the operator has workers, each with
/// the resourceVersion of what is there, and nothing else.
///
/// # Errors
/// The API server refuses a write, or the stage has no finished refresh to take the status from.
pub async fn write_statuses(stage: &Stage<'_>, way: Way) -> Result<Written> {
    let api = stage.refreshes();
    let objects = stage.list().await?;
    let count = objects.len() as f64;
    let (began, before) = (Instant::now(), stage.bench.api_server_cpu()?);
    let work = objects.iter().map(|object| {
        let api = &api;
        async move {
            let (name, body) = (object.name_any(), body(object)?);
            let request = Request::new(api.resource_url());
            let request = match way {
                Way::Put => {
                    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
                    request.replace_subresource("status", &name, &params, serde_json::to_vec(&body)?)?
                }
                Way::Apply => {
                    let params = PatchParams::apply(FIELD_MANAGER).force();
                    request.patch_subresource("status", &name, &params, &Patch::Apply(body))?
                }
            };
            api.clone().into_client().request::<ExternalCollectionRefresh>(request).await?;
            anyhow::Ok(())
        }
    });
    stream::iter(work).buffer_unordered(WORKERS).try_for_each(async |()| Ok(())).await?;
    let used = stage.bench.api_server_cpu()?.saturating_sub(before).as_secs_f64();
    Ok(Written { rate: count / began.elapsed().as_secs_f64(), cpu: used * 1000.0 / count })
}

/// The bare list: streams all refreshes of the stage, decodes them and keeps none. Gives how many there are.
///
/// # Errors
/// The API server does not stream them.
pub async fn stream_list(stage: &Stage<'_>) -> Result<usize> {
    let mut events = stage.refreshes().watch(&WatchParams::default().initial_events(), "").await?.boxed();
    let mut count = 0;
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(_) => count += 1,
            WatchEvent::Bookmark(end) if end.metadata.annotations.contains_key("k8s.io/initial-events-end") => break,
            WatchEvent::Error(refusal) => bail!("the list is not streamed: {refusal:?}"),
            WatchEvent::Modified(_) | WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
        }
    }
    Ok(count)
}

/// A peer that looks at nothing: it starts the job of each refresh as soon as it sees it, as many at a time as the operator has
/// workers, and writes its id into the status.
pub struct Peer<'a> {
    stage: &'a Stage<'a>,
    api: Api<ExternalCollectionRefresh>,
    claims: bool,
    seen: BoxStream<'a, watcher::Result<watcher::Event<ExternalCollectionRefresh>>>,
}

impl<'a> Peer<'a> {
    /// Watches the refreshes of the stage, over connections of its own. One that `claims` writes a status before each start.
    ///
    /// # Errors
    /// The API server does not show them.
    pub async fn of(stage: &'a Stage<'a>, claims: bool) -> Result<Self> {
        let api = Api::namespaced(stage.bench.unconnected()?, &stage.namespace);
        let mut seen = watcher::watcher(api.clone(), watcher::Config::default().streaming_lists()).boxed();
        while !matches!(seen.try_next().await?, Some(watcher::Event::InitDone)) {}
        Ok(Self { stage, api, claims, seen })
    }

    /// Starts the jobs of the next `count`.
    ///
    /// # Errors
    /// The API server or Milvus refuses something.
    pub async fn start(self, count: usize) -> Result<()> {
        let milvus = milvus_client(&self.stage.milvus.url())?;
        let (api, params) = (self.api, PostParams::default());
        let new = self.seen.applied_objects().try_filter(|object| future::ready(is_new(object))).take(count);
        let (milvus, api, params) = (&milvus, &api, &params);
        new.map_err(anyhow::Error::from)
            .try_for_each_concurrent(WORKERS, |mut object| async move {
                let (name, state) = (object.name_any(), Some("RefreshPending".to_owned()));
                if self.claims {
                    object.status = Some(RefreshStatus { state: state.clone(), ..RefreshStatus::default() });
                    object = api.replace_status(&name, params, &object).await?;
                }
                let job = milvus.submit("default", &object.spec.collection_name, None, DEADLINE).await?;
                object.status =
                    Some(RefreshStatus { job_id: Some(job.to_string()), state, ..RefreshStatus::default() });
                api.replace_status(&name, params, &object).await?;
                Ok(())
            })
            .await
    }
}

fn is_new(object: &ExternalCollectionRefresh) -> bool {
    object.status.as_ref().is_none_or(|status| status.state.is_none())
}

/// What the operator sends: the whole status and no spec. Another status than is there, since a write that changes nothing would
/// cost the API server less.
fn body(object: &ExternalCollectionRefresh) -> Result<Value> {
    let mut status = serde_json::to_value(object.status.as_ref().context("a finished refresh has no status")?)?;
    let fields = status.as_object_mut().context("a status is no object")?;
    fields.insert("reason".to_owned(), json!("a write of the bench"));
    Ok(json!({
        "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
        "metadata": {
            "namespace": object.metadata.namespace, "name": object.metadata.name,
            "uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version,
        },
        "status": fields,
    }))
}
