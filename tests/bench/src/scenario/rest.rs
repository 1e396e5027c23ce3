//! Ten thousand finished refreshes: starting with them, resting with them, keeping them.

use std::time::{Duration, Instant};

use anyhow::Result;
use controlplane::AuditLine;
use futures::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use milvus_refresh_operator::api::{ExternalCollectionRefresh, PastRun};
use tokio::time::sleep;

use crate::operator::Operator;
use crate::results::{Findings, Row, mib, percentile};
use crate::world::{LONG, Stage};

/// Starts that are measured; the median counts.
const STARTS: usize = 3;
/// How long nothing must happen.
const REST: Duration = Duration::from_secs(60);
/// Objects a page, as the operator's watch asks for them.
const PAGE: u32 = 500;
/// The most runs that a status remembers.
const HISTORY: i64 = 10;
/// Writes of the bench at the same time.
const WRITERS: usize = 32;

/// Rows `cold-start*`, `idle-calls`, `rss-finished`, `rss-history`, `rss-object`.
///
/// # Errors
/// Something does not work.
pub async fn run(stage: &Stage<'_>) -> Result<Findings> {
    let mut objects = Vec::new();
    let mut lists = Vec::new();
    for _ in 0..STARTS {
        let began = Instant::now();
        objects = list(stage).await?;
        lists.push(began.elapsed().as_secs_f64());
    }
    lists.sort_by(f64::total_cmp);
    let count = objects.len();

    let mut starts = Vec::new();
    let writes = count_calls(stage, is_write)?;
    for _ in 1..STARTS {
        let (operator, time) = start(stage, count).await?;
        starts.push(time);
        operator.end()?;
    }
    let (operator, time) = start(stage, count).await?;
    starts.push(time);
    starts.sort_by(f64::total_cmp);
    // Before a watch is opened, which is every five minutes, the cluster is asked for its version.
    let calls = || count_calls(stage, |line| line.verb != "watch" && !line.uri.ends_with("?limit=1"));
    let settled = calls()?;
    let empty = stage.bench.stage(&format!("{}-beside", stage.namespace)).await?;
    let beside = empty.operator().await?;
    sleep(stage.bench.scale.time(REST)).await;
    let idle = calls()?.saturating_sub(settled);
    let writes = count_calls(stage, is_write)?.saturating_sub(writes);
    let (finished, none) = (operator.rss()?, beside.rss()?);
    operator.end()?;
    beside.end()?;

    fill_histories(stage, objects).await?;
    let (operator, _) = start(stage, count).await?;
    sleep(Duration::from_secs(5)).await;
    let full = operator.rss()?;
    operator.end()?;

    let beyond = percentile(&starts, 0.5) - percentile(&lists, 0.5);
    let each = |rss: u64| rss.saturating_sub(none) as f64 / count as f64 / 1024.0;
    Ok(Findings {
        rows: vec![
            Row::new(
                "idle-calls",
                "API calls but watches while 10,000 finished objects rest for 60 s",
                "0",
                idle.to_string(),
                idle == 0,
            ),
            Row::new(
                "cold-start",
                "start with 10,000 finished objects until settled",
                "<= 5 s beyond a bare List",
                format!("{beyond:.2} s beyond ({:.2} s to {:.2} s)", percentile(&starts, 0.5), percentile(&lists, 0.5)),
                beyond <= 5.0,
            ),
            Row::new(
                "cold-start-writes",
                "writes of such a start and the rest after it",
                "0",
                writes.to_string(),
                writes == 0,
            ),
            Row::new(
                "rss-finished",
                "memory with 10,000 finished objects",
                "<= 50 MiB",
                format!("{:.1} MiB", mib(finished)),
                mib(finished) <= 50.0,
            ),
            Row::beside("rss-history", "the same with full histories (10)", format!("{:.1} MiB", mib(full))),
            Row::beside(
                "rss-object",
                "memory of one finished object; with a full history",
                format!("{:.1} KiB; {:.1} KiB", each(finished), each(full)),
            ),
        ],
        curves: Vec::new(),
    })
}

/// Starts an operator and says after how many seconds it has settled.
async fn start(stage: &Stage<'_>, count: usize) -> Result<(Operator, f64)> {
    let mut operator = stage.spawn()?;
    let time = operator.until_settled(count, LONG).await?;
    Ok((operator, time.as_secs_f64()))
}

/// The requests of operators that `of` holds for.
fn count_calls(stage: &Stage<'_>, of: impl Fn(&AuditLine) -> bool) -> Result<usize> {
    Ok(stage.bench.asked(&stage.namespace)?.iter().filter(|line| of(line)).count())
}

fn is_write(line: &AuditLine) -> bool {
    !["get", "list", "watch"].contains(&line.verb.as_str())
}

/// All refreshes, page by page.
async fn list(stage: &Stage<'_>) -> Result<Vec<ExternalCollectionRefresh>> {
    let (api, mut objects) = (stage.refreshes(), Vec::new());
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        objects.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
}

/// Gives each refresh as many past runs as a status can hold.
async fn fill_histories(stage: &Stage<'_>, objects: Vec<ExternalCollectionRefresh>) -> Result<()> {
    let (api, params) = (stage.refreshes(), PostParams::default());
    let work = objects.into_iter().map(|mut object| {
        let (api, params) = (&api, &params);
        async move {
            if let Some(status) = &mut object.status {
                let past = PastRun {
                    job_id: status.job_id.clone(),
                    state: "RefreshCompleted".to_owned(),
                    start_time: status.start_time.clone(),
                    completion_time: status.completion_time.clone(),
                    ..PastRun::default()
                };
                status.history = (1..=HISTORY).rev().map(|number| PastRun { number, ..past.clone() }).collect();
            }
            api.replace_status(&object.name_any(), params, &object).await
        }
    });
    stream::iter(work).buffer_unordered(WRITERS).try_for_each(async |_| Ok(())).await?;
    Ok(())
}
