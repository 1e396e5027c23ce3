//! `status`: one refresh on one page.

use futures::join;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use milvus_refresh_operator::{
    api::{ExternalCollectionRefresh, MilvusConnection},
    object::Key,
};

use crate::{
    cli::{Global, Output, Status},
    cluster::{Around, Cluster, Operator},
    exit::Exit,
    problem::Problem,
    screen::{Line, Screen, lines},
    words::{
        status::{Whole, status},
        why::{Known, why},
    },
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

/// All that a page is made from.
pub struct Page {
    /// The refresh.
    pub object: ExternalCollectionRefresh,
    /// Its connection, or why it cannot be had.
    pub connection: Result<Option<MilvusConnection>, String>,
    /// The refreshes that it may have to wait for.
    pub others: Vec<ExternalCollectionRefresh>,
    /// Whether an operator is at work.
    pub operator: Operator,
    /// Its Events, or why they cannot be had.
    pub events: Result<Vec<Event>, String>,
}

impl Page {
    /// The page as of `now`.
    pub fn lines(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        let connection = self.connection.as_ref().map(Option::as_ref).map_err(String::as_str);
        let known = Known { object: &self.object, connection, others: &self.others, operator: &self.operator, now };
        let events = self.events.as_ref().map(|events| events.iter().collect()).map_err(String::as_str);
        let verdict = why(&known);
        let silent = matches!(self.operator, Operator::Silent(_));
        let first = if silent { verdict.then.first().map(String::as_str).unwrap_or_default() } else { "" };
        let why = format!("{} {first}", verdict.why);
        let whole = Whole { object: &self.object, connection, events, why: why.trim_end(), now };
        status(&whole, screen.window.map(|_| screen.bars), screen.width())
    }
}
