//! Lists in pages, and what of an object can be read.

use kube::{Api, api::ListParams, core::DynamicObject, discovery::ApiResource};
use milvus_refresh_operator::{api::ExternalCollectionRefresh, cluster::packed::Shown, object::Key};
use serde::de::DeserializeOwned;

use super::{Call, Cluster, REFRESHES};
use crate::{cli::Name, exit::Exit, named::named, problem::Problem};

/// Objects a page: kubectl's.
pub const PAGE: u32 = 500;

/// A refresh as the operator keeps it, too: of another version its name at least is known.
pub type Refresh = Shown<ExternalCollectionRefresh>;

/// The refresh, for a command that cannot do without.
///
/// # Errors
/// It was written for another version.
pub fn read(refresh: &Refresh) -> Result<ExternalCollectionRefresh, Problem> {
    refresh.object().map_err(|error| Problem::new(Exit::Failed, unreadable(&Key::of(refresh), &error)))
}

/// What is said of an object that this version cannot read.
pub fn unreadable(key: &Key, error: &serde_json::Error) -> String {
    format!(
        "Refresh {} was written for another version than this plugin's ({}): {error}. kubectl get ecrefresh {} -o yaml shows it; \
         update the plugin.",
        key.name,
        env!("CARGO_PKG_VERSION"),
        named(key)
    )
}

impl Cluster {
    /// The refreshes that are meant, with all that the API server shows of them.
    fn whole_api(&self) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<ExternalCollectionRefresh>(&());
        match self.scope() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    /// One refresh, with all that the API server shows of it.
    ///
    /// # Errors
    /// It does not exist, or cannot be had.
    pub async fn whole(&self, name: &Name) -> Result<DynamicObject, Problem> {
        self.get(&self.whole_api(), name).await
    }
}

/// A list that is read page by page, so that only one page is in memory.
pub struct Listing<'a, K> {
    cluster: &'a Cluster,
    api: Api<K>,
    parameters: ListParams,
    ended: bool,
}

impl<'a> Listing<'a, Refresh> {
    /// All refreshes that are meant, with these labels.
    pub fn of(cluster: &'a Cluster, selector: Option<&str>) -> Self {
        Self::new(cluster, cluster.api(), selector)
    }
}

impl<'a> Listing<'a, DynamicObject> {
    /// The same, with all that the API server shows of them.
    pub fn whole(cluster: &'a Cluster, selector: Option<&str>) -> Self {
        Self::new(cluster, cluster.whole_api(), selector)
    }
}

impl<'a, K: Clone + std::fmt::Debug + DeserializeOwned> Listing<'a, K> {
    fn new(cluster: &'a Cluster, api: Api<K>, selector: Option<&str>) -> Self {
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.label_selector = selector.map(str::to_owned);
        Self { cluster, api, parameters, ended: false }
    }

    /// The next page; `None` after the last one.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn next(&mut self) -> Result<Option<Vec<K>>, Problem> {
        if self.ended {
            return Ok(None);
        }
        let call = Call { verb: "list", resource: REFRESHES, namespace: self.cluster.scope(), name: None };
        let page = self.cluster.ask(&call, self.api.list(&self.parameters)).await?;
        self.parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.ended = self.parameters.continue_token.is_none();
        Ok(Some(page.items))
    }
}
