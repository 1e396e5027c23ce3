//! What a refresh depends on: its connection, and the refreshes that may be in its way.

use futures::join;
use jiff::Timestamp;
use kube::{Api, api::ListParams};
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, MilvusConnection},
    object::Key,
    refresh::{Desired, Recorded, is_due},
};

use super::{Call, Cluster, Operator, REFRESHES, Refresh, list::PAGE};
use crate::problem::Problem;

/// The plural of connections.
pub const CONNECTIONS: &str = "milvusconnections";
/// Refreshes that are due or run; the others hold and wait for nothing.
const ACTIVE: &str = "status.state!=RefreshCompleted,status.state!=RefreshFailed";

/// What a refresh depends on.
pub struct Around {
    /// Its connection: none if it does not exist, or why it cannot be had.
    pub connection: Result<Option<MilvusConnection>, Problem>,
    /// The refreshes that it may have to wait for, as far as they can be had.
    pub others: Vec<ExternalCollectionRefresh>,
    /// Whether an operator is at work.
    pub operator: Operator,
}

impl Cluster {
    /// What `refresh` depends on. What cannot be had is no error: less is known then.
    pub async fn around(&self, refresh: &ExternalCollectionRefresh, now: Timestamp) -> Around {
        let connection = refresh.connection();
        let (connection, others, operator) =
            join!(self.connection(&connection), self.in_the_way(refresh), self.operator(now));
        Around { connection, others, operator }
    }

    /// A connection; none if it does not exist.
    ///
    /// # Errors
    /// It cannot be had.
    pub async fn connection(&self, key: &Key) -> Result<Option<MilvusConnection>, Problem> {
        let (namespace, name) = (Some(key.namespace.as_str()), Some(key.name.as_str()));
        let call = Call { verb: "get", resource: CONNECTIONS, namespace, name };
        let api = Api::<MilvusConnection>::namespaced(self.client.clone(), &key.namespace);
        self.ask(&call, api.get_opt(&key.name)).await
    }

    /// Active refreshes of its collection in all namespaces, and of its connection: one page of each. None matter to one that
    /// is not due.
    async fn in_the_way(&self, refresh: &ExternalCollectionRefresh) -> Vec<ExternalCollectionRefresh> {
        if !is_due(&Desired::of(refresh), &Recorded::of(refresh.status.as_ref())) {
            return Vec::new();
        }
        let key = Key::of(refresh);
        let beside = Api::namespaced(self.client.clone(), &key.namespace);
        let everywhere = Api::all(self.client.clone());
        let of_collection = format!("spec.collectionName={},{ACTIVE}", refresh.spec.collection_name);
        let of_connection = format!("spec.connectionRef.name={},{ACTIVE}", refresh.spec.connection_ref.name);
        let (mut all, of_connection) = join!(
            self.page_of(everywhere, &of_collection, None),
            self.page_of(beside, &of_connection, Some(&key.namespace))
        );
        all.extend(of_connection);
        all.sort_by_cached_key(Key::of);
        all.dedup_by_key(|object| Key::of(object));
        all
    }

    async fn page_of(
        &self,
        api: Api<Refresh>,
        fields: &str,
        namespace: Option<&str>,
    ) -> Vec<ExternalCollectionRefresh> {
        let parameters = ListParams::default().fields(fields).limit(PAGE);
        let call = Call { verb: "list", resource: REFRESHES, namespace, name: None };
        let page = self.ask(&call, api.list(&parameters)).await.map(|page| page.items).unwrap_or_default();
        page.iter().filter_map(|refresh| refresh.object().ok()).collect()
    }
}
