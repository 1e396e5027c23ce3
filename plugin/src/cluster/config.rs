//! Which cluster, and as whom: the kubeconfig with kubectl's flags over it.

use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use milvus_refresh_operator::cluster::client::proxy_of;

use crate::{cli::Global, exit::Exit, problem::Problem};

/// The configuration, and the proxy that the kubeconfig names for its cluster.
///
/// # Errors
/// There is none, or it has not what the flags name.
pub async fn read(flags: &Global) -> Result<(Config, Option<String>), Problem> {
    let file = match &flags.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(|error| unreadable(&error))?,
        None => match Kubeconfig::read() {
            Ok(file) => file,
            Err(error) => return in_a_pod(flags).ok_or_else(|| unreadable(&error)),
        },
    };
    named(&file, flags)?;
    let proxy = proxy_of(&file, flags.context.as_deref(), flags.cluster.as_deref());
    let options =
        KubeConfigOptions { context: flags.context.clone(), cluster: flags.cluster.clone(), user: flags.user.clone() };
    let mut config =
        Config::from_custom_kubeconfig(file, &options).await.map_err(|error| unusable(&error.to_string()))?;
    impersonate(&mut config, flags);
    Ok((config, proxy))
}

/// A pod's service account, where nothing asks for a kubeconfig.
fn in_a_pod(flags: &Global) -> Option<(Config, Option<String>)> {
    if flags.context.is_some() || flags.cluster.is_some() || flags.user.is_some() {
        return None;
    }
    let mut config = Config::incluster().ok()?;
    impersonate(&mut config, flags);
    Some((config, None))
}

fn impersonate(config: &mut Config, flags: &Global) {
    if flags.as_user.is_some() {
        config.auth_info.impersonate.clone_from(&flags.as_user);
        config.auth_info.impersonate_groups = Some(flags.as_groups.clone()).filter(|groups| !groups.is_empty());
    }
}

/// Whether the kubeconfig has what the flags name.
fn named(file: &Kubeconfig, flags: &Global) -> Result<(), Problem> {
    let contexts = file.contexts.iter().map(|context| context.name.as_str()).collect();
    let clusters = file.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    let users = file.auth_infos.iter().map(|user| user.name.as_str()).collect();
    one_of("context", flags.context.as_deref(), contexts)?;
    one_of("cluster", flags.cluster.as_deref(), clusters)?;
    one_of("user", flags.user.as_deref(), users)
}

fn one_of(what: &str, asked: Option<&str>, mut known: Vec<&str>) -> Result<(), Problem> {
    let Some(asked) = asked.filter(|asked| !known.contains(asked)) else { return Ok(()) };
    known.sort_unstable();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Problem::usage(format!("The kubeconfig has no {what} {asked}. It has: {known}.")))
}

fn unreadable(error: &KubeconfigError) -> Problem {
    unusable(&error.to_string())
}

/// What is said where the configuration makes no client: mostly because the `login` command of its user fails.
pub fn no_client(login: Option<&str>, error: &str) -> Problem {
    let Some(login) = login else { return unusable(error) };
    let message = format!(
        "Your login cannot be had: the kubeconfig's user logs in by the command {login}, and: {}. Run it by hand to see what it \
         says.",
        error.trim_end_matches('.')
    );
    Problem::new(Exit::Unreachable, message)
}

/// What is said of a configuration that cannot be used.
pub fn unusable(error: &str) -> Problem {
    let message = format!(
        "No cluster can be asked: {}. Set KUBECONFIG or --kubeconfig to a kubeconfig, and --context to one of its contexts \
         (kubectl config get-contexts).",
        error.trim_end_matches('.')
    );
    Problem::new(Exit::Unreachable, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn file() -> Kubeconfig {
        Kubeconfig::from_yaml(
            "current-context: dev
contexts:
- {name: prod, context: {cluster: far, user: me}}
- {name: dev, context: {cluster: near, user: me, namespace: shop}}
clusters:
- {name: near, cluster: {server: 'https://near:6443'}}
- {name: far, cluster: {server: 'https://far:6443', proxy-url: 'http://proxy:3128'}}
users:
- {name: me, user: {token: t}}
",
        )
        .unwrap()
    }

    #[test]
    fn a_context_that_is_not_there_is_told_with_those_that_are() {
        let flags = Global { context: Some("staging".to_owned()), ..Global::default() };
        let problem = named(&file(), &flags).unwrap_err();
        assert_eq!(problem.to_string(), "The kubeconfig has no context staging. It has: dev, prod.");
        assert_eq!(problem.exit, Exit::Usage);
        assert_eq!(named(&file(), &Global { context: Some("prod".to_owned()), ..Global::default() }), Ok(()));
    }

    #[test]
    fn the_proxy_is_that_of_the_cluster_that_is_meant() {
        let of = |context, cluster| proxy_of(&file(), context, cluster);
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some("prod"), None).as_deref(), Some("http://proxy:3128"));
        assert_eq!(of(None, Some("far")).as_deref(), Some("http://proxy:3128"));
    }
}
