//! The command line: flags and environment, with all defaults in one place.

use std::{fmt::Write as _, net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};

use crate::api;

/// Refreshes Milvus external collections from Kubernetes.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controllers against the cluster that the kubeconfig, or else the pod's service account, names.
    Run(Run),
    /// Print the custom resource definitions as YAML.
    Crds,
    /// Print what every failure class means and what to do about it, as Markdown.
    Failures,
    /// Print every field of the custom resources and every flag of `run`, as Markdown.
    Reference,
}

/// How to run the controllers.
#[derive(Debug, Args)]
pub struct Run {
    /// A namespace to watch; repeat it for several. All namespaces when absent.
    #[arg(long = "watch-namespace", env = "WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,

    /// How many objects of a kind are worked on at the same time.
    #[arg(long, env = "WORKERS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// Whether this process works only while it holds the lease, so that several replicas can run: one works, the others
    /// stand by. Default: true inside a cluster, else false. Two processes without election are safe for one object (a
    /// refresh is not started twice), but not for two objects of one collection: their refreshes can overlap.
    #[arg(long, env = "LEADER_ELECT", value_name = "true|false", action = ArgAction::Set,
        default_value_t = inside_a_cluster(), hide_default_value = true)]
    pub leader_elect: bool,

    /// The name of the lease. Operators that work on the same objects must compete for the same lease. The RBAC that we
    /// ship allows the default one only.
    #[arg(long, env = "LEASE_NAME", default_value = "milvus-refresh-operator", value_parser = NonEmptyStringValueParser::new())]
    pub lease_name: String,

    /// The namespace of the lease. Default: the pod's own, outside a cluster the one that the kubeconfig names.
    #[arg(long, env = "LEASE_NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    pub lease_namespace: Option<String>,

    /// Whether a Secret that a connection or a refresh names must carry the label `milvus-refresh.dev/allow: "true"`, so that its owner
    /// has a say in what is sent to Milvus. ConfigMaps need none.
    #[arg(long, env = "REQUIRE_SECRET_LABEL")]
    pub require_secret_label: bool,

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// A file with the log filter, which goes before RUST_LOG, for example info or info,kube=debug. It is read again every
    /// five seconds, so that the level can be changed without a restart; in a pod, mount a ConfigMap.
    #[arg(long, env = "LOG_FILTER_FILE", value_name = "FILE")]
    pub log_filter_file: Option<PathBuf>,

    /// Show metrics of single objects, by namespace and name, for up to 5000 objects of a kind.
    #[arg(long, env = "PER_OBJECT_METRICS", action = ArgAction::SetTrue)]
    pub per_object_metrics: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Plain text.
    Text,
}

/// Kubernetes tells every pod where its API server is.
fn inside_a_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

const HEAD: &str = "\
<!-- Written by `make docs` from src/api and src/cli.rs. -->

# Reference

Every field of the custom resources, as `kubectl explain` tells them too, and every flag of the operator.
";

/// The page of all fields and flags, as Markdown.
pub fn reference() -> String {
    let mut out = HEAD.to_owned() + &api::reference();
    out.push_str(
        "\n## Flags of `milvus-refresh-operator run`\n\n| flag | environment | default | |\n|---|---|---|---|\n",
    );
    let mut command = Cli::command();
    command.build();
    for flag in command.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments) {
        let Some(name) = flag.get_long().filter(|name| *name != "help") else { continue };
        let variable = flag.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
        let default = flag.get_default_values().first().filter(|_| !flag.is_hide_default_value_set());
        let default = default.map(|default| format!("`{}`", default.to_string_lossy())).unwrap_or_default();
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| `--{name}` | {variable} | {default} | {help} |");
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_reference_is_that_of_this_version() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md")).unwrap();
        assert_eq!(page.trim_end(), reference().trim_end(), "write it anew with `make docs`");
    }
}
