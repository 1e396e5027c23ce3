//! Lists in pages, and what of an object can be read.

use kube::{Api, ResourceExt, api::ListParams, core::DynamicObject, discovery::ApiResource};
use milvus_refresh_operator::{api::ExternalCollectionRefresh, cluster::packed::Shown, object::Key};
use serde::de::DeserializeOwned;

use super::{Call, Cluster, REFRESHES};
use crate::{cli::Name, exit::Exit, named::named, problem::Problem};

/// Objects a page: kubectl's.
pub const PAGE: u32 = 500;
/// What is answered whose place is no longer known: a list has to be begun anew.
pub const EXPIRED: u16 = 410;

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
    /// The last object that was given: the API server lists them by these names.
    last: Option<String>,
    /// Whether the list was begun anew after that.
    anew: bool,
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

/// Where an object stands in a list.
fn place(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

impl<'a, K: Clone + std::fmt::Debug + DeserializeOwned + ResourceExt> Listing<'a, K> {
    fn new(cluster: &'a Cluster, api: Api<K>, selector: Option<&str>) -> Self {
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.label_selector = selector.map(str::to_owned);
        Self { cluster, api, parameters, last: None, anew: false, ended: false }
    }

    /// The next page; `None` after the last one. A list that was read so slowly that its place is no longer known is begun anew,
    /// without what was given.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn next(&mut self) -> Result<Option<Vec<K>>, Problem> {
        if self.ended {
            return Ok(None);
        }
        let call = Call { verb: "list", resource: REFRESHES, namespace: self.cluster.scope(), name: None };
        let mut expired = false;
        let noted = async {
            let answer = self.api.list(&self.parameters).await;
            expired = matches!(&answer, Err(kube::Error::Api(status)) if status.code == EXPIRED);
            answer
        };
        let mut page = match self.cluster.ask(&call, noted).await {
            Err(_) if expired && !self.anew && self.parameters.continue_token.take().is_some() => {
                self.anew = true;
                return Ok(Some(Vec::new()));
            }
            answer => answer?,
        };
        self.parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        self.ended = self.parameters.continue_token.is_none();
        if self.anew {
            page.items.retain(|object| self.last.as_ref().is_none_or(|last| place(object) > *last));
        }
        if let Some(last) = page.items.last() {
            (self.last, self.anew) = (Some(place(last)), false);
        }
        Ok(Some(page.items))
    }
}
