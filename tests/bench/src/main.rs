//! `make bench`: measures the real operator against a real control plane, prints one table, and writes
//! docs/performance.md.

mod bare;
mod machine;
mod operator;
mod page;
mod plot;
mod reasons;
mod results;
mod scale;
mod scenario;
mod store;
mod world;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use crate::results::{Findings, Row};
use crate::scale::Scale;
use crate::scenario::{active, burst, growth, large, neighbour, polls, rest, short, single, start, verified, watched};
use crate::world::Bench;

/// Measures the operator.
#[derive(Debug, Parser)]
struct Arguments {
    /// The scenarios to run; all by default.
    #[arg(long, env = "ONLY", value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// A share of the full size, for trying the bench: its figures then say nothing about the targets.
    #[arg(long, env = "BENCH_SCALE", default_value_t = 1.0)]
    scale: f64,
}

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// The program, its start, its memory when idle.
    Start,
    /// One refresh of 60 s.
    Single,
    /// Refreshes of less than 10 s.
    Short,
    /// Milvus calls by active jobs.
    Polls,
    /// Jobs of a second beside a tenant whose Milvus hangs.
    Neighbour,
    /// 1,000 refreshes of 60 s.
    Active,
    /// 1,000 refreshes whose jobs end within 2 s.
    Burst,
    /// 1,000 refreshes whose collections are checked.
    Verified,
    /// 1,000 refreshes whose sources are watched.
    Watched,
    /// One watched source of 100,000 objects.
    LargeSource,
    /// Instant refreshes, 100 to 10,000.
    Growth,
    /// 10,000 finished refreshes.
    Rest,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Arguments { mut only, scale } = Arguments::parse();
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let whole = only.is_empty() && Scale(scale).is_full();
    if only.is_empty() {
        only = Scenario::value_variants().to_vec();
    }
    let began = Instant::now();
    let bench = Bench::start(Scale(scale)).await?;
    let mut findings = run(&bench, &only).await?;
    findings.sort();
    let page = destination(whole)?;
    page::write(&page, &findings, bench.scale, began.elapsed())?;
    say(&format!("\n{}\nWritten to {}.", page::table(&findings.rows), page.display()));
    let unexplained = |row: &&Row| row.met == Some(false) && reasons::reason(row.id).is_none();
    let unexplained: Vec<&str> = findings.rows.iter().filter(unexplained).map(|row| row.id).collect();
    if whole && !unexplained.is_empty() {
        say(&format!("Missed without a reason in tests/bench/src/reasons.rs: {}.", unexplained.join(", ")));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(bench: &Bench, only: &[Scenario]) -> Result<Findings> {
    let wanted = |scenario| only.contains(&scenario);
    let mut findings = Findings::default();
    if wanted(Scenario::Start) {
        say("The program, its start, its memory when idle");
        findings.add(start::run(bench).await.context("scenario start")?);
    }
    // These count or measure memory, and what each does at a time is little; together they take as long as the longest.
    let single = async {
        if !wanted(Scenario::Single) {
            return Ok(Findings::default());
        }
        say("One refresh of 60 s");
        single::run(bench).await.context("scenario single")
    };
    let few = async {
        let mut findings = Findings::default();
        if wanted(Scenario::Short) {
            say("Refreshes of less than 10 s");
            findings.add(short::run(bench).await.context("scenario short")?);
        }
        if wanted(Scenario::Polls) {
            say("Milvus calls by active jobs");
            findings.add(polls::run(bench).await.context("scenario polls")?);
        }
        Ok(findings)
    };
    let large = async {
        if !wanted(Scenario::LargeSource) {
            return Ok(Findings::default());
        }
        say("One watched source of 100,000 objects");
        large::run(bench).await.context("scenario large-source")
    };
    let (single, few, large) = tokio::try_join!(single, few, large)?;
    findings.add(single);
    findings.add(few);
    findings.add(large);
    if wanted(Scenario::Neighbour) {
        say("Jobs of a second beside a tenant whose Milvus hangs");
        findings.add(neighbour::run(bench).await.context("scenario neighbour")?);
    }
    if wanted(Scenario::Active) {
        say("1,000 refreshes of 60 s at once");
        findings.add(active::run(bench).await.context("scenario active")?);
    }
    if wanted(Scenario::Burst) {
        say("1,000 refreshes whose jobs end within 2 s");
        findings.add(burst::run(bench).await.context("scenario burst")?);
    }
    if wanted(Scenario::Verified) {
        say("1,000 refreshes at rest that are checked every ten minutes");
        findings.add(verified::run(bench).await.context("scenario verified")?);
    }
    if wanted(Scenario::Watched) {
        say("1,000 refreshes at rest whose sources are looked at every 30 s, then files in some of them");
        findings.add(watched::run(bench).await.context("scenario watched")?);
    }
    let mut finished = None;
    if wanted(Scenario::Growth) {
        say("Instant refreshes, 100 to 10,000 at once");
        let (found, stage) = growth::run(bench).await.context("scenario growth")?;
        findings.add(found);
        finished = Some(stage);
    }
    if wanted(Scenario::Rest) {
        say("10,000 finished refreshes");
        let stage = match finished {
            Some(stage) => stage,
            None => growth::finished(bench).await.context("the refreshes of scenario rest")?,
        };
        findings.add(rest::run(&stage).await.context("scenario rest")?);
    }
    Ok(findings)
}

/// docs/performance.md for the whole bench at full size; else a page below target/ that is thrown away.
fn destination(whole: bool) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let folder = if whole { root.join("docs") } else { root.join("target/bench") };
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("performance.md"))
}

/// Who waits for minutes is to know what for.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stdout(), "{sentence}");
}
