//! All that speaks to the API server.

mod around;
mod ask;
mod config;
mod events;
mod list;
mod operator;
mod watch;

pub use around::{Around, CONNECTIONS};
pub use ask::Call;
pub use config::file as kubeconfig;
pub use events::about;
pub use list::{Listing, Refresh, read, unreadable};
pub use operator::Operator;
pub use watch::{News, Selection};

use std::{fmt::Debug, time::Duration};

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource, config::ExecInteractiveMode};
use milvus_refresh_operator::api::ExternalCollectionRefresh;
use serde::de::DeserializeOwned;

use crate::{
    cli::{Global, Name},
    problem::Problem,
};

/// The plural of refreshes, as the API server and its roles call them.
pub const REFRESHES: &str = "externalcollectionrefreshes";

/// A cluster to ask.
pub struct Cluster {
    /// Its client.
    pub client: Client,
    /// The namespace that is meant where a command does not say otherwise.
    pub namespace: String,
    /// Whether all namespaces are meant.
    pub all_namespaces: bool,
    /// Its address, for people.
    server: String,
    /// How long one request may take.
    deadline: Option<Duration>,
    /// What names it.
    flags: Global,
}

impl Cluster {
    /// The cluster that the flags and the kubeconfig name. Nothing is asked of it yet.
    ///
    /// # Errors
    /// There is no such configuration.
    pub async fn of(flags: &Global) -> Result<Self, Problem> {
        let (config, of_kubeconfig) = config::read(flags).await?;
        Self::configured(flags, config, of_kubeconfig.as_deref())
    }

    /// The same for a command that must not ask anybody anything, such as for a password.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub async fn without_questions(flags: &Global) -> Result<Self, Problem> {
        let (mut config, of_kubeconfig) = config::read(flags).await?;
        if let Some(login) = &mut config.auth_info.exec {
            login.interactive_mode = Some(ExecInteractiveMode::Never);
        }
        Self::configured(flags, config, of_kubeconfig.as_deref())
    }

    fn configured(flags: &Global, config: Config, of_kubeconfig: Option<&str>) -> Result<Self, Problem> {
        let server = config.cluster_url.to_string();
        let namespace = flags.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let deadline = Some(flags.request_timeout).filter(|timeout| !timeout.is_zero());
        let login = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        let client = milvus_refresh_operator::cluster::client::of(config, of_kubeconfig)
            .map_err(|error| config::no_client(login.as_deref(), &error.to_string()))?;
        let flags = flags.clone();
        Ok(Self { client, namespace, all_namespaces: flags.all_namespaces, server, deadline, flags })
    }

    /// Another client of it, which logs in anew.
    async fn client_anew(&self) -> Result<Client, Problem> {
        Ok(Self::of(&self.flags).await?.client)
    }

    /// The objects of a kind that are meant.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        if self.all_namespaces {
            Api::all(self.client.clone())
        } else {
            Api::namespaced(self.client.clone(), &self.namespace)
        }
    }

    /// The namespace to name in a sentence; none where all are meant.
    pub fn scope(&self) -> Option<&str> {
        (!self.all_namespaces).then_some(self.namespace.as_str())
    }

    /// One refresh, readable by this version or not.
    ///
    /// # Errors
    /// It does not exist, or cannot be had.
    pub async fn refresh(&self, name: &Name) -> Result<Refresh, Problem> {
        self.get(&self.api(), name).await
    }

    async fn get<K: Clone + Debug + DeserializeOwned>(&self, api: &Api<K>, name: &Name) -> Result<K, Problem> {
        if self.all_namespaces {
            return Err(Problem::usage("-A does not go with a name: say with -n in which namespace it is."));
        }
        let call = Call { verb: "get", resource: REFRESHES, namespace: self.scope(), name: Some(name.as_str()) };
        self.ask(&call, api.get(name.as_str())).await
    }

    /// One refresh that this version has to read.
    ///
    /// # Errors
    /// It does not exist, or cannot be had or read.
    pub async fn readable(&self, name: &Name) -> Result<ExternalCollectionRefresh, Problem> {
        list::read(&self.refresh(name).await?)
    }
}
