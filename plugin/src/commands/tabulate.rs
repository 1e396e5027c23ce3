//! Refreshes in a table, or that there are none.

use jiff::Timestamp;

use crate::{
    cluster::Cluster,
    screen::{Screen, Table},
    words::{Row, columns},
};

/// The rows as a table.
pub fn tabulate<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    namespaces: bool,
    wide: bool,
    screen: &Screen,
    now: Timestamp,
) -> Table {
    let mut table = Table::new(columns(namespaces, wide));
    let bars = screen.window.map(|_| screen.bars);
    for row in rows {
        table.push(row.cells(namespaces, wide, bars, now));
    }
    table
}

/// What is said where there is none.
pub fn nothing(cluster: &Cluster, selector: Option<&str>) -> String {
    let labels = selector.map(|labels| format!(" with the labels {labels}")).unwrap_or_default();
    match cluster.scope() {
        Some(namespace) => format!("No refreshes{labels} in namespace {namespace}. All namespaces: -A"),
        None => format!("No refreshes{labels} in this cluster."),
    }
}
