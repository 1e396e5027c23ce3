//! `list`: the refreshes as a table, or as the API server shows them.

use jiff::Timestamp;

use super::tabulate::{nothing, tabulate};
use crate::{
    cli::{Global, List, Output},
    cluster::{Cluster, Listing},
    exit::Exit,
    problem::Problem,
    screen::{Screen, Table, lines, printable},
    words::Row,
};

/// Lists.
///
/// # Errors
/// They cannot be had.
pub async fn run(cluster: &Cluster, flags: &Global, list: &List) -> Result<Exit, Problem> {
    let output = flags.output(&[Output::Json, Output::Yaml, Output::Name, Output::Wide])?;
    match output {
        None | Some(Output::Wide) if list.watch => super::list_live::run(cluster, list, output.is_some()).await,
        None | Some(Output::Wide) => table(cluster, list, output.is_some()).await,
        Some(format) => super::raw::list(cluster, list, format).await,
    }
}

/// Each page as it comes: the API server takes longer for the later ones. They stand under the columns of the first.
async fn table(cluster: &Cluster, list: &List, wide: bool) -> Result<Exit, Problem> {
    let mut pages = Listing::of(cluster, list.selector.as_deref());
    let (screen, namespaces) = (Screen::stdout(), cluster.all_namespaces);
    let (width, bars) = (screen.width(), screen.window.map(|_| screen.bars));
    let mut layout: Option<Table> = None;
    let mut trouble = None;
    while let Some(page) = pages.next().await? {
        let (rows, now): (Vec<Row>, _) = (page.iter().map(Row::of).collect(), Timestamp::now());
        trouble = trouble.or_else(|| rows.iter().find_map(Row::trouble).map(printable));
        match &layout {
            Some(layout) => {
                let below = |row: &Row| layout.below(&row.cells(namespaces, wide, bars, now), width);
                lines(&rows.iter().map(below).collect::<Vec<_>>())?;
            }
            None if rows.is_empty() => {}
            None => {
                let table = tabulate(&rows, namespaces, wide, &screen, now);
                lines(&table.lines(width))?;
                layout = Some(table.emptied());
            }
        }
    }
    if layout.is_none() {
        anstream::eprintln!("{}", nothing(cluster, list.selector.as_deref()));
    }
    if let Some(trouble) = trouble {
        anstream::eprintln!("{trouble}");
    }
    Ok(Exit::Ok)
}
