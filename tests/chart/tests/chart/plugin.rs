//! How the release packs the plugin: with stubs in the place of what takes minutes, its program and its manual pages.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use chart::REPOSITORY;
use tempfile::TempDir;

use crate::value_in;

const BINARY: &str = "#!/bin/sh\nmkdir -p target\necho program > target/$2\necho target/$2\n";
/// Writes one manual page into the folder that is its last argument.
const CARGO: &str =
    "#!/bin/sh\nfor folder; do :; done\nmkdir -p \"$folder\"\necho .TH > \"$folder/kubectl-ecrefresh.1\"\n";

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn said(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// Packs the plugin for amd64 into a folder, elsewhere than the last time.
fn packed() -> (TempDir, PathBuf) {
    let place = TempDir::with_prefix("plugin-").unwrap();
    let path = |file: &str| place.path().join(file);
    for file in ["release/plugin", "release/tar", "LICENSE", "CHANGELOG.md"] {
        fs::create_dir_all(path(file).parent().unwrap()).unwrap();
        fs::copy(format!("{REPOSITORY}/{file}"), path(file)).unwrap();
    }
    fs::create_dir_all(path("plugin/completion")).unwrap();
    for file in ["bash", "zsh", "fish", "kubectl_complete-ecrefresh"] {
        let file = format!("plugin/completion/{file}");
        fs::copy(format!("{REPOSITORY}/{file}"), path(&file)).unwrap();
    }
    executable(&path("release/binary"), BINARY);
    executable(&path("bin/cargo"), CARGO);
    // The linker of every machine that builds Rust comes with one that does the same.
    let all = std::env::var("PATH").unwrap();
    let ar = std::env::split_paths(&all).map(|folder| folder.join("ar")).find(|ar| ar.is_file()).unwrap();
    symlink(ar, path("bin/llvm-ar")).unwrap();
    let done = path("done");
    fs::create_dir(&done).unwrap();
    let mut pack = Command::new(path("release/plugin"));
    pack.args(["amd64", "0.1.0"]).arg(&done).env("SOURCE_DATE_EPOCH", "1000000000");
    said(pack.env("PATH", format!("{}:{all}", path("bin").display())));
    (place, done)
}

#[test]
fn the_archive_and_the_debian_package_have_the_program_and_what_completes_it() {
    let (place, done) = packed();
    let listed = |file: &Path| -> Vec<String> {
        let list = said(Command::new("tar").arg("--list").arg("--verbose").arg("--file").arg(file));
        list.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .map(|words| format!("{} {}", words[0], words[5]))
            .collect()
    };
    let archive = listed(&done.join("kubectl-ecrefresh-0.1.0-linux-amd64.tar.gz"));
    let deb = done.join("kubectl-ecrefresh_0.1.0_amd64.deb");
    let members = said(Command::new("ar").arg("t").arg(&deb));
    assert_eq!(members, "debian-binary\ncontrol.tar.gz\ndata.tar.gz\n");
    said(Command::new("ar").arg("x").arg(&deb).current_dir(place.path()));
    let data = listed(&place.path().join("data.tar.gz"));
    let control = said(
        Command::new("tar")
            .args(["--extract", "--to-stdout", "--file", "control.tar.gz", "control"])
            .current_dir(place.path()),
    );
    for line in ["Package: kubectl-ecrefresh", "Version: 0.1.0", "Architecture: amd64"] {
        assert!(control.lines().any(|told| told == line), "{control}");
    }
    let programs = ["kubectl-ecrefresh", "kubectl_complete-ecrefresh"];
    for (files, folder) in [(&archive, ""), (&data, "usr/bin/")] {
        for program in programs {
            let line = format!("-rwxr-xr-x {folder}{program}");
            assert!(files.contains(&line), "{line} is not in {files:#?}");
        }
    }
    for (files, file) in [
        (&archive, "man/kubectl-ecrefresh.1"),
        (&archive, "LICENSE"),
        (&data, "usr/share/man/man1/kubectl-ecrefresh.1.gz"),
        (&data, "usr/share/bash-completion/completions/kubectl-ecrefresh"),
        (&data, "usr/share/zsh/vendor-completions/_kubectl-ecrefresh"),
        (&data, "usr/share/fish/vendor_completions.d/kubectl-ecrefresh.fish"),
        (&data, "usr/share/doc/kubectl-ecrefresh/copyright"),
    ] {
        assert!(files.contains(&format!("-rw-r--r-- {file}")), "{file} is not in {files:#?}");
    }
}

#[test]
fn packed_again_elsewhere_they_are_the_same() {
    let (first, second) = (packed(), packed());
    let files = |folder: &Path| -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let first = files(&first.1);
    assert!(first.len() == 2 && first == files(&second.1));
}

#[test]
fn the_plugin_has_the_version_of_the_operator_and_krew_its_archives() {
    assert_eq!(value_in("plugin/Cargo.toml", "version"), value_in("Cargo.toml", "version"));
    let krew = fs::read_to_string(format!("{REPOSITORY}/plugin/krew.yaml")).unwrap();
    let krew: serde_json::Value = serde_saphyr::from_str(&krew).unwrap();
    assert_eq!((&krew["kind"], &krew["metadata"]["name"]), (&"Plugin".into(), &"ecrefresh".into()));
    let summary = krew["spec"]["shortDescription"].as_str().unwrap();
    assert!(summary.len() <= 50, "Krew cuts {summary:?} at 50 characters");
    for (platform, arch) in krew["spec"]["platforms"].as_array().unwrap().iter().zip(["amd64", "arm64"]) {
        assert_eq!(platform["selector"]["matchLabels"]["arch"], arch);
        assert_eq!(platform["uri"], format!("RELEASES/VERSION/kubectl-ecrefresh-VERSION-linux-{arch}.tar.gz"));
        assert_eq!(
            (&platform["sha256"], &platform["bin"]),
            (&format!("SHA256-{arch}").into(), &"kubectl-ecrefresh".into())
        );
    }
}
