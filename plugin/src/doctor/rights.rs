//! What the caller may do.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, api::PostParams};

use super::Finding;
use crate::{
    cluster::{CONNECTIONS, Call, Cluster, REFRESHES},
    problem::Problem,
};

const OURS: &str = milvus_refresh_operator::api::GROUP;
/// Questions at a time.
const AT_A_TIME: usize = 8;

/// A right, and the commands that need it.
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    commands: &'static str,
}

const fn right(verb: &'static str, group: &'static str, resource: &'static str, commands: &'static str) -> Right {
    Right { verb, group, resource, commands }
}

const RIGHTS: [Right; 10] = [
    right("get", OURS, REFRESHES, "status, why, history"),
    right("list", OURS, REFRESHES, "list, and commands with -l or --all"),
    right("watch", OURS, REFRESHES, "wait, run --wait, and -w"),
    right("patch", OURS, REFRESHES, "run, suspend, resume, create"),
    right("create", OURS, REFRESHES, "create --apply"),
    right("get", OURS, CONNECTIONS, "why"),
    right("list", OURS, CONNECTIONS, "doctor"),
    right("patch", OURS, CONNECTIONS, "connect"),
    right("create", OURS, CONNECTIONS, "connect --apply"),
    right("list", "", "events", "status"),
];

/// What is found of it.
pub async fn examine(cluster: &Cluster) -> Result<Vec<Finding>, Problem> {
    let asked = RIGHTS.iter().map(|right| async move { Ok::<_, Problem>((right, is_given(cluster, right).await?)) });
    let answers: Vec<_> = stream::iter(asked).buffered(AT_A_TIME).try_collect().await?;
    let place = cluster.scope().map_or_else(|| "in all namespaces".to_owned(), |name| format!("in namespace {name}"));
    let mut missing: BTreeMap<&str, Vec<&Right>> = BTreeMap::new();
    for (right, _) in answers.iter().filter(|(_, given)| !given) {
        missing.entry(right.resource).or_default().push(right);
    }
    if missing.is_empty() {
        return Ok(vec![Finding::ok(format!("You may use all commands {place}."))]);
    }
    Ok(missing.iter().map(|(resource, rights)| lacking(resource, rights, &place)).collect())
}

fn lacking(resource: &str, rights: &[&Right], place: &str) -> Finding {
    let list = |text: fn(&Right) -> &'static str| rights.iter().map(|right| text(right)).collect::<Vec<_>>().join(", ");
    let group = if rights.iter().any(|right| right.group.is_empty()) { String::new() } else { format!(".{OURS}") };
    Finding::warning(format!(
        "You may not {} {resource}{group} {place}, which is for: {}. If you need that, ask for a role with it, for example edit, or \
         milvus-refresh-operator-edit.",
        list(|right| right.verb),
        list(|right| right.commands)
    ))
}

async fn is_given(cluster: &Cluster, right: &Right) -> Result<bool, Problem> {
    let attributes = ResourceAttributes {
        group: Some(right.group.to_owned()),
        namespace: cluster.scope().map(str::to_owned),
        resource: Some(right.resource.to_owned()),
        verb: Some(right.verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let call = Call { verb: "create", resource: "selfsubjectaccessreviews", namespace: None, name: None };
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let answer = cluster.ask(&call, api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
