//! The reconciler of `MilvusConnection`: look at the server, say how it is, wake its refreshes when that has changed.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Resource};

use super::{
    credentials::{Credentials, Problem, Wanted},
    milvus_ref::Target,
    probe::{Health, probe},
    references::View,
    servers::{Origin, Server},
    sources::{self, Clients, PLAINTEXT, Sent},
};
use crate::{
    api::{
        ConnectionReason, ConnectionStatus, MilvusConnection, READY, RECONCILING, SOURCES_READY, STALLED, condition,
        conditions,
    },
    backoff::shortened,
    cluster::{
        packed::Packed,
        status::{self, Decided, WriteError},
        watch,
    },
    controller::{Context, Error},
    milvus::{ConnectError, ConnectOptions, Milvus, examiner::Examiner, grpc::GrpcMilvus, poller::Poller},
    object::{CONNECTION, Key},
    refresh::{Connection, Notice, Wake},
};

/// The least time between two looks at the same server: many refreshes that fail together ask for one look.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Hears of connections that come and go.
pub(crate) struct Lifecycle {
    /// What the passes share.
    pub context: Arc<Context>,
    /// What is watched.
    pub scope: Option<String>,
}

impl watch::Lifecycle<MilvusConnection> for Lifecycle {
    fn seen(&self, key: &Key, object: &Packed<MilvusConnection>) -> watch::Asks {
        match object.object() {
            Ok(connection) => {
                let status = connection.status.as_ref();
                let addresses =
                    connection.spec.address.clone().into_iter().chain(status.and_then(|s| s.endpoint.clone()));
                self.context.volatile.turns.fence.connection_seen(key, addresses);
                self.context.servers.exists(key);
            }
            Err(invalid) => {
                let message = format!("this version of the operator cannot read the connection: {invalid}");
                self.context.metrics.connections.set(key, ConnectionReason::InvalidSpec);
                let view = Connection::NotReady { reason: ConnectionReason::InvalidSpec, message };
                if self.context.servers.set(key, view, None) {
                    self.context.wake_refreshes_of(key);
                }
            }
        }
        watch::Asks::IfChanged
    }

    fn gone(&self, uid: &str, key: &Key) {
        self.context.volatile.memory.forget(uid);
        self.context.servers.remove(key);
        self.context.scout.gone(key);
        self.context.metrics.connections.remove(key);
        self.context.milvus_refs.release(key);
        self.context.references.of(key, &[]);
        self.context.volatile.turns.slots.unlimited(key);
        self.context.volatile.turns.looks.anew(key);
        self.context.wake_refreshes_of(key);
    }

    fn listed(&self) {
        self.context.connections_listed(&self.scope);
    }
}

/// One pass over a connection.
///
/// # Errors
/// When the API server does not take the status.
pub(crate) async fn reconcile(connection: Arc<MilvusConnection>, context: Arc<Context>) -> Result<Wake, Error> {
    let key = Key::of(connection.as_ref());
    context.servers.allow(&key, &connection.spec.allowed_sources, connection.spec.allow_verify_queries);
    context
        .volatile
        .turns
        .slots
        .limit(&key, usize::try_from(connection.spec.max_concurrent_refreshes).unwrap_or(1).max(1));
    let wanted = Wanted::by(&connection.spec);
    let views = views(&key, &connection, &context, &wanted);
    let address = match context.milvus_refs.target(&key, &connection.spec) {
        Target::Address(address) => address,
        Target::Loading => return Ok(Wake::OnChange),
        Target::Waiting(message) => {
            settle(&connection, &context, None, &Health::not_ready(ConnectionReason::Unreachable, message), None)
                .await?;
            return Ok(Wake::OnChange);
        }
    };
    let read = wanted.read(views, context.rules.require_secret_label);
    let (health, server) = match read.and_then(|credentials| credentials.sendable_to(&address, &connection.spec)) {
        Ok(credentials) => {
            let origin = origin(&connection, &address, &credentials);
            let since = context.servers.since_look(&key, &origin);
            if let Some(rest) = since.and_then(|since| BETWEEN_LOOKS.checked_sub(since)) {
                return Ok(Wake::After(rest));
            }
            look(&connection, &context, origin, credentials).await
        }
        Err(Problem::Loading) => return Ok(Wake::OnChange),
        Err(Problem::Absent(message)) => (Health::not_ready(ConnectionReason::SecretNotFound, message), None),
        Err(Problem::Unusable(message)) => (Health::not_ready(ConnectionReason::InvalidSpec, message), None),
    };
    settle(&connection, &context, Some(&address), &health, server).await?;
    Ok(Wake::After(pause(&context, &key, &health)))
}

/// What is known of all that the connection refers to for Milvus. What its sources and catalogs refer to becomes their clients.
fn views(key: &Key, connection: &MilvusConnection, context: &Context, wanted: &Wanted) -> Vec<View> {
    let (own, of_sources) = (wanted.references(), sources::references(&connection.spec));
    let all: Vec<_> = own.iter().copied().chain(&of_sources).collect();
    let mut views = context.references.of(key, &all);
    let of_sources = views.split_off(own.len().min(views.len()));
    let before = context.servers.clients(key);
    let counts = context.metrics.sources.clone();
    let sent: Sent = Arc::new(move || counts.sent());
    let clients = Clients::resolve(&connection.spec, of_sources, &context.rules, before.as_deref(), &sent);
    // Those of before go on until it is known; with them, what they were made of.
    let Some(clients) = clients else { return views };
    if before.is_none_or(|before| !clients.is_as(&before)) {
        if let Some(message) = clients.exposed() {
            let notice = Notice { warning: true, reason: PLAINTEXT, message };
            context.events.publish(connection.object_ref(&()), "Watch".to_owned(), notice);
        }
        context.scout.allow(key, Arc::new(clients.sources()));
        context.servers.look_through(key, Arc::new(clients));
    }
    views
}

/// Tells the connection's refreshes and its status what was found.
async fn settle(
    connection: &MilvusConnection,
    context: &Arc<Context>,
    address: Option<&str>,
    health: &Health,
    server: Option<(Origin, Arc<Server>)>,
) -> Result<(), Error> {
    let key = Key::of(connection);
    let view = if health.ready() {
        Connection::Ready { endpoint: address.unwrap_or_default().to_owned() }
    } else {
        Connection::NotReady { reason: health.reason, message: health.message.clone() }
    };
    context.metrics.connections.set(&key, health.reason);
    if context.servers.set(&key, view, server) {
        tracing::info!(
            controller = CONNECTION,
            namespace = key.namespace,
            name = key.name,
            reason = health.reason.as_str(),
            "{}",
            health.message,
        );
        context.volatile.turns.looks.anew(&key);
        context.wake_refreshes_of(&key);
    }
    write(connection, context, address, health).await?;
    // Of a connection nothing is remembered but how often this failed.
    context.volatile.memory.forget(connection.meta().uid.as_deref().unwrap_or_default());
    Ok(())
}

fn origin(connection: &MilvusConnection, address: &str, credentials: &Credentials) -> Origin {
    let meta = connection.meta();
    let spec = (meta.uid.clone().unwrap_or_default(), meta.generation.unwrap_or_default());
    Origin { spec, address: address.to_owned(), references: credentials.versions.clone() }
}

/// Asks the server for its version and whether it knows the refresh API and the login.
async fn look(
    connection: &MilvusConnection,
    context: &Arc<Context>,
    origin: Origin,
    credentials: Credentials,
) -> (Health, Option<(Origin, Arc<Server>)>) {
    let server = match context.servers.built_from(&Key::of(connection), &origin) {
        Some(server) => server,
        None => match build(connection, context, &origin.address, credentials) {
            Ok(server) => server,
            Err(error) => return (Health::not_ready(ConnectionReason::InvalidSpec, error.to_string()), None),
        },
    };
    let health = probe(server.milvus.as_ref(), &origin.address).await;
    (health, Some((origin, server)))
}

/// The server by the spec and the credentials of now: one that is known at that address goes on with them.
fn build(
    connection: &MilvusConnection,
    context: &Arc<Context>,
    address: &str,
    Credentials { login, tls, .. }: Credentials,
) -> Result<Arc<Server>, ConnectError> {
    let endpoint = address.to_owned();
    let exposed = login.is_some() && endpoint.starts_with("http://");
    let seconds = u64::try_from(connection.spec.request_timeout_seconds).unwrap_or_default().clamp(1, 300);
    let request_timeout = Duration::from_secs(seconds);
    let options = ConnectOptions { address: endpoint.clone(), tls, login, request_timeout };
    let server = match context.servers.at(&Key::of(connection), &endpoint) {
        Some(server) => {
            server.milvus.reconnect(options)?;
            server
        }
        None => {
            let calls = context.metrics.calls.clone();
            let counted = move |method, error, took| calls.ended(method, error, took);
            let milvus: Arc<dyn Milvus> = Arc::new(GrpcMilvus::connect(options)?.heard(counted));
            let refreshes = context.refreshes.clone();
            let wake = move |refresh| refreshes.wake(refresh);
            let poller = Poller::new(milvus.clone(), wake.clone(), context.clock.random);
            let examiner = Examiner::new(milvus.clone(), wake);
            Arc::new(Server { milvus, poller, examiner, endpoint })
        }
    };
    if exposed {
        let message = "The login is sent unencrypted over http://. Use https:// in the address, with tls.caRef if the server's \
                       certificate comes from a private CA.";
        let notice = Notice { warning: true, reason: PLAINTEXT, message: message.to_owned() };
        context.events.publish(connection.object_ref(&()), "Connect".to_owned(), notice);
    }
    Ok(server)
}

/// Writes the status when it says something new.
async fn write(
    connection: &MilvusConnection,
    context: &Context,
    address: Option<&str>,
    health: &Health,
) -> Result<(), Error> {
    let meta = connection.meta();
    let before = connection.status.clone().unwrap_or_default();
    let row = if health.ready() {
        ["True", "False", "False"]
    } else if health.reason.is_stalled() {
        ["False", "False", "True"]
    } else {
        ["False", "True", "False"]
    };
    let mut conditions = conditions(
        [READY, RECONCILING, STALLED].into_iter().zip(row),
        (health.reason.as_str(), &health.message),
        meta.generation,
        &before.conditions,
        context.clock.now(),
    );
    conditions.extend(sources_ready(connection, context, &before.conditions));
    let status = ConnectionStatus {
        observed_generation: meta.generation,
        server_version: health.version.clone().or(before.server_version.clone()),
        endpoint: address.map(str::to_owned),
        conditions,
    };
    if status == before {
        return Ok(());
    }
    let on = Decided::on(meta);
    let api: Api<MilvusConnection> = Api::namespaced(context.client.clone(), on.namespace);
    match status::write(&api, on, &status, || context.leadership.leads()).await {
        Ok(_) | Err(WriteError::Gone) => Ok(()),
        Err(error @ (WriteError::Conflict | WriteError::Refused(_) | WriteError::Unanswered(_))) => Err(error.into()),
    }
}

/// The condition of its sources and catalogs, if it has any; that of before, until what they refer to is known.
fn sources_ready(connection: &MilvusConnection, context: &Context, before: &[Condition]) -> Option<Condition> {
    let Some(clients) = context.servers.clients(&Key::of(connection)) else {
        return before.iter().find(|condition| condition.type_ == SOURCES_READY).cloned();
    };
    let (status, reason, message) = clients.condition()?;
    let (row, says) = ((SOURCES_READY, status), (reason, message.as_str()));
    Some(condition(row, says, connection.meta().generation, before, context.clock.now()))
}

/// How long until the next look, with jitter so that many connections spread out.
fn pause(context: &Context, key: &Key, health: &Health) -> Duration {
    shortened(health.pause(context.servers.failures(key)), context.clock.random())
}
