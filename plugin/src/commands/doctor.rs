//! `doctor`: whether all is there that refreshes need.

use jiff::Timestamp;

use crate::{
    cli::{Global, Output},
    cluster::Cluster,
    doctor::{Level, examine},
    exit::Exit,
    problem::Problem,
    screen::{Line, Screen, lines},
};

/// Lists what is found. Warnings end well, a problem does not.
///
/// # Errors
/// The cluster cannot be reached.
pub async fn run(cluster: &Cluster, flags: &Global) -> Result<Exit, Problem> {
    let output = flags.output(&[Output::Json, Output::Yaml])?;
    let findings = examine(cluster, Timestamp::now()).await?;
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (warnings, problems) = (count(Level::Warning), count(Level::Problem));
    let exit = if problems > 0 { Exit::Failed } else { Exit::Ok };
    if let Some(format) = output {
        super::raw::print(&findings, format)?;
        return Ok(exit);
    }
    let width = Screen::stdout().width();
    lines(&findings.iter().flat_map(|finding| finding.lines(width)).collect::<Vec<_>>())?;
    let word = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    lines([&Line::from(format!("{}, {}.", word(problems, "problem"), word(warnings, "warning")))])?;
    Ok(exit)
}
