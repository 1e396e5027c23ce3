//! The programs of a control plane.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::program::Program;

/// For the message of a build.
const PURPOSE: &str =
    "a real control plane (or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl)";

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

const ETCD: Program = Program {
    name: "etcd",
    purpose: PURPOSE,
    version_args: &["--version"],
    skew: 0,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/go/etcd"),
    go_mod: include_str!("../go/etcd/go.mod"),
    module: "go.etcd.io/etcd/server/v3",
    package: "go.etcd.io/etcd/server/v3",
    tags: "",
    variables: &[],
    build_time: "about a minute",
};

const KUBE_APISERVER: Program = Program {
    name: "kube-apiserver",
    purpose: PURPOSE,
    version_args: &["--version"],
    skew: 0,
    folder: concat!(env!("CARGO_MANIFEST_DIR"), "/go/kubernetes"),
    go_mod: include_str!("../go/kubernetes/go.mod"),
    module: "k8s.io/kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    tags: "",
    // Without these, Kubernetes' programs call themselves v0.0.0-master, which clients cannot parse.
    variables: &[
        "k8s.io/component-base/version.gitVersion={version}",
        "k8s.io/component-base/version.gitMajor={major}",
        "k8s.io/component-base/version.gitMinor={minor}",
    ],
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
            None => &Program::find,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;
    use crate::program::minor_version;

    #[test]
    fn versions_are_read_from_the_go_modules() {
        for (program, major) in [(ETCD, 3), (KUBE_APISERVER, 1), (KUBECTL, 1)] {
            let version = program.pinned().unwrap();
            assert!(version.starts_with('v'), "{version}");
            assert_eq!(minor_version(version).unwrap().0, major);
        }
    }
}
