//! The release: what it refuses before it makes anything, and that the Dockerfile and the guide say what its scripts need.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use chart::REPOSITORY;
use tempfile::TempDir;

use crate::value_in;

fn read(file: &str) -> String {
    fs::read_to_string(format!("{REPOSITORY}/{file}")).unwrap()
}

/// The Debian packages that a text says to install.
fn packages(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter_map(|line| line.split_once("apt-get install ")).map(|(_, packages)| packages);
    let words = lines.flat_map(|packages| packages.split(['"', '.']).next().unwrap().split_whitespace());
    words.filter(|word| !word.starts_with("--")).collect()
}

#[test]
fn the_dockerfile_builds_with_the_rust_that_is_pinned() {
    let rust = value_in("rust-toolchain.toml", "channel");
    let first = format!("FROM --platform=$BUILDPLATFORM rust:{rust}-bookworm AS build");
    assert!(read("Dockerfile").lines().any(|line| line == first), "the Dockerfile has no line {first:?}");
}

#[test]
fn the_dockerfile_and_the_guide_install_what_the_scripts_ask_for() {
    let (binary, rootfs, image) = (read("release/binary"), read("release/rootfs"), read("release/image"));
    let in_the_first_stage = &packages(&binary) | &packages(&rootfs);
    assert!(in_the_first_stage.len() > 2, "{in_the_first_stage:?}");
    assert_eq!(packages(&read("Dockerfile")), in_the_first_stage);

    let guide = read("docs/releasing.md");
    let guide = packages(&guide);
    let missing: Vec<_> = (&in_the_first_stage | &packages(&image)).difference(&guide).copied().collect();
    assert!(missing.is_empty(), "docs/releasing.md does not install {missing:?}");
}

/// A repository with no more than what the release looks at before it makes anything.
fn repository() -> TempDir {
    let folder = TempDir::with_prefix("release-").unwrap();
    for file in ["release/artefacts", "release/reproduce", "Cargo.toml", "charts/milvus-refresh-operator/Chart.yaml"] {
        let copy = folder.path().join(file);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(format!("{REPOSITORY}/{file}"), copy).unwrap();
    }
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        let done = Command::new("git").args(identity).args(args).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "a release"]);
    folder
}

/// What a script says when it refuses.
fn refusal(repository: &Path, script: &str, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(repository.join("release").join(script));
    command.args(args).env_remove("SIGN").env("CARGO_CYCLONEDX", "true").envs(variables.iter().copied());
    let done = command.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(done.stdout.is_empty() && said.ends_with("; nothing was made\n") && said.lines().count() == 1, "{said}");
    said
}

#[test]
fn a_release_that_cannot_be_made_is_refused_in_one_sentence_before_anything_is_built() {
    let version = value_in("Cargo.toml", "version");
    let wildcards = version.replace(|digit: char| digit.is_ascii_digit(), ".");
    let repository = repository();
    let place = repository.path();
    let refused = |args: &[&str], variables: &[(&str, &str)], why: &str| {
        let said = refusal(place, "artefacts", args, variables);
        assert!(said.starts_with("make release: ") && said.contains(why), "{said}");
    };
    refused(&[], &[], "say which version");
    refused(&["", "dist/"], &[], "say which version");
    refused(&["99.0.0", "dist/99.0.0"], &[], "Cargo.toml has another version than 99.0.0");
    refused(&[&wildcards, "dist/x"], &[], "Cargo.toml has another version");
    refused(&[&version, "release"], &[], "release is there already");
    refused(&[&version, "dist/x"], &[("CARGO_CYCLONEDX", "no-such-tool")], "no-such-tool is not installed");
    refused(&[&version, "dist/x"], &[("SIGN", "no-such-signer --yes")], "no-such-signer is not installed");

    fs::write(place.join("new"), "").unwrap();
    refused(&[&version, "dist/x"], &[], "changes that are not committed");
    fs::write(place.join("charts/milvus-refresh-operator/Chart.yaml"), "version: 99.0.0\n").unwrap();
    refused(&[&version, "dist/x"], &[], "Chart.yaml has another version");
    assert!(!place.join("dist").exists());
}

#[test]
fn a_release_is_not_made_again_before_it_was_made_once() {
    let version = value_in("Cargo.toml", "version");
    let repository = repository();
    let refused = |args: &[&str], why: &str| {
        let said = refusal(repository.path(), "reproduce", args, &[]);
        assert!(said.starts_with("make release-again: ") && said.contains(why), "{said}");
    };
    refused(&[], "say which version");
    refused(&[&version, "dist/x"], "there is no dist/x to compare with");
}
