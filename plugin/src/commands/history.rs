//! `history`: the last runs of a refresh.

use jiff::Timestamp;
use milvus_refresh_operator::api::PastRun;

use crate::{
    cli::{Global, Name, Output},
    cluster::Cluster,
    exit::Exit,
    problem::Problem,
    screen::{Screen, lines},
    words::past_runs,
};

/// Shows them, newest first.
///
/// # Errors
/// The refresh cannot be had or read.
pub async fn run(cluster: &Cluster, flags: &Global, name: &Name) -> Result<Exit, Problem> {
    let output = flags.output(&[Output::Json, Output::Yaml])?;
    let refresh = cluster.readable(name).await?;
    let runs: &[PastRun] = refresh.status.as_ref().map(|status| status.history.as_slice()).unwrap_or_default();
    if let Some(format) = output {
        super::raw::print(&runs, format)?;
        return Ok(Exit::Ok);
    }
    if runs.is_empty() {
        anstream::eprintln!("No run of {} has ended yet.", name.as_str());
        return Ok(Exit::Ok);
    }
    lines(&past_runs(runs, Timestamp::now()).lines(Screen::stdout().width()))?;
    Ok(Exit::Ok)
}
