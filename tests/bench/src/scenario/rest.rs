//! Ten thousand finished refreshes, then with a schedule each: starting with them, resting with them, keeping them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use controlplane::AuditLine;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;
use kube::api::PostParams;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, PastRun};
use serde_json::json;
use tokio::time::sleep;

use crate::bare;
use crate::operator::{Operator, cpu};
use crate::results::{Findings, Row, mib, percentile};
use crate::world::{LONG, Stage, WRITERS};

/// Starts that are measured; the median counts.
const STARTS: usize = 3;
/// How long nothing must happen.
const REST: Duration = Duration::from_secs(60);
/// The most runs that a status remembers.
const HISTORY: i64 = 10;

/// Rows `cold-start*`, `idle-*`, `rss-finished`, `rss-history`, `rss-object`.
///
/// # Errors
/// Something does not work.
pub async fn run(stage: &Stage<'_>) -> Result<Findings> {
    let api_server = stage.bench.control_plane.api_server_pid().context("the API server has ended")?;
    let mut count = 0;
    let mut lists = Vec::new();
    let listing = cpu(api_server)?;
    for _ in 0..STARTS {
        let began = Instant::now();
        count = bare::stream_list(stage).await?;
        lists.push(began.elapsed().as_secs_f64());
    }
    lists.sort_by(f64::total_cmp);
    let listing = cpu(api_server)?.saturating_sub(listing).as_secs_f64();

    let (writes, before) = (count_calls(stage, is_write)?, count_calls(stage, |_| true)?);
    let starting = cpu(api_server)?;
    let (operator, starts) = measured_starts(stage, count).await?;
    let starting = cpu(api_server)?.saturating_sub(starting).as_secs_f64();
    // The last one's watches are not told before they end.
    let ended = count_calls(stage, |_| true)?.saturating_sub(before);
    let a_start = ended as f64 / (STARTS - 1) as f64;
    let settled = calls(stage)?;
    let empty = stage.bench.stage(&format!("{}-beside", stage.namespace)).await?;
    let beside = empty.operator().await?;
    let (cpu_before, switches) = (operator.cpu()?, operator.switches()?);
    let rest = stage.bench.scale.time(REST);
    sleep(rest).await;
    let rested = rest.as_secs_f64();
    let cpu_at_rest = operator.cpu()?.saturating_sub(cpu_before).as_secs_f64() * 600.0 / rested;
    let wakeups = operator.switches()?.saturating_sub(switches) as f64 / rested;
    let idle = calls(stage)?.saturating_sub(settled);
    let writes = count_calls(stage, is_write)?.saturating_sub(writes);
    let (finished, none) = (operator.rss()?, beside.rss()?);
    operator.end()?;
    beside.end()?;

    schedule(stage, count).await?;
    let written = count_calls(stage, is_write)?;
    let (operator, scheduled) = measured_starts(stage, count).await?;
    let settled = calls(stage)?;
    sleep(stage.bench.scale.time(REST)).await;
    let idle_scheduled = calls(stage)?.saturating_sub(settled);
    let written = count_calls(stage, is_write)?.saturating_sub(written);
    operator.end()?;

    fill_histories(stage, stage.list().await?).await?;
    let (operator, _) = start(stage, count).await?;
    sleep(Duration::from_secs(5)).await;
    let full = operator.rss()?;
    operator.end()?;

    let beyond = percentile(&starts, 0.5) - percentile(&lists, 0.5);
    let beyond_scheduled = percentile(&scheduled, 0.5) - percentile(&lists, 0.5);
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
                "<= 0.3 s beyond a bare streamed list",
                format!("{beyond:.2} s beyond ({:.2} s to {:.2} s)", percentile(&starts, 0.5), percentile(&lists, 0.5)),
                beyond <= 0.3,
            ),
            Row::new(
                "cold-start-calls",
                "requests of such a start for what is in its namespace, but the lease",
                "<= 4",
                format!("{a_start:.1}"),
                a_start <= 4.0,
            ),
            Row::new(
                "cold-start-api-cpu",
                "API server's CPU for such a start",
                "<= 1.1 of the bare list's",
                format!("{:.2} ({starting:.2} s to {listing:.2} s for {STARTS})", starting / listing),
                starting <= 1.1 * listing,
            ),
            Row::new(
                "cold-start-writes",
                "writes of such a start and the rest after it",
                "0",
                writes.to_string(),
                writes == 0,
            ),
            Row::new(
                "cold-start-scheduled",
                "the same with a schedule each, none of them due",
                "<= 0.5 s beyond a bare streamed list",
                format!("{beyond_scheduled:.2} s beyond"),
                beyond_scheduled <= 0.5,
            ),
            Row::new(
                "idle-calls-scheduled",
                "API calls but watches while these rest for 60 s, and writes from their start on",
                "0; 0",
                format!("{idle_scheduled}; {written}"),
                idle_scheduled == 0 && written == 0,
            ),
            Row::new(
                "rss-finished",
                "memory with 10,000 finished objects",
                "<= 25 MiB",
                format!("{:.1} MiB", mib(finished)),
                mib(finished) <= 25.0,
            ),
            Row::new(
                "idle-wakeups",
                "times a second that the operator runs while these rest",
                "<= 1",
                format!("{wakeups:.2}"),
                wakeups <= 1.0,
            ),
            Row::new(
                "idle-cpu",
                "its CPU over 10 minutes of that",
                "<= 0.05 s",
                format!("{cpu_at_rest:.3} s"),
                cpu_at_rest <= 0.05,
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

/// Starts operators one after the other. Gives the last, and the times that they took, from the shortest to the longest.
async fn measured_starts(stage: &Stage<'_>, count: usize) -> Result<(Operator, Vec<f64>)> {
    let mut times = Vec::new();
    for _ in 1..STARTS {
        let (operator, time) = start(stage, count).await?;
        times.push(time);
        operator.end()?;
    }
    let (operator, time) = start(stage, count).await?;
    times.push(time);
    times.sort_by(f64::total_cmp);
    Ok((operator, times))
}

/// Gives each refresh a schedule that is not due for months, and waits until an operator has taken note of all.
async fn schedule(stage: &Stage<'_>, count: usize) -> Result<()> {
    let month = Timestamp::now().to_zoned(TimeZone::UTC).month();
    let cron = format!("0 0 1 {} *", (month + 5) % 12 + 1);
    stage.edit_all(json!({ "spec": { "schedule": { "cron": cron } } })).await?;
    let (operator, _) = start(stage, count).await?;
    let is_noted = |object: &ExternalCollectionRefresh| {
        let kept = object.status.as_ref().and_then(|status| status.schedule.as_ref());
        kept.is_some_and(|kept| kept.next_schedule_time.is_some())
    };
    stage.until_all("taken note of", is_noted).await?;
    operator.end()
}

/// The requests of operators but watches. Before a watch is opened, which is every five minutes, the cluster is asked for its
/// version.
fn calls(stage: &Stage<'_>) -> Result<usize> {
    count_calls(stage, |line| line.verb != "watch" && !line.uri.ends_with("?limit=1"))
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
