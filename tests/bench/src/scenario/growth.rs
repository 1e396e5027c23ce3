//! Refreshes of instant jobs, all created at once: a hundred, a thousand, ten thousand.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use milvus_simulator::{Fault, Method, Plan};

use crate::bare::{self, Way};
use crate::results::{Curve, Fact, Findings, Row, Series};
use crate::stage::Stage;
use crate::stamp::Stamp;
use crate::world::{Bench, names};

/// How many refreshes, at full size.
const SIZES: [usize; 3] = [100, 1000, 10_000];

/// What a refresh cost.
struct Cost {
    objects: f64,
    /// API calls but watches.
    api: f64,
    milvus: f64,
    /// Milliseconds.
    cpu: f64,
    /// Status writes a second.
    rate: f64,
}

/// Rows `rate` and `cost-*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let new = Stamp::of(bench.stage("new").await?.new_refresh("pattern").await?)?;
    let [few, many, most] = SIZES.map(|size| bench.scale.count(size));
    let few = instant(bench, &new, few).await?.1;
    let (stage, many) = instant(bench, &new, many).await?;
    let bare_rate = bare::write_statuses(&stage, Way::Put).await?.rate;
    let rate = many.rate;
    let costs = [few, many, instant(bench, &new, most).await?.1];
    let mut findings = findings(&costs);
    let ratio = rate / bare_rate;
    findings.rows.push(Row::new(
        "rate",
        "1,000 refreshes of instant jobs, created at once, 16 workers: status writes a second",
        ">= 0.7 of the bare API server's",
        format!("{ratio:.2} ({rate:.0} to {bare_rate:.0})"),
        ratio >= 0.7,
    ));
    Ok(findings)
}

/// `count` refreshes are there while Milvus holds its answers, so that the operator meets all of them at once.
async fn instant<'a>(bench: &'a Bench, new: &Stamp, count: usize) -> Result<(Stage<'a>, Cost)> {
    let stage = bench.stage(&format!("instant-{count}")).await?;
    let operator = stage.operator().await?;
    let before = operator.cpu()?;
    stage.milvus.fault(Method::Describe, Fault::HangBeforeEffect.forever());
    let names = names(count);
    stage.create_collections(&names, &Plan::completes_in(Duration::ZERO));
    new.put(&stage, &names).await?;
    stage.milvus.clear_faults();
    stage.milvus.release();
    operator.until_completed(count).await?;
    let cpu = operator.cpu()?.saturating_sub(before);
    operator.end()?;

    let writes = stage.writes()?;
    let time = |line: Option<&controlplane::AuditLine>| -> Result<Timestamp> {
        Ok(line.context("the operator wrote nothing")?.ended.parse()?)
    };
    let took = time(writes.last())?.duration_since(time(writes.first())?).as_secs_f64();
    let api = bench.asked(&stage.namespace)?.iter().filter(|line| line.verb != "watch").count();
    let milvus = stage.calls(&[Method::Describe, Method::Refresh, Method::Progress, Method::List]);
    let objects = count as f64;
    let cost = Cost {
        objects,
        api: api as f64 / objects,
        milvus: milvus as f64 / objects,
        cpu: cpu.as_secs_f64() * 1000.0 / objects,
        rate: writes.len() as f64 / took,
    };
    Ok((stage, cost))
}

fn findings(costs: &[Cost]) -> Findings {
    let row = |id, what, cost: fn(&Cost) -> f64| {
        let shown: Vec<String> = costs.iter().map(|it| format!("{:.0}: {:.2}", it.objects, cost(it))).collect();
        let (first, last) = (costs.first().map_or(0.0, cost), costs.last().map_or(0.0, cost));
        // What grows is the fault; what many share costs each less.
        Row::new(id, what, "grows by no more than 20 %", shown.join(", "), last <= 1.2 * first)
    };
    let curve =
        |name, cost: fn(&Cost) -> f64| Series { name, points: costs.iter().map(|it| (it.objects, cost(it))).collect() };
    let calls = costs.last().map_or(0.0, |cost| cost.milvus);
    Findings {
        facts: vec![(Fact::RunMilvusCalls, calls)],
        rows: vec![
            row("cost-calls", "API calls per refresh by the number of refreshes", |cost| cost.api),
            row("cost-milvus", "Milvus calls per refresh", |cost| cost.milvus),
            row("cost-cpu", "CPU per refresh, ms", |cost| cost.cpu),
        ],
        curves: vec![Curve {
            id: "cost",
            title: "What an instant refresh costs, by the number created at once",
            x: ("refreshes", true),
            y: ("calls; milliseconds", false),
            series: vec![
                curve("API calls", |cost| cost.api),
                curve("Milvus calls", |cost| cost.milvus),
                curve("CPU, ms", |cost| cost.cpu),
            ],
        }],
    }
}
