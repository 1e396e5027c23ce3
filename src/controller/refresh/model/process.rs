//! One operator process of the model: what it knows, and the world as its passes reach it. Each call stops where the
//! controller awaits an answer, so that anything can happen in between.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::{
    api::{Object, Refusal, Write, key},
    milvus::moment,
    source::Lookout,
    world::{Shared, World, await_turn},
};
use crate::{
    api::{ConnectionReason, RefreshStatus},
    cluster::status::WriteError,
    controller::refresh::{
        memory::{Newest, Version},
        pass,
        ports::{Ports, Server},
        subject::Subject,
        volatile::Volatile,
    },
    milvus::{
        self, Collection, ErrorKind, Job, JobId, MilvusError, Source,
        examiner::{Evidence, Plan},
        poller::Sighting,
        scrub::Secrets,
    },
    object::Key,
    refresh::{ClaimKey, Connection, Notice, OwnSource, OwnSourceCheck, Recorded, Scouted, SpecPlace, Wake},
    requeue::Router,
    scout,
    turns::Member,
};

/// Two addresses of one Milvus.
const ENDPOINTS: [&str; 2] = ["http://milvus:19530", "http://10.0.0.7:19530"];
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What is gone when the process dies.
pub struct Shell {
    pub volatile: Volatile,
    /// What the watch has shown.
    pub cache: RefCell<Vec<Option<Object>>>,
    /// What it has not listed yet.
    pub unlisted: RefCell<BTreeSet<usize>>,
    /// When it took over.
    pub began: Duration,
    /// What it sees of the source.
    pub lookout: RefCell<Lookout>,
    /// Until when it may lead, on its own monotonic clock.
    pub leads_until: Cell<Duration>,
    /// How wrong its wall clock is.
    pub clock_off: Cell<SignedDuration>,
    /// Whether what it writes arrives only later.
    pub cut_off: Cell<bool>,
    wakes: RefCell<Pin<Box<dyn Stream<Item = Key>>>>,
}

impl Shell {
    /// A process that begins now and has listed nothing; so many refreshes may run at a time.
    pub fn start(operator: String, world: &World, leads_until: Duration, slots: usize) -> Self {
        let names = world.api.objects.len();
        let scopes: Vec<_> = (0..names).map(scope).collect();
        let router = Router::new(&[None]);
        let volatile = Volatile::new(operator, &scopes, &router, Gauge::default());
        volatile.turns.slots.limit(&connection(), slots);
        volatile.turns.fence.begin(world.instant(world.time));
        volatile.turns.fence.connection_seen(&connection(), ENDPOINTS.map(str::to_owned));
        for scope in &scopes {
            volatile.turns.fence.connections_listed(scope);
        }
        Self {
            volatile,
            cache: RefCell::new(vec![None; names]),
            unlisted: RefCell::new((0..names).collect()),
            began: world.time,
            lookout: RefCell::default(),
            leads_until: Cell::new(leads_until),
            clock_off: Cell::default(),
            cut_off: Cell::default(),
            wakes: RefCell::new(Box::pin(router.stream(&None))),
        }
    }

    /// The objects that were woken, those whose schedules make them due now among them.
    pub fn woken(&self, time: Duration) -> Vec<usize> {
        self.volatile.alarms.ring(moment(time) + self.clock_off.get());
        let mut wakes = self.wakes.borrow_mut();
        let keys = std::iter::from_fn(|| wakes.next().now_or_never().flatten());
        keys.map(|key| key.name.parse().unwrap()).collect()
    }

    /// The listing of what is called `name` comes, and shows what there is. Gives whether a pass may have anything to do.
    pub fn listed(&self, name: usize, object: Option<Object>, time: Duration) -> bool {
        if !self.unlisted.borrow_mut().remove(&name) {
            return false;
        }
        let asks = object.as_ref().is_some_and(|object| self.known(object, time));
        let fence = &self.volatile.turns.fence;
        if let Some(object) = &object {
            let member = Member { uid: &object.uid, key: &key(name), connection: &connection(), want: &object.want };
            fence.shown(&scope(name), member, &object.version.to_string(), &object.record());
        }
        fence.listed(&scope(name));
        self.cache.borrow_mut()[name] = object;
        asks
    }

    /// What holds others is known of this version of an object. Gives whether a pass may have anything to do.
    pub fn known(&self, object: &Object, time: Duration) -> bool {
        let now = moment(time) + self.clock_off.get();
        let member = Member { uid: &object.uid, key: &object.key(), connection: &connection(), want: &object.want };
        self.volatile.seen(member, &object.version.to_string(), &object.record(), now)
    }

    /// The watch shows this version of an object. Gives whether a pass may have anything to do.
    pub fn shown(&self, object: &Object, time: Duration) -> bool {
        let known = self.volatile.memory.shown(&object.uid, &object.version.to_string()) == Version::Known;
        known || self.known(object, time)
    }

    /// Frees all that is held for an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.volatile.forget(uid);
    }
}

/// The connection that all refreshes go through.
fn connection() -> Key {
    Key { namespace: "default".into(), name: "default".into() }
}

/// What is listed on its own: each object, so that one listing can fail and the other not.
fn scope(name: usize) -> Option<String> {
    Some(name.to_string())
}

fn newest(object: Object) -> Newest {
    let resource_version = object.version.to_string();
    Newest { resource_version, want: Arc::new(object.want), status: object.status.map(Arc::new) }
}

/// One pass over `object` as the cache has it. Gives the pause until the next one.
pub async fn pass(world: Shared, shell: Rc<Shell>, name: usize, object: Object) -> Duration {
    let written = shell.volatile.memory.with(&object.uid, |remembered| remembered.newest.clone());
    let uid = object.uid.clone();
    let subject = Subject { key: key(name), uid: uid.clone(), connection: connection(), shown: newest(object) };
    let reach = Reach(Rc::new(Reached {
        world,
        shell: shell.clone(),
        name,
        uid: uid.clone(),
        claim: Cell::default(),
        sent: RefCell::default(),
    }));
    let ended = pass::pass(subject, written, &shell.volatile, &reach).await;
    let exists = shell.cache.borrow()[name].as_ref().is_some_and(|cached| cached.uid == uid);
    if !exists {
        shell.forget(&uid);
    }
    match ended {
        Ok(Wake::After(pause)) => pause,
        Ok(Wake::OnChange) | Err(WriteError::Gone) => Duration::MAX,
        Err(WriteError::Conflict) => AFTER_CONFLICT,
        Err(WriteError::Refused(_) | WriteError::Unanswered(_)) => {
            shell.volatile.memory.with(&uid, |remembered| remembered.errors += 1);
            AFTER_ERROR
        }
    }
}

/// What a pass reaches, the server of its connection among it.
#[derive(Clone)]
struct Reach(Rc<Reached>);

struct Reached {
    world: Shared,
    shell: Rc<Shell>,
    name: usize,
    uid: String,
    /// The claim of the last status whose write was seen to succeed.
    claim: Cell<Option<ClaimKey>>,
    /// What that status is read back as, until it is said to be durable.
    sent: RefCell<Option<Recorded>>,
}

impl Reach {
    fn time(&self) -> Duration {
        self.0.world.borrow().time
    }

    /// Some calls are not answered.
    async fn call(&self) -> milvus::Result<()> {
        await_turn().await;
        if self.0.world.borrow_mut().choices.happens(3) {
            return Err(MilvusError::new(ErrorKind::Timeout, "no answer"));
        }
        Ok(())
    }
}

impl Ports for Reach {
    type Server = Self;

    fn now(&self) -> Timestamp {
        moment(self.time()) + self.0.shell.clock_off.get()
    }

    fn instant(&self) -> Instant {
        self.0.world.borrow().instant(self.time())
    }

    fn lets_others_start(&self) -> bool {
        self.0.world.borrow_mut().nonce().is_multiple_of(2)
    }

    fn luck(&self) -> f64 {
        0.5
    }

    fn nonce(&self) -> u64 {
        self.0.world.borrow_mut().nonce()
    }

    fn leads(&self) -> bool {
        self.time() < self.0.shell.leads_until.get()
    }

    fn connection(&self) -> (Connection, Option<Self>) {
        if self.0.world.borrow().down {
            let (reason, message) = (ConnectionReason::Unreachable, "nothing answers.".into());
            (Connection::NotReady { reason, message }, None)
        } else {
            (Connection::Ready { endpoint: self.endpoint().into() }, Some(self.clone()))
        }
    }

    fn suspect(&self, _: &MilvusError) {}

    fn recovered(&self) {}

    fn untrack(&self, _: &Key, _: &Key) {}

    async fn own_source(&self, own: &OwnSource) -> Result<Source, OwnSourceCheck> {
        unreachable!("no refresh of the model brings {own:?} along")
    }

    async fn spec_secrets(&self, place: &SpecPlace) -> Option<Arc<Secrets>> {
        unreachable!("no refresh of the model has a spec at {place:?}")
    }

    fn scouted(&self, plan: &scout::Plan) -> Scouted {
        self.0.shell.lookout.borrow().scouted(self.0.name, plan, self.time())
    }

    fn scout(&self, plan: scout::Plan, _: Duration) {
        let version = self.0.world.borrow().milvus.version;
        self.0.shell.lookout.borrow_mut().look(self.0.name, plan, self.time(), version);
    }

    fn allows_queries(&self) -> bool {
        false
    }

    async fn write(&self, resource_version: &str, status: &RefreshStatus) -> Result<String, WriteError> {
        let sent = Recorded::of(Some(status));
        let (version, status) = (resource_version.parse().unwrap(), status.clone());
        let by = self.0.shell.volatile.operator.clone();
        let write = Write { name: self.0.name, by, version, status, sent: self.time() };
        await_turn().await;
        let outcome = self.0.world.borrow_mut().apply(write, self.0.shell.cut_off.get());
        await_turn().await;
        if let Some(Ok(_)) = outcome {
            self.0.claim.set(sent.claim());
            self.0.sent.replace(Some(sent));
        }
        match outcome {
            Some(Ok(version)) => Ok(version.to_string()),
            Some(Err(Refusal::Conflict)) => Err(WriteError::Conflict),
            Some(Err(Refusal::Gone)) => Err(WriteError::Gone),
            Some(Err(Refusal::Refused)) => Err(WriteError::Refused("a webhook says no".into())),
            None => Err(WriteError::Unanswered("no answer".into())),
        }
    }

    async fn read(&self) -> Result<(String, Newest), WriteError> {
        await_turn().await;
        let read = self.0.world.borrow().api.objects[self.0.name].clone();
        await_turn().await;
        let object = read.ok_or(WriteError::Gone)?;
        Ok((object.uid.clone(), newest(object)))
    }

    async fn delete(&self, _: &str) -> Result<(), WriteError> {
        unreachable!("no refresh of the model has a time to live")
    }

    fn recorded(&self, durable: &Recorded, _: Vec<Notice>) {
        if let Some(sent) = self.0.sent.take() {
            assert_eq!(sent, *durable, "what is read back is what was decided");
        }
    }
}

impl Server for Reach {
    fn endpoint(&self) -> &str {
        let world = self.0.world.borrow();
        if world.milvus.denied || world.refuses { ENDPOINTS[0] } else { ENDPOINTS[self.0.name] }
    }

    async fn describe(&self, _: &str, _: &str) -> milvus::Result<Collection> {
        self.call().await?;
        let denied = || MilvusError::new(ErrorKind::PermissionDenied, "not for you");
        self.0.world.borrow().milvus.describe().ok_or_else(denied)
    }

    async fn list(&self, _: &str, _: &str) -> milvus::Result<Vec<Job>> {
        self.call().await?;
        let world = self.0.world.borrow();
        Ok(world.milvus.list(world.milvus.collection, world.time))
    }

    async fn submit(&self, _: &str, _: &str, _: Option<&Source>, budget: Duration) -> milvus::Result<JobId> {
        let outcome = self.0.world.borrow_mut().submit(&self.0.uid, self.0.claim.get(), budget);
        await_turn().await;
        outcome
    }

    fn keep_secret(&self, _: &Arc<Secrets>) {}

    fn track(&self, _: &Key, job: JobId, _: Duration) -> Sighting {
        let known = !self.0.world.borrow_mut().choices.happens(5);
        let time = self.time();
        Sighting { answer: known.then(|| self.0.world.borrow().milvus.poll(job, time)), failing: None }
    }

    fn examine(&self, _: &Key, _: Plan) -> Option<milvus::Result<Evidence>> {
        self.0.world.borrow_mut().examine()
    }

    fn examined(&self, _: &Key) -> Option<Instant> {
        None
    }

    fn hush(&self, _: &Key, _: Instant) {}
}
