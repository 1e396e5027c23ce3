//! The chart: what it takes, what it renders, what a real API server says of it, and its life in a cluster; and the
//! release that packs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod admission;
mod catalogue;
mod labels;
mod life;
mod made;
mod names;
mod plugin;
mod release;
mod render;
mod schema;
mod switches;

use std::fs;
use std::sync::LazyLock;

use chart::{Helm, REPOSITORY, manifests};
use serde_json::Value;

/// Both majors. Found or built when the first test needs them.
static HELMS: LazyLock<[Helm; 2]> = LazyLock::new(|| [Helm::three().unwrap(), Helm::four().unwrap()]);

/// The objects that the chart makes of these values.
fn render(values: &Value) -> Vec<Value> {
    manifests::objects(&HELMS[0].template(values).unwrap()).unwrap()
}

/// The objects of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The first value of this key in a file of the repository, e.g. `version` in `Cargo.toml`.
fn value_in(file: &str, key: &str) -> String {
    let text = fs::read_to_string(format!("{REPOSITORY}/{file}")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim_matches([' ', '=', ':', '"']).to_owned()
}
