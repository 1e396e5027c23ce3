//! Logs: one line an event on standard error. Which there are is decided by a filter: `RUST_LOG` at the start, and while
//! the process runs a file, which in a pod is a mounted ConfigMap. Only who may write the ConfigMap can change it, unlike
//! an endpoint beside the metrics page; a signal needs a shell, which the image has not.
//!
//! Lines that tell of an object carry `controller`, `namespace` and `name`; those of a transition also its `reason`, and
//! of a refresh its `run` and `job` as far as there is one.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _};

use crate::cli::LogFormat;

/// What is logged when `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info,kube_client=error,kube_runtime=error";
/// How often the file is read. A ConfigMap takes about a minute to reach a pod.
const PERIOD: Duration = Duration::from_secs(5);
/// No filter is longer, in bytes.
const MOST_BYTES: u64 = 4096;

/// Installs the logger of this process; the filter in `file`, if there is one, overrides `RUST_LOG`.
///
/// # Errors
/// When `RUST_LOG` holds no filter, or a logger is installed already.
pub fn install(format: LogFormat, file: Option<PathBuf>) -> anyhow::Result<()> {
    let initial = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let initial = initial.unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let filter = parse(&initial).context("RUST_LOG is not a log filter; use for example info or info,kube=debug")?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_current_span(false)).try_init(),
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
    }
    .context("the logger could not be installed")?;
    if let Some(file) = file {
        // A thread of its own: a file system that hangs must not hold up anything else.
        thread::Builder::new().name("log-filter".to_owned()).spawn(move || follow(&file, &initial, &handle))?;
    }
    Ok(())
}

/// Applies what the file holds, again and again; where it holds nothing, `initial`.
fn follow(file: &Path, initial: &str, handle: &reload::Handle<EnvFilter, Registry>) {
    let mut last = Ok(initial.to_owned());
    loop {
        let now = read(file).map(|text| text.unwrap_or_else(|| initial.to_owned()));
        if now != last {
            match now.as_deref().map_err(Clone::clone).and_then(|text| apply(text, handle)) {
                Ok(filter) => tracing::info!(filter, "the log filter has changed"),
                Err(error) => tracing::warn!(
                    file = %file.display(),
                    error,
                    "the log filter file is invalid, so the filter does not change; write for example info or info,kube=debug into it",
                ),
            }
            last = now;
        }
        thread::sleep(PERIOD);
    }
}

/// Gives the filter that holds now.
fn apply<'a>(filter: &'a str, handle: &reload::Handle<EnvFilter, Registry>) -> Result<&'a str, String> {
    let parsed = parse(filter).map_err(|error| error.to_string())?;
    handle.reload(parsed).map_err(|error| error.to_string())?;
    Ok(filter)
}

/// What the file holds; `None` when it does not exist or is empty.
fn read(file: &Path) -> Result<Option<String>, String> {
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn parse(filter: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(filter)
}
