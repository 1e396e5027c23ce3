//! A thousand refreshes of 50 to 70 s at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use milvus_simulator::Plan;
use tokio::time::sleep;

use crate::bare::{self, Way};
use crate::results::{Curve, Fact, Findings, Row, Series, mib, percentile};
use crate::scenario::short::distribution;
use crate::world::{Bench, names};

/// Rows `writes-many`, `delay-many-*`, `rss-active`, `cpu`, `api-cpu-many*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let stage = bench.stage("active").await?;
    let operator = stage.operator().await?;
    let names = names(bench.scale.count(1000));
    let before = (operator.cpu()?, bench.api_server_cpu()?);
    let began = Instant::now();
    let longest = bench.scale.time(Duration::from_secs(70));
    let mut memory = Vec::new();
    // Nobody asks the API server for anything before the jobs are over, so that its work is that of the operator.
    let work = async {
        stage.create(&names, &Plan::completes_in(longest.mul_f64(6.0 / 7.0)).jittered(1.0 / 6.0)).await?;
        sleep(longest.saturating_sub(began.elapsed())).await;
        operator.until_completed(names.len()).await
    };
    {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => break done?,
                () = sleep(Duration::from_secs(1)) => memory.push((began.elapsed().as_secs_f64(), mib(operator.rss()?))),
            }
        }
    }
    let used = (operator.cpu()?.saturating_sub(before.0), bench.api_server_cpu()?.saturating_sub(before.1));
    operator.end()?;

    let delays = stage.delays().await?;
    let (median, p99) = (percentile(&delays, 0.5), percentile(&delays, 0.99));
    let writes = stage.writes()?.len() as f64 / names.len() as f64;
    let peak = memory.iter().map(|(_, rss)| *rss).fold(0.0, f64::max);
    let share = used.0.as_secs_f64() / used.1.as_secs_f64();
    let api = used.1.as_secs_f64() * 1000.0 / names.len() as f64;
    let cpu = used.0.as_secs_f64() * 1000.0 / names.len() as f64;
    let requests = stage.requests(|line| line.verb != "watch")? as f64 / names.len() as f64;
    let written = bare::write_statuses(&stage, Way::Put).await?;
    Ok(Findings {
        facts: vec![(Fact::RunCpu, cpu), (Fact::RunApiServerCpu, api), (Fact::RunRequests, requests)],
        rows: vec![
            Row::new(
                "writes-many",
                "status writes of a refresh of 60 s, 1,000 at once, on average",
                "<= 5",
                format!("{writes:.2}"),
                writes <= 5.0,
            ),
            Row::new(
                "delay-many-median",
                "end of a job to its status, 1,000 of 50 to 70 s at once, median",
                "<= 1 s",
                format!("{median:.2} s"),
                median <= 1.0,
            ),
            Row::new("delay-many-p99", "the same, 99th percentile", "<= 2 s", format!("{p99:.2} s"), p99 <= 2.0),
            Row::new("rss-active", "memory with 1,000 active", "<= 30 MiB", format!("{peak:.1} MiB"), peak <= 30.0),
            Row::new(
                "cpu",
                "CPU over 1,000 refreshes of 60 s",
                "<= 0.1 of the API server's",
                format!("{share:.3} ({:.1} s to {:.1} s)", used.0.as_secs_f64(), used.1.as_secs_f64()),
                share <= 0.1,
            ),
            Row::new(
                "api-cpu-many",
                "API server's CPU for one of these, with its creation",
                "<= 28 ms",
                format!("{api:.1} ms"),
                api <= 28.0,
            ),
            written.compared("api-cpu-many-bare", api, requests),
        ],
        curves: vec![
            Curve {
                id: "delay-many",
                title: "1,000 jobs of 50 to 70 s at once: from the end in Milvus to the status",
                x: ("share of the refreshes, %", false),
                y: ("seconds", false),
                series: vec![distribution("operator", &delays)],
            },
            Curve {
                id: "memory-active",
                title: "Memory over 1,000 refreshes of 60 s, created at once",
                x: ("seconds", false),
                y: ("MiB", false),
                series: vec![Series { name: "operator", points: memory }],
            },
        ],
    })
}
