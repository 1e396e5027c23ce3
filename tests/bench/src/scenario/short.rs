//! Refreshes of less than 10 s, one after the other, about seven at a time: by the operator and by the bare client at once.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use futures::future;
use milvus_simulator::Plan;
use tokio::time::sleep;

use crate::bare;
use crate::results::{Curve, Findings, Row, Series, percentile};
use crate::world::{Bench, names, simulator};

/// Between two refreshes.
const APART: Duration = Duration::from_millis(700);

/// Rows `writes-short` and `delay-short`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let stage = bench.stage("short").await?;
    let operator = stage.operator().await?;
    let names = names(bench.scale.count(70));
    // From 1 to 8 s.
    let plan = Plan::completes_in(Duration::from_millis(4500)).jittered(0.77);
    let ours = async {
        for name in &names {
            stage.create(std::slice::from_ref(name), &plan).await?;
            sleep(APART).await;
        }
        operator.until_completed(names.len()).await
    };
    let theirs = async {
        let milvus = simulator().await?;
        let client = bare::milvus_client(&milvus.url())?;
        let followed = names.iter().zip(0..).map(|(name, number)| {
            milvus.create_collection(name, plan.clone());
            let client = client.clone();
            async move {
                sleep(APART * number).await;
                bare::follow(client, name.clone()).await
            }
        });
        future::try_join_all(followed).await
    };
    let ((), mut bare) = future::try_join(ours, theirs).await?;
    operator.end()?;
    bare.sort_by(f64::total_cmp);
    let delays = stage.delays().await?;
    let mut writes = HashMap::<_, usize>::new();
    for line in stage.writes()? {
        *writes.entry(line.name).or_default() += 1;
    }
    let most = writes.values().max().copied().unwrap_or_default();
    let (median, bare_median) = (percentile(&delays, 0.5), percentile(&bare, 0.5));
    let ratio = median / bare_median;
    Ok(Findings {
        rows: vec![
            Row::new(
                "writes-short",
                "status writes of a refresh of less than 10 s, the most of all",
                "<= 3",
                most.to_string(),
                most <= 3,
            ),
            Row::new(
                "delay-short",
                "end of a job of less than 10 s to its status, median",
                "<= 0.5 of the bare client's",
                format!("{ratio:.2} ({median:.2} s to {bare_median:.2} s)"),
                ratio <= 0.5,
            ),
        ],
        curves: vec![Curve {
            id: "delay-short",
            title: "Jobs of less than 10 s: from the end in Milvus until it is known",
            x: ("share of the refreshes, %", false),
            y: ("seconds", false),
            series: vec![distribution("operator", &delays), distribution("bare client", &bare)],
        }],
        ..Findings::default()
    })
}

/// The percentiles of `sorted`.
pub fn distribution(name: &'static str, sorted: &[f64]) -> Series {
    let points = (0..=100).map(|percent| (f64::from(percent), percentile(sorted, f64::from(percent) / 100.0)));
    Series { name, points: points.collect() }
}
