//! Starts children that die with us, whatever ends us.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output};
use std::sync::LazyLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// A command to start, and where to send the child.
struct Order {
    command: Command,
    reply: SyncSender<io::Result<Child>>,
}

/// Linux ends a child with the *thread* that started it, so one thread starts them all and lives as long as we do.
static SPAWNER: LazyLock<SyncSender<Order>> = LazyLock::new(|| {
    let (orders, queue) = mpsc::sync_channel::<Order>(1);
    // When the thread cannot be had, the closure drops the receiver and every order fails with a message.
    let _ = thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        // Signals are for the owner's threads: none is to end this one, and all children with it.
        let _ = SigSet::all().thread_block();
        for Order { mut command, reply } in queue {
            let _ = reply.send(command.spawn());
        }
    });
    orders
});

/// Starts `command` in a process group of its own, so that a Ctrl-C in the terminal reaches only us, and bound to our
/// life (on Linux; elsewhere a child outlives a SIGKILL of its parent).
///
/// # Errors
/// The program cannot be started.
pub(crate) fn spawn(mut command: Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    let owner = Pid::this();
    command.process_group(0);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. `prepare` makes three system calls
    // (prctl, getppid, sigprocmask), and neither allocates nor takes a lock.
    #[expect(unsafe_code)]
    unsafe {
        command.pre_exec(move || prepare(owner));
    }
    let (reply, child) = mpsc::sync_channel(1);
    SPAWNER.send(Order { command, reply }).ok().context("the thread that starts child processes is gone")?;
    child
        .recv()
        .context("the thread that starts child processes is gone")?
        .with_context(|| format!("cannot start {program}"))
}

/// Runs in the child, before the program does.
fn prepare(owner: Pid) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The owner may have died before the call above.
        if nix::unistd::getppid() != owner {
            return Err(io::ErrorKind::NotConnected.into());
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = owner;
    // The spawner blocks all signals, and a mask is inherited.
    SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Runs `command` to its end and returns what it wrote where its output is piped.
///
/// # Errors
/// The program cannot be started, or is still running after `limit`; it is killed then.
pub fn output(command: Command, limit: Duration) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = spawn(command)?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let (reply, output) = mpsc::sync_channel(1);
    thread::Builder::new().name("output".to_owned()).spawn(move || reply.send(child.wait_with_output()))?;
    match output.recv_timeout(limit) {
        Ok(output) => output.with_context(|| format!("cannot read what {program} wrote")),
        Err(_) => {
            // Not reaped yet, or the reply would be here: the id is still the child's.
            let _ = kill(pid, Signal::SIGKILL);
            bail!("{program} did not end within {limit:?}, so it was killed")
        }
    }
}
