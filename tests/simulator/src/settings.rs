//! How the server and its collections are set up.

use super::{
    journal::Method,
    login::Login,
    plan::Plan,
    serving::{Load, Serving},
    tls::ServerTls,
    world::DEFAULT_DATABASE,
};

/// The spec of collections that do not say: with secrets, so that redaction shows.
const PERSISTED_SPEC: &str = concat!(
    r#"{"format":"parquet","extfs":{"access_key_id":"minioadmin","access_key_value":"minioadmin","#,
    r#""cloud_provider":"minio","region":"us-east-1"}}"#
);

/// How the server behaves; [`super::Simulator::configure`] changes it while it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the ids and of the jitter. Read at the start only.
    pub seed: u64,
    /// The answer to `GetVersion`.
    pub version: String,
    /// `None`: anybody may call, whatever credentials come along, as with Milvus' authorization off.
    pub login: Option<Login>,
    /// How TLS is served, from the next connection on; `None`: not at all.
    pub tls: Option<ServerTls>,
    /// Calls that the account lacks the privilege for (gRPC 7).
    pub denied: Vec<Method>,
    /// A server from before the refresh API: its three calls are unknown (gRPC 12), the others work.
    pub too_old: bool,
    /// Calls that the server does not know either (gRPC 12).
    pub unknown: Vec<Method>,
    /// How a second start is refused.
    pub duplicate_wording: DuplicateWording,
    /// In which order ids are given out. Read at the start only.
    pub ids: Ids,
}

impl Default for Settings {
    /// Milvus 3.0.1 without authorization, seed 0.
    fn default() -> Self {
        Self {
            seed: 0,
            version: "3.0.1".to_owned(),
            login: None,
            tls: None,
            denied: Vec::new(),
            too_old: false,
            unknown: Vec::new(),
            duplicate_wording: DuplicateWording::PollIt,
            ids: Ids::Rising,
        }
    }
}

/// The order of the ids of a cluster. Some builds take the id of a job before they wait for its collection, so that the
/// order of the ids is not always that of the starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Each is higher than the one before.
    Rising,
    /// Of so many that follow each other, any can be the next.
    Shuffled(usize),
}

/// The texts of code 703 that are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateWording {
    /// "refresh job N is already in progress ...; poll that jobID ...".
    PollIt,
    /// "refresh job N is already in progress ..., please wait for it to complete or cancel it first".
    WaitOrCancel,
    /// Wait or cancel, but the active job is not named.
    WithoutId,
}

impl DuplicateWording {
    /// The text about the job `active` of collection `name`.
    pub(super) fn text(self, active: i64, name: &str) -> String {
        let busy = format!("refresh job {active} is already in progress for collection {name}");
        match self {
            Self::PollIt => format!("{busy}; poll that jobID for its result"),
            Self::WaitOrCancel => format!("{busy}, please wait for it to complete or cancel it first"),
            Self::WithoutId => {
                format!("a refresh of collection {name} is active, please wait for it to complete or cancel it first")
            }
        }
    }
}

/// A collection to create.
#[derive(Clone, Debug)]
pub struct CollectionSpec {
    /// Created when missing.
    pub database: String,
    /// Its own name.
    pub name: String,
    /// Whether it has fields backed by external files.
    pub external: bool,
    /// The persisted source; empty: deferred.
    pub source: String,
    /// The persisted spec, JSON; empty: deferred.
    pub spec: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// How its jobs go.
    pub plan: Plan,
    /// What its jobs find, and how that is served.
    pub serving: Serving,
}

impl CollectionSpec {
    /// Changes how it is served. A release makes Milvus forget what it has lost.
    pub(super) fn serve(&mut self, change: impl FnOnce(&mut Serving)) {
        change(&mut self.serving);
        if self.serving.load == Load::Released {
            self.serving.unserved = 0;
        }
    }

    /// An external collection of the database `default` that reads `s3://bucket/<name>/`.
    pub fn external(name: impl Into<String>, plan: Plan) -> Self {
        let name = name.into();
        Self {
            database: DEFAULT_DATABASE.to_owned(),
            source: format!("s3://bucket/{name}/"),
            spec: PERSISTED_SPEC.to_owned(),
            name,
            external: true,
            aliases: Vec::new(),
            plan,
            serving: Serving::default(),
        }
    }
}
