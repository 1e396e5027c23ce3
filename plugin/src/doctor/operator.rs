//! The operator: its Deployments, their pods, and whether one of them works.

use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::Deployment, core::v1::Pod},
};
use kube::{Api, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use super::{Finding, name_of};
use crate::{
    cluster::{Call, Cluster, Operator},
    problem::Problem,
};

const PLUGIN: &str = env!("CARGO_PKG_VERSION");
/// The chart's label, and the namespace of the manifests.
const SELECTOR: &str = "app.kubernetes.io/name=milvus-refresh-operator";
const NAMESPACE: &str = "milvus-refresh-system";

/// What is found of it.
pub async fn examine(cluster: &Cluster, now: Timestamp) -> Result<Vec<Finding>, Problem> {
    let (deployments, works) = futures::join!(everywhere::<Deployment>(cluster, "deployments"), cluster.operator(now));
    let mut findings = Vec::new();
    let installed = match deployments? {
        Ok(deployments) => {
            for deployment in &deployments {
                findings.extend(of_deployment(cluster, deployment).await?);
            }
            Some(!deployments.is_empty())
        }
        Err(refused) => {
            findings.push(Finding::unseen(&refused, "the Deployment of the operator"));
            None
        }
    };
    findings.push(match (works, installed) {
        (Operator::Works(holder), _) => Finding::ok(format!("The operator {holder} works: it renews its lease.")),
        (Operator::Silent(message), _) => Finding::problem(message),
        (Operator::Unknown(_), Some(false)) => Finding::warning(format!(
            "No operator was found: there is no Deployment with the label {SELECTOR}, and no lease of one. It may run outside of the \
             cluster without --leader-elect; otherwise install it with its Helm chart (docs/install.md)."
        )),
        (Operator::Unknown(message), _) => Finding::warning(message),
    });
    Ok(findings)
}

/// The operator's objects of a kind: in all namespaces, or else in the usual one.
async fn everywhere<K>(cluster: &Cluster, resource: &'static str) -> Result<Result<Vec<K>, Problem>, Problem>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let ours = ListParams::default().labels(SELECTOR);
    let call = Call { verb: "list", resource, namespace: None, name: None };
    let all: Api<K> = Api::all(cluster.client.clone());
    if let Ok(list) = cluster.if_allowed(&call, all.list(&ours)).await? {
        return Ok(Ok(list.items));
    }
    let call = Call { verb: "list", resource, namespace: Some(NAMESPACE), name: None };
    let usual: Api<K> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    Ok(cluster.if_allowed(&call, usual.list(&ours)).await?.map(|list| list.items))
}

async fn of_deployment(cluster: &Cluster, deployment: &Deployment) -> Result<Vec<Finding>, Problem> {
    let name = name_of(deployment);
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
    let mut findings = Vec::new();
    if let Some(other) = deployment.labels().get("app.kubernetes.io/version").filter(|version| *version != PLUGIN) {
        findings.push(Finding::warning(format!(
            "The operator {name} is of version {other}, this plugin of {PLUGIN}. Update the older one if something looks odd."
        )));
    }
    findings.push(match (wanted, ready) {
        (0, _) => Finding::problem(format!("The Deployment {name} is scaled to 0. Scale it to 1 or 2.")),
        (_, 0) => Finding::problem(format!(
            "No pod of the Deployment {name} is ready.{} See kubectl describe pods -n {} -l {SELECTOR}",
            pods(cluster, deployment).await?,
            deployment.namespace().unwrap_or_default()
        )),
        _ if ready < wanted => {
            let pods = pods(cluster, deployment).await?;
            Finding::warning(format!("{ready} of {wanted} pods of the Deployment {name} are ready.{pods}"))
        }
        _ => Finding::ok(format!("{ready} of {wanted} pods of the Deployment {name} are ready.")),
    });
    Ok(findings)
}

/// Why pods are not ready, as far as they say.
async fn pods(cluster: &Cluster, deployment: &Deployment) -> Result<String, Problem> {
    let namespace = deployment.namespace().unwrap_or_default();
    let call = Call { verb: "list", resource: "pods", namespace: Some(&namespace), name: None };
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &namespace);
    Ok(match cluster.if_allowed(&call, api.list(&ListParams::default().labels(SELECTOR))).await? {
        Ok(pods) => pods.items.iter().filter_map(trouble).take(3).collect(),
        Err(refused) => format!(" {refused}"),
    })
}

fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let waits = status.container_statuses.iter().flatten().find_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        Some((waiting.reason.clone().unwrap_or_default(), waiting.message.clone().unwrap_or_default()))
    });
    let unscheduled = || {
        let condition = status.conditions.iter().flatten().find(|condition| condition.status == "False")?;
        Some((condition.reason.clone().unwrap_or_default(), condition.message.clone().unwrap_or_default()))
    };
    let (reason, message) = waits.or_else(unscheduled)?;
    Some(format!(" Pod {}: {reason}: {message}.", pod.name_any()))
}
