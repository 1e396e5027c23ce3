//! The operator's command line.

use std::{io::Write as _, sync::Arc};

use anyhow::Context as _;
use clap::Parser as _;
use jiff::Timestamp;
use milvus_refresh_operator::{
    api,
    cli::{Cli, Command, Run},
    controller::{self, Clock, Context},
    http,
    metrics::Metrics,
    shutdown, telemetry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(options) => run(options),
        Command::Crds => {
            std::io::stdout().write_all(api::crds_yaml()?.as_bytes())?;
            Ok(())
        }
    }
}

#[tokio::main]
async fn run(options: Run) -> anyhow::Result<()> {
    telemetry::install(options.log_format)?;
    // kube and tonic link the same provider; the first use of TLS fails without one.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let stop = CancellationToken::new();
    shutdown::listen(stop.clone())?;

    let metrics = Arc::new(Metrics::default());
    let listener = TcpListener::bind(options.http_address)
        .await
        .with_context(|| format!("--http-address {} cannot be listened on", options.http_address))?;
    tracing::info!(address = %listener.local_addr()?, "serving /livez, /readyz and /metrics");
    let http = tokio::spawn(http::serve(listener, metrics.clone(), stop.clone()));

    let client = kube::Client::try_default()
        .await
        .context("no cluster to talk to: set KUBECONFIG, or run in a pod with a service account")?;
    let clock = Clock { now: Timestamp::now, random: rand::random };
    let scopes = controller::scopes(&options.watch_namespaces);
    let operator = format!("{:016x}", rand::random::<u64>());
    let context = Arc::new(Context::new(client, clock, metrics, operator, &scopes));
    controller::run(context, &scopes, options.workers, stop).await?;
    http.await??;
    Ok(())
}
