//! `create` and `connect`: manifests from flags, printed or applied once the API server would take them.

use std::fmt::Debug;

use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
    core::NamespaceResourceScope,
};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, MilvusConnection};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    cli::{Connect, Create, Fate, Global, Output},
    cluster::{CONNECTIONS, Call, Cluster, REFRESHES},
    exit::Exit,
    manifest,
    problem::Problem,
    screen::lines,
};

/// As whom manifests are applied.
const MANAGER: &str = "kubectl-ecrefresh";

/// Writes a refresh.
///
/// # Errors
/// The flags make no sense, or the API server refuses what they mean.
pub async fn create(flags: &Global, create: &Create) -> Result<Exit, Problem> {
    let object = manifest::refresh(create, flags.namespace.as_deref())?;
    write::<ExternalCollectionRefresh>(flags, &create.fate, (REFRESHES, &create.name), &object).await
}

/// Writes a connection.
///
/// # Errors
/// The flags make no sense, or the API server refuses what they mean.
pub async fn connect(flags: &Global, connect: &Connect) -> Result<Exit, Problem> {
    let object = manifest::connection(connect, flags.namespace.as_deref())?;
    write::<MilvusConnection>(flags, &connect.fate, (CONNECTIONS, &connect.name), &object).await
}

async fn write<K>(
    flags: &Global,
    fate: &Fate,
    (resource, name): (&'static str, &str),
    object: &Value,
) -> Result<Exit, Problem>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let output = flags.output(&[Output::Yaml, Output::Json])?;
    if flags.all_namespaces {
        return Err(Problem::usage("-A does not go with a manifest: say with -n in which namespace it is to be."));
    }
    if fate.offline {
        super::raw::print(object, output.unwrap_or(Output::Yaml))?;
        return Ok(Exit::Ok);
    }
    let cluster = Cluster::of(flags).await?;
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let call = Call { verb: "patch", resource, namespace: cluster.scope(), name: Some(name) };
    let parameters = PatchParams::apply(MANAGER).validation_strict();
    let dry = parameters.clone().dry_run();
    for parameters in [Some(&dry), fate.apply.then_some(&parameters)].into_iter().flatten() {
        let taken = cluster.ask(&call, api.patch(name, parameters, &Patch::Apply(object))).await;
        taken.map_err(|problem| advised(problem, fate))?;
    }
    match output {
        None if fate.apply => lines([&format!("{name}: Applied in namespace {}.", cluster.namespace).into()])?,
        format => super::raw::print(object, format.unwrap_or(Output::Yaml))?,
    }
    Ok(Exit::Ok)
}

/// What can be done about a refusal.
fn advised(problem: Problem, fate: &Fate) -> Problem {
    let text = problem.to_string();
    let advice = match problem.exit {
        Exit::Unreachable if !fate.apply => " To print the manifest without asking the cluster: --offline.",
        Exit::Failed if text.contains("conflict") => {
            " Another tool owns these fields; change them where it takes them from, choose another name, or print the manifest with \
             --offline."
        }
        Exit::Failed if text.contains("is invalid") => {
            " Correct the flag of that field and try again; nothing was changed."
        }
        _ => return problem,
    };
    Problem::new(problem.exit, format!("{}{advice}", text.trim_end_matches('.').to_owned() + "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_another_tool_owns_are_told_with_the_ways_out() {
        let refused = Problem::new(Exit::Failed, "Apply failed with 1 conflict: conflict with \"flux\": .spec.address");
        let told = advised(refused, &Fate { apply: false, offline: false }).to_string();
        assert!(
            told.contains("Another tool owns these fields;")
                && told.ends_with(", or print the manifest with --offline."),
            "{told}"
        );
    }
}
