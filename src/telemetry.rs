//! Logs: one line an event on standard error, filtered by `RUST_LOG`.

use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::LogFormat;

/// What is logged when `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info,kube_client=error,kube_runtime=error";

/// Installs the logger of this process.
///
/// # Errors
/// When one is installed already.
pub fn install(format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    }
    .map_err(|error| anyhow::anyhow!("the logger could not be installed: {error}"))
}
