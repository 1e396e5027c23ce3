//! The command line: flags and environment, with all defaults in one place.

use std::{ffi::OsStr, fmt::Write as _, net::SocketAddr, path::PathBuf};

use clap::{
    ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum, builder::Resettable,
};

use crate::{api, metrics};

/// Refreshes Milvus external collections from Kubernetes.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads the command line and the environment. An empty variable counts as not set, as a Helm chart or a shell leaves
    /// one for "nothing special". Ends the process where help was asked for or something cannot be understood.
    pub fn read() -> Self {
        let command =
            without(Self::command(), |variable| std::env::var_os(variable).is_some_and(|value| value.is_empty()));
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

/// The command without the environment variables that are empty.
fn without(command: clap::Command, is_empty: impl Fn(&OsStr) -> bool + Copy) -> clap::Command {
    command.mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg })
    })
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against the cluster of the kubeconfig or, in a pod, of the service account.
    Run(Box<Run>),
    /// Print the custom resource definitions as YAML.
    Crds,
    /// Print what every failure class means and how to resolve it, as Markdown.
    Failures,
    /// Print every field of the custom resources, every flag of `run` and every metric, as Markdown.
    Reference,
}

/// How to run the operator. If a flag is given twice, the last one counts, so that arguments can be appended.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub struct Run {
    /// A namespace to watch; repeat the flag for several. Absent: all namespaces.
    #[arg(long = "watch-namespace", env = "WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespaces: Vec<String>,

    /// Address of /livez, /readyz and /metrics. [::] means all addresses, including IPv4; on a host without IPv6 it means
    /// 0.0.0.0.
    #[arg(long, env = "HTTP_ADDRESS", default_value = "[::]:8080")]
    pub http_address: SocketAddr,

    /// How many objects of a kind are reconciled at the same time. Namespaces take turns. An object that waits for a response
    /// for more than a second does not count. It is also the limit per connection; the limit per namespace is twice as high.
    #[arg(long, env = "WORKERS", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,

    /// Work only while holding the lease, so that several replicas can run: one works, the others stand by. Default: true
    /// inside a cluster, else false. Two processes without leader election do not start a refresh twice, but two refreshes of
    /// one collection can overlap.
    #[arg(long, env = "LEADER_ELECT", value_name = "true|false", action = ArgAction::Set,
        default_value_t = inside_a_cluster(), hide_default_value = true)]
    pub leader_elect: bool,

    /// Name of the lease. Operators that work on the same objects must use the same lease. The RBAC of this project allows
    /// only the default name.
    #[arg(long, env = "LEASE_NAME", default_value = "milvus-refresh-operator", value_parser = object_name)]
    pub lease_name: String,

    /// Namespace of the lease. Default: the pod's own or, outside a cluster, that of the kubeconfig.
    #[arg(long, env = "LEASE_NAMESPACE", value_parser = namespace)]
    pub lease_namespace: Option<String>,

    /// Use a Secret only if its owner has set the label `milvus-refresh.dev/allow: "true"` on it. ConfigMaps need no label.
    #[arg(long, env = "REQUIRE_SECRET_LABEL")]
    pub require_secret_label: bool,

    /// Let connections list their sources with the operator's own identity in a cloud (`auth.workloadIdentity`): whoever may
    /// write a connection can then use every role and identity that trusts the operator's service account.
    #[arg(long, env = "ALLOW_WORKLOAD_IDENTITY")]
    pub allow_workload_identity: bool,

    /// The file with the token of the operator's service account for AWS. The chart mounts it there.
    #[arg(
        long,
        env = "AWS_WEB_IDENTITY_TOKEN_FILE",
        value_name = "FILE",
        default_value = "/var/run/secrets/milvus-refresh-operator/aws/token"
    )]
    pub aws_token_file: PathBuf,

    /// The same for Azure.
    #[arg(
        long,
        env = "AZURE_FEDERATED_TOKEN_FILE",
        value_name = "FILE",
        default_value = "/var/run/secrets/milvus-refresh-operator/azure/token"
    )]
    pub azure_token_file: PathBuf,

    /// Address of Azure's authority. Default: that of the public cloud.
    #[arg(long, env = "AZURE_AUTHORITY_HOST", value_name = "URL")]
    pub azure_authority_host: Option<String>,

    /// Format of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// A file with the log filter, for example info or info,kube=debug. It overrides RUST_LOG and is read every five seconds,
    /// so the level can be changed without a restart; in a pod, mount a ConfigMap.
    #[arg(long, env = "LOG_FILTER_FILE", value_name = "FILE")]
    pub log_filter_file: Option<PathBuf>,

    /// Add metrics per object, by namespace and name, for up to 5000 objects of a kind.
    #[arg(long, env = "PER_OBJECT_METRICS", action = ArgAction::SetTrue)]
    pub per_object_metrics: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Plain text.
    Text,
}

/// Kubernetes tells every pod where its API server is.
fn inside_a_cluster() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

const HEAD: &str = "\
<!-- Written by `make docs` from src/api, src/cli.rs and src/metrics. -->

# Reference

Every field of the custom resources, as in `kubectl explain`, every flag of the operator and every metric.
";

/// The page of all fields, flags and metrics, as Markdown.
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
    out + &metrics::reference()
}

/// A name that a namespace can have.
fn namespace(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.len() <= 63 && is_label(name) {
        return Ok(name.to_owned());
    }
    Err("must be a valid namespace name: at most 63 lower-case letters, digits and -, beginning and ending with a letter or \
         digit"
        .to_owned())
}

/// A name that an object can have.
fn object_name(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err("must be a valid object name: at most 253 lower-case letters, digits, - and ., each part beginning and ending with a \
         letter or digit"
        .to_owned())
}

fn is_label(text: &str) -> bool {
    let of_names = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(of_names) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn run(args: &[&str]) -> Result<Run, String> {
        match Cli::try_parse_from([&["milvus-refresh-operator", "run"], args].concat()) {
            Ok(Cli { command: Command::Run(run) }) => Ok(*run),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn of_a_flag_that_is_given_twice_the_last_one_counts_and_namespaces_add_up() {
        let run = run(&[
            "--http-address=0.0.0.0:8080",
            "--workers=1",
            "--leader-elect=true",
            "--lease-name=a",
            "--lease-namespace=a",
            "--log-format=json",
            "--log-filter-file=a",
            "--per-object-metrics",
            "--require-secret-label",
            "--allow-workload-identity",
            "--aws-token-file=a",
            "--azure-token-file=a",
            "--azure-authority-host=a",
            "--watch-namespace=a",
            "--http-address=[::1]:9090",
            "--workers=2",
            "--leader-elect=false",
            "--lease-name=b",
            "--lease-namespace=b",
            "--log-format=text",
            "--log-filter-file=b",
            "--per-object-metrics",
            "--require-secret-label",
            "--allow-workload-identity",
            "--aws-token-file=b",
            "--azure-token-file=b",
            "--azure-authority-host=b",
            "--watch-namespace=b,c",
        ]);
        let run = run.unwrap();
        assert_eq!(run.http_address, "[::1]:9090".parse().unwrap());
        assert_eq!((run.workers, run.leader_elect, run.lease_name.as_str()), (2, false, "b"));
        assert_eq!((run.lease_namespace.as_deref(), run.log_format), (Some("b"), LogFormat::Text));
        assert_eq!(run.log_filter_file, Some(PathBuf::from("b")));
        assert_eq!((run.aws_token_file, run.azure_token_file), (PathBuf::from("b"), PathBuf::from("b")));
        assert_eq!((run.allow_workload_identity, run.azure_authority_host.as_deref()), (true, Some("b")));
        assert_eq!(run.watch_namespaces, ["a", "b", "c"]);
    }

    #[test]
    fn every_variable_counts_as_not_set_when_it_is_empty() {
        let variables = |command: &clap::Command| {
            let run = command.find_subcommand("run").unwrap();
            run.get_arguments().filter_map(|arg| arg.get_env().map(OsStr::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(variables(&without(Cli::command(), |_| false)).len(), 14, "the flags that a variable can set");
        assert_eq!(variables(&without(Cli::command(), |name| name != "WORKERS")), ["WORKERS"]);
    }

    #[test]
    fn a_name_that_no_namespace_can_have_is_a_usage_error() {
        for bad in ["Shop", "shop_1", "-shop", "shop-", "a.b", "a,,b", "", "*", &"a".repeat(64)] {
            let flags = if bad.contains(',') { vec!["watch"] } else { vec!["watch", "lease"] };
            for flag in flags {
                let refusal = run(&[&format!("--{flag}-namespace={bad}")]).unwrap_err();
                assert!(refusal.contains("must be a valid namespace name"), "{bad}: {refusal}");
            }
        }
        assert_eq!(run(&["--watch-namespace=shop-1, 2"]).unwrap().watch_namespaces, ["shop-1", "2"]);
        assert!(run(&["--lease-name=Lease"]).unwrap_err().contains("must be a valid object name"));
        assert_eq!(run(&["--lease-name=a.b-c"]).unwrap().lease_name, "a.b-c");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_reference_is_that_of_this_version() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md")).unwrap();
        assert!(
            page.trim_end() == reference().trim_end(),
            "docs/reference.md is not what the code says; run `make docs`"
        );
    }
}
