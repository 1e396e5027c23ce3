//! Which cluster, and as whom: the kubeconfig with kubectl's flags over it.

use std::{ffi::OsString, io::ErrorKind, path::PathBuf};

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
    let Some(file) = file(flags)? else {
        return in_a_pod(flags).ok_or_else(|| unusable("there is no kubeconfig"));
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

/// The kubeconfig that is meant; none where there is no file.
///
/// # Errors
/// A file cannot be read, or makes no sense. Another cluster must not be asked instead.
pub fn file(flags: &Global) -> Result<Option<Kubeconfig>, Problem> {
    match &flags.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map(Some).map_err(|error| unreadable(&error)),
        None => merged(&paths(std::env::var_os("KUBECONFIG"), std::env::home_dir())),
    }
}

/// The files that the variable names, or else the usual one.
fn paths(variable: Option<OsString>, home: Option<PathBuf>) -> Vec<PathBuf> {
    let named = variable.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty());
    let named: Vec<PathBuf> = named.collect();
    if named.is_empty() { home.map(|home| home.join(".kube/config")).into_iter().collect() } else { named }
}

/// Those of the files that exist as one; none where none does. kubectl skips the others, too.
fn merged(paths: &[PathBuf]) -> Result<Option<Kubeconfig>, Problem> {
    let mut merged: Option<Kubeconfig> = None;
    for path in paths {
        let next = match Kubeconfig::read_from(path) {
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => continue,
            read => read.map_err(|error| unreadable(&error))?,
        };
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(|error| unreadable(&error))?,
            None => next,
        });
    }
    Ok(merged)
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

    use std::fs;

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

    const EMPTY: &str = "apiVersion: v1\nkind: Config\n";

    /// Files of these names and texts, in a folder of their own.
    fn files(test: &str, texts: &[(&str, &str)]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ecrefresh-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in texts {
            fs::write(folder.join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn files_that_do_not_exist_are_skipped_and_the_others_merged() {
        let named = |name: &str| format!("{EMPTY}contexts:\n- {{name: {name}, context: {{cluster: c, user: u}}}}\n");
        let folder = files("skipped", &[("one", &named("a")), ("two", &named("b"))]);
        let paths = ["one", "missing", "two"].map(|name| folder.join(name));
        let both = merged(&paths).unwrap().unwrap();
        assert_eq!(both.contexts.iter().map(|context| &*context.name).collect::<Vec<_>>(), ["a", "b"]);
        assert!(merged(&[folder.join("missing")]).unwrap().is_none(), "only then a pod's own cluster is meant");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_makes_no_sense_is_an_error_beside_good_ones() {
        let folder = files("malformed", &[("good", EMPTY), ("bad", "contexts: [")]);
        let problem = merged(&[folder.join("good"), folder.join("bad")]).unwrap_err();
        assert_eq!(problem.exit, Exit::Unreachable);
        assert!(merged(std::slice::from_ref(&folder)).is_err(), "a folder is no file that does not exist");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_files_are_those_of_the_variable_or_else_the_usual_one() {
        let of = |variable: Option<&str>| paths(variable.map(Into::into), Some("/home/a".into()));
        assert_eq!(of(Some("/x::/y")), [PathBuf::from("/x"), PathBuf::from("/y")]);
        for none in [None, Some(""), Some(":")] {
            assert_eq!(of(none), [PathBuf::from("/home/a/.kube/config")]);
        }
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
