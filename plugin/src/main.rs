//! `kubectl ecrefresh`: shows, runs, awaits and explains refreshes of Milvus external collections.
//!
//! A command asks the cluster, turns what it hears into lines by pure functions of objects, time and width, and prints them.
//!
//! * [`cli`]: commands and flags.
//! * [`commands`]: what each command does.
//! * [`complete`]: what kubectl and shells are told of the word that is typed.
//! * [`doctor`]: whether all is there that refreshes need.
//! * [`follow`]: waits for runs to end.
//! * [`manifest`]: manifests from flags.
//! * [`words`]: what is said about an object, computed from it alone.
//! * [`screen`]: lines, tables, bars and the live view.
//! * [`cluster`]: all that speaks to the API server.
//! * [`named`]: how a command that is told names an object.
//! * [`exit`], [`problem`]: how it ends.

mod cli;
mod cluster;
mod commands;
mod complete;
mod doctor;
mod exit;
mod follow;
mod manifest;
mod named;
mod problem;
mod screen;
mod words;

use std::{io::Write as _, process::ExitCode};

use cli::Cli;

fn main() -> ExitCode {
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    // The first use of TLS fails without one. Installed once, so it cannot be there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(words) = complete::asked(args) {
        // A shell that no longer reads has what it wants.
        let _ = std::io::stdout().write_all(complete::answer(&words).as_bytes());
        return ExitCode::SUCCESS;
    }
    let ended = Cli::read().and_then(run);
    ended.unwrap_or_else(|problem| problem.tell()).into()
}

// It waits nearly all of its time.
#[tokio::main(flavor = "current_thread")]
async fn run(cli: Cli) -> Result<exit::Exit, problem::Problem> {
    commands::run(cli).await
}
