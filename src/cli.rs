//! The command line: flags and environment, with all defaults in one place.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

    /// How log lines look.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Plain text.
    Text,
}
