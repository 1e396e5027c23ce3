//! The sizing table: what to give an operator, and what it takes of others, computed from what was measured.

use std::fmt::Write as _;

use crate::results::{Fact, Findings};

/// How many refreshes there are, are active at a time, and run an hour.
const CASES: [(u32, u32, u32); 5] =
    [(100, 10, 100), (1000, 100, 1000), (10_000, 1000, 10_000), (100_000, 1000, 10_000), (100_000, 10_000, 100_000)];
/// Memory is asked for in pieces of this size, in MiB.
const PIECE: f64 = 16.0;
const HOUR: f64 = 3600.0;

/// The section of the page; nothing where not all that it needs was measured.
pub fn section(findings: &Findings) -> String {
    let mut section = "\n## What to give it\n\n\
        | refreshes | active at a time | runs an hour | memory: expected; request; limit | CPU on average | API server an hour: \
        requests; CPU | Milvus calls an hour |\n|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (objects, active, runs) in CASES {
        let Some(line) = line(findings, f64::from(objects), f64::from(active), f64::from(runs)) else {
            return String::new();
        };
        let _ = writeln!(section, "| {objects} | {active} | {runs} | {line} |");
    }
    section += "\nFor runs of a minute, from the figures above. The request is a third beyond what is expected, the limit twice \
                as much: a list of the API server's, a large answer of a Milvus and a burst of ends take some for a while. No \
                limit is needed for the CPU; the runs have it when they start and when they end. Checks and watched sources \
                come on top, with what the table above says.\n";
    section
}

fn line(findings: &Findings, objects: f64, active: f64, runs: f64) -> Option<String> {
    let of = |fact| findings.fact(fact);
    let kept = objects * of(Fact::ObjectMemory)? + active * of(Fact::ActiveMemory)?;
    let memory = of(Fact::IdleMemory)? + kept / 1024.0;
    let pieces = |memory: f64| (memory / PIECE).ceil() * PIECE;
    let request = pieces(memory * 4.0 / 3.0);
    let cores = runs * of(Fact::RunCpu)? / HOUR;
    let (requests, api_server) = (runs * of(Fact::RunRequests)?, runs * of(Fact::RunApiServerCpu)? / 1000.0);
    let milvus = runs * of(Fact::RunMilvusCalls)? + HOUR * of(Fact::FollowingCalls)?;
    Some(format!(
        "{memory:.0} MiB; {request:.0} MiB; {:.0} MiB | {cores:.1} m | {requests:.0}; {api_server:.0} s | {milvus:.0}",
        2.0 * request
    ))
}
