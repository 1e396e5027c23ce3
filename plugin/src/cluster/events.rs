//! The Events of a refresh.

use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use milvus_refresh_operator::object::Key;

use super::{Call, Cluster, list::PAGE};
use crate::problem::Problem;

/// Which Events are about it, as a field selector.
pub fn about(key: &Key) -> String {
    format!("involvedObject.kind=ExternalCollectionRefresh,involvedObject.name={}", key.name)
}

impl Cluster {
    /// The Events of a refresh: one page, in any order.
    ///
    /// # Errors
    /// They cannot be had.
    pub async fn events_of(&self, key: &Key) -> Result<Vec<Event>, Problem> {
        let call = Call { verb: "list", resource: "events", namespace: Some(&key.namespace), name: None };
        let parameters = ListParams::default().fields(&about(key)).limit(PAGE);
        let api = Api::<Event>::namespaced(self.client.clone(), &key.namespace);
        Ok(self.ask(&call, api.list(&parameters)).await?.items)
    }
}
