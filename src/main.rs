//! The operator's command line.

use std::{io::Write as _, sync::Arc};

use anyhow::Context as _;
use jiff::Timestamp;
use milvus_refresh_operator::{
    api,
    cli::{self, Cli, Command, Run},
    clock::Clock,
    cluster::client,
    controller::{self, Context, IdentityTokens, Process, Rules},
    health::Health,
    http,
    leader::{self, Candidate, Ended, Leadership},
    metrics::{self, Metrics},
    refresh, shutdown, telemetry,
};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that lost its lease, so that its end can be told from a fault.
const LEASE_LOST: i32 = 3;

fn main() -> anyhow::Result<()> {
    match Cli::read().command {
        Command::Run(options) => run(*options),
        Command::Crds => print(&api::crds_yaml()?),
        Command::Failures => print(&refresh::failures_page()),
        Command::Reference => print(&cli::reference()),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

// The operator waits nearly all of its time: a second thread would cost wakeups and buy nothing.
#[tokio::main(flavor = "current_thread")]
async fn run(options: Run) -> anyhow::Result<()> {
    telemetry::install(options.log_format, options.log_filter_file)?;
    // kube and tonic link the same provider; the first use of TLS fails without one.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let stop = CancellationToken::new();
    shutdown::listen(stop.clone())?;

    let metrics = metrics::Options { per_object: options.per_object_metrics, lease: options.lease_name.clone() };
    let metrics = Arc::new(Metrics::new(metrics));
    let listener = http::listen(options.http_address)
        .with_context(|| format!("cannot listen on --http-address {}", options.http_address))?;
    tracing::info!(address = %listener.local_addr()?, "serving /livez, /readyz and /metrics");

    let scopes = controller::scopes(&options.watch_namespaces);
    tracing::info!("watching {}", controller::describe(&scopes));
    let client = connect(&metrics)
        .await
        .context("no cluster is configured: set KUBECONFIG, or run in a pod with a service account")?;
    let clock = Clock { now: Timestamp::now, random: rand::random, nonce: rand::random };
    let host = hostname::get().context("the name of this host cannot be read")?;
    let identity = leader::identity(&host.to_string_lossy(), rand::random());
    let (candidate, leadership) = if options.leader_elect {
        // In a pod the client's default namespace is the pod's.
        let namespace = options.lease_namespace.as_deref().unwrap_or_else(|| client.default_namespace());
        let leases = kube::Api::namespaced(client.clone(), namespace);
        let (candidate, leadership) = Candidate::new(leases, options.lease_name, identity.clone(), clock);
        (Some(candidate), leadership)
    } else {
        (None, Leadership::without_election())
    };
    let process = Process { clock, metrics, health: Arc::new(Health::default()), leadership };
    let http = tokio::spawn(http::serve(listener, process.clone(), stop.clone()));
    let rules = Rules {
        require_secret_label: options.require_secret_label,
        workload_identity: options.allow_workload_identity.then_some(IdentityTokens {
            aws: options.aws_token_file,
            azure: options.azure_token_file,
            azure_authority: options.azure_authority_host,
        }),
    };
    let context = Arc::new(Context::new(client, process, identity, &scopes, rules));
    let work = controller::run(context, &scopes, options.workers, stop.clone());
    match candidate {
        None => work.await?,
        Some(candidate) => match candidate.campaign(&stop, work).await {
            Ended::Stopped => {}
            Ended::Done(result) => result?,
            Ended::Lost(loss) => {
                tracing::error!(
                    "{loss}. This process has stopped its work and exits with code {LEASE_LOST}, so that it does not act beside \
                     a new leader; the kubelet (or whatever runs it) starts it again as a standby",
                );
                // At once: what still runs must not wait for a lookup or a thread that hangs.
                std::process::exit(LEASE_LOST)
            }
        },
    }
    http.await??;
    Ok(())
}

/// A client of the cluster, whose requests are counted.
async fn connect(metrics: &Arc<Metrics>) -> anyhow::Result<kube::Client> {
    let (client, host) = client::connect().await?;
    let metrics = metrics.clone();
    Ok(client::heard(client, move |method: &_, code| metrics.requests.count(&host, method, code)))
}
