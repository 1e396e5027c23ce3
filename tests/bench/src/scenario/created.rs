//! From the creation of a refresh to the start of its job, a hundred at once: by the operator, by a peer that claims nothing,
//! and by one that claims and does nothing else.

use anyhow::Result;
use milvus_simulator::Plan;

use crate::bare::Peer;
use crate::results::{Findings, Row, percentile};
use crate::stage::Stage;
use crate::world::{Bench, names};

/// How often each does it, in turns.
const ROUNDS: usize = 5;
/// Created at once.
const COUNT: usize = 100;

/// Rows `created-*` and `claimed-*`.
///
/// # Errors
/// Something does not work.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let names = names(bench.scale.count(COUNT));
    let (mut ours, mut bare, mut claiming) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let stage = bench.stage(&format!("created-{round}")).await?;
        let operator = stage.operator().await?;
        ours.extend(delays(&stage, &names).await?);
        operator.end()?;
        for (claims, peers) in [(false, &mut bare), (true, &mut claiming)] {
            let stage = bench.stage(&format!("created-{round}-{claims}")).await?;
            let peer = Peer::of(&stage, claims).await?;
            let (theirs, ()) = tokio::try_join!(delays(&stage, &names), peer.start(names.len()))?;
            peers.extend(theirs);
        }
    }
    for delays in [&mut ours, &mut bare, &mut claiming] {
        delays.sort_by(f64::total_cmp);
    }
    let row = |id, what, whose, peers: &[f64], part, most: f64| {
        let (ours, peers) = (percentile(&ours, part), percentile(peers, part));
        Row::new(
            id,
            what,
            &format!("<= {most} of a peer's that {whose}"),
            format!("{:.2} ({ours:.2} s to {peers:.2} s)", ours / peers),
            ours <= most * peers,
        )
    };
    let (median, same) =
        ("creation of a refresh to the start of its job, 100 at once, median", "the same, 99th percentile");
    let (nothing, only) = ("claims nothing", "claims and does nothing else");
    Ok(Findings {
        rows: vec![
            row("created-median", median, nothing, &bare, 0.5, 1.3),
            row("created-p99", same, nothing, &bare, 0.99, 2.0),
            row("claimed-median", median, only, &claiming, 0.5, 1.3),
            row("claimed-p99", same, only, &claiming, 0.99, 2.0),
        ],
        ..Findings::default()
    })
}

/// Creates the refreshes, waits until their jobs have started, and gives the time from the answer to each creation to the
/// start, in seconds.
async fn delays(stage: &Stage<'_>, names: &[String]) -> Result<Vec<f64>> {
    let created = stage.create(names, &Plan::hangs()).await?;
    stage.until_started(names.len()).await?;
    // The watch may be sooner than the answer.
    Ok(stage.starts_after(&created).await?.into_iter().map(|delay| delay.max(0.0)).collect())
}
