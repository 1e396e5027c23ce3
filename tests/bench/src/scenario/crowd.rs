//! One to ten thousand active refreshes, each number on a Milvus of its own, as operators meet them that start: what it takes to
//! follow them, and how soon the end of each is known.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use jiff::Timestamp;
use milvus_refresh_operator::milvus::Milvus as _;
use milvus_simulator::{Method, Outcome, Plan};
use serde_json::json;
use tokio::time::{sleep, sleep_until, timeout};

use crate::bare::milvus_client;
use crate::operator::Operator;
use crate::results::{Curve, Fact, Findings, Row, Series, mib, percentile};
use crate::stage::Stage;
use crate::stamp::RunStamp;
use crate::world::{Bench, LONG, names};

/// Active refreshes.
const SIZES: [usize; 5] = [1, 10, 100, 1000, 10_000];
/// How long they are followed.
const WINDOW: Duration = Duration::from_secs(20);
/// So many jobs of each number end, evenly within that time.
const ENDED: usize = 2000;
const ENDS: Duration = Duration::from_secs(25);
/// What follows jobs.
const FOLLOWING: [Method; 2] = [Method::Progress, Method::List];

/// What so many active refreshes take.
struct Cost {
    active: f64,
    /// Milvus calls a second.
    calls: f64,
    /// Milliseconds a second.
    cpu: f64,
    /// MiB.
    memory: f64,
    /// From the first question that shows an end to the last status write, in seconds, sorted.
    delays: Vec<f64>,
}

/// Rows `crowd-*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let (plan, pattern) = (Plan::hangs(), bench.stage("crowd").await?);
    let running = RunStamp::of(pattern.bring("pattern", json!({}), &plan, |status| status.job_id.is_some()).await?)?;
    let sizes = SIZES.map(|size| bench.scale.count(size));
    let mut stages = Vec::new();
    for (step, size) in sizes.into_iter().enumerate() {
        let stage = bench.stage(&format!("crowd-{step}")).await?;
        running.put(&stage, &names(size), &plan).await?;
        stages.push(stage);
    }
    let operators = try_join_all(stages.iter().zip(sizes).map(|(stage, size)| follow(stage, size))).await?;
    let before: Vec<_> = stages.iter().zip(&operators).map(taken).collect::<Result<_>>()?;
    let window = bench.scale.time(WINDOW);
    sleep(window).await;
    let after: Vec<_> = stages.iter().zip(&operators).map(taken).collect::<Result<_>>()?;
    try_join_all(
        stages.iter().zip(&operators).map(|(stage, operator)| end_jobs(stage, operator, bench.scale.time(ENDS))),
    )
    .await?;
    let seconds = window.as_secs_f64();
    let mut costs = Vec::new();
    for (((stage, operator), size), (before, after)) in
        stages.iter().zip(operators).zip(sizes).zip(before.into_iter().zip(after))
    {
        let memory = mib(operator.peak_rss()?);
        operator.end()?;
        costs.push(Cost {
            active: size as f64,
            calls: (after.0 - before.0) as f64 / seconds,
            cpu: after.1.saturating_sub(before.1).as_secs_f64() * 1000.0 / seconds,
            memory,
            delays: beyond_the_tick(stage).await?,
        });
    }
    Ok(findings(&costs))
}

/// Starts an operator and waits until it follows all jobs.
async fn follow(stage: &Stage<'_>, size: usize) -> Result<Operator> {
    let mut operator = stage.operator().await?;
    operator.until_settled(size, LONG).await?;
    let calls = stage.calls(&FOLLOWING);
    let asked = stage.milvus.wait_until(|_| stage.calls(&FOLLOWING) > calls + 2);
    timeout(LONG, asked).await.context("Milvus is not asked for the jobs")?;
    Ok(operator)
}

/// Milvus calls and CPU so far.
fn taken((stage, operator): (&Stage<'_>, &Operator)) -> Result<(usize, Duration)> {
    Ok((stage.calls(&FOLLOWING), operator.cpu()?))
}

/// Ends jobs one after the other.
async fn end_jobs(stage: &Stage<'_>, operator: &Operator, within: Duration) -> Result<()> {
    let (mut jobs, began) = (stage.milvus.jobs_by_start(), tokio::time::Instant::now());
    jobs.truncate(stage.bench.scale.count(ENDED));
    for (number, job) in jobs.iter().enumerate() {
        sleep_until(began + within.mul_f64(number as f64 / jobs.len() as f64)).await;
        stage.milvus.finish_job(*job, Outcome::Complete);
    }
    operator.until_completed(jobs.len()).await
}

/// For each job the time from the first question after its end that shows it to the last status write, in seconds, sorted.
async fn beyond_the_tick(stage: &Stage<'_>) -> Result<Vec<f64>> {
    let (told, mut asked, mut lists) = (stage.told()?, HashMap::new(), Vec::new());
    for call in stage.milvus.journal() {
        let at = Timestamp::from_millisecond(stage.milvus.unix_ms(call.at))?;
        match (call.method, call.job) {
            (Method::List, _) => lists.push(at),
            (Method::Progress, Some(job)) => asked.entry(job.0).or_insert_with(Vec::new).push(at),
            _ => {}
        }
    }
    let mut delays = Vec::new();
    for job in milvus_client(&stage.milvus.url())?.list_all(&|_| true).await? {
        let Some(ended) = job.end_time else { continue };
        let after = |questions: &[Timestamp]| questions.get(questions.partition_point(|at| *at < ended)).copied();
        let first = [after(&lists), asked.get(&job.id.0).and_then(|single| after(single))].into_iter().flatten().min();
        let (first, told) =
            first.zip(told.get(&job.collection).copied()).context("the end of a job was not asked for")?;
        delays.push(told.duration_since(first).as_secs_f64());
    }
    delays.sort_by(f64::total_cmp);
    Ok(delays)
}

fn findings(costs: &[Cost]) -> Findings {
    let thousand = costs.iter().rev().nth(1);
    let (Some(less), Some(most)) = (thousand, costs.last()) else { return Findings::default() };
    let shown: Vec<String> = costs.iter().map(|cost| format!("{:.0}: {:.1}", cost.active, cost.calls)).collect();
    let each = |cost: &Cost| cost.cpu / cost.active;
    let (median, p99) = (percentile(&most.delays, 0.5), percentile(&most.delays, 0.99));
    let curve = |name, of: fn(&Cost) -> f64| Series {
        name,
        points: costs.iter().map(|cost| (cost.active, of(cost))).collect(),
    };
    let active = ("active refreshes", true);
    let kib = (most.memory - costs.first().map_or(0.0, |one| one.memory)) * 1024.0 / most.active;
    Findings {
        facts: vec![(Fact::ActiveMemory, kib)],
        rows: vec![
            Row::new(
                "crowd-polls",
                "Milvus calls a second with 10,000 active",
                "within 20 % of those with 1,000",
                shown.join(", "),
                (most.calls / less.calls - 1.0).abs() <= 0.2,
            ),
            Row::new(
                "crowd-cpu",
                "CPU to follow one of 10,000 active, a minute",
                "within 20 % of that with 1,000",
                format!("{:.2} ms to {:.2} ms", each(most) * 60.0, each(less) * 60.0),
                each(most) <= 1.2 * each(less),
            ),
            Row::new(
                "crowd-median",
                "end of a job to its status with 10,000 active, beyond the tick, median",
                "<= 1 s",
                format!("{median:.2} s"),
                median <= 1.0,
            ),
            Row::new("crowd-p99", "the same, 99th percentile", "<= 3 s", format!("{p99:.2} s"), p99 <= 3.0),
            Row::beside("rss-crowd", "memory with 10,000 active, at its peak", format!("{:.1} MiB", most.memory)),
        ],
        curves: vec![
            Curve {
                id: "crowd-cpu",
                title: "The operator's CPU to follow active refreshes",
                x: active,
                y: ("milliseconds a second", true),
                series: vec![curve("operator", |cost| cost.cpu)],
            },
            Curve {
                id: "crowd-memory",
                title: "The operator's memory by active refreshes",
                x: active,
                y: ("MiB", false),
                series: vec![curve("operator", |cost| cost.memory)],
            },
            Curve {
                id: "crowd-delay",
                title: "From the end of a job to its status by active refreshes, beyond the tick",
                x: active,
                y: ("seconds", false),
                series: vec![
                    curve("median", |cost| percentile(&cost.delays, 0.5)),
                    curve("99th percentile", |cost| percentile(&cost.delays, 0.99)),
                ],
            },
        ],
    }
}
