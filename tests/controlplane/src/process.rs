//! A child process with a log.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::spawn::spawn;

/// How long a dropped process gets for a graceful end.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at a child or its log.
const TICK: Duration = Duration::from_millis(20);
/// Lines of the log that a failure shows.
const TAIL: usize = 30;

/// A child process whose output goes to a log file. It ends with us, also when we are killed; dropping it ends it
/// with SIGTERM, after ten seconds with SIGKILL, and shows the end of its log when a test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where this child's part of the log begins.
    log_start: usize,
}

impl Process {
    /// Starts `command`; `name` is for messages. Its standard output and error are appended to `log`.
    ///
    /// # Errors
    /// The log cannot be opened, or the program not be started.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open the log {}", log.display()))?;
        let log_start = usize::try_from(out.metadata()?.len())?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = spawn(command)?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), log_start })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file with all that the process wrote, and its predecessors of the same log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether the process has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// It is still running after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} is still running after {limit:?}\n{}", self.name, self.log_tail());
            }
            thread::sleep(TICK);
        }
    }

    /// Ends the process at once (SIGKILL); fine when it has ended already.
    ///
    /// # Errors
    /// The system refuses to say how it ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        Ok(self.child.wait()?)
    }

    /// Asks the process to end (SIGTERM); fine when it has ended already.
    ///
    /// # Errors
    /// It was still running after `limit`; it has been killed then.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        self.wait(limit).or_else(|late| {
            self.kill()?;
            Err(late.context(format!("{} did not end on SIGTERM, so it was killed", self.name)))
        })
    }

    /// Waits for a complete line of this child's log that begins with `prefix`, and returns the whole line.
    ///
    /// # Errors
    /// The process ended without it, or did not write it within `limit`; both show the end of the log.
    pub fn wait_for_line(&mut self, prefix: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            // Asked before the log is read, so that the last words of an ended process count.
            let ended = self.child.try_wait()?;
            let log = self.log_text();
            if let Some(line) = log.split_inclusive('\n').find(|l| l.starts_with(prefix) && l.ends_with('\n')) {
                return Ok(line.trim_end().to_owned());
            }
            if let Some(status) = ended {
                bail!("{} ended ({status}) without a line {prefix:?}\n{}", self.name, self.log_tail());
            }
            if Instant::now() >= deadline {
                bail!("{} wrote no line {prefix:?} within {limit:?}\n{}", self.name, self.log_tail());
            }
            thread::sleep(TICK);
        }
    }

    /// The last lines of this child's log under a title, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        format!("--- the end of {} ---\n{}\n---", self.log.display(), tail.join("\n"))
    }

    /// This child's part of the log; empty when it cannot be read.
    fn log_text(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        if let Err(error) = self.terminate(GRACE) {
            eprintln!("{error:#}");
        }
    }
}
