//! The Secrets and ConfigMaps that connections and refreshes name: whether they are there, and have their keys. No value is kept.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use milvus_refresh_operator::api::{
    CaHolder, CaReference, ExternalCollectionRefresh, IcebergCatalog, MilvusConnection, WatchedSource,
};

use super::{Finding, name_of};
use crate::{
    cluster::{Call, Cluster},
    problem::Problem,
};

/// Requests at a time.
const AT_A_TIME: usize = 8;

/// A Secret or a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    namespace: String,
    is_secret: bool,
    name: String,
}

/// Who needs which keys: all of one of the sets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    by: String,
    keys: Vec<Vec<String>>,
}

type Needs = BTreeMap<Holder, Vec<Need>>;

/// What is found of them.
pub async fn examine(
    cluster: &Cluster,
    connections: &[MilvusConnection],
    refreshes: &[ExternalCollectionRefresh],
) -> Result<Vec<Finding>, Problem> {
    let needs = needs(connections, refreshes);
    let all = needs.len();
    let mut looks =
        stream::iter(needs.iter().map(|(holder, needs)| async move { (holder, needs, holder.keys(cluster).await) }))
            .buffered(AT_A_TIME);
    let (mut findings, mut refused) = (Vec::new(), BTreeSet::new());
    while let Some((holder, needs, keys)) = looks.next().await {
        match keys? {
            Ok(keys) => findings.extend(needs.iter().filter_map(|need| holder.lacks(need, keys.as_ref()))),
            // The same right is missing for all of a namespace.
            Err(problem) if refused.insert((&holder.namespace, holder.is_secret)) => {
                let unchecked = format!("{} that connections and refreshes name", holder.kind().to_owned() + "s");
                findings.push(Finding::unseen(&problem, &unchecked));
            }
            Err(_) => {}
        }
    }
    if findings.is_empty() && all > 0 {
        findings.push(Finding::ok(format!(
            "Secrets and ConfigMaps that are named: {all}; all have the keys that are needed."
        )));
    }
    Ok(findings)
}

impl Holder {
    fn kind(&self) -> &'static str {
        if self.is_secret { "Secret" } else { "ConfigMap" }
    }

    /// Its keys; none if it does not exist.
    async fn keys(&self, cluster: &Cluster) -> Result<Result<Option<BTreeSet<String>>, Problem>, Problem> {
        let Self { namespace, name, .. } = self;
        let client = cluster.client.clone();
        let call = |resource| Call { verb: "get", resource, namespace: Some(namespace), name: Some(name) };
        Ok(if self.is_secret {
            let api: Api<Secret> = Api::namespaced(client, namespace);
            let found = cluster.if_allowed(&call("secrets"), api.get_opt(name)).await?;
            found.map(|found| found.map(|secret| secret.data.unwrap_or_default().into_keys().collect()))
        } else {
            let api: Api<ConfigMap> = Api::namespaced(client, namespace);
            let found = cluster.if_allowed(&call("configmaps"), api.get_opt(name)).await?;
            found.map(|found| found.map(|map| map.data.unwrap_or_default().into_keys().collect()))
        })
    }

    /// What it lacks for `need`, if anything.
    fn lacks(&self, need: &Need, keys: Option<&BTreeSet<String>>) -> Option<Finding> {
        let (kind, wanted) = (self.kind(), need.wanted());
        let Self { namespace, name, .. } = self;
        match keys {
            None => Some(Finding::problem(format!(
                "{kind} {namespace}/{name}, which {} needs, does not exist. Create it with {wanted}.",
                need.by
            ))),
            Some(keys) if need.is_met(keys) => None,
            Some(_) => Some(Finding::problem(format!(
                "{kind} {namespace}/{name} has not what {} needs: {wanted}. Add that.",
                need.by
            ))),
        }
    }
}

impl Need {
    fn is_met(&self, keys: &BTreeSet<String>) -> bool {
        self.keys.iter().any(|set| set.iter().all(|key| keys.contains(key)))
    }

    fn wanted(&self) -> String {
        let named =
            |set: &Vec<String>| format!("the {} {}", if set.len() > 1 { "keys" } else { "key" }, set.join(" and "));
        let sets: Vec<String> = self.keys.iter().map(named).collect();
        sets.join(", or ")
    }
}

fn sets(keys: &[&[&str]]) -> Vec<Vec<String>> {
    keys.iter().map(|set| set.iter().map(|key| (*key).to_owned()).collect()).collect()
}

/// All that is needed.
fn needs(connections: &[MilvusConnection], refreshes: &[ExternalCollectionRefresh]) -> Needs {
    let mut needs = Needs::new();
    for connection in connections {
        let (namespace, spec) = (connection.metadata.namespace.clone().unwrap_or_default(), &connection.spec);
        let by = format!("connection {}", name_of(connection));
        let mut secret = |name: &str, by: String, keys: Vec<Vec<String>>| {
            let holder = Holder { namespace: namespace.clone(), is_secret: true, name: name.to_owned() };
            needs.entry(holder).or_default().push(Need { by, keys });
        };
        if let Some(auth) = &spec.auth {
            let keys = sets(&[&["token"], &["username", "password"]]);
            secret(&auth.secret_ref.name, format!("the login of {by}"), keys);
        }
        let client = spec.tls.as_ref().and_then(|tls| tls.client_certificate_ref.as_ref());
        if let Some(client) = client {
            secret(&client.name, format!("the client certificate of {by}"), sets(&[&["tls.crt", "tls.key"]]));
        }
        for source in &spec.sources {
            if let Some(reference) = &source.auth.secret_ref {
                secret(&reference.name, format!("source {} of {by}", source.prefix), keys_of_source(source));
            }
        }
        for catalog in &spec.catalogs {
            if let Some(auth) = &catalog.auth {
                let keys = sets(&[&["token"], &["clientID", "clientSecret"]]);
                secret(&auth.secret_ref.name, format!("catalog {} of {by}", catalog.name), keys);
            }
        }
        for (ca, of) in certificates(connection) {
            let is_secret = matches!(ca.kind, CaHolder::Secret);
            let holder = Holder { namespace: namespace.clone(), is_secret, name: ca.name.clone() };
            let by = format!("the CA certificates of {of}{by}");
            needs.entry(holder).or_default().push(Need { by, keys: vec![vec![ca.key.clone()]] });
        }
    }
    for refresh in refreshes {
        if let Some(from) = &refresh.spec.external_spec_from {
            let reference = &from.secret_key_ref;
            let namespace = refresh.metadata.namespace.clone().unwrap_or_default();
            let holder = Holder { namespace, is_secret: true, name: reference.name.clone() };
            let by = format!("the external spec of refresh {}", name_of(refresh));
            needs.entry(holder).or_default().push(Need { by, keys: vec![vec![reference.key.clone()]] });
        }
    }
    needs
}

/// The references to CA certificates, and of what they are.
fn certificates(connection: &MilvusConnection) -> Vec<(&CaReference, String)> {
    let spec = &connection.spec;
    let own = spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref()).map(|ca| (ca, String::new()));
    let of_source = |source: &WatchedSource| format!("source {} of ", source.prefix);
    let of_catalog = |catalog: &IcebergCatalog| format!("catalog {} of ", catalog.name);
    let sources = spec.sources.iter().filter_map(|source| Some((source.ca_ref.as_ref()?, of_source(source))));
    let catalogs = spec.catalogs.iter().filter_map(|catalog| Some((catalog.ca_ref.as_ref()?, of_catalog(catalog))));
    own.into_iter().chain(sources).chain(catalogs).collect()
}

/// The keys of a Secret for a store of this kind.
fn keys_of_source(source: &WatchedSource) -> Vec<Vec<String>> {
    const PAIR: &[&str] = &["accessKeyID", "secretAccessKey"];
    match source.prefix.split(':').next().unwrap_or_default() {
        "azure" => sets(&[&["accountName", "accountKey"], &["accountName", "sasToken"]]),
        "gs" | "gcs" => sets(&[&["serviceAccount"], PAIR]),
        _ => sets(&[PAIR]),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn every_reference_is_a_need_with_the_keys_of_its_kind() {
        let auth = |name: &str| json!({ "secretRef": { "name": name } });
        let connection: MilvusConnection = serde_json::from_value(json!({
            "metadata": { "name": "default", "namespace": "shop" },
            "spec": {
                "address": "https://milvus:19530", "auth": auth("login"),
                "tls": { "caRef": { "kind": "ConfigMap", "name": "ca" }, "clientCertificateRef": { "name": "client" } },
                "sources": [
                    { "prefix": "s3://a", "auth": auth("reader"), "caRef": { "kind": "Secret", "name": "reader", "key": "ca.pem" } },
                    { "prefix": "azure://core.windows.net/b", "auth": auth("azure") },
                    { "prefix": "s3://open", "auth": { "anonymous": {} } },
                ],
                "catalogs": [{ "name": "lake", "uri": "https://c", "auth": auth("catalog") }],
            },
        }))
        .unwrap();
        let refresh: ExternalCollectionRefresh = serde_json::from_value(json!({
            "metadata": { "name": "products", "namespace": "shop" },
            "spec": { "collectionName": "p", "externalSpecFrom": { "secretKeyRef": { "name": "spec", "key": "spec.json" } } },
        }))
        .unwrap();
        let found = needs(&[connection], &[refresh]);
        let shown: Vec<String> = found
            .iter()
            .flat_map(|(holder, needs)| {
                needs.iter().map(|need| format!("{} {}: {} for {}", holder.kind(), holder.name, need.wanted(), need.by))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "ConfigMap ca: the key ca.crt for the CA certificates of connection shop/default",
                "Secret azure: the keys accountName and accountKey, or the keys accountName and sasToken for source azure://core.windows.net/b of connection shop/default",
                "Secret catalog: the key token, or the keys clientID and clientSecret for catalog lake of connection shop/default",
                "Secret client: the keys tls.crt and tls.key for the client certificate of connection shop/default",
                "Secret login: the key token, or the keys username and password for the login of connection shop/default",
                "Secret reader: the keys accessKeyID and secretAccessKey for source s3://a of connection shop/default",
                "Secret reader: the key ca.pem for the CA certificates of source s3://a of connection shop/default",
                "Secret spec: the key spec.json for the external spec of refresh shop/products",
            ]
        );
    }

    #[test]
    fn a_need_is_met_by_all_keys_of_one_set() {
        let holder = Holder { namespace: "shop".to_owned(), is_secret: true, name: "login".to_owned() };
        let need = Need { by: "the login of a".to_owned(), keys: sets(&[&["token"], &["username", "password"]]) };
        let lacks = |keys: &[&str]| {
            let keys: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            holder.lacks(&need, Some(&keys)).is_some()
        };
        assert!(!lacks(&["token"]) && !lacks(&["username", "password", "more"]));
        assert!(lacks(&["username"]) && lacks(&[]));
        assert!(holder.lacks(&need, None).unwrap().message.contains("does not exist"));
    }
}
