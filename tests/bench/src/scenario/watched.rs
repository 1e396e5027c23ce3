//! A thousand refreshes whose sources are watched: files are added to some of these, beside jobs of others; then they rest.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use milvus_simulator::{Method, Plan};
use serde_json::json;
use tokio::time::sleep;

use crate::operator::Operator;
use crate::results::{Findings, Row, mib, percentile};
use crate::scenario::neighbour::delay;
use crate::stage::Stage;
use crate::store::Store;
use crate::world::{Bench, names};

/// Of each source. A thousand are a page, with the one that is added to some.
const OBJECTS: usize = 999;
/// How often each is looked at, in seconds: as often as it may be. The targets are for every 300 s, a tenth of that.
const INTERVAL: u64 = 30;
const SCALED: f64 = 300.0 / INTERVAL as f64;
/// How long a source must be unchanged before a run starts, in seconds.
const QUIET: u64 = 5;
/// For what the wait for the look, half of the interval on average, and the quiet time do not explain: the second look, its
/// whole seconds, and the start.
const SLACK: f64 = 5.0;
/// Sources that a file is added to.
const CHANGES: usize = 100;
/// The jobs of others.
const OTHERS: usize = 100;
/// How long looks are counted: two rounds.
const WINDOW: Duration = Duration::from_secs(2 * INTERVAL);

/// Refreshes whose sources were looked at, and others beside them.
pub struct Watched<'a> {
    sources: Sources<'a>,
    /// Where jobs of others run while files are added, and that operator.
    busy: (Stage<'a>, Operator),
    /// Where such jobs run at the same time, with an operator that watches nothing.
    calm: (Stage<'a>, Operator),
}

/// Refreshes at rest whose sources are watched, while an operator runs.
pub struct Sources<'a> {
    stage: Stage<'a>,
    store: Store,
    names: Vec<String>,
}

/// Has the operator look at each source once.
///
/// # Errors
/// Something does not work.
pub async fn prepare(bench: &Bench) -> Result<Watched<'_>> {
    let calm = bench.stage("calm").await?;
    let undisturbed = calm.operator().await?;
    let stages = [bench.stage("busy").await?, bench.stage("watched").await?];
    let store = Store::start().await?;
    let operator = bench.operator(&stages).await?;
    let [busy, stage] = stages;
    stage.may_watch(&store).await?;
    let names = names(bench.scale.count(1000));
    let watch = json!({ "objects": {}, "intervalSeconds": INTERVAL, "quietSeconds": QUIET });
    stage.create_watched(&names, OBJECTS, &watch).await?;
    stage.until_fresh().await?;
    Ok(Watched { sources: Sources { stage, store, names }, busy: (busy, operator), calm: (calm, undisturbed) })
}

impl<'a> Watched<'a> {
    /// Rows `watch-neighbour` and `watch-delay`: files are added to some of the sources.
    ///
    /// # Errors
    /// Something does not work.
    pub async fn files(self) -> Result<(Findings, Sources<'a>)> {
        let Self { sources, busy, calm } = self;
        let Sources { stage, store, names } = &sources;
        let others = others(stage.bench);
        let changed = names.get(..stage.bench.scale.count(CHANGES)).unwrap_or_default();
        let detection = async {
            // At once: their looks are anywhere in an interval.
            let added = changed.iter().map(|name| (name.clone(), store.add(OBJECTS, name))).collect();
            stage.until_started(names.len() + changed.len()).await?;
            delays(stage, &added).await
        };
        let (delays, disturbed, undisturbed) =
            tokio::try_join!(detection, delay(&busy.0, others.0, &others.1), delay(&calm.0, others.0, &others.1))?;
        stage.until_fresh().await?;
        let runs = stage.milvus.calls(Method::Refresh) - names.len();
        busy.1.end()?;
        calm.1.end()?;
        let (median, ratio) = (percentile(&delays, 0.5), disturbed / undisturbed);
        let most = INTERVAL as f64 / 2.0 + QUIET as f64 + SLACK;
        let findings = Findings {
            rows: vec![
                Row::new(
                    "watch-neighbour",
                    "end of a job of 10 s to its status beside such looks every 30 s, median of 100",
                    "<= 1.2 of that without, at the same time",
                    format!("{ratio:.2} ({disturbed:.2} s to {undisturbed:.2} s)"),
                    ratio <= 1.2,
                ),
                Row::new(
                    "watch-delay",
                    "a new file in each of 100 of them, looked at every 30 s and quiet for 5 s, to the run that reads it, \
                     median",
                    "<= 25 s; one run a file",
                    format!("{median:.1} s; {runs} runs for {} files", changed.len()),
                    median <= most && runs == changed.len() && delays.len() == runs,
                ),
            ],
            ..Findings::default()
        };
        Ok((findings, sources))
    }
}

impl Sources<'_> {
    /// Rows `watch-requests`, `watch-cpu`, `watch-writes` and `watch-memory`. It takes little of anything, so others can be
    /// measured at the same time.
    ///
    /// # Errors
    /// Something does not work.
    pub async fn rest(self) -> Result<Findings> {
        let Self { stage, store, names } = self;
        let scale = stage.bench.scale;
        let operator = stage.operator().await?;
        operator.until_shown(|metrics| metrics.looks() >= names.len() as f64).await?;
        let before = operator.rss()?;
        let (cpu, requests, writes) = (operator.cpu()?, store.requests(), stage.writes()?.len());
        // A whole round at least: the times of the looks are not evenly spread.
        let window = scale.time(WINDOW).max(Duration::from_secs(INTERVAL));
        sleep(window).await;
        let cpu = operator.cpu()?.saturating_sub(cpu).as_secs_f64() / window.as_secs_f64() * 100.0 / SCALED;
        let a_second = (store.requests() - requests) as f64 / window.as_secs_f64() / SCALED;
        let writes = stage.writes()?.len().saturating_sub(writes);
        let after = operator.rss()?;
        operator.end()?;
        let expected = names.len() as f64 / INTERVAL as f64 / SCALED;
        let growth = mib(after) - mib(before);
        Ok(Findings {
            rows: vec![
                Row::new(
                    "watch-requests",
                    "requests a second for 1,000 watched sources of 1,000 objects at rest, looked at every 5 minutes",
                    "<= 1.1 of one a look",
                    format!("{a_second:.2} ({:.2} looks)", expected),
                    a_second <= 1.1 * expected,
                ),
                Row::new("watch-cpu", "CPU of these looks", "<= 2 % of a core", format!("{cpu:.2} %"), cpu <= 2.0),
                Row::new("watch-writes", "status writes of these looks", "0", writes.to_string(), writes == 0),
                Row::new(
                    "watch-memory",
                    "memory after the third look at each, by that after the first",
                    "grows by no more than 2 MiB",
                    format!("{growth:.1} MiB ({:.1} MiB to {:.1} MiB)", mib(before), mib(after)),
                    growth <= 2.0,
                ),
            ],
            ..Findings::default()
        })
    }
}

/// How many jobs of others there are, and how they go.
fn others(bench: &Bench) -> (usize, Plan) {
    (bench.scale.count(OTHERS), Plan::completes_in(bench.scale.time(Duration::from_secs(10))).jittered(0.5))
}

/// For each file the time until the first run after it has started, in seconds, sorted.
async fn delays(stage: &Stage<'_>, added: &HashMap<String, Timestamp>) -> Result<Vec<f64>> {
    let mut delays = stage.starts_after(added).await?;
    delays.retain(|delay| *delay >= 0.0);
    delays.sort_by(f64::total_cmp);
    Ok(delays)
}
