//! What the passes share.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use kube::Client;

use super::{
    connection::{MilvusRefs, Outlook, References, Rules, Server, Servers},
    refresh::Volatile,
};
use crate::{
    api::ExternalCollectionRefresh,
    clock::Clock,
    cluster::{
        events::Events,
        lists::{self, Lists},
        packed::Packed,
        restored,
        store::Store,
    },
    health::Health,
    leader::Leadership,
    metrics::Metrics,
    object::Key,
    refresh::{Connection, Recorded},
    requeue::{Router, staggered::Spread},
    scout::Scout,
};

/// What the passes share with the HTTP pages.
#[derive(Clone, Debug)]
pub struct Process {
    /// Time and randomness.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The signs of life.
    pub health: Arc<Health>,
    /// Whether this process leads.
    pub leadership: Leadership,
}

/// What the passes share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Time and randomness.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The signs of life of this process.
    pub health: Arc<Health>,
    /// Whether this process may claim and submit.
    pub leadership: Leadership,
    /// Where notices become Events.
    pub events: Events,
    /// The connections.
    pub servers: Arc<Servers>,
    /// Looks at sources.
    pub scout: Scout,
    /// The Secrets and ConfigMaps that connections name.
    pub references: References,
    /// Opens watches.
    pub lists: Lists,
    /// What decides about the use of Secrets and identities.
    pub rules: Rules,
    /// The Milvus objects that connections name.
    pub milvus_refs: MilvusRefs,
    /// What this process knows beyond what is durable.
    pub volatile: Volatile,
    /// Wakes refreshes.
    pub refreshes: Router,
    /// Wakes connections.
    pub connections: Router,
    /// How many refreshes wait for a pass that is due.
    pub due: Arc<AtomicUsize>,
    spread: Spread,
    scopes: Vec<Scope>,
}

/// What is watched: all namespaces, or one.
struct Scope {
    namespace: Option<String>,
    refreshes: OnceLock<Store<ExternalCollectionRefresh>>,
    connections_listed: AtomicBool,
}

impl Context {
    /// For these scopes (`None` stands for all namespaces); the stores come with the watches. Starts the publisher of Events.
    pub fn new(
        client: Client,
        Process { clock, metrics, health, leadership }: Process,
        operator: String,
        scopes: &[Option<String>],
        rules: Rules,
    ) -> Self {
        let (client, lists) = (lists::newest(restored::noticed(client)), Lists::default());
        let connections = Router::new(scopes);
        let refreshes = Router::new(scopes);
        let servers = Arc::<Servers>::default();
        let (among, wake, counts) = (servers.clone(), refreshes.clone(), metrics.clone());
        let scout = Scout::new(Outlook { servers: among, refreshes: wake, metrics: counts });
        Self {
            events: Events::start(client.clone()),
            references: References::new(client.clone(), lists.clone(), connections.clone()),
            rules,
            milvus_refs: MilvusRefs::new(client.clone(), lists.clone(), connections.clone()),
            client,
            lists,
            clock,
            volatile: Volatile::new(operator, scopes, &refreshes, metrics.unwritten.clone()),
            metrics,
            health,
            leadership,
            servers,
            scout,
            refreshes,
            connections,
            due: Arc::default(),
            spread: Spread::default(),
            scopes: scopes
                .iter()
                .map(|scope| Scope {
                    namespace: scope.clone(),
                    refreshes: OnceLock::new(),
                    connections_listed: AtomicBool::new(false),
                })
                .collect(),
        }
    }

    /// Hands over the store of a scope's refreshes.
    pub(super) fn set_store(&self, scope: &Option<String>, store: Store<ExternalCollectionRefresh>) {
        if let Some(scope) = self.scope(scope) {
            // Set once, when the controllers start.
            let _ = scope.refreshes.set(store);
        }
    }

    /// Whether the watch still shows `object`: not once it was deleted, whatever was created under its name since.
    pub(super) fn exists(&self, object: &ExternalCollectionRefresh) -> bool {
        self.stored(object).is_some()
    }

    /// What the watch shows of `object`, and of none other of that name.
    pub(super) fn stored(&self, object: &ExternalCollectionRefresh) -> Option<Arc<Packed<ExternalCollectionRefresh>>> {
        let key = Key::of(object);
        let stored = self.scope_of(&key)?.refreshes.get()?.get(&key)?;
        (Some(stored.uid()) == object.metadata.uid.as_deref()).then_some(stored)
    }

    /// How `connection` looks to a run.
    pub fn connection(&self, connection: &Key) -> (Connection, Option<Arc<Server>>) {
        if let Some(view) = self.servers.view(connection) {
            return view;
        }
        let listed = self.scope_of(connection).is_some_and(|scope| scope.connections_listed.load(Ordering::Acquire));
        let view = if listed { Connection::missing(&connection.name) } else { Connection::Unknown };
        (view, None)
    }

    /// All connections of `scope` have been told.
    pub(super) fn connections_listed(&self, scope: &Option<String>) {
        if let Some(scope) = self.scope(scope) {
            scope.connections_listed.store(true, Ordering::Release);
            self.volatile.turns.fence.connections_listed(&scope.namespace);
            scope.each_refresh(None, |refresh| self.wake_unless_ended(refresh));
        }
    }

    /// Wakes the refreshes that go through `connection` and are not over, many of them over some seconds.
    pub fn wake_refreshes_of(&self, connection: &Key) {
        let Some(scope) = self.scope_of(connection) else { return };
        let mut refreshes = Vec::new();
        // A refresh names a connection of its own namespace.
        scope.each_refresh(Some(&connection.namespace), |refresh| {
            if refresh.connection() == *connection && !Recorded::of(refresh.status.as_ref()).is_at_rest() {
                refreshes.push(Key::of(refresh));
            }
        });
        self.spread.wake(connection, refreshes, &self.refreshes, self.clock.random);
    }

    fn wake_unless_ended(&self, refresh: &ExternalCollectionRefresh) {
        if !Recorded::of(refresh.status.as_ref()).is_at_rest() {
            self.refreshes.wake(Key::of(refresh));
        }
    }

    fn scope(&self, namespace: &Option<String>) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.namespace == *namespace)
    }

    fn scope_of(&self, key: &Key) -> Option<&Scope> {
        self.scopes.iter().find(|scope| scope.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace))
    }
}

impl Scope {
    /// Visits the refreshes, those of one namespace where it is given; the others are not unpacked.
    fn each_refresh(&self, namespace: Option<&String>, mut visit: impl FnMut(&ExternalCollectionRefresh)) {
        let refreshes = self.refreshes.get().map(|store| store.all(namespace.map(String::as_str)));
        refreshes.into_iter().flatten().filter_map(|object| object.object().ok()).for_each(|refresh| visit(&refresh));
    }
}
