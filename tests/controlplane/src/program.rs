//! Programs that are taken from the user's cache or from PATH, or else built once from pinned Go modules.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::spawn::output;

/// The longest that a build may take, downloads included.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
/// The longest that a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// A program and the Go module that pins it; the pin is read from `go.mod`, so that it is in one place.
#[derive(Debug)]
pub struct Program {
    /// Its file, and its name on PATH.
    pub name: &'static str,
    /// What it is needed for: "the control plane". For the message of a build.
    pub purpose: &'static str,
    /// Prints a version on its first line.
    pub version_args: &'static [&'static str],
    /// How many minor versions one on PATH may be away from the pinned one.
    pub skew: u64,
    /// The absolute path of the folder with the pinning `go.mod`; its last part is also the cache's name for it.
    pub folder: &'static str,
    /// The text of that `go.mod`.
    pub go_mod: &'static str,
    /// The pinned module.
    pub module: &'static str,
    /// The package of the program.
    pub package: &'static str,
    /// Go's build tags, with commas between them.
    pub tags: &'static str,
    /// Go variables that the build sets, as `path.name={version}`; also `{major}` and `{minor}` are filled in.
    pub variables: &'static [&'static str],
    /// Such as "about a minute".
    pub build_time: &'static str,
}

impl Program {
    /// The program from the user's cache folder, from PATH when its version fits, or built once with Go into the
    /// cache, which takes minutes and is said on standard error.
    ///
    /// # Errors
    /// There is no cache folder, or Go is missing or fails.
    pub fn find(&self) -> Result<PathBuf> {
        let version = self.pinned()?;
        let cache = cache()?.join("controlplane");
        let cached = cache.join(format!("{}-{version}", self.source()?)).join(self.name);
        if !cached.is_file() {
            if let Some(path) = self.on_path(version) {
                return Ok(path);
            }
            self.build(version, &cache, &cached)?;
        }
        Ok(cached)
    }

    /// The name of the folder with the pin.
    fn source(&self) -> Result<&'static str> {
        self.folder.rsplit('/').next().with_context(|| format!("{} is no path of a folder", self.folder))
    }

    /// The pinned version, such as `v1.36.3`.
    pub(crate) fn pinned(&self) -> Result<&'static str> {
        self.go_mod
            .lines()
            .filter_map(|line| line.trim().strip_prefix("require ").unwrap_or(line).split_once(' '))
            .find_map(|(module, version)| (module == self.module).then_some(version.trim()))
            .with_context(|| format!("{}/go.mod does not require {}", self.folder, self.module))
    }

    /// The program on PATH, when its version fits the pinned one.
    fn on_path(&self, pinned: &str) -> Option<PathBuf> {
        let path =
            env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(self.name)).find(|path| path.is_file())?;
        let mut command = Command::new(&path);
        command.args(self.version_args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let said = output(command, VERSION_LIMIT).ok()?.stdout;
        let said = String::from_utf8_lossy(&said);
        let found = said.lines().next()?.split_whitespace().find_map(minor_version)?;
        let pinned = minor_version(pinned)?;
        (found.0 == pinned.0 && found.1.abs_diff(pinned.1) <= self.skew).then_some(path)
    }

    /// Builds the program to `cached`, unless another process was faster.
    fn build(&self, version: &str, cache: &Path, cached: &Path) -> Result<()> {
        let folder = cached.parent().context("the cache's file has no folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let lock = File::create(cache.join("build.lock"))?;
        if lock.try_lock().is_err() {
            say("Another process builds programs for the tests; waiting for it.");
            lock.lock()?;
        }
        if cached.is_file() {
            return Ok(());
        }
        say(&format!(
            "Building {} {version} with Go, for {}. This takes {} and is done once: it is kept in {}.",
            self.name,
            self.purpose,
            self.build_time,
            folder.display()
        ));
        let partial = folder.join(format!("{}.partial", self.name));
        let built = output(self.go_build(version, &partial)?, BUILD_LIMIT)
            .with_context(|| format!("cannot build {} with Go; is Go installed?", self.name))?;
        if !built.status.success() {
            bail!("Go could not build {} ({}); its messages are above", self.name, built.status);
        }
        fs::rename(&partial, cached)?;
        Ok(())
    }

    fn go_build(&self, version: &str, target: &Path) -> Result<Command> {
        let (major, minor) = minor_version(version).with_context(|| format!("{version} is no version"))?;
        let fill = |variable: &&str| {
            let filled = variable.replace("{version}", version).replace("{major}", &major.to_string());
            format!(" -X {}", filled.replace("{minor}", &minor.to_string()))
        };
        let flags = format!("-s -w{}", self.variables.iter().map(fill).collect::<String>());
        let mut go = Command::new("go");
        go.current_dir(self.folder)
            .envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=readonly"), ("GOWORK", "off")])
            .args(["build", "-trimpath", "-tags", self.tags, "-ldflags", &flags, "-o"])
            .arg(target)
            .arg(self.package)
            .stdin(Stdio::null());
        Ok(go)
    }
}

/// Where this project keeps what takes long to make: a folder below the user's cache, which need not exist yet.
///
/// # Errors
/// The user has no folder for caches.
pub fn cache() -> Result<PathBuf> {
    let cache = dirs::cache_dir().context("there is no folder for caches; set HOME or XDG_CACHE_HOME")?;
    Ok(cache.join("milvus-refresh-operator"))
}

/// Major and minor of a word such as `v1.36.3` or `3.6.16`; of Prometheus' module `v0.313.5`, which is its release 3.13.
pub(crate) fn minor_version(word: &str) -> Option<(u64, u64)> {
    let mut numbers = word.strip_prefix('v').unwrap_or(word).split('.').map(str::parse);
    match (numbers.next()?.ok()?, numbers.next()?.ok()?) {
        (0, minor @ 300..) => Some((minor / 100, minor % 100)),
        version => Some(version),
    }
}

/// Says something at once, past the capture of test output: who waits for minutes is to know why.
pub(crate) fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn minor_versions_are_found_in_what_programs_say() {
        for (said, found) in [
            ("etcd Version: 3.6.16", Some((3, 6))),
            ("Kubernetes v1.36.3", Some((1, 36))),
            ("Client Version: v1.32.4-dispatcher", Some((1, 32))),
            ("prometheus, version 3.13.5 (branch: HEAD)", Some((3, 13))),
            ("v0.313.5", Some((3, 13))),
            ("no version", None),
        ] {
            assert_eq!(said.split_whitespace().find_map(minor_version), found, "{said}");
        }
    }
}
