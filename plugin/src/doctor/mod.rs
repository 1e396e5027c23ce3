//! Looks at everything that a refresh needs, with the eyes of whoever runs it: what it may not see is said, too.

mod connections;
mod crds;
mod finding;
mod operator;
mod rights;
mod secrets;
mod sources;

pub use finding::{Finding, Level};

use futures::join;
use jiff::Timestamp;
use kube::{Api, api::ListParams};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};

use crate::{
    cluster::{CONNECTIONS, Call, Cluster, Listing},
    exit::Exit,
    problem::Problem,
};
use finding::shortened;

/// Objects younger than this may not have been looked at yet, in seconds.
const YOUNG: i64 = 60;

/// What is found, in the order in which one thing needs another.
///
/// # Errors
/// The cluster cannot be reached.
pub async fn examine(cluster: &Cluster, now: Timestamp) -> Result<Vec<Finding>, Problem> {
    let call = Call { verb: "get", resource: "version", namespace: None, name: None };
    let version = cluster.ask(&call, cluster.client.apiserver_version()).await?;
    let mut findings = vec![Finding::ok(format!("Kubernetes {} answers.", version.git_version))];
    let (crds, operator, rights) =
        join!(crds::examine(cluster), operator::examine(cluster, now), rights::examine(cluster));
    let (known, of_crds) = crds?;
    findings.extend(of_crds);
    findings.extend(operator?);
    findings.extend(rights?);
    if known {
        findings.extend(objects(cluster, now).await?);
    }
    Ok(findings)
}

/// What is found of the objects of the namespace, or of all.
async fn objects(cluster: &Cluster, now: Timestamp) -> Result<Vec<Finding>, Problem> {
    let mut findings = Vec::new();
    let connections = match connections_of(cluster).await {
        Ok(connections) => Some(connections),
        Err(refused) if refused.exit == Exit::Failed => {
            findings.push(Finding::unseen(&refused, "connections and the Secrets that they name"));
            None
        }
        Err(problem) => return Err(problem),
    };
    let refreshes = match refreshes_of(cluster).await {
        Ok((refreshes, unreadable)) => {
            findings.extend(unreadable);
            Some(refreshes)
        }
        Err(refused) if refused.exit == Exit::Failed => {
            findings.push(Finding::unseen(&refused, "refreshes and their sources"));
            None
        }
        Err(problem) => return Err(problem),
    };
    let refreshes = refreshes.unwrap_or_default();
    if let Some(connections) = &connections {
        findings.extend(shortened(connections::examine(connections, &refreshes, cluster.scope(), now)));
        findings.extend(shortened(secrets::examine(cluster, connections, &refreshes).await?));
    }
    findings.extend(shortened(sources::examine(&refreshes, now)));
    Ok(findings)
}

/// One page; nobody has more.
async fn connections_of(cluster: &Cluster) -> Result<Vec<MilvusConnection>, Problem> {
    let call = Call { verb: "list", resource: CONNECTIONS, namespace: cluster.scope(), name: None };
    let api: Api<MilvusConnection> = cluster.api();
    Ok(cluster.ask(&call, api.list(&ListParams::default())).await?.items)
}

async fn refreshes_of(cluster: &Cluster) -> Result<(Vec<ExternalCollectionRefresh>, Vec<Finding>), Problem> {
    let mut pages = Listing::of(cluster, None);
    let (mut refreshes, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await? {
        for refresh in &page {
            match crate::cluster::read(refresh) {
                Ok(object) => refreshes.push(object),
                Err(problem) => unreadable.push(Finding::warning(problem.to_string())),
            }
        }
    }
    Ok((refreshes, shortened(unreadable)))
}

/// How an object is called in a sentence.
fn name_of(object: &impl kube::ResourceExt) -> String {
    match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    }
}

/// Whether nobody has looked at an object that has been there for a while.
fn is_ignored(meta: &kube::core::ObjectMeta, observed: Option<i64>, now: Timestamp) -> bool {
    let age = meta.creation_timestamp.as_ref().map_or(0, |created| now.duration_since(created.0).as_secs());
    age > YOUNG && observed.is_none_or(|observed| observed < 0)
}
