//! The folder of a control plane: below one known parent, so that what a killed owner left is found and swept.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use tempfile::TempDir;

/// Marks a folder as in use: its owner holds a lock on it, which the kernel lets go when the owner dies.
const LOCK: &str = "lock";

/// A temporary folder that is removed with this value, or by the next control plane when its owner was killed.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: TempDir,
    _in_use: File,
}

impl Folder {
    /// Sweeps what dead owners left and makes a new folder.
    ///
    /// # Errors
    /// The system's folder for temporary files cannot be used.
    pub(crate) fn create() -> Result<Self> {
        let parent = parent()?;
        // Between the making of a folder and its lock nobody may sweep.
        let sweeping = File::create(parent.join(LOCK))?;
        sweeping.lock()?;
        sweep(&parent);
        let dir = TempDir::with_prefix_in(format!("{}-", std::process::id()), &parent)?;
        let in_use = File::create(dir.path().join(LOCK))?;
        in_use.lock()?;
        Ok(Self { dir, _in_use: in_use })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// The parent of all control planes of this user.
fn parent() -> Result<PathBuf> {
    let parent = std::env::temp_dir().join(format!("milvus-refresh-controlplane-{}", geteuid()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&parent)
        .with_context(|| format!("cannot make the folder {}", parent.display()))?;
    let owner = fs::symlink_metadata(&parent)?;
    ensure!(
        owner.is_dir() && owner.uid() == geteuid().as_raw() && owner.mode() & 0o077 == 0,
        "{} is not a folder of this user alone; remove it or set TMPDIR",
        parent.display()
    );
    Ok(parent)
}

/// Removes the folders whose owners are dead. One that resists is left for the next time.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        let dir = entry.path();
        let in_use = File::open(dir.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !in_use {
            let _ = fs::remove_dir_all(dir);
        }
    }
}
