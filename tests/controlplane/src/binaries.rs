//! Finds etcd, kube-apiserver and kubectl, or builds them once from pinned Go modules.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::spawn::output;

/// The longest that a build may take, downloads included.
const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);
/// The longest that a program may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// The programs of a control plane.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The API server's storage.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// A kubectl that fits the API server.
    pub kubectl: PathBuf,
}

/// A program and the Go module that pins it; the pin is read from `go.mod`, so that it is in one place.
struct Program {
    name: &'static str,
    /// Prints a version on its first line.
    version_args: &'static [&'static str],
    /// How many minor versions one on PATH may be away from the pinned one.
    skew: u64,
    /// The folder of the pinning module below `go/`, also the cache's name for it.
    source: &'static str,
    go_mod: &'static str,
    module: &'static str,
    package: &'static str,
    build_time: &'static str,
}

const ETCD: Program = Program {
    name: "etcd",
    version_args: &["--version"],
    skew: 0,
    source: "etcd",
    go_mod: include_str!("../go/etcd/go.mod"),
    module: "go.etcd.io/etcd/server/v3",
    package: "go.etcd.io/etcd/server/v3",
    build_time: "about a minute",
};

const KUBE_APISERVER: Program = Program {
    name: "kube-apiserver",
    version_args: &["--version"],
    skew: 0,
    source: "kubernetes",
    go_mod: include_str!("../go/kubernetes/go.mod"),
    module: "k8s.io/kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    build_time: "about four minutes",
};

const KUBECTL: Program = Program {
    name: "kubectl",
    version_args: &["version", "--client"],
    // Kubernetes' version skew policy.
    skew: 1,
    package: "k8s.io/kubernetes/cmd/kubectl",
    build_time: "about a minute",
    ..KUBE_APISERVER
};

impl Binaries {
    /// Takes the programs from the folder `KUBEBUILDER_ASSETS` when that is set; else each from the user's cache
    /// folder, from PATH when its version fits, or built once with Go into the cache, which takes minutes and is said
    /// on standard error.
    ///
    /// # Errors
    /// `KUBEBUILDER_ASSETS` is incomplete, there is no cache folder, or Go is missing or fails.
    pub fn find() -> Result<Self> {
        let find: &dyn Fn(&Program) -> Result<PathBuf> = match env::var_os("KUBEBUILDER_ASSETS") {
            Some(assets) => &move |program| in_assets(program, Path::new(&assets)),
            None => &in_cache_or_path,
        };
        Ok(Self { etcd: find(&ETCD)?, kube_apiserver: find(&KUBE_APISERVER)?, kubectl: find(&KUBECTL)? })
    }
}

fn in_assets(program: &Program, assets: &Path) -> Result<PathBuf> {
    let path = assets.join(program.name);
    ensure!(
        path.is_file(),
        "KUBEBUILDER_ASSETS is {}, but there is no {} in it; complete the folder or unset the variable",
        assets.display(),
        program.name
    );
    Ok(path)
}

fn in_cache_or_path(program: &Program) -> Result<PathBuf> {
    let version = program.pinned()?;
    let cache = dirs::cache_dir()
        .context("there is no folder for caches; set HOME or XDG_CACHE_HOME")?
        .join("milvus-refresh-operator/controlplane");
    let cached = cache.join(format!("{}-{version}", program.source)).join(program.name);
    if !cached.is_file() {
        if let Some(path) = program.on_path(version) {
            return Ok(path);
        }
        program.build(version, &cache, &cached)?;
    }
    Ok(cached)
}

impl Program {
    /// The pinned version, such as `v1.36.3`.
    fn pinned(&self) -> Result<&'static str> {
        self.go_mod
            .lines()
            .filter_map(|line| line.trim().strip_prefix("require ").unwrap_or(line).split_once(' '))
            .find_map(|(module, version)| (module == self.module).then_some(version.trim()))
            .with_context(|| format!("go/{}/go.mod does not require {}", self.source, self.module))
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
            say("Another process builds a part of the control plane; waiting for it.");
            lock.lock()?;
        }
        if cached.is_file() {
            return Ok(());
        }
        say(&format!(
            "Building {} {version} with Go. This takes {} and is done once: it is kept in {}.",
            self.name,
            self.build_time,
            folder.display()
        ));
        let partial = folder.join(format!("{}.partial", self.name));
        let built = output(self.go_build(version, &partial)?, BUILD_LIMIT).with_context(|| {
            format!(
                "cannot build {} with Go; install Go, or set KUBEBUILDER_ASSETS to a folder that holds etcd, \
                 kube-apiserver and kubectl",
                self.name
            )
        })?;
        if !built.status.success() {
            bail!("Go could not build {} ({}); its messages are above", self.name, built.status);
        }
        fs::rename(&partial, cached)?;
        Ok(())
    }

    fn go_build(&self, version: &str, target: &Path) -> Result<Command> {
        // Without these, Kubernetes' programs call themselves v0.0.0-master, which clients cannot parse.
        let (major, minor) = minor_version(version).with_context(|| format!("{version} is no version"))?;
        let k8s = "k8s.io/component-base/version";
        let flags = format!("-s -w -X {k8s}.gitVersion={version} -X {k8s}.gitMajor={major} -X {k8s}.gitMinor={minor}");
        let mut go = Command::new("go");
        go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(self.source))
            .envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-mod=readonly"), ("GOWORK", "off")])
            .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
            .arg(target)
            .arg(self.package)
            .stdin(Stdio::null());
        Ok(go)
    }
}

/// Major and minor of a word such as `v1.36.3` or `3.6.16`.
fn minor_version(word: &str) -> Option<(u64, u64)> {
    let mut numbers = word.strip_prefix('v').unwrap_or(word).split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Says something at once, past the capture of test output: who waits for minutes is to know why.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn versions_are_read_from_the_go_modules() {
        for (program, major) in [(ETCD, 3), (KUBE_APISERVER, 1), (KUBECTL, 1)] {
            let version = program.pinned().unwrap();
            assert!(version.starts_with('v'), "{version}");
            assert_eq!(minor_version(version).unwrap().0, major);
        }
    }

    #[test]
    fn minor_versions_are_found_in_what_programs_say() {
        for (said, found) in [
            ("etcd Version: 3.6.16", Some((3, 6))),
            ("Kubernetes v1.36.3", Some((1, 36))),
            ("Client Version: v1.32.4-dispatcher", Some((1, 32))),
            ("no version", None),
        ] {
            assert_eq!(said.split_whitespace().find_map(minor_version), found, "{said}");
        }
    }
}
