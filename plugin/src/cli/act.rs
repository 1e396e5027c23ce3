//! Flags of the commands that ask for runs, wait for them and hold them.

use std::time::Duration;

use clap::Args;

use super::{Name, duration};

/// Refreshes: by name, by labels, or all.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Which {
    /// The refreshes.
    #[arg(required_unless_present_any = ["selector", "all"])]
    pub names: Vec<Name>,
    /// All refreshes with these labels, for example app=shop,tier!=test.
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with_all = ["names", "all"])]
    pub selector: Option<String>,
    /// All refreshes of the namespace; with -A those of all namespaces.
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
}

/// Which runs to ask for, and whether to follow them.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Run {
    /// Which refreshes.
    #[command(flatten)]
    pub which: Which,
    /// Wait until the requested runs have ended; fails if one of them does.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, for example 1h; 0 for as long as it takes. The run goes on when the time is over.
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration, requires = "wait")]
    pub timeout: Duration,
}

/// Which runs to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Wait {
    /// Which refreshes.
    #[command(flatten)]
    pub which: Which,
    /// How long to wait, for example 1h; 0 for as long as it takes.
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration)]
    pub timeout: Duration,
}

impl Run {
    /// How long to wait; none for as long as it takes.
    pub fn limit(&self) -> Option<Duration> {
        limit(self.timeout)
    }
}

impl Wait {
    /// How long to wait; none for as long as it takes.
    pub fn limit(&self) -> Option<Duration> {
        limit(self.timeout)
    }
}

fn limit(timeout: Duration) -> Option<Duration> {
    Some(timeout).filter(|timeout| !timeout.is_zero())
}

/// Which shell.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Completion {
    /// The shell that reads it; kubectl for what kubectl asks.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Where to write.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Man {
    /// The folder.
    pub folder: std::path::PathBuf,
}

/// Who completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// For kubectl-ecrefresh in bash.
    Bash,
    /// For kubectl-ecrefresh in zsh.
    Zsh,
    /// For kubectl-ecrefresh in fish.
    Fish,
    /// The program kubectl_complete-ecrefresh, which kubectl runs for `kubectl ecrefresh`.
    Kubectl,
}
