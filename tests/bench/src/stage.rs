//! Where a scenario plays: a namespace, a simulator, a connection between them, and what is done and seen there.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use controlplane::AuditLine;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection, RefreshStatus};
use milvus_refresh_operator::milvus::Milvus as _;
use milvus_simulator::{CollectionSpec, Method, Plan, Simulator};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::bare::milvus_client;
use crate::operator::Operator;
use crate::store::{self, Store};
use crate::world::{Bench, LONG, simulator};

/// Creations at the same time.
const CREATORS: usize = 64;
/// How many objects are listed at a time.
const PAGE: u32 = 500;

impl Bench {
    /// A namespace of this name with a simulator and a connection to it.
    ///
    /// # Errors
    /// The API server refuses them.
    pub async fn stage(&self, name: &str) -> Result<Stage<'_>> {
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await?;
        let milvus = simulator().await?;
        let stage = Stage { bench: self, namespace: name.to_owned(), milvus };
        let connection: MilvusConnection = serde_json::from_value(json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "MilvusConnection", "metadata": { "name": "default" },
            // The bench measures what the operator costs, not what the user has limited.
            "spec": { "address": stage.milvus.url(), "maxConcurrentRefreshes": 100_000, "requestTimeoutSeconds": 300 },
        }))?;
        stage.connections().create(&PostParams::default(), &connection).await?;
        Ok(stage)
    }

    /// Starts one operator for all of `stages`, and waits until it has reached their Milvus.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn operator(&self, stages: &[Stage<'_>]) -> Result<Operator> {
        let namespaces: Vec<&str> = stages.iter().map(|stage| stage.namespace.as_str()).collect();
        let operator = self.spawn(&namespaces.join(","))?;
        for stage in stages {
            stage.until_connected().await?;
        }
        operator.until_listed(stages.len()).await?;
        Ok(operator)
    }
}

/// Where a scenario plays.
pub struct Stage<'a> {
    /// The control plane.
    pub bench: &'a Bench,
    /// Its namespace.
    pub namespace: String,
    /// Its Milvus.
    pub milvus: Simulator,
}

impl Stage<'_> {
    /// The refreshes.
    pub fn refreshes(&self) -> Api<ExternalCollectionRefresh> {
        Api::namespaced(self.bench.client.clone(), &self.namespace)
    }

    fn connections(&self) -> Api<MilvusConnection> {
        Api::namespaced(self.bench.client.clone(), &self.namespace)
    }

    /// Starts an operator, and nothing more.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self) -> Result<Operator> {
        self.bench.spawn(&self.namespace)
    }

    /// Starts an operator and waits until it has reached Milvus.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn operator(&self) -> Result<Operator> {
        let operator = self.spawn()?;
        self.until_connected().await?;
        operator.until_listed(1).await?;
        Ok(operator)
    }

    /// From now on the refreshes may watch what is in `store`.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn may_watch(&self, store: &Store) -> Result<()> {
        let source = json!({ "prefix": store::BUCKET, "endpoint": store.url(), "auth": { "anonymous": {} } });
        let change = Patch::Merge(json!({ "spec": { "sources": [source] } }));
        self.connections().patch("default", &PatchParams::default(), &change).await?;
        Ok(())
    }

    async fn until_connected(&self) -> Result<()> {
        let ready = await_condition(self.connections(), "default", |object: Option<&MilvusConnection>| {
            let status = object.and_then(|object| object.status.as_ref());
            status.is_some_and(|status| status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
        });
        timeout(LONG, ready).await.context("the connection does not become ready")??;
        Ok(())
    }

    /// Creates a collection and a refresh of each name, all at once. Gives when each creation was answered.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn create(&self, names: &[String], plan: &Plan) -> Result<HashMap<String, Timestamp>> {
        self.create_collections(names, plan);
        self.create_refreshes(names, |name| json!({ "collectionName": name })).await
    }

    /// The same over sources of so many `objects` each, which are watched so, with jobs that take no time.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn create_watched(
        &self,
        names: &[String],
        objects: usize,
        watch: &Value,
    ) -> Result<HashMap<String, Timestamp>> {
        for name in names {
            let collection = CollectionSpec::external(name, Plan::completes_in(Duration::ZERO));
            self.milvus.create(CollectionSpec { source: store::source(objects, name), ..collection });
        }
        self.create_refreshes(names, |name| json!({ "collectionName": name, "watch": watch })).await
    }

    /// Creates a collection of each name.
    pub fn create_collections(&self, names: &[String], plan: &Plan) {
        for name in names {
            self.milvus.create_collection(name, plan.clone());
        }
    }

    async fn create_refreshes(
        &self,
        names: &[String],
        spec: impl Fn(&str) -> Value,
    ) -> Result<HashMap<String, Timestamp>> {
        let objects = names.iter().map(|name| {
            serde_json::from_value(json!({
                "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
                "metadata": { "name": name }, "spec": spec(name),
            }))
        });
        let objects: Vec<ExternalCollectionRefresh> = objects.collect::<Result<_, _>>()?;
        let (api, params) = (self.refreshes(), PostParams::default());
        let creations = objects.iter().zip(names).map(|(object, name)| {
            let (api, params) = (&api, &params);
            async move {
                api.create(params, object).await?;
                Ok((name.clone(), Timestamp::now()))
            }
        });
        stream::iter(creations).buffer_unordered(CREATORS).try_collect().await
    }

    /// A refresh of this name that no operator has seen.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn new_refresh(&self, name: &str) -> Result<ExternalCollectionRefresh> {
        self.create_refreshes(&[name.to_owned()], |name| json!({ "collectionName": name })).await?;
        Ok(self.refreshes().get(name).await?)
    }

    /// A refresh of this name with these `fields` in its spec, once an operator has brought its status to where `is_there`
    /// holds and has ended.
    ///
    /// # Errors
    /// It does not get there in time.
    pub async fn bring(
        &self,
        name: &str,
        fields: Value,
        plan: &Plan,
        is_there: impl Fn(&RefreshStatus) -> bool,
    ) -> Result<ExternalCollectionRefresh> {
        let operator = self.operator().await?;
        self.milvus.create_collection(name, plan.clone());
        let mut spec = json!({ "collectionName": name });
        if let (Some(spec), Value::Object(fields)) = (spec.as_object_mut(), fields) {
            spec.extend(fields);
        }
        self.create_refreshes(&[name.to_owned()], |_| spec.clone()).await?;
        self.until_all("brought there", |object| object.status.as_ref().is_some_and(&is_there)).await?;
        operator.end()?;
        Ok(self.refreshes().get(name).await?)
    }

    /// Waits until all refreshes are completed, of which there are few.
    ///
    /// # Errors
    /// They are not within `limit`.
    pub async fn until_completed(&self, limit: Duration) -> Result<()> {
        let (api, began) = (self.refreshes(), Instant::now());
        // One that is not: a small answer, however many there are.
        let open = ListParams::default().fields("status.state!=RefreshCompleted").limit(1);
        while let Some(name) = api.list_metadata(&open).await?.items.first().map(ResourceExt::name_any) {
            if began.elapsed() > limit {
                bail!("{name} of {}, at least, is not completed after {limit:?}", self.namespace);
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// All refreshes, page by page.
    ///
    /// # Errors
    /// The API server does not list them.
    pub async fn list(&self) -> Result<Vec<ExternalCollectionRefresh>> {
        let (api, mut objects) = (self.refreshes(), Vec::new());
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = api.list(&params).await?;
            objects.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(objects),
            }
        }
    }

    /// Waits until `condition` holds of each refresh; `what` says how each is then.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn until_all(&self, what: &str, condition: impl Fn(&ExternalCollectionRefresh) -> bool) -> Result<()> {
        let all = async {
            while !self.list().await?.iter().all(&condition) {
                sleep(Duration::from_secs(1)).await;
            }
            anyhow::Ok(())
        };
        timeout(LONG, all).await.with_context(|| format!("not every refresh was {what}"))?
    }

    /// Waits until each collection has what is at its source.
    ///
    /// # Errors
    /// One has not in time.
    pub async fn until_fresh(&self) -> Result<()> {
        let is_fresh = |object: &ExternalCollectionRefresh| {
            let status = object.status.as_ref();
            status
                .is_some_and(|status| status.conditions.iter().any(|c| c.type_ == "SourceFresh" && c.status == "True"))
        };
        self.until_all("fresh", is_fresh).await
    }

    /// How many requests of operators `of` holds for.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn requests(&self, of: impl Fn(&AuditLine) -> bool) -> Result<usize> {
        Ok(self.bench.asked(&self.namespace)?.iter().filter(|line| of(line)).count())
    }

    /// The status writes that the API server has taken for refreshes.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn writes(&self) -> Result<Vec<AuditLine>> {
        let mut lines = self.bench.asked(&self.namespace)?;
        lines.retain(|line| line.resource == "externalcollectionrefreshes" && line.subresource == "status");
        lines.retain(|line| line.verb == "update" && line.code == 200);
        Ok(lines)
    }

    /// Waits until Milvus was asked for so many starts.
    ///
    /// # Errors
    /// It was not in time.
    pub async fn until_started(&self, starts: usize) -> Result<()> {
        let started = self.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) >= starts);
        timeout(LONG, started).await.with_context(|| format!("Milvus was not asked for {starts} starts"))
    }

    /// How often Milvus was called in one of these ways.
    pub fn calls(&self, methods: &[Method]) -> usize {
        methods.iter().map(|method| self.milvus.calls(*method)).sum()
    }

    /// For each job the time from that of its collection in `times` to its start, in seconds; negative where it was before.
    ///
    /// # Errors
    /// Milvus cannot be asked.
    pub async fn starts_after(&self, times: &HashMap<String, Timestamp>) -> Result<Vec<f64>> {
        let jobs = milvus_client(&self.milvus.url())?.list_all(&|_| true).await?;
        let starts = jobs
            .iter()
            .filter_map(|job| Some(job.start_time?.duration_since(*times.get(&job.collection)?).as_secs_f64()));
        Ok(starts.collect())
    }

    /// When the last status write of each refresh was taken.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn told(&self) -> Result<HashMap<String, Timestamp>> {
        let told = self.writes()?.into_iter().map(|line| Ok((line.name, line.ended.parse()?)));
        told.collect()
    }

    /// For each refresh the time from the end of its job in Milvus to its last status write, in seconds, sorted.
    ///
    /// # Errors
    /// Milvus or the audit log cannot be asked.
    pub async fn delays(&self) -> Result<Vec<f64>> {
        let told = self.told()?;
        let jobs = milvus_client(&self.milvus.url())?.list_all(&|_| true).await?;
        let delays = jobs.iter().filter_map(|job| {
            let ended = job.end_time?;
            told.get(&job.collection).map(|told| told.duration_since(ended).as_secs_f64())
        });
        let mut delays: Vec<f64> = delays.collect();
        delays.sort_by(f64::total_cmp);
        Ok(delays)
    }
}
