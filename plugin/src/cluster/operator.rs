//! Whether an operator is at work, by the lease that its leader renews every few seconds.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::ListParams};

use super::{Call, Cluster};

/// The lease, and the namespace that the manifests install into.
const LEASE: &str = "milvus-refresh-operator";
const NAMESPACE: &str = "milvus-refresh-system";
/// A leader renews every 2 s and is replaced after 15 s; what is older than this is no matter of clocks that differ.
const SILENCE: i64 = 60;

/// Whether an operator is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// This process leads.
    Works(String),
    /// None does: what is known of the last one, in a sentence.
    Silent(String),
    /// It cannot be told, and why.
    Unknown(String),
}

impl Cluster {
    /// Whether an operator is at work. That it cannot be told is no error.
    pub async fn operator(&self, now: Timestamp) -> Operator {
        let everywhere = ListParams::default().fields(&format!("metadata.name={LEASE}"));
        let call = Call { verb: "list", resource: "leases", namespace: None, name: None };
        let leases = self.ask(&call, Api::<Lease>::all(self.client.clone()).list(&everywhere)).await;
        if let Ok(leases) = leases {
            return judged(&leases.items, now);
        }
        let call = Call { verb: "get", resource: "leases", namespace: Some(NAMESPACE), name: Some(LEASE) };
        match self.ask(&call, Api::<Lease>::namespaced(self.client.clone(), NAMESPACE).get_opt(LEASE)).await {
            Ok(lease) => judged(lease.as_slice(), now),
            Err(problem) => Operator::Unknown(format!("Whether an operator is at work is not known. {problem}")),
        }
    }
}

/// What these leases say.
fn judged(leases: &[Lease], now: Timestamp) -> Operator {
    let renewed = |lease: &&Lease| lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    let Some(lease) = leases.iter().max_by_key(renewed) else {
        return Operator::Unknown(format!(
            "There is no lease {LEASE} in namespace {NAMESPACE} or where you may look, so whether an operator is at work is not known."
        ));
    };
    let place = lease.metadata.namespace.as_deref().unwrap_or_default();
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    let age = renewed(&lease).map(|time| now.duration_since(time).as_secs());
    match age {
        Some(..=SILENCE) if !holder.is_empty() => Operator::Works(holder.to_owned()),
        age => {
            let since = age.map(|age| format!(" for {}", crate::screen::duration(age.max(0)))).unwrap_or_default();
            Operator::Silent(format!(
                "No operator is at work: nobody has renewed the lease {place}/{LEASE}{since}. Nothing starts and no progress is \
                 seen until one runs again; check its pods: kubectl get pods -n {place}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn lease(namespace: &str, holder: &str, renewed: &str) -> Lease {
        serde_json::from_value(json!({
            "metadata": { "name": LEASE, "namespace": namespace },
            "spec": { "holderIdentity": holder, "renewTime": renewed },
        }))
        .unwrap()
    }

    #[test]
    fn a_lease_that_is_renewed_is_of_an_operator_at_work() {
        let now: Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let fresh = lease("a", "pod-1", "2026-11-26T09:59:58.123456Z");
        let old = lease("b", "pod-2", "2026-11-26T09:50:00.000000Z");
        let released = lease("b", "", "2026-11-26T09:59:58.000000Z");
        assert_eq!(judged(&[old.clone(), fresh], now), Operator::Works("pod-1".to_owned()));
        let Operator::Silent(old) = judged(&[old], now) else { unreachable!() };
        assert!(old.contains("b/milvus-refresh-operator for 10m."), "{old}");
        assert!(matches!(judged(&[released], now), Operator::Silent(_)));
        assert!(matches!(judged(&[], now), Operator::Unknown(_)));
    }
}
