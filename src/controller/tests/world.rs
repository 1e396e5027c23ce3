//! One process with its watch, which shows what is new whenever it is asked to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{api::Api, milvus::Fake};
use crate::{
    api::{ConnectionReason, ExternalCollectionRefresh},
    clock::Clock,
    cluster::{
        packed,
        store::Store,
        watch::{Asks, Lifecycle as _},
    },
    controller::{
        Context, Error, Process, Rules,
        connection::{Origin, Server},
        drive::{Kind, Watched, after_error, drive},
        refresh::{Lifecycle, pass_over, reconcile, watch_over},
    },
    leader::Leadership,
    milvus::{examiner::Examiner, poller::Poller},
    object::{Key, REFRESH},
    refresh::{Connection, Recorded, Wake},
};

const ENDPOINT: &str = "http://milvus:19530";
/// More passes than any history here takes.
const MOST_PASSES: usize = 100;

pub struct World {
    pub api: Api,
    pub milvus: Fake,
    pub watch: Watch,
    /// Until when the process leads.
    pub lease: watch::Sender<Option<Instant>>,
    context: Arc<Context>,
}

/// The watch of the process.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Shown>>);

struct Shown {
    store: Store<ExternalCollectionRefresh>,
    lifecycle: Lifecycle,
    objects: BTreeMap<String, ExternalCollectionRefresh>,
    asked: usize,
}

/// A time that goes with the clock of the test, which is paused, from the same moment in each test.
fn wall_clock() -> Timestamp {
    thread_local!(static BEGAN: Instant = Instant::now());
    let began = Timestamp::from_second(1_795_600_000).unwrap();
    began + BEGAN.with(Instant::elapsed)
}

impl World {
    /// With these objects, which the process finds when it begins to lead.
    pub async fn with(names: &[&str]) -> Self {
        let api = Api::default();
        for name in names {
            api.create(name);
        }
        Self::begin("operator", api, Fake::default())
    }

    /// With so many refreshes, `r0` and so on, each of a collection of its name; so many may run at a time.
    pub fn of(refreshes: usize, limit: usize) -> Self {
        let api = Api::default();
        for name in (0..refreshes).map(|number| format!("r{number}")) {
            api.create_for(&name, &name);
        }
        let world = Self::begin("operator", api, Fake::default());
        world.allow(limit);
        world
    }

    /// So many refreshes may run at a time from now on.
    pub fn allow(&self, limit: usize) {
        self.context.volatile.turns.slots.limit(&connection(), limit);
    }

    /// Another process of this name in the same world, which begins now and leads.
    pub fn beside(&self, operator: &str) -> Self {
        Self::begin(operator, self.api.clone(), self.milvus.clone())
    }

    /// With these refreshes, whose alarms ring by a wall clock that goes with the paused one.
    pub fn by_the_clock(api: Api, limit: usize) -> Self {
        let world = Self::begin("operator", api, Fake::default());
        world.allow(limit);
        let context = world.context.clone();
        tokio::spawn(async move { context.volatile.alarms.keep(context.clock).await });
        world
    }

    /// How many of the objects that the watch has shown were due for a pass.
    pub fn asked(&self) -> usize {
        self.watch.0.lock().unwrap().asked
    }

    fn begin(operator: &str, api: Api, milvus: Fake) -> Self {
        let (lease, leads) = watch::channel(Some(Instant::now() + Duration::from_secs(86_400)));
        let clock = Clock { now: wall_clock, random: || 0.5, nonce: rand::random };
        let scopes = [None];
        let leadership = Leadership::until(leads);
        let process = Process { clock, metrics: Arc::default(), health: Arc::default(), leadership };
        let context = Context::new(api.client(), process, operator.into(), &scopes, Rules::default());
        let context = Arc::new(context);
        context.volatile.turns.fence.begin(Instant::now());
        tokio::spawn(watch_over(context.clone()));
        let store = Store::default();
        context.set_store(&None, store.clone());
        connect(&context, &milvus);
        let lifecycle = Lifecycle::new(context.clone(), &None);
        let watch = Watch(Arc::new(Mutex::new(Shown { store, lifecycle, objects: BTreeMap::new(), asked: 0 })));
        watch.show(&api);
        watch.0.lock().unwrap().lifecycle.listed();
        Self { api, milvus, watch, lease, context }
    }

    /// The same process, with the same Milvus over another client: the connection was gone and has come back.
    pub fn reconnected(self) -> Self {
        let milvus = self.milvus.connected_anew();
        let gone = Connection::NotReady { reason: ConnectionReason::SecretNotFound, message: "No login.".into() };
        self.context.servers.set(&connection(), gone, None);
        connect(&self.context, &milvus);
        Self { milvus, ..self }
    }

    /// The connection allows every source.
    pub fn allow_every_source(&self) {
        self.context.servers.allow(&connection(), &["*".to_owned()], true);
    }

    /// One pass over `name`, after the watch has shown what is new; nothing where there is no such object.
    pub async fn pass(&self, name: &str) {
        self.watch.show(&self.api);
        self.pass_behind(name).await;
    }

    /// The same with a watch that is behind: it shows nothing new.
    pub async fn pass_behind(&self, name: &str) {
        let Some(object) = self.api.object(name).map(Arc::new) else { return };
        if let Err(error) = reconcile(object.clone(), self.context.clone()).await {
            self.after(&object, &error);
        }
    }

    /// One pass over `name` that fails, and how soon it is tried again.
    pub async fn failing_pass(&self, name: &str) -> Duration {
        self.watch.show(&self.api);
        let object = Arc::new(self.api.object(name).unwrap());
        let error = reconcile(object.clone(), self.context.clone()).await.unwrap_err();
        self.after(&object, &error)
    }

    fn after(&self, object: &ExternalCollectionRefresh, error: &Error) -> Duration {
        let uid = object.metadata.uid.as_deref().unwrap();
        after_error(REFRESH, &Key::of(object), uid, error, &self.context)
    }

    /// Lets the driver run the passes over all objects, so many at a time, until `stop`.
    pub async fn drive(&self, workers: u16, stop: CancellationToken) {
        self.watch.show(&self.api);
        let names: Vec<_> = self.api.objects().iter().map(|object| Ok(Key::of(object))).collect();
        let changed = stream::iter(names).chain(stream::pending());
        let woken = self.context.refreshes.stream(&None);
        let watched = Watched::new(&None, self.watch.0.lock().unwrap().store.clone(), changed, woken);
        let (context, due) = (self.context.clone(), self.context.due.clone());
        let kind = Kind { name: REFRESH, workers, lane: |_, object| object.connection(), due };
        drive(kind, vec![watched], reconcile, context, stop).await;
    }

    /// What a pass has the connection looked at for.
    pub fn suspects(&self) -> bool {
        Box::pin(self.context.connections.stream(&None)).next().now_or_never().is_some()
    }

    /// Lets the controller work so long: a pass whenever the last one has asked for it, or something wakes the object.
    pub async fn play(&self, time: Duration) {
        let names = self.api.objects().into_iter().filter_map(|object| object.metadata.name);
        self.play_from(names.map(|name| (name, Instant::now())).collect(), time).await;
    }

    /// The same without a first pass over all objects. Gives how many passes there were.
    pub async fn play_woken(&self, time: Duration) -> usize {
        self.play_from(BTreeMap::new(), time).await
    }

    async fn play_from(&self, mut due: BTreeMap<String, Instant>, time: Duration) -> usize {
        let end = Instant::now() + time;
        let mut woken = Box::pin(self.context.refreshes.stream(&None));
        let mut passes = 0;
        loop {
            let next = due.values().min().copied().unwrap_or(end).min(end);
            tokio::select! {
                biased;
                Some(key) = woken.next() => {
                    due.insert(key.name, Instant::now());
                    continue;
                }
                () = tokio::time::sleep_until(next) => {}
            }
            let now = Instant::now();
            if now >= end {
                return passes;
            }
            self.watch.show(&self.api);
            let ready: Vec<String> = due.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
            for name in ready {
                due.remove(&name);
                let Some(object) = self.api.object(&name) else { continue };
                passes += 1;
                match pass_over(&object, &self.context).await {
                    Ok(Wake::After(pause)) => drop(due.insert(name, Instant::now() + pause)),
                    Ok(Wake::OnChange) => {}
                    Err(_) => drop(due.insert(name, Instant::now() + Duration::from_secs(1))),
                }
            }
        }
    }

    /// Passes over all objects until `condition` holds for `name`, and gives it.
    pub async fn until(
        &self,
        name: &str,
        condition: impl Fn(Option<&ExternalCollectionRefresh>) -> bool,
    ) -> Option<ExternalCollectionRefresh> {
        for _ in 0..MOST_PASSES {
            for object in self.api.objects() {
                self.pass(&object.metadata.name.unwrap()).await;
                let now = self.api.object(name);
                if condition(now.as_ref()) {
                    return now;
                }
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        panic!("it did not come to that: {:#?}", self.api.objects());
    }

    pub async fn until_ended(&self, name: &str) -> ExternalCollectionRefresh {
        let ended = |object: &ExternalCollectionRefresh| Recorded::of(object.status.as_ref()).ended();
        self.until(name, |object| object.is_some_and(ended)).await.unwrap()
    }

    pub async fn until_claimed(&self, name: &str) {
        self.until(name, |object| object.is_some_and(|object| attempts(object) > 0)).await;
    }
}

fn connect(context: &Context, milvus: &Fake) {
    let refreshes = context.refreshes.clone();
    let wake = move |refresh| refreshes.wake(refresh);
    let server = Server {
        poller: Poller::new(Arc::new(milvus.clone()), wake.clone(), || 0.5),
        examiner: Examiner::new(Arc::new(milvus.clone()), wake),
        milvus: Arc::new(milvus.clone()),
        endpoint: ENDPOINT.into(),
    };
    let origin = Origin { spec: ("connection".into(), 1), address: ENDPOINT.into(), references: Vec::new() };
    let ready = Connection::Ready { endpoint: ENDPOINT.into() };
    context.servers.set(&connection(), ready, Some((origin, Arc::new(server))));
}

impl Watch {
    /// Shows what is new in the API server, and gives what that asks for.
    pub fn show(&self, api: &Api) -> Vec<Asks> {
        let Shown { store, lifecycle, objects, asked } = &mut *self.0.lock().unwrap();
        let now = api.versions();
        let uids: BTreeSet<&String> = now.iter().map(|(_, uid, _)| uid).collect();
        let gone: Vec<_> =
            objects.iter().filter(|(uid, _)| !uids.contains(uid)).map(|(_, known)| known.clone()).collect();
        for object in gone {
            let uid = object.metadata.uid.clone().unwrap();
            objects.remove(&uid);
            store.remove(&Key::of(&object), &uid);
            lifecycle.gone(&uid, &Key::of(&object));
        }
        let is_news = |uid: &String, version: &Option<String>| {
            objects.get(uid).is_none_or(|known| known.metadata.resource_version != *version)
        };
        let news = now.iter().filter(|(_, uid, version)| is_news(uid, version)).map(|(name, _, _)| api.object(name));
        let mut asks = Vec::new();
        for object in news.flatten().collect::<Vec<_>>() {
            objects.insert(object.metadata.uid.clone().unwrap(), object.clone());
            let (key, object) = (Key::of(&object), packed::Shown::of(&object).into_packed());
            store.put(&key, Arc::new(object.clone()));
            asks.push(lifecycle.seen(&key, &object));
        }
        *asked += asks.iter().filter(|asks| **asks != Asks::Never).count();
        asks
    }
}

fn connection() -> Key {
    Key { namespace: "default".into(), name: "default".into() }
}

/// Whether a claim of the object stands.
pub fn claimed(object: &ExternalCollectionRefresh) -> bool {
    Recorded::of(object.status.as_ref()).claim().is_some()
}

fn attempts(object: &ExternalCollectionRefresh) -> i64 {
    Recorded::of(object.status.as_ref()).run.map_or(0, |run| run.attempt)
}
