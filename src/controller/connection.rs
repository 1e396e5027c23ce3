//! The reconciler of `MilvusConnection`: look at the server, say how it is, wake its refreshes when that has changed.

use std::{sync::Arc, time::Duration};

use kube::{Api, Resource, core::DeserializeGuard, runtime::controller::Action};

use super::{
    CONNECTION, Context, Error, Key, secrets,
    servers::{Origin, Server},
    status::{self, WriteError},
    stream,
};
use crate::{
    api::{ConnectionStatus, MilvusConnection, READY, RECONCILING, STALLED},
    milvus::{
        self, ErrorKind, Milvus,
        connect::{ConnectError, ConnectOptions, Login},
        grpc::GrpcMilvus,
        poller::Poller,
    },
    refresh::{Connection, conditions},
};

/// How often a server that answers is looked at; its refreshes notice earlier when it does not.
const CALM: Duration = Duration::from_secs(60);
/// The first pause after a look that failed; each further one is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest pause between looks at a server that does not answer.
const LONGEST_RETRY: Duration = Duration::from_secs(15);
/// The deadline of every call but the start of a job.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Hears of connections that come and go.
pub struct Lifecycle {
    /// What the passes share.
    pub context: Arc<Context>,
    /// What is watched.
    pub scope: Option<String>,
}

impl stream::Lifecycle<DeserializeGuard<MilvusConnection>> for Lifecycle {
    fn seen(&self, object: &DeserializeGuard<MilvusConnection>) {
        let key = Key::of(object);
        match &object.0 {
            Ok(_) => self.context.servers.exists(&key),
            Err(invalid) => {
                let message = format!("this version of the operator cannot read the connection: {invalid}");
                self.context.metrics.connections.set(&key, INVALID_SPEC);
                let view = Connection::NotReady { reason: INVALID_SPEC.to_owned(), message };
                if self.context.servers.set(&key, view, None) {
                    self.context.wake_refreshes_of(&key);
                }
            }
        }
    }

    fn gone(&self, _: &str, key: &Key) {
        self.context.servers.remove(key);
        self.context.metrics.connections.remove(key);
        self.context.secrets.of(key, None);
        self.context.wake_refreshes_of(key);
    }

    fn listed(&self) {
        self.context.connections_listed(&self.scope);
    }
}

/// What a look at a connection found.
struct Health {
    reason: &'static str,
    message: String,
    version: Option<String>,
}

impl Health {
    fn not_ready(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), version: None }
    }

    fn ready(&self) -> bool {
        self.reason == CONNECTED
    }

    /// Whether only a person can change it.
    fn stalled(&self) -> bool {
        matches!(self.reason, UNAUTHENTICATED | UNSUPPORTED | INVALID_SPEC)
    }
}

/// The reason of a connection that is ready.
pub const CONNECTED: &str = "Connected";
const UNREACHABLE: &str = "Unreachable";
const UNAUTHENTICATED: &str = "Unauthenticated";
const UNSUPPORTED: &str = "UnsupportedServer";
const SECRET_NOT_FOUND: &str = "SecretNotFound";
const INVALID_SPEC: &str = "InvalidSpec";

/// One pass over a connection.
///
/// # Errors
/// When the API server does not take the status.
pub async fn reconcile(connection: Arc<MilvusConnection>, context: Arc<Context>) -> Result<Action, Error> {
    let key = Key::of(connection.as_ref());
    let secret = connection.spec.auth.as_ref().map(|auth| auth.secret_ref.name.as_str());
    let (health, server) = match context.secrets.of(&key, secret) {
        Some(secrets::View::Loading) => return Ok(Action::await_change()),
        Some(secrets::View::Found(login, version)) => look(&connection, &context, Some((login, version))).await,
        None => look(&connection, &context, None).await,
        Some(problem) => (secret_problem(secret.unwrap_or_default(), &problem), None),
    };
    let view = if health.ready() {
        Connection::Ready { endpoint: connection.spec.address.clone() }
    } else {
        Connection::NotReady { reason: health.reason.to_owned(), message: health.message.clone() }
    };
    context.metrics.connections.set(&key, health.reason);
    if context.servers.set(&key, view, server) {
        tracing::info!(
            controller = CONNECTION,
            namespace = key.namespace,
            name = key.name,
            reason = health.reason,
            "{}",
            health.message,
        );
        context.wake_refreshes_of(&key);
    }
    write(&connection, &context, &health).await?;
    Ok(Action::requeue(pause(&context, &key, &health)))
}

/// Asks the server for its version and whether it knows the refresh API and the login.
async fn look(
    connection: &MilvusConnection,
    context: &Arc<Context>,
    login: Option<(Login, String)>,
) -> (Health, Option<(Origin, Arc<Server>)>) {
    let key = Key::of(connection);
    let meta = connection.meta();
    let (login, secret) = login.unzip();
    let spec = (meta.uid.clone().unwrap_or_default(), meta.generation.unwrap_or_default());
    let origin = Origin { spec, secret };
    let server = match context.servers.built_from(&key, &origin) {
        Some(server) => server,
        None => match build(connection, context, login) {
            Ok(server) => Arc::new(server),
            Err(error) => return (Health::not_ready(INVALID_SPEC, error.to_string()), None),
        },
    };
    let health = probe(server.milvus.as_ref()).await;
    (health, Some((origin, server)))
}

fn build(connection: &MilvusConnection, context: &Arc<Context>, login: Option<Login>) -> Result<Server, ConnectError> {
    let endpoint = connection.spec.address.clone();
    let options = ConnectOptions { address: endpoint.clone(), login, request_timeout: REQUEST_TIMEOUT };
    let milvus: Arc<dyn Milvus> = Arc::new(GrpcMilvus::connect(options)?.counted(context.metrics.calls.clone()));
    let refreshes = context.refreshes.clone();
    let poller = Poller::new(milvus.clone(), move |refresh| refreshes.wake(refresh), context.clock.random);
    Ok(Server { milvus, poller, endpoint })
}

async fn probe(milvus: &dyn Milvus) -> Health {
    let version = match milvus.version().await {
        Ok(version) => version,
        Err(error) => return unhealthy(&error),
    };
    match milvus.probe().await {
        Ok(()) => Health {
            reason: CONNECTED,
            message: format!("Milvus {version} answers and knows the refresh API."),
            version: Some(version),
        },
        Err(error) => Health { version: Some(version), ..unhealthy(&error) },
    }
}

fn unhealthy(error: &milvus::MilvusError) -> Health {
    let (reason, advice) = match error.kind {
        ErrorKind::Unauthenticated => {
            (UNAUTHENTICATED, "Correct the login in the Secret that auth.secretRef names; it is tried again at once.")
        }
        ErrorKind::Unsupported => {
            (UNSUPPORTED, "External collections need Milvus 3.0 or later; upgrade it. It is asked again every minute.")
        }
        _ => (UNREACHABLE, "Check spec.address and that Milvus runs there; it is tried again all the time."),
    };
    Health::not_ready(reason, format!("{}. {advice}", error.message.trim_end_matches('.')))
}

fn secret_problem(name: &str, view: &secrets::View) -> Health {
    let message = match view {
        secrets::View::Missing => {
            format!("Secret {name} does not exist in this namespace. Create it; the connection is tried at once then.")
        }
        secrets::View::Unreadable(problem) => format!(
            "Secret {name} cannot be read: {problem}. Grant the operator list and watch on it, or look to the API server."
        ),
        secrets::View::Unusable(problem) => format!("Secret {name} holds no login: {problem}. Correct it."),
        secrets::View::Loading | secrets::View::Found(..) => String::new(),
    };
    Health::not_ready(SECRET_NOT_FOUND, message)
}

/// Writes the status when it says something new.
async fn write(connection: &MilvusConnection, context: &Context, health: &Health) -> Result<(), Error> {
    let meta = connection.meta();
    let before = connection.status.clone().unwrap_or_default();
    let row = if health.ready() {
        ["True", "False", "False"]
    } else if health.stalled() {
        ["False", "False", "True"]
    } else {
        ["False", "True", "False"]
    };
    let conditions = conditions(
        [READY, RECONCILING, STALLED].into_iter().zip(row),
        (health.reason, &health.message),
        meta.generation,
        &before.conditions,
        context.clock.now(),
    );
    let status = ConnectionStatus {
        observed_generation: meta.generation,
        server_version: health.version.clone().or(before.server_version.clone()),
        endpoint: Some(connection.spec.address.clone()),
        conditions,
    };
    if status == before {
        return Ok(());
    }
    let api: Api<MilvusConnection> =
        Api::namespaced(context.client.clone(), meta.namespace.as_deref().unwrap_or_default());
    let version = meta.resource_version.as_deref().unwrap_or_default();
    match status::write(&api, meta.name.as_deref().unwrap_or_default(), version, &status).await {
        Ok(_) | Err(WriteError::Gone) => Ok(()),
        Err(error @ (WriteError::Conflict | WriteError::Refused(_) | WriteError::Unanswered(_))) => Err(error.into()),
    }
}

/// How long until the next look, with jitter so that many connections spread out.
fn pause(context: &Context, key: &Key, health: &Health) -> Duration {
    let pause = if health.ready() || health.stalled() {
        CALM
    } else {
        let doublings = context.servers.failures(key).saturating_sub(1).min(4);
        FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY)
    };
    pause.mul_f64(0.75 + context.clock.random() / 4.0)
}
