//! What the scenarios work with: one control plane for all, and a stage for each: a namespace, a simulator, a connection.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use controlplane::{AuditLine, ControlPlane};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Config, ResourceExt};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection, RefreshStatus};
use milvus_refresh_operator::milvus::Milvus as _;
use milvus_simulator::{CollectionSpec, Plan, Settings, Simulator};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::bare::milvus_client;
use crate::operator::Operator;
use crate::scale::Scale;
use crate::store::{self, Store};

/// Far more than any single wait takes.
pub const LONG: Duration = Duration::from_secs(300);
/// Creations at the same time.
pub const CREATORS: usize = 64;
/// Other writes of the bench at the same time.
pub const WRITERS: usize = 32;
/// How many objects are listed at a time.
const PAGE: u32 = 500;

/// The control plane, and the operator's program.
pub struct Bench {
    /// etcd and kube-apiserver, with our CRDs and RBAC.
    pub control_plane: ControlPlane,
    /// The administrator's client.
    pub client: Client,
    /// How large everything is.
    pub scale: Scale,
    /// The operator's program.
    pub program: PathBuf,
    kubeconfig: PathBuf,
    /// What has been read of the audit log, and up to where.
    audit: Mutex<(Vec<AuditLine>, u64)>,
    /// How many uids were given.
    uids: AtomicU32,
}

impl Bench {
    /// Starts the control plane; the operator is the program beside this one.
    ///
    /// # Errors
    /// Something of it cannot be had.
    pub async fn start(scale: Scale) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("milvus-refresh-operator");
        if !program.is_file() {
            bail!("there is no {}: run `make bench`, which builds it", program.display());
        }
        let control_plane = ControlPlane::start()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        control_plane.kubectl_ok(&["apply", "--server-side", "-f", &root.join("crds").display().to_string()])?;
        control_plane.kubectl_ok(&["apply", "-f", &root.join("deploy/rbac.yaml").display().to_string()])?;
        control_plane.kubectl_ok(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])?;
        let kubeconfig =
            control_plane.service_account_kubeconfig("milvus-refresh-system", "milvus-refresh-operator")?;
        let file = Kubeconfig::read_from(control_plane.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        Ok(Self {
            control_plane,
            client,
            scale,
            program,
            kubeconfig,
            audit: Mutex::default(),
            uids: AtomicU32::default(),
        })
    }

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

    fn spawn(&self, namespaces: &str) -> Result<Operator> {
        Operator::start(&self.program, &self.kubeconfig, namespaces, self.control_plane.folder())
    }

    /// A uid that no object has.
    pub fn uid(&self) -> String {
        format!("be9c4000-0000-4000-8000-{:012x}", self.uids.fetch_add(1, Ordering::Relaxed))
    }

    /// What operators have asked in `namespace` so far, in the order of the requests' ends.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn asked(&self, namespace: &str) -> Result<Vec<AuditLine>> {
        let mut audit = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut lines, offset) = self.control_plane.audit_from(audit.1)?;
        lines.retain(|line| line.user.ends_with(":milvus-refresh-operator"));
        audit.0.append(&mut lines);
        audit.1 = offset;
        Ok(audit.0.iter().filter(|line| line.namespace == namespace).cloned().collect())
    }
}

/// A simulated Milvus.
///
/// # Errors
/// There is no free port.
pub async fn simulator() -> Result<Simulator> {
    Ok(Simulator::start("127.0.0.1:0".parse()?, Settings::default()).await?)
}

/// The names of `count` objects, and of their collections.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("c{number:05}")).collect()
}

fn refreshes(names: &[String], spec: impl Fn(&str) -> Value) -> Result<Vec<ExternalCollectionRefresh>> {
    let objects = names.iter().map(|name| {
        Ok(serde_json::from_value(json!({
            "apiVersion": "milvus-refresh.dev/v1alpha1", "kind": "ExternalCollectionRefresh",
            "metadata": { "name": name }, "spec": spec(name),
        }))?)
    });
    objects.collect()
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

    /// Creates a collection and a refresh of each name, all at once.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn create(&self, names: &[String], plan: &Plan) -> Result<()> {
        self.create_all(&self.objects(names, plan)?).await
    }

    /// A collection of each name, and the refreshes of them, which are not created.
    ///
    /// # Errors
    /// None of itself.
    pub fn objects(&self, names: &[String], plan: &Plan) -> Result<Vec<ExternalCollectionRefresh>> {
        for name in names {
            self.milvus.create_collection(name, plan.clone());
        }
        refreshes(names, |name| json!({ "collectionName": name }))
    }

    /// The same over sources of so many `objects` each, which are watched so, with jobs that take no time.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn create_watched(&self, names: &[String], objects: usize, watch: &Value) -> Result<()> {
        for name in names {
            let collection = CollectionSpec::external(name, Plan::completes_in(Duration::ZERO));
            self.milvus.create(CollectionSpec { source: store::source(objects, name), ..collection });
        }
        self.create_all(&refreshes(names, |name| json!({ "collectionName": name, "watch": watch }))?).await
    }

    async fn create_all(&self, objects: &[ExternalCollectionRefresh]) -> Result<()> {
        let (api, params) = (self.refreshes(), PostParams::default());
        let creations = objects.iter().map(|object| api.create(&params, object));
        stream::iter(creations).buffer_unordered(CREATORS).try_for_each(async |_| Ok(())).await?;
        Ok(())
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
        self.create_all(&refreshes(&[name.to_owned()], |_| spec.clone())?).await?;
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

    /// Applies this merge patch to each refresh.
    ///
    /// # Errors
    /// The API server refuses one.
    pub async fn edit_all(&self, change: Value) -> Result<()> {
        let (api, patch) = (self.refreshes(), Patch::Merge(change));
        let names = self.list().await?.into_iter().map(|object| object.name_any());
        let edits = names.map(|name| {
            let (api, patch) = (&api, &patch);
            async move { api.patch(&name, &PatchParams::default(), patch).await }
        });
        stream::iter(edits).buffer_unordered(WRITERS).try_for_each(async |_| Ok(())).await?;
        Ok(())
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
