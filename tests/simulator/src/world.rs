//! What the simulated cluster holds, collections and jobs, and the rules by which requests change it.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    clock::Clock,
    job::Job,
    jobs::Jobs,
    names,
    plan::{Outcome, Plan},
    refusal::Refusal,
    serving::{Load, Segments},
    settings::{CollectionSpec, DuplicateWording, Ids},
    spec,
};
use crate::{JobId, wire::milvus::RefreshExternalCollectionJobInfo};

/// Ids of real clusters are hybrid timestamps of about this size, far above 2^53.
const FIRST_ID: i64 = 460_000_000_000_000_000;

/// The database of requests that name none.
pub(super) const DEFAULT_DATABASE: &str = "default";

/// One incarnation of a collection.
pub(super) struct Collection {
    pub(super) id: i64,
    pub(super) settings: CollectionSpec,
    pub(super) segments: Segments,
}

/// The state of the cluster.
pub(super) struct World {
    random: StdRng,
    ids: Ids,
    last_id: i64,
    /// Ids that are to be given out, the last one first.
    next_ids: Vec<i64>,
    /// The collections of each by name and by alias.
    databases: BTreeMap<String, BTreeMap<String, i64>>,
    collections: BTreeMap<i64, Collection>,
    jobs: Jobs,
}

/// A request for a refresh.
pub(super) struct Submit<'a> {
    pub(super) database: &'a str,
    pub(super) collection: &'a str,
    pub(super) source: &'a str,
    pub(super) spec: &'a str,
}

impl World {
    pub(super) fn new(seed: u64, ids: Ids) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            ids,
            last_id: FIRST_ID,
            next_ids: Vec::new(),
            databases: BTreeMap::from([(DEFAULT_DATABASE.to_owned(), BTreeMap::new())]),
            collections: BTreeMap::new(),
            jobs: Jobs::default(),
        }
    }

    /// The next id of the cluster's one allocator.
    pub(super) fn allocate(&mut self) -> i64 {
        if let Some(id) = self.next_ids.pop() {
            return id;
        }
        if let Ids::Shuffled(many) = self.ids {
            self.next_ids = (1..many).map(|_| self.higher()).collect();
            self.next_ids.shuffle(&mut self.random);
        }
        self.higher()
    }

    fn higher(&mut self) -> i64 {
        self.last_id += self.random.random_range(1..1000);
        self.last_id
    }

    /// Every job that there ever was, in the order of their starts.
    pub(super) fn started(&self) -> &[JobId] {
        self.jobs.started()
    }

    /// Creates the collection, its database too; one of that name goes first.
    pub(super) fn create(&mut self, settings: CollectionSpec, now: Duration) -> i64 {
        self.drop(&settings.database, &settings.name, now);
        let id = self.allocate();
        let names = self.databases.entry(settings.database.clone()).or_default();
        names.extend(settings.aliases.iter().chain([&settings.name]).map(|name| (name.clone(), id)));
        self.collections.insert(id, Collection { id, settings, segments: Segments::of(id) });
        id
    }

    /// Drops a collection. Its jobs stay listed by id until they are forgotten; active ones fail.
    pub(super) fn drop(&mut self, database: &str, name: &str, now: Duration) {
        let Ok(id) = self.find(database, name).map(|collection| collection.id) else { return };
        let Some(collection) = self.collections.remove(&id) else { return };
        if let Some(names) = self.databases.get_mut(&collection.settings.database) {
            names.retain(|_, of| *of != id);
        }
        let failure = format!("collection not found[collection={id}]");
        let jobs: Vec<i64> = self.jobs.of(id).map(|job| job.id).collect();
        for job in jobs {
            self.jobs.end(job, now, Some(failure.clone()));
        }
    }

    /// Points `alias` at a collection, away from any other one of the database. Whether the collection exists.
    pub(super) fn alias(&mut self, database: &str, name: &str, alias: &str) -> bool {
        let Ok(collection) = self.find(database, name) else { return false };
        let (id, database) = (collection.id, collection.settings.database.clone());
        let before = self.databases.entry(database).or_default().insert(alias.to_owned(), id);
        if let Some(other) = before.and_then(|before| self.collections.get_mut(&before)) {
            other.settings.aliases.retain(|known| known != alias);
        }
        if let Some(collection) = self.collections.get_mut(&id) {
            collection.settings.aliases.push(alias.to_owned());
        }
        true
    }

    /// The settings of a collection.
    pub(super) fn settings_mut(&mut self, database: &str, name: &str) -> Option<&mut CollectionSpec> {
        let id = self.find(database, name).ok()?.id;
        self.collections.get_mut(&id).map(|collection| &mut collection.settings)
    }

    /// DataCoord restarts: what is loaded drops out of the targets, and nothing says so.
    pub(super) fn restart_coordinator(&mut self) {
        let loaded = self.collections.values_mut().filter(|known| known.settings.serving.load == Load::Loaded);
        loaded.for_each(|collection| collection.settings.serving.unserved = usize::MAX);
    }

    /// A collection by name or alias.
    pub(super) fn find(&self, database: &str, name: &str) -> Result<&Collection, Refusal> {
        let database = if database.is_empty() { DEFAULT_DATABASE } else { database };
        let names = self.databases.get(database).ok_or_else(|| Refusal::database_not_found(database))?;
        let found = names.get(name).and_then(|id| self.collections.get(id));
        found.ok_or_else(|| Refusal::collection_not_found(database, name))
    }

    /// `DescribeCollection`: by name or alias, or by id where the name is empty.
    pub(super) fn describe(&self, database: &str, name: &str, id: i64) -> Result<&Collection, Refusal> {
        if name.is_empty() && id != 0 {
            let missing = || Refusal { code: 100, reason: format!("collection not found[collection={id}]") };
            return self.collections.get(&id).ok_or_else(missing);
        }
        names::check_collection(name)?;
        self.find(database, name)
    }

    /// `RefreshExternalCollection`: the server's checks in the server's order, then a new job.
    pub(super) fn refresh(
        &mut self,
        submit: &Submit<'_>,
        wording: DuplicateWording,
        now: Duration,
    ) -> Result<i64, Refusal> {
        let Submit { database, collection: name, source, spec } = *submit;
        names::check_collection(name)?;
        if source.is_empty() != spec.is_empty() {
            return Err(Refusal::invalid(format!(
                "external_source and external_spec must both be provided or both be omitted, \
                 got external_source={} external_spec={}",
                names::go_quoted(source),
                names::go_quoted(spec)
            )));
        }
        if !source.is_empty() {
            spec::check(source, spec)?;
        }
        let collection = self.find_external(database, name)?;
        let settings = &collection.settings;
        if source.is_empty() && (settings.source.is_empty() || settings.spec.is_empty()) {
            return Err(Refusal::invalid(format!(
                "collection {name} has no persisted external_source/external_spec, provide both"
            )));
        }
        let collection_id = collection.id;
        if let Some(active) = self.jobs.active(collection_id) {
            return Err(Refusal::duplicate(&wording.text(active.id, name)));
        }
        Ok(self.start(collection_id, submit, now))
    }

    fn find_external(&self, database: &str, name: &str) -> Result<&Collection, Refusal> {
        let collection = self.find(database, name)?;
        if !collection.settings.external {
            return Err(Refusal::invalid(format!("collection {name} is not an external collection")));
        }
        Ok(collection)
    }

    /// Creates a job without any check: of `submit` only the name and the override count.
    fn start(&mut self, collection_id: i64, submit: &Submit<'_>, now: Duration) -> i64 {
        let id = self.allocate();
        let draws = [self.random.random_range(-1.0..=1.0), self.random.random_range(-1.0..=1.0)];
        let Some(settings) = self.collections.get(&collection_id).map(|collection| &collection.settings) else {
            return id;
        };
        let overrides = !submit.source.is_empty();
        let (source, spec) =
            if overrides { (submit.source, submit.spec) } else { (settings.source.as_str(), settings.spec.as_str()) };
        let mut job = Job {
            id,
            collection_id,
            submitted_name: submit.collection.to_owned(),
            source: source.to_owned(),
            spec: spec.to_owned(),
            overrides,
            started: now,
            plan: Plan::default(),
            ended: None,
        };
        job.follow(&settings.plan, draws);
        self.jobs.start(job);
        id
    }

    /// Adds jobs of the past that have failed with `reason`.
    pub(super) fn add_past(&mut self, database: &str, name: &str, jobs: usize, reason: &str, now: Duration) {
        let Ok(collection_id) = self.find(database, name).map(|collection| collection.id) else { return };
        let submit = Submit { database, collection: name, source: "", spec: "" };
        for _ in 0..jobs {
            let id = self.start(collection_id, &submit, now);
            self.jobs.end(id, now, Some(reason.to_owned()));
        }
    }

    /// Takes a job back as if it had never been.
    pub(super) fn lose(&mut self, id: i64) {
        self.jobs.lose(id);
    }

    /// Ends an active job now. Whether there was one. [`Outcome::Hang`] instead keeps it from ending.
    pub(super) fn finish(&mut self, id: i64, outcome: Outcome, now: Duration) -> bool {
        let found = match outcome {
            Outcome::Hang => return self.jobs.hang(id),
            Outcome::Complete => self.jobs.end(id, now, None),
            Outcome::Fail(reason) => self.jobs.end(id, now, Some(reason)),
        };
        if found {
            self.publish(id);
        }
        found
    }

    /// Brings all jobs up to `now`: ends, published overrides, forgotten jobs.
    pub(super) fn settle(&mut self, now: Duration) {
        while let Some(id) = self.jobs.next_ended(now) {
            self.publish(id);
        }
    }

    /// Gives the source, spec and data of an ended job to its collection, unless it failed before they were applied: a wait for
    /// indexes comes after that.
    fn publish(&mut self, id: i64) {
        let Some((job, end)) = self.jobs.get(id).and_then(|job| Some((job, job.ended.as_ref()?))) else { return };
        let reason = end.failure.as_deref();
        tracing::info!(job = id, collection = job.submitted_name, reason, "refresh job ended");
        let Some(collection) = self.collections.get_mut(&job.collection_id) else { return };
        if reason.is_some_and(|reason| !reason.starts_with("timeout waiting for indexes")) {
            return;
        }
        if job.overrides {
            collection.settings.source.clone_from(&job.source);
            collection.settings.spec.clone_from(&job.spec);
        }
        collection.segments.refreshed(&collection.settings.serving, end.at);
    }

    /// `GetRefreshExternalCollectionProgress`.
    pub(super) fn progress(
        &self,
        id: i64,
        now: Duration,
        clock: &Clock,
    ) -> Result<RefreshExternalCollectionJobInfo, Refusal> {
        if id == 0 {
            return Err(Refusal::missing("job_id is required"));
        }
        let missing = || Refusal::invalid(format!("refresh job {id} not found, it may have been garbage collected"));
        Ok(self.jobs.get(id).ok_or_else(missing)?.info(now, clock))
    }

    /// `ListRefreshExternalCollectionJobs`: newest start first; without a name the jobs of all databases.
    pub(super) fn list(
        &self,
        database: &str,
        name: &str,
        now: Duration,
        clock: &Clock,
    ) -> Result<Vec<RefreshExternalCollectionJobInfo>, Refusal> {
        let of = if name.is_empty() {
            None
        } else {
            names::check_collection(name)?;
            Some(self.find_external(database, name)?.id)
        };
        let mut jobs: Vec<&Job> = match of {
            Some(collection) => self.jobs.of(collection).collect(),
            None => self.jobs.all().collect(),
        };
        jobs.sort_by_key(|job| std::cmp::Reverse((job.started, job.id)));
        Ok(jobs.into_iter().map(|job| job.info(now, clock)).collect())
    }

    /// Database and name of the collection that a job refreshes.
    pub(super) fn owner(&self, id: i64) -> Option<(String, String)> {
        let settings = &self.collections.get(&self.jobs.get(id)?.collection_id)?.settings;
        Some((settings.database.clone(), settings.name.clone()))
    }
}
