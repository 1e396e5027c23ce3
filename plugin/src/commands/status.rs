//! `status`: one refresh on one page.

use futures::join;
use jiff::Timestamp;
use milvus_refresh_operator::object::Key;

use super::page::Page;
use crate::{
    cli::{Global, Output, Status},
    cluster::{Around, Cluster},
    exit::Exit,
    problem::Problem,
    screen::{Screen, lines},
};

/// Shows it, once or live.
///
/// # Errors
/// The refresh cannot be had or read.
pub async fn run(cluster: &Cluster, flags: &Global, args: &Status) -> Result<Exit, Problem> {
    let output = flags.output(&[Output::Json, Output::Yaml])?;
    if let Some(format) = output {
        return super::raw::one(cluster, args, format).await;
    }
    let refresh = cluster.readable(&args.name).await?;
    if args.watch {
        return super::status_live::run(cluster, refresh).await;
    }
    let now = Timestamp::now();
    let key = Key::of(&refresh);
    let (around, events) = join!(cluster.around(&refresh, now), cluster.events_of(&key));
    let Around { connection, others, operator } = around;
    let page = Page {
        object: refresh,
        connection: connection.map_err(|problem| problem.to_string()),
        others,
        operator,
        events: events.map_err(|problem| problem.to_string()),
    };
    lines(&page.lines(&Screen::stdout(), now))?;
    Ok(Exit::Ok)
}
