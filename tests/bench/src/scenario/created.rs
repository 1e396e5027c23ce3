//! From the creation of a refresh to the start of its job, a hundred at once: by the operator, and by a peer that claims nothing.

use std::collections::HashMap;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use kube::api::PostParams;
use milvus_refresh_operator::milvus::Milvus as _;
use milvus_simulator::{Method, Plan};
use tokio::time::timeout;

use crate::bare::{Peer, milvus_client};
use crate::results::{Findings, Row, percentile};
use crate::world::{Bench, CREATORS, LONG, Stage, names};

/// How often each does it, in turns.
const ROUNDS: usize = 5;
/// Created at once.
const COUNT: usize = 100;

/// Rows `created-*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let names = names(bench.scale.count(COUNT));
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let stage = bench.stage(&format!("created-{round}")).await?;
        let operator = stage.operator().await?;
        ours.extend(delays(&stage, &names).await?);
        operator.end()?;
        let stage = bench.stage(&format!("created-{round}-peer")).await?;
        let peer = Peer::of(&stage).await?;
        let (theirs, ()) = tokio::try_join!(delays(&stage, &names), peer.start(names.len()))?;
        peers.extend(theirs);
    }
    ours.sort_by(f64::total_cmp);
    peers.sort_by(f64::total_cmp);
    let row = |id, what, part, most: f64| {
        let (ours, peers) = (percentile(&ours, part), percentile(&peers, part));
        Row::new(
            id,
            what,
            &format!("<= {most} of a peer's that claims nothing"),
            format!("{:.2} ({ours:.2} s to {peers:.2} s)", ours / peers),
            ours <= most * peers,
        )
    };
    Ok(Findings {
        rows: vec![
            row("created-median", "creation of a refresh to the start of its job, 100 at once, median", 0.5, 1.3),
            row("created-p99", "the same, 99th percentile", 0.99, 2.0),
        ],
        ..Findings::default()
    })
}

/// Creates the refreshes, waits until their jobs have started, and gives the time from the answer to each creation to the
/// start, in seconds.
async fn delays(stage: &Stage<'_>, names: &[String]) -> Result<Vec<f64>> {
    let objects = stage.objects(names, &Plan::hangs())?;
    let (api, params) = (stage.refreshes(), PostParams::default());
    let creations = objects.iter().zip(names).map(|(object, name)| {
        let (api, params) = (&api, &params);
        async move {
            api.create(params, object).await?;
            anyhow::Ok((name.clone(), Timestamp::now()))
        }
    });
    let created: HashMap<_, _> = stream::iter(creations).buffer_unordered(CREATORS).try_collect().await?;
    let started = stage.milvus.wait_until(|milvus| milvus.calls(Method::Refresh) >= names.len());
    timeout(LONG, started).await.context("not all jobs have started")?;
    let jobs = milvus_client(&stage.milvus.url())?.list_all(&|_| true).await?;
    let delays = jobs.iter().filter_map(|job| {
        // The watch may be sooner than the answer.
        Some(job.start_time?.duration_since(*created.get(&job.collection)?).as_secs_f64().max(0.0))
    });
    Ok(delays.collect())
}
