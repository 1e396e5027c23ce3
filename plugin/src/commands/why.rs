//! `why`: why a refresh runs or does not, and what would make it run.

use jiff::Timestamp;

use crate::{
    cli::{Global, Name},
    cluster::Cluster,
    exit::Exit,
    problem::Problem,
    screen::{Line, Screen, Tone, lines, wrapped},
    words::{page, why},
};

/// Says it.
///
/// # Errors
/// The refresh cannot be had or read.
pub async fn run(cluster: &Cluster, flags: &Global, name: &Name) -> Result<Exit, Problem> {
    flags.output(&[])?;
    let refresh = cluster.readable(name).await?;
    let now = Timestamp::now();
    let around = cluster.around(&refresh, now).await;
    let trouble = around.connection.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let known = why::Known {
        object: &refresh,
        connection: around.connection.as_ref().map(Option::as_ref).map_err(|_| trouble.as_str()),
        others: &around.others,
        operator: &around.operator,
        now,
    };
    lines(&shown(&why::why(&known), Screen::stdout().width()))?;
    Ok(Exit::Ok)
}

fn shown(verdict: &why::Verdict, width: Option<usize>) -> Vec<Line> {
    let mut shown = wrapped(Line::new(), Tone::Strong, &verdict.why, width);
    shown.extend(verdict.then.iter().flat_map(|sentence| wrapped(Line::new(), Tone::Plain, sentence, width)));
    if let Some(class) = verdict.failure {
        shown.push(Line::new());
        shown.extend(page(class, width));
    }
    shown
}
