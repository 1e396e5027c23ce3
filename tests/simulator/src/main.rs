//! `milvus-simulator`: the simulated Milvus as a process of its own. The first line on stdout is its address; logs go
//! to stderr.

use std::{fs, io::Write, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context, bail};
use clap::Parser;
use jiff::SignedDuration;
use milvus_simulator::{CollectionSpec, Load, Login, Outcome, Plan, ServerTls, Settings, Simulator};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A Milvus for demos and tests that serves only the calls of external collection refreshes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:19530")]
    listen: SocketAddr,

    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// A collection and how its jobs go; repeatable.
    ///
    /// `fail` takes the rest of the text, so reasons may contain commas. Without `database` it is `default`, without
    /// `duration` 5s, without `source` s3://bucket/NAME/. A job that completes maps so many `rows` of one `batch` (without
    /// them 1000 of batch 1), and queries find them `served-after` that.
    #[arg(
        long = "collection",
        value_name = "NAME[,database=DB][,duration=20s][,pending=2s][,source=URI][,rows=1000][,batch=NAME]\
                      [,served-after=3s][,not-external][,not-loaded][,fail=REASON]",
        value_parser = collection
    )]
    collections: Vec<CollectionSpec>,

    /// The only user that may call; without it anybody may.
    #[arg(long, env = "MILVUS_SIMULATOR_USER", requires = "password")]
    user: Option<String>,

    /// The user's password.
    #[arg(long, env = "MILVUS_SIMULATOR_PASSWORD", hide_env_values = true, requires = "user")]
    password: Option<String>,

    /// Serves TLS with this certificate chain (PEM file).
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of that certificate (PEM file).
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Asks clients for a certificate of this CA (PEM file).
    #[arg(long, requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// What GetVersion answers [default: 3.0.1, with --too-old 2.6.11].
    #[arg(long)]
    server_version: Option<String>,

    /// Behave like a server from before the refresh API.
    #[arg(long)]
    too_old: bool,
}

/// Parses the value of `--collection`.
fn collection(text: &str) -> anyhow::Result<CollectionSpec> {
    let (name, mut rest) = text.split_once(',').unwrap_or((text, ""));
    if name.is_empty() {
        bail!("the collection has no name; use NAME[,key=value]");
    }
    let mut collection = CollectionSpec::external(name, Plan::default());
    let (mut batch, mut rows) = ("1", 1_000);
    while !rest.is_empty() {
        if let Some(reason) = rest.strip_prefix("fail=") {
            collection.plan.outcome = Outcome::Fail(reason.to_owned());
            break;
        }
        let (item, after) = rest.split_once(',').unwrap_or((rest, ""));
        rest = after;
        match item.split_once('=') {
            Some(("database", value)) => collection.database = value.to_owned(),
            Some(("duration", value)) => collection.plan.duration = duration(value)?,
            Some(("pending", value)) => collection.plan.pending = duration(value)?,
            Some(("source", value)) => collection.source = value.to_owned(),
            Some(("rows", value)) => rows = value.parse().with_context(|| format!("{value:?} is no number of rows"))?,
            Some(("batch", value)) => batch = value,
            Some(("served-after", value)) => collection.serving.target_delay = duration(value)?,
            None if item == "not-external" => collection.external = false,
            None if item == "not-loaded" => collection.serving.load = Load::Released,
            _ => bail!(
                "{item:?} is none of database=, duration=, pending=, source=, rows=, batch=, served-after=, not-external, \
                 not-loaded, fail="
            ),
        }
    }
    collection.serving.find(&[(batch, rows)]);
    Ok(collection)
}

fn tls(
    chain: &Option<PathBuf>,
    key: &Option<PathBuf>,
    client_ca: &Option<PathBuf>,
) -> anyhow::Result<Option<ServerTls>> {
    let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()));
    let (Some(chain), Some(key)) = (chain, key) else { return Ok(None) };
    let client_ca = client_ca.as_ref().map(read).transpose()?;
    let tls = ServerTls::new(&read(chain)?, &read(key)?, client_ca.as_deref());
    Ok(Some(tls.context("the files of --tls-cert, --tls-key and --tls-client-ca cannot be used")?))
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    let duration = SignedDuration::from_str(text).with_context(|| format!("{text:?} is not a duration such as 20s"))?;
    duration.try_into().with_context(|| format!("{text:?} is negative; use a duration such as 20s"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr).init();
    // Before the address is printed: whoever reads it may signal at once.
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;

    let old_or_new = if arguments.too_old { "2.6.11" } else { "3.0.1" };
    let settings = Settings {
        seed: arguments.seed,
        version: arguments.server_version.unwrap_or_else(|| old_or_new.to_owned()),
        login: arguments.user.zip(arguments.password).map(|(user, password)| Login::Password { user, password }),
        tls: tls(&arguments.tls_cert, &arguments.tls_key, &arguments.tls_client_ca)?,
        too_old: arguments.too_old,
        ..Settings::default()
    };
    let simulator = Simulator::start(arguments.listen, settings)
        .await
        .with_context(|| format!("cannot listen on {}; choose another --listen", arguments.listen))?;
    for collection in arguments.collections {
        simulator.create(collection);
    }
    writeln!(std::io::stdout(), "milvus-simulator listening on {}", simulator.url())
        .context("the address cannot be printed")?;

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}
