//! Ctrl-C and SIGTERM as values, so that whoever stops the demo leaves nothing behind.

use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::{SigSet, Signal};

/// The wish of the user, or of the system, that the demo ends.
pub struct Interrupt(Receiver<()>);

impl Interrupt {
    /// Takes over Ctrl-C, SIGTERM and the closing of the terminal. The second one ends the process at once, and the
    /// children with it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn catch() -> Result<Self> {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        // All threads that start from now on inherit this, so that only the one below gets the signals.
        signals.thread_block()?;
        let (interrupt, interrupts) = mpsc::sync_channel(1);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while signals.wait().is_ok() {
                if interrupt.try_send(()).is_err() {
                    process::exit(130);
                }
            }
        })?;
        Ok(Self(interrupts))
    }

    /// Waits for `pause`.
    ///
    /// # Errors
    /// The demo is to end.
    pub fn pause(&self, pause: Duration) -> Result<()> {
        match self.0.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => bail!("stopped before the end; nothing is left running"),
        }
    }

    /// Waits until the demo is to end.
    pub fn wait(self) {
        let _ = self.0.recv();
    }
}
