//! The operator as a process, and what the system and its own metrics page say of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use controlplane::Process;
use tokio::time::sleep;

use crate::world::LONG;

/// How often a page is asked for while something is waited for.
const TICK: Duration = Duration::from_millis(2);
/// The same where the time that it took does not matter: each page counts the objects, on the operator's CPU.
const PAUSE: Duration = Duration::from_secs(1);
/// An operator that is asked to end gets this long.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A running operator; dropping it ends it.
pub struct Operator {
    process: Process,
    http: SocketAddr,
    /// When it was started.
    pub began: Instant,
}

impl Operator {
    /// Starts `program` on `namespaces`, with a comma between several, without election, with the default of 16 workers.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: &Path, kubeconfig: &Path, namespaces: &str, logs: &Path) -> Result<Self> {
        // Chosen here, so that the first answer is not waited for in a log.
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        command
            .args(["run", "--leader-elect=false", "--watch-namespace", namespaces, "--http-address", &http.to_string()])
            .env("KUBECONFIG", kubeconfig)
            .env_remove("RUST_LOG");
        let began = Instant::now();
        let process = Process::spawn("milvus-refresh-operator", command, &logs.join(format!("{namespaces}.log")))?;
        Ok(Self { process, http, began })
    }

    /// Waits until `condition` holds of the metrics page, and says how long that was after the start.
    ///
    /// # Errors
    /// The operator ends, or `limit` passes.
    async fn until(&mut self, limit: Duration, condition: impl Fn(&Metrics) -> bool) -> Result<Duration> {
        loop {
            if metrics(self.http).is_ok_and(|metrics| condition(&metrics)) {
                return Ok(self.began.elapsed());
            }
            if !self.process.is_running() || self.began.elapsed() > limit {
                bail!("the operator did not get there\n{}", self.process.log_tail());
            }
            sleep(TICK).await;
        }
    }

    /// Waits until the refreshes are settled: at least `count` are known, and no pass over them waits or is under way.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub async fn until_settled(&mut self, count: usize, limit: Duration) -> Result<Duration> {
        let refresh = r#"controller="refresh""#;
        let depth = r#"name="refresh""#;
        self.until(limit, |metrics| {
            metrics.sum("milvus_refresh_objects", "") >= count as f64
                && metrics.sum("workqueue_depth", depth) == 0.0
                && metrics.sum("controller_runtime_active_workers", refresh) == 0.0
        })
        .await
    }

    /// Waits until so many refreshes are completed. The API server is not asked: finding the last one would cost it more than
    /// their statuses.
    ///
    /// # Errors
    /// They are not in time, or the operator does not answer.
    pub async fn until_completed(&self, count: usize) -> Result<()> {
        let completed = |metrics: &Metrics| metrics.sum("milvus_refresh_objects", r#"reason="RefreshCompleted""#);
        self.until_shown(|metrics| completed(metrics) >= count as f64).await
    }

    /// Waits until `condition` holds of the metrics page, and does not hurry.
    ///
    /// # Errors
    /// It does not in time, or the operator does not answer.
    pub async fn until_shown(&self, condition: impl Fn(&Metrics) -> bool) -> Result<()> {
        let began = Instant::now();
        while !condition(&self.metrics()?) {
            if began.elapsed() > LONG {
                bail!("the operator has not got there\n{}", self.process.log_tail());
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Waits until it has listed the refreshes of so many namespaces. What is created before that costs a write more.
    ///
    /// # Errors
    /// It does not in time.
    pub async fn until_listed(&self, namespaces: usize) -> Result<()> {
        let began = Instant::now();
        while fs::read_to_string(self.process.log())?.matches("are listed").count() < namespaces {
            if began.elapsed() > END_LIMIT {
                bail!("the operator has not listed what there is\n{}", self.process.log_tail());
            }
            sleep(TICK).await;
        }
        Ok(())
    }

    /// Waits for the first pass over anything.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub async fn until_first_pass(&mut self, limit: Duration) -> Result<Duration> {
        self.until(limit, |metrics| metrics.sum("controller_runtime_reconcile_total", "") > 0.0).await
    }

    /// Its resident memory, in bytes.
    ///
    /// # Errors
    /// It has ended, or this is no Linux.
    pub fn rss(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most that its resident memory has been, in bytes.
    ///
    /// # Errors
    /// As [`rss`](Self::rss).
    pub fn peak_rss(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// How often its threads have been put on a processor.
    ///
    /// # Errors
    /// It has ended, or this is no Linux.
    pub fn switches(&self) -> Result<u64> {
        schedstat(self.process.pid(), 2)
    }

    /// Its metrics page as it is now.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Metrics> {
        metrics(self.http)
    }

    /// The time on a processor so far.
    ///
    /// # Errors
    /// It has ended, or this is no Linux.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.process.pid())
    }

    /// Ends it in order, with all that it still has to say said.
    ///
    /// # Errors
    /// It does not end.
    pub fn end(mut self) -> Result<()> {
        self.process.terminate(END_LIMIT).map(drop)
    }
}

/// The time that the threads of `pid` have spent on a processor. The scheduler's own count: the clock ticks of
/// /proc/pid/stat are too coarse for a hundred objects.
///
/// # Errors
/// There is no such process, or this is no Linux.
pub fn cpu(pid: u32) -> Result<Duration> {
    schedstat(pid, 0).map(Duration::from_nanos)
}

/// The sum of one column of the threads' /proc/pid/task/*/schedstat.
fn schedstat(pid: u32, column: usize) -> Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the look.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let value = text.split_whitespace().nth(column).and_then(|value| value.parse::<u64>().ok());
        total += value.unwrap_or_default();
    }
    Ok(total)
}

/// A metrics page.
pub struct Metrics(String);

impl Metrics {
    /// How often somebody was asked what is at a source.
    pub fn looks(&self) -> f64 {
        self.sum("milvus_refresh_source_check_duration_seconds_count", "")
    }

    /// The sum of all samples of `name` whose labels contain `label`.
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        let samples = self.0.lines().filter_map(|line| line.strip_prefix(name));
        let of_name = samples.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label));
        of_name.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

fn metrics(http: SocketAddr) -> Result<Metrics> {
    let mut stream = TcpStream::connect(http)?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {http}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(Metrics(answer))
}
