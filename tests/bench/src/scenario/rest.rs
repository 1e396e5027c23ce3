//! A hundred to a hundred thousand finished refreshes, and others with schedules or full histories: starting with them, resting
//! with them, keeping them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use controlplane::AuditLine;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use milvus_refresh_operator::api::{ExternalCollectionRefresh, PastRun};
use milvus_simulator::Plan;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::bare;
use crate::operator::Operator;
use crate::results::{Curve, Fact, Findings, Row, Series, mib, percentile};
use crate::stage::Stage;
use crate::stamp::Stamp;
use crate::world::{Bench, LONG, names};

/// Finished refreshes that rest.
const SIZES: [usize; 3] = [100, 1000, LARGE];
const LARGE: usize = 10_000;
/// So many are kept at last.
const MOST: usize = 100_000;
/// Turns of a list and a start, where these are compared.
const TURNS: usize = 3;
/// How long nothing must happen.
const REST: Duration = Duration::from_secs(60);
/// The most runs that a status remembers.
const HISTORY: i64 = 10;

/// Refreshes at rest, and the operator that was the last to start with them.
struct Held<'a> {
    stage: Stage<'a>,
    operator: Operator,
    count: usize,
    /// Bare streamed lists. With the most, and with full histories, there is none.
    lists: Times,
    /// Starts until settled.
    starts: Times,
    /// Requests of all these starts, but the watches of the last one: those are not told before they end.
    requests: usize,
}

/// How long the same took, several times.
#[derive(Default)]
struct Times {
    /// In order.
    seconds: Vec<f64>,
    /// The API server's CPU, of all.
    api_server: Duration,
}

/// What an operator has used.
struct Used {
    cpu: Duration,
    wakeups: u64,
    calls: usize,
}

/// Rows `cold-start*`, `idle-*`, `rss-idle`, `rss-finished`, `rss-most`, `rss-history`, `rss-object`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let empty = bench.stage("rest-empty").await?;
    let idle = empty.operator().await?;
    let plain = finished(bench, "finished", json!({})).await?;
    let stamp = Stamp::of(plain.clone())?;
    let mut held = Vec::new();
    for size in SIZES.map(|size| bench.scale.count(size)) {
        held.push(hold(bench, &format!("rest-{size}"), &stamp, size, true).await?);
    }
    let month = Timestamp::now().to_zoned(TimeZone::UTC).month();
    let in_months = json!({ "schedule": { "cron": format!("0 0 1 {} *", (month + 5) % 12 + 1) } });
    let noted = Stamp::of(finished(bench, "noted", in_months).await?)?;
    let size = bench.scale.count(LARGE);
    let scheduled = hold(bench, "rest-scheduled", &noted, size, true).await?;
    let told = hold(bench, "rest-told", &Stamp::of(with_history(plain))?, size, false).await?;
    let none = idle.rss()?;
    idle.end()?;

    let since = Instant::now();
    let before: Vec<_> = held.iter().chain([&scheduled]).map(Held::used).collect::<Result<_>>()?;
    // What others do in another namespace does not reach them.
    let most = hold(bench, "rest-most", &stamp, bench.scale.count(MOST), false).await?;
    sleep(bench.scale.time(REST).saturating_sub(since.elapsed())).await;
    let rested = since.elapsed();
    let after: Vec<_> = held.iter().chain([&scheduled]).map(Held::used).collect::<Result<_>>()?;
    let used: Vec<_> = before.into_iter().zip(after).map(|(before, after)| after.since(&before)).collect();
    let written = (large(&held)?.stage.requests(is_write)?, scheduled.stage.requests(is_write)?);
    let mut findings = at_rest(&used, written, rested)?;
    held.push(most);
    findings.add(memory(&held, &told, none)?);
    findings.add(cold_starts(&held, &scheduled)?);
    for held in held.into_iter().chain([scheduled, told]) {
        held.operator.end()?;
    }
    Ok(findings)
}

/// A finished refresh with these fields in its spec, which an operator has taken note of.
///
/// # Errors
/// Something does not work.
pub async fn finished(bench: &Bench, stage: &str, fields: Value) -> Result<ExternalCollectionRefresh> {
    let is_scheduled = fields.get("schedule").is_some();
    let stage = bench.stage(stage).await?;
    stage
        .bring("pattern", fields, &Plan::completes_in(Duration::ZERO), |status| {
            let noted = status.schedule.as_ref().is_some_and(|schedule| schedule.next_schedule_time.is_some());
            status.state.as_deref() == Some("RefreshCompleted") && noted == is_scheduled
        })
        .await
}

/// The same with as many past runs as a status can hold.
fn with_history(mut object: ExternalCollectionRefresh) -> ExternalCollectionRefresh {
    if let Some(status) = &mut object.status {
        let past = status.history.first().cloned().unwrap_or_default();
        status.history = (1..=HISTORY).rev().map(|number| PastRun { number, ..past.clone() }).collect();
    }
    object
}

/// Puts `count` copies there and starts an operator with them; where this is `compared`, in turns with lists of them: what the
/// API server has still to clear away of one falls to the other as often.
async fn hold<'a>(bench: &'a Bench, name: &str, stamp: &Stamp, count: usize, compared: bool) -> Result<Held<'a>> {
    let stage = bench.stage(name).await?;
    stamp.put(&stage, &names(count)).await?;
    let (mut lists, mut starts) = (Times::default(), Times::default());
    let mut running = None;
    for _ in 0..if compared { TURNS } else { 1 } {
        if let Some(last) = running.take() {
            Operator::end(last)?;
        }
        if compared {
            lists.add(bench, list(&stage, count)).await?;
        }
        let start = async {
            let operator = running.insert(stage.spawn()?);
            operator.until_settled(count, LONG).await
        };
        starts.add(bench, start).await?;
    }
    let (operator, requests) = (running.context("no operator was started")?, stage.requests(|_| true)?);
    Ok(Held { stage, operator, count, lists, starts, requests })
}

/// How long a bare list of them takes.
async fn list(stage: &Stage<'_>, count: usize) -> Result<Duration> {
    let began = Instant::now();
    let listed = bare::stream_list(stage).await?;
    if listed != count {
        bail!("the API server shows {listed} of {count} refreshes in {}", stage.namespace);
    }
    Ok(began.elapsed())
}

impl Times {
    /// Once more, which tells itself how long it took.
    async fn add(&mut self, bench: &Bench, work: impl Future<Output = Result<Duration>>) -> Result<()> {
        let before = bench.api_server_cpu()?;
        self.seconds.push(work.await?.as_secs_f64());
        self.seconds.sort_by(f64::total_cmp);
        self.api_server += bench.api_server_cpu()?.saturating_sub(before);
        Ok(())
    }

    /// Seconds, in the median.
    fn median(&self) -> f64 {
        percentile(&self.seconds, 0.5)
    }

    /// Seconds of the API server's CPU, on average.
    fn cpu(&self) -> f64 {
        self.api_server.as_secs_f64() / self.seconds.len() as f64
    }
}

impl Held<'_> {
    fn used(&self) -> Result<Used> {
        // Before a watch is opened, which is every five minutes, the cluster is asked for its version.
        let calls = self.stage.requests(|line| line.verb != "watch" && !line.uri.ends_with("?limit=1"))?;
        Ok(Used { cpu: self.operator.cpu()?, wakeups: self.operator.switches()?, calls })
    }
}

impl Used {
    fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            wakeups: self.wakeups.saturating_sub(before.wakeups),
            calls: self.calls.saturating_sub(before.calls),
        }
    }
}

/// Whether it is a write of a refresh or of its status.
fn is_write(line: &AuditLine) -> bool {
    line.resource == "externalcollectionrefreshes" && !["get", "list", "watch"].contains(&line.verb.as_str())
}

/// The one with ten thousand of all sizes, or of what belongs to them.
fn large<T>(of: &[T]) -> Result<&T> {
    let index = SIZES.iter().position(|size| *size == LARGE);
    index.and_then(|index| of.get(index)).context("there is none of ten thousand")
}

fn cold_starts(held: &[Held<'_>], scheduled: &Held<'_>) -> Result<Findings> {
    let of = large(held)?;
    let (start, list) = (of.starts.median(), of.lists.median());
    let (beyond, beyond_scheduled) = (start - list, scheduled.starts.median() - list);
    let part = of.starts.cpu() / of.lists.cpu();
    let requests = of.requests as f64 / (TURNS - 1) as f64;
    let curve = |name, times: for<'a> fn(&'a Held<'_>) -> &'a Times, value: fn(&Times) -> f64| {
        let measured = held.iter().filter(|held| !times(held).seconds.is_empty());
        Series { name, points: measured.map(|held| (held.count as f64, value(times(held)))).collect() }
    };
    Ok(Findings {
        rows: vec![
            Row::new(
                "cold-start",
                "start with 10,000 finished objects until settled",
                "<= 0.3 s beyond a bare streamed list",
                format!("{beyond:.2} s beyond ({start:.2} s to {list:.2} s)"),
                beyond <= 0.3,
            ),
            Row::new(
                "cold-start-calls",
                "requests of such a start for what is in its namespace, but the lease",
                "<= 4",
                format!("{requests:.1}"),
                requests <= 4.0,
            ),
            Row::new(
                "cold-start-api-cpu",
                "API server's CPU for such a start",
                "<= 1.1 of the bare list's",
                format!("{part:.2} ({:.2} s to {:.2} s)", of.starts.cpu(), of.lists.cpu()),
                part <= 1.1,
            ),
            Row::new(
                "cold-start-scheduled",
                "the same with a schedule each, none of them due",
                "<= 0.5 s beyond a bare streamed list",
                format!("{beyond_scheduled:.2} s beyond"),
                beyond_scheduled <= 0.5,
            ),
        ],
        curves: vec![
            Curve {
                id: "cold-start",
                title: "A start by finished objects: until settled, and a bare streamed list of them",
                x: ("objects", true),
                y: ("seconds", true),
                series: vec![
                    curve("operator", |held| &held.starts, Times::median),
                    curve("bare list", |held| &held.lists, Times::median),
                ],
            },
            Curve {
                id: "cold-start-api-cpu",
                title: "The API server's CPU for a start by finished objects",
                x: ("objects", true),
                y: ("seconds", true),
                series: vec![
                    curve("operator", |held| &held.starts, Times::cpu),
                    curve("bare list", |held| &held.lists, Times::cpu),
                ],
            },
        ],
        ..Findings::default()
    })
}

/// What was used by those of each size and then by the scheduled ones, and what ten thousand of either have written.
fn at_rest(used: &[Used], (written, scheduled): (usize, usize), rest: Duration) -> Result<Findings> {
    let of = large(used)?;
    let calls_scheduled = used.last().map_or(0, |used| used.calls);
    let wakeups = of.wakeups as f64 / rest.as_secs_f64();
    let cpu = of.cpu.as_secs_f64() * 600.0 / rest.as_secs_f64();
    Ok(Findings {
        rows: vec![
            Row::new(
                "idle-calls",
                "API calls but watches while 10,000 finished objects rest for a minute or longer",
                "0",
                of.calls.to_string(),
                of.calls == 0,
            ),
            Row::new(
                "idle-calls-scheduled",
                "the same with a schedule each, and writes from their start on",
                "0; 0",
                format!("{calls_scheduled}; {scheduled}"),
                calls_scheduled == 0 && scheduled == 0,
            ),
            Row::new(
                "cold-start-writes",
                "writes of such a start and the rest after it",
                "0",
                written.to_string(),
                written == 0,
            ),
            Row::new(
                "idle-wakeups",
                "times a second that the operator runs while these rest",
                "<= 1",
                format!("{wakeups:.2}"),
                wakeups <= 1.0,
            ),
            Row::new("idle-cpu", "its CPU over 10 minutes of that", "<= 0.05 s", format!("{cpu:.3} s"), cpu <= 0.05),
        ],
        ..Findings::default()
    })
}

/// What they take, those with full histories, and an operator with `none`, in bytes.
fn memory(held: &[Held<'_>], told: &Held<'_>, none: u64) -> Result<Findings> {
    let sizes: Vec<(usize, u64)> =
        held.iter().map(|held| Ok((held.count, held.operator.rss()?))).collect::<Result<_>>()?;
    let (count, finished) = *large(&sizes)?;
    let (most, of_most) = sizes.last().copied().unwrap_or_default();
    let full = told.operator.rss()?;
    let kib = |bytes: u64, objects: usize| bytes as f64 / objects.max(1) as f64 / 1024.0;
    let one = kib(of_most.saturating_sub(finished), most.saturating_sub(count));
    Ok(Findings {
        rows: vec![
            Row::new("rss-idle", "memory (RSS), idle", "<= 15 MiB", format!("{:.1} MiB", mib(none)), mib(none) <= 15.0),
            Row::new(
                "rss-finished",
                "memory with 10,000 finished objects",
                "<= 25 MiB",
                format!("{:.1} MiB", mib(finished)),
                mib(finished) <= 25.0,
            ),
            Row::new(
                "rss-most",
                "memory with 100,000 finished objects",
                "<= 130 MiB",
                format!("{:.1} MiB", mib(of_most)),
                mib(of_most) <= 130.0,
            ),
            Row::new("rss-object", "memory of one more of them", "<= 1.2 KiB", format!("{one:.2} KiB"), one <= 1.2),
            Row::beside(
                "rss-history",
                "memory with 10,000 with full histories (10); of one of them",
                format!("{:.1} MiB; {:.1} KiB", mib(full), kib(full.saturating_sub(none), count)),
            ),
        ],
        curves: vec![Curve {
            id: "memory-objects",
            title: "The operator's memory by finished objects",
            x: ("objects", true),
            y: ("MiB", true),
            series: vec![Series {
                name: "operator",
                points: sizes.iter().map(|(count, rss)| (*count as f64, mib(*rss))).collect(),
            }],
        }],
        facts: vec![(Fact::IdleMemory, mib(none)), (Fact::ObjectMemory, one)],
    })
}
