//! Commands and flags.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, error::ErrorKind};

use crate::problem::Problem;

mod act;
mod manifest;

pub use act::{Completion, Man, Run, Shell, Wait, Which};
pub use manifest::{Connect, Create, Entry, Fate, Verify};

/// Shows, runs, awaits and explains refreshes of Milvus external collections.
#[derive(Debug, Parser)]
#[command(name = "kubectl-ecrefresh", bin_name = "kubectl ecrefresh", version, propagate_version = true)]
#[command(after_help = "Without a command it lists. Exit codes: 0 completed or ok, 1 failed, 2 usage, 3 timeout, \
    4 not found, 5 cluster not reachable.")]
pub struct Cli {
    /// kubectl's flags.
    #[command(flatten)]
    pub global: Global,
    /// Those of `list`, which is meant where no command is named.
    #[command(flatten)]
    pub list: List,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Reads the command line. Ends the process where help was asked for or something cannot be understood.
    ///
    /// # Errors
    /// Flags of `list` stand before another command.
    pub fn read() -> Result<Self, Problem> {
        let cli = Self::parse();
        if cli.command.is_some() && cli.list != List::default() {
            let message = "--watch and --selector belong behind the name of the command";
            Self::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        Ok(cli)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List refreshes: state, progress, last success, next run, source lag and rows.
    List(List),
    /// Show one refresh on one page: what goes on, conditions in words, last runs, source, checks and Events.
    Status(Status),
    /// List the last runs of a refresh.
    History(Named),
    /// Say why a refresh runs or does not, and what would make it run; for a failure, how to resolve it.
    Why(Named),
    /// Ask for a run; with --wait, follow exactly that run to its end.
    Run(Run),
    /// Wait until the run that goes on has ended; of a refresh that rests, the last result counts.
    Wait(Wait),
    /// Hold all starts. A job that already runs goes on.
    Suspend(Which),
    /// Let runs start again.
    Resume(Which),
    /// Write a refresh: print its manifest, or apply it.
    Create(Box<Create>),
    /// Write a connection to Milvus: print its manifest, or apply it.
    Connect(Box<Connect>),
    /// Check that all is there that refreshes need: CRDs, operator, rights, connections, Secrets, sources.
    Doctor,
    /// Print the completion script for a shell.
    Completion(Completion),
    /// Write the manual pages into a folder.
    #[command(hide = true)]
    Man(Man),
}

/// Which refreshes to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct List {
    /// Keep watching, and show each change.
    #[arg(short, long)]
    pub watch: bool,
    /// Only refreshes with these labels, for example app=shop,tier!=test.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
}

/// Which refresh to show.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Status {
    /// The refresh.
    pub name: Name,
    /// Keep watching, and show each change.
    #[arg(short, long)]
    pub watch: bool,
}

/// One refresh.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Named {
    /// The refresh.
    pub name: Name,
}

/// The name of a refresh, also as `-o name` prints it: `ecrefresh/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kinds = ["ecrefresh", "externalcollectionrefresh", "externalcollectionrefreshes"];
        let name = match text.split_once('/') {
            None => text,
            Some((kind, name)) if kinds.contains(&kind.split('.').next().unwrap_or_default()) => name,
            Some((kind, _)) => {
                return Err(format!("{kind} is not a kind that this command knows; give the name alone"));
            }
        };
        if name.is_empty() || name.contains('/') {
            return Err("a name has at least one letter and no slash".to_owned());
        }
        Ok(Self(name.to_owned()))
    }
}

/// kubectl's flags.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Flags as kubectl has them")]
pub struct Global {
    /// The namespace. Default: that of the kubeconfig's context.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// All namespaces.
    #[arg(short = 'A', long, global = true, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// The kubeconfig's context. Default: its current one.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// The kubeconfig's cluster. Default: that of the context.
    #[arg(long, global = true)]
    pub cluster: Option<String>,
    /// The kubeconfig's user. Default: that of the context.
    #[arg(long, global = true)]
    pub user: Option<String>,
    /// The kubeconfig. Default: the files in KUBECONFIG, else ~/.kube/config, else the pod's service account.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Act as this user.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// Act as a member of this group; repeat the flag for several.
    #[arg(long = "as-group", global = true, value_name = "GROUP", requires = "as_user")]
    pub as_groups: Vec<String>,
    /// How long one request to the API server may take, for example 5s or 1m; 0 for as long as it takes.
    #[arg(long, global = true, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub request_timeout: Duration,
    /// What to print.
    #[arg(short, long, global = true, value_name = "FORMAT")]
    pub output: Option<Output>,
}

impl Global {
    /// The output format, if the command has it.
    ///
    /// # Errors
    /// The command does not have the one that was asked for.
    pub fn output(&self, known: &[Output]) -> Result<Option<Output>, Problem> {
        match self.output {
            Some(asked) if !known.contains(&asked) => {
                let names: Vec<_> = known.iter().map(|known| known.name()).collect();
                let known = if names.is_empty() { "no -o".to_owned() } else { format!("-o {}", names.join(", ")) };
                Err(Problem::usage(format!("This command has no output format {}; it has {known}.", asked.name())))
            }
            asked => Ok(asked),
        }
    }
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// What the API server shows, as JSON.
    Json,
    /// The same as YAML.
    Yaml,
    /// The names alone.
    Name,
    /// The table with more columns.
    Wide,
}

impl Output {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Name => "name",
            Self::Wide => "wide",
        }
    }
}

/// A duration as Go and kubectl write it: numbers with units (`1h30m`, `90s`, `500ms`), or seconds without one.
///
/// # Errors
/// Anything else.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 90s, 5m or 1h30m");
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let (mut total, mut rest) = (0_u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(wrong()),
        };
        total = number.checked_mul(unit).and_then(|more| total.checked_add(more)).ok_or_else(wrong)?;
        rest = behind;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read_as_kubectl_reads_them() {
        let read = |text: &str| duration(text).map(|read| read.as_millis());
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("30"), Ok(30_000));
        assert_eq!(read("1h30m"), Ok(5_400_000));
        assert_eq!(read("2m500ms"), Ok(120_500));
        for wrong in ["", "s", "1x", "1h3", "-1s", "1.5h", "99999999999999999h"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_may_be_written_as_kubectl_prints_it() {
        let name = |text: &str| text.parse::<Name>().map(|name| name.as_str().to_owned());
        for text in ["a", "ecrefresh/a", "externalcollectionrefresh.milvus-refresh.dev/a"] {
            assert_eq!(name(text), Ok("a".to_owned()), "{text}");
        }
        for wrong in ["", "pod/a", "ecrefresh/", "ecrefresh/a/b"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn list_is_meant_where_no_command_is_named() {
        let read = |args: &[&str]| Cli::try_parse_from([&["kubectl-ecrefresh"], args].concat()).unwrap();
        let cli = read(&["-w", "-n", "shop"]);
        assert!(cli.command.is_none() && cli.list.watch && cli.global.namespace.as_deref() == Some("shop"));
        let cli = read(&["list", "-l", "a=b", "-A"]);
        assert!(
            matches!(cli.command, Some(Command::List(List { selector: Some(_), .. }))) && cli.global.all_namespaces
        );
    }
}
