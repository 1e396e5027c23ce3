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
mod sizing;
mod stage;
mod stamp;
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
use crate::scenario::{
    active, burst, created, crowd, growth, large, neighbour, polls, rest, short, single, start, verified, watched,
    writes,
};
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
    /// From creation to start, 100 at once.
    Created,
    /// Status writes in two ways.
    Writes,
    /// 1,000 refreshes of 60 s.
    Active,
    /// 1,000 refreshes whose jobs end within 2 s.
    Burst,
    /// 1 to 10,000 active refreshes.
    Crowd,
    /// 1,000 refreshes whose collections are checked.
    Verified,
    /// 1,000 refreshes whose sources are watched.
    Watched,
    /// One watched source of 100,000 objects.
    LargeSource,
    /// Instant refreshes, 100 to 10,000.
    Growth,
    /// 100 to 100,000 finished refreshes.
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
    let (began, scale) = (Instant::now(), Scale(scale));
    let mut findings = run(scale, &only).await?;
    findings.sort();
    let page = destination(whole)?;
    page::write(&page, &findings, scale, began.elapsed())?;
    say(&format!("\n{}\nWritten to {}.", page::table(&findings.rows), page.display()));
    let unexplained = |row: &&Row| row.met == Some(false) && reasons::reason(row.id).is_none();
    let unexplained: Vec<&str> = findings.rows.iter().filter(unexplained).map(|row| row.id).collect();
    if whole && !unexplained.is_empty() {
        say(&format!("Missed without a reason in tests/bench/src/reasons.rs: {}.", unexplained.join(", ")));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(scale: Scale, only: &[Scenario]) -> Result<Findings> {
    let shared = Bench::start(scale).await?;
    let bench = &shared;
    let mut findings = Findings::default();
    let mut tell = |found: Option<Findings>| {
        let Some(found) = found else { return };
        // What was found is not lost when something later does not work.
        say(&page::table(&found.rows));
        findings.add(found);
    };
    tell(wanted(only, Scenario::Start, || start::run(bench)).await?);
    let watched = wanted(only, Scenario::Watched, || watched::prepare(bench)).await?;
    // What these do at a time is little, or is compared with what happens beside it; together they take as long as the longest.
    let (short, polls, large, watched) = tokio::try_join!(
        wanted(only, Scenario::Short, || short::run(bench)),
        wanted(only, Scenario::Polls, || polls::run(bench)),
        wanted(only, Scenario::LargeSource, || large::run(bench)),
        then(watched, watched::Watched::files),
    )?;
    let (files, sources) = watched.unzip();
    [short, polls, large, files].into_iter().for_each(&mut tell);
    tell(wanted(only, Scenario::Neighbour, || neighbour::run(bench)).await?);
    tell(wanted(only, Scenario::Created, || created::run(bench)).await?);
    tell(wanted(only, Scenario::Writes, || writes::run(bench)).await?);
    tell(wanted(only, Scenario::Active, || active::run(bench)).await?);
    tell(wanted(only, Scenario::Burst, || burst::run(bench)).await?);
    tell(wanted(only, Scenario::Crowd, || crowd::run(bench)).await?);
    // Of what takes little its own use is counted: it and what is busy do not disturb each other.
    let (growth, single, verified, looks) = tokio::try_join!(
        wanted(only, Scenario::Growth, || growth::run(bench)),
        wanted(only, Scenario::Single, || single::run(bench)),
        wanted(only, Scenario::Verified, || verified::run(bench)),
        then(sources, watched::Sources::rest),
    )?;
    [growth, single, verified, looks].into_iter().for_each(&mut tell);
    // With a control plane of its own: what all others have left there is memory that the API server clears up now and then, and
    // with so many of its own it is slow in whatever it does.
    drop(shared);
    tell(wanted(only, Scenario::Rest, || async { rest::run(&Bench::start(scale).await?).await }).await?);
    Ok(findings)
}

/// What `work` gives, if this is to be measured.
async fn wanted<T, F>(only: &[Scenario], scenario: Scenario, work: impl FnOnce() -> F) -> Result<Option<T>>
where
    F: Future<Output = Result<T>>,
{
    if !only.contains(&scenario) {
        return Ok(None);
    }
    let what = scenario.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
    say(&what.unwrap_or_default());
    work().await.map(Some).with_context(|| format!("scenario {scenario:?}"))
}

/// What `work` makes of it, if there is any.
async fn then<P, T, F>(prepared: Option<P>, work: impl FnOnce(P) -> F) -> Result<Option<T>>
where
    F: Future<Output = Result<T>>,
{
    match prepared {
        Some(prepared) => work(prepared).await.map(Some),
        None => Ok(None),
    }
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
