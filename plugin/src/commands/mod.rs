//! What each command does: it asks, and prints what the words say.

mod doctor;
mod history;
mod list;
mod list_live;
mod manual;
mod page;
mod raw;
mod run;
mod status;
mod status_live;
mod suspend;
mod tabulate;
mod wait;
mod which;
mod why;
mod write;

use crate::{
    cli::{Cli, Command},
    cluster::Cluster,
    exit::Exit,
    problem::Problem,
};

/// Runs the command that was asked for.
///
/// # Errors
/// It cannot be done.
pub async fn run(cli: Cli) -> Result<Exit, Problem> {
    let Cli { global, list, command } = cli;
    // Not all of them need one.
    let cluster = async || Cluster::of(&global).await;
    match command.unwrap_or(Command::List(list)) {
        Command::List(list) => list::run(&cluster().await?, &global, &list).await,
        Command::Status(args) => status::run(&cluster().await?, &global, &args).await,
        Command::History(named) => history::run(&cluster().await?, &global, &named.name).await,
        Command::Why(named) => why::run(&cluster().await?, &global, &named.name).await,
        Command::Run(wanted) => run::run(&cluster().await?, &global, &wanted).await,
        Command::Wait(wanted) => wait::run(&cluster().await?, &global, &wanted).await,
        Command::Suspend(which) => suspend::run(&cluster().await?, &global, &which, true).await,
        Command::Resume(which) => suspend::run(&cluster().await?, &global, &which, false).await,
        Command::Create(wanted) => write::create(&global, &wanted).await,
        Command::Connect(wanted) => write::connect(&global, &wanted).await,
        Command::Doctor => doctor::run(&cluster().await?, &global).await,
        Command::Completion(wanted) => manual::completion(wanted.shell),
        Command::Man(wanted) => manual::pages(&wanted.folder),
    }
}
