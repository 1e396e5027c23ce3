//! What takes minutes to install and is then kept.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::program::{cache, say};
use crate::spawn::output;

/// Of one step of an installation, downloads included, on a machine that is busy with something else.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// The folder `path` below the user's cache folder with something in it that `steps` install there once; `what` tells it, to go
/// on after "Installing". It is installed anew when its `proof`, a file in it, is gone.
///
/// # Errors
/// There is no cache folder, or a step fails, with what it said.
pub fn kept(path: &str, proof: &str, what: &str, steps: impl FnOnce(&PathBuf) -> Vec<Command>) -> Result<PathBuf> {
    let folder = cache()?.join(path);
    fs::create_dir_all(&folder)?;
    // Other tests may want it at the same time.
    let lock = File::create(folder.with_added_extension("lock"))?;
    lock.lock()?;
    let complete = folder.join("complete");
    if complete.is_file() && folder.join(proof).is_file() {
        return Ok(folder);
    }
    say(&format!("Installing {what}. This is done once: it is kept in {}.", folder.display()));
    fs::remove_dir_all(&folder)?;
    fs::create_dir_all(&folder)?;
    for mut step in steps(&folder) {
        let shown = format!("{step:?}");
        step.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let said = output(step, LIMIT)?;
        let [stdout, stderr] = [said.stdout, said.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        ensure!(said.status.success(), "{shown} failed:\n{stdout}\n{stderr}");
    }
    File::create(complete)?;
    Ok(folder)
}
