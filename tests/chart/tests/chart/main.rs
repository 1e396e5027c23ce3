//! The chart: what it takes, what it renders, what a real API server says of it, and its life in a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod admission;
mod life;
mod made;
mod render;
mod schema;
mod switches;

use std::sync::LazyLock;

use chart::{Helm, manifests};
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
