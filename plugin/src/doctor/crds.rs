//! The CRDs: whether they are there, and whether they are those of this plugin.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};
use milvus_refresh_operator::api::{GROUP, VERSION, crds};
use serde_json::Value;

use super::Finding;
use crate::{
    cluster::{Call, Cluster},
    problem::Problem,
};

const PLUGIN: &str = env!("CARGO_PKG_VERSION");
/// Fields that are named in a sentence.
const NAMED: usize = 5;

/// Whether the cluster knows both kinds, and what is found of them.
pub async fn examine(cluster: &Cluster) -> Result<(bool, Vec<Finding>), Problem> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let (mut known, mut findings) = (true, Vec::new());
    for ours in crds() {
        let name = ours.name_any();
        let call = Call {
            verb: "get",
            resource: "customresourcedefinitions.apiextensions.k8s.io",
            namespace: None,
            name: Some(&name),
        };
        match cluster.if_allowed(&call, api.get_opt(&name)).await? {
            Ok(Some(theirs)) => findings.push(compare(&name, &ours, &theirs)),
            Ok(None) => {
                known = false;
                findings.push(missing(&name));
            }
            Err(refused) => {
                let served = served(cluster).await?;
                if served.contains(&ours.spec.names.plural) {
                    findings
                        .push(Finding::unseen(&refused, &format!("the version of the CRD {name}, which is installed")));
                } else {
                    known = false;
                    findings.push(missing(&name));
                }
            }
        }
    }
    Ok((known, findings))
}

/// The plurals of our group, which everybody may know.
async fn served(cluster: &Cluster) -> Result<Vec<String>, Problem> {
    let call = Call { verb: "get", resource: "apis", namespace: None, name: Some(GROUP) };
    let groups = cluster.ask(&call, cluster.client.list_api_groups()).await?;
    if !groups.groups.iter().any(|group| group.name == GROUP) {
        return Ok(Vec::new());
    }
    let version = format!("{GROUP}/{VERSION}");
    let listed = cluster.ask(&call, cluster.client.list_api_group_resources(&version)).await?;
    Ok(listed.resources.into_iter().map(|resource| resource.name).collect())
}

fn missing(name: &str) -> Finding {
    Finding::problem(format!(
        "The CRD {name} is not installed. Install the operator with its Helm chart, which brings it along, or the CRDs of its \
         release alone: kubectl apply --server-side -f crds.yaml"
    ))
}

fn compare(name: &str, ours: &CustomResourceDefinition, theirs: &CustomResourceDefinition) -> Finding {
    let conditions = theirs.status.as_ref().and_then(|status| status.conditions.as_ref());
    let refused = conditions.into_iter().flatten().find(|condition| {
        (condition.type_ == "Established" || condition.type_ == "NamesAccepted") && condition.status == "False"
    });
    if let Some(refused) = refused {
        let says = refused.message.clone().unwrap_or_default();
        return Finding::problem(format!("The CRD {name} is not served: {says}"));
    }
    let (ours, theirs) = (fields(ours), fields(theirs));
    let lacks = named(&ours, &theirs);
    if !lacks.is_empty() {
        return Finding::warning(format!(
            "The CRD {name} is of another version than this plugin ({PLUGIN}): it lacks {lacks}. Helm does not update CRDs of itself; \
             apply those of the operator's release: kubectl apply --server-side -f crds.yaml"
        ));
    }
    let more = named(&theirs, &ours);
    if !more.is_empty() {
        return Finding::warning(format!(
            "The CRD {name} is newer than this plugin ({PLUGIN}): it has {more}. Update the plugin to see those fields."
        ));
    }
    Finding::ok(format!("The CRD {name} has the fields that this plugin knows."))
}

/// The fields of the version that we read.
fn fields(crd: &CustomResourceDefinition) -> BTreeSet<String> {
    let version = crd.spec.versions.iter().find(|version| version.name == VERSION);
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let mut found = BTreeSet::new();
    if let Some(schema) = schema.and_then(|schema| serde_json::to_value(schema).ok()) {
        gather(&schema, "", &mut found);
    }
    found
}

fn gather(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(items) = schema.get("items") {
        gather(items, path, found);
    }
    for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        gather(schema, &path, found);
        found.insert(path);
    }
}

/// Those of `all` that are not among `some`, without what is below one of them.
fn named(all: &BTreeSet<String>, some: &BTreeSet<String>) -> String {
    let is_top = |path: &&String| match path.rsplit_once('.') {
        Some((above, _)) => some.contains(above),
        None => true,
    };
    let mut names: Vec<&str> = all.difference(some).filter(is_top).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::{super::Level, *};

    /// Of the CRD of refreshes, with its schema changed.
    fn changed(change: impl FnOnce(&mut Value)) -> CustomResourceDefinition {
        let mut crd = serde_json::to_value(&crds()[0]).unwrap();
        change(&mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]);
        serde_json::from_value(crd).unwrap()
    }

    #[test]
    fn an_older_and_a_newer_crd_are_told_by_their_fields() {
        let ours = &crds()[0];
        assert_eq!(compare("ours", ours, ours).level, Level::Ok);
        let older = changed(|spec| {
            spec.as_object_mut().unwrap().retain(|name, _| name != "watch" && name != "verify");
        });
        let finding = compare("ours", ours, &older);
        assert!(
            finding.level == Level::Warning && finding.message.contains("lacks spec.verify, spec.watch."),
            "{finding:?}"
        );
        let newer = changed(|spec| {
            spec["watch"]["properties"]["objects"]["properties"]["depth"] = serde_json::json!({ "type": "integer" });
        });
        let finding = compare("ours", ours, &newer);
        assert!(
            finding.message.contains("newer than this plugin") && finding.message.contains("spec.watch.objects.depth."),
            "{finding:?}"
        );
    }
}
