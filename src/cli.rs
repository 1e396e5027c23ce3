//! The command line: flags and environment, with all defaults in one place.

use std::{net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};

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
