//! Which part of the program may know which: imports go one way, so that no circle can come back.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules of `src`, from the ground floor up: each knows those of the floors below, and its neighbours only where the
/// list of a floor says so by its order, from left to right.
const FLOORS: [&[&str]; 6] = [
    &["complete", "object", "clock", "backoff", "requeue"],
    &["api"],
    &["milvus", "web", "stores", "catalogs", "scout", "refresh", "turns", "metrics"],
    &["cluster", "health", "leader", "shutdown"],
    &["controller"],
    &["cli", "http", "telemetry", "main"],
];

/// Files of modules that only tests have.
const TESTS: [&str; 3] = ["tests", "model", "compatibility"];

fn rank(module: &str) -> (usize, usize) {
    let place = |floor: &&[&str]| floor.iter().position(|known| *known == module);
    let found = FLOORS.iter().enumerate().find_map(|(height, floor)| Some((height, place(floor)?)));
    found.unwrap_or_else(|| panic!("{module} stands on no floor: add it to FLOORS"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if TESTS.contains(&path.file_stem().unwrap().to_str().unwrap()) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The code of a file, without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that `code` names after `crate::`, alone or in braces.
fn named(code: &str) -> BTreeSet<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (start, word) in code.match_indices("crate::") {
        let rest = code.get(start + word.len()..).unwrap();
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(name(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.insert(name(group.get(at..).unwrap()));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn imports_go_from_the_upper_floors_to_the_lower_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let modules = files.iter().filter(|file| !file.ends_with("lib.rs"));
    for file in modules {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let module = inside.iter().next().unwrap().to_str().unwrap();
        let text = code(file).replace("milvus_refresh_operator::", "crate::");
        for known in named(&text).iter().filter(|known| known.as_str() != module) {
            // What is no module is a type or a constant of the crate's root; there are none.
            if rank(known) >= rank(module) {
                wrong.entry(format!("{module} -> {known}")).or_default().push(inside.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction: {wrong:#?}");
}

#[test]
fn names_are_found_alone_and_in_braces() {
    let code = "use crate::api::X;\nuse crate::{milvus::{A, b::C}, object::Key};\nfn f() { crate::clock::now() }";
    let expected = ["api", "milvus", "object", "clock"].map(str::to_owned);
    assert_eq!(named(code), BTreeSet::from(expected));
}
