//! A server of a third party on loopback, with files of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use controlplane::Process;

use crate::certificates::Issued;

/// Far more than anything here takes, on a machine that is busy with something else.
pub const LONG: Duration = Duration::from_secs(180);

/// Its files, which go when nobody needs them.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server. It ends first, then its folder goes.
pub struct Server {
    /// Its `host:port`.
    pub address: String,
    process: Process,
    _folder: Folder,
}

impl Server {
    /// Starts what `command` makes of an address and an empty folder.
    pub fn start(name: &str, command: impl Fn(&str, &Path) -> Command) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let folder = format!("{name}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder));
        fs::create_dir_all(&folder.0).unwrap();
        let started = (0..5).find_map(|_| try_start(name, &folder.0, &command));
        let (address, process) = started.unwrap_or_else(|| panic!("{name} does not start"));
        Self { address, process, _folder: folder }
    }

    /// All that it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.process.log()).unwrap()
    }
}

/// `None` where somebody else was faster to take the port, which such a server does not choose itself.
fn try_start(name: &str, folder: &Path, command: impl Fn(&str, &Path) -> Command) -> Option<(String, Process)> {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut process = Process::spawn(name, command(&address, folder), &folder.join("log")).unwrap();
    let deadline = Instant::now() + LONG;
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < deadline, "{}", process.log_tail());
        if !process.is_running() {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    process.is_running().then_some((address, process))
}

/// The files `cert.pem` and `key.pem` in a folder.
pub fn write(issued: &Issued, folder: &Path) -> [PathBuf; 2] {
    [("cert.pem", &issued.chain), ("key.pem", &issued.key)].map(|(name, text)| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    })
}
