//! `list -w`: the table as it changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::runtime::watcher::Event;
use milvus_refresh_operator::object::Key;

use super::list::{nothing, tabulate};
use crate::{
    cli::List,
    cluster::{Cluster, News, REFRESHES, Refresh, Selection},
    exit::Exit,
    problem::Problem,
    screen::{Heard, Line, Screen, Span, Tone, View, follow, wrapped},
    words::Row,
};

/// Lists, and shows each change.
///
/// # Errors
/// They cannot be had; or it was ended by Ctrl-C.
pub async fn run(cluster: &Cluster, list: &List, wide: bool) -> Result<Exit, Problem> {
    let selection = Selection::labelled(list.selector.as_deref());
    let news = cluster.watch(cluster.api::<Refresh>(), REFRESHES, selection);
    let view = Rows {
        rows: BTreeMap::new(),
        listing: Some(BTreeMap::new()),
        trouble: None,
        namespaces: cluster.all_namespaces,
        wide,
        nothing: nothing(cluster, list.selector.as_deref()),
    };
    follow(news, view).await
}

struct Rows {
    rows: BTreeMap<Key, Row>,
    /// What the list that is under way has shown.
    listing: Option<BTreeMap<Key, Row>>,
    /// Why what is shown may be old.
    trouble: Option<Problem>,
    namespaces: bool,
    wide: bool,
    nothing: String,
}

impl View for Rows {
    type News = News<Refresh>;

    fn hear(&mut self, news: Self::News, now: Timestamp) -> Result<Heard, Problem> {
        let event = match news {
            News::Event(event) => event,
            News::Trouble(problem) => {
                self.trouble = Some(problem);
                return Ok(Heard::default());
            }
            News::Refused(problem) => return Err(problem),
        };
        let mut lines = Vec::new();
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(refresh) => {
                if let Some(listing) = &mut self.listing {
                    listing.insert(Key::of(&refresh), Row::of(&refresh));
                }
            }
            Event::InitDone => {
                let first = self.rows.is_empty();
                let listed = self.listing.take().unwrap_or_default();
                let before = std::mem::replace(&mut self.rows, listed);
                let news = self.rows.iter().filter(|(key, row)| before.get(*key) != Some(*row)).map(|(_, row)| row);
                lines = if first { self.table(news, now) } else { self.changes(news, now) };
                self.trouble = None;
            }
            Event::Apply(refresh) => {
                let row = Row::of(&refresh);
                let before = self.rows.insert(Key::of(&refresh), row.clone());
                if before.as_ref() != Some(&row) {
                    lines = self.changes([&row], now);
                }
                self.trouble = None;
            }
            Event::Delete(refresh) => {
                self.rows.remove(&Key::of(&refresh));
                self.trouble = None;
            }
        }
        Ok(Heard { lines, end: None })
    }

    fn shown(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        let mut lines = match (self.rows.is_empty(), &self.listing) {
            (true, Some(_)) => Vec::new(),
            (true, None) => vec![Line::from(&self.nothing)],
            (false, _) => tabulate(self.rows.values(), self.namespaces, self.wide, screen, now).lines(screen.width()),
        };
        if let Some(trouble) = &self.trouble {
            let text = format!("{trouble} What is shown may be old; trying again.");
            lines.extend(wrapped(Line::new(), Tone::Bad, &text, screen.width()));
        }
        lines
    }
}

impl Rows {
    /// The table for a pipe.
    fn table<'a>(&self, rows: impl IntoIterator<Item = &'a Row>, now: Timestamp) -> Vec<Line> {
        tabulate(rows, self.namespaces, self.wide, &Screen::PIPE, now).lines(None)
    }

    /// Rows below a table that a pipe has already got, under its columns as far as they are wide enough.
    fn changes<'a>(&self, rows: impl IntoIterator<Item = &'a Row>, now: Timestamp) -> Vec<Line> {
        let all = tabulate(self.rows.values(), self.namespaces, self.wide, &Screen::PIPE, now);
        let cells = |row: &Row| -> Vec<Span> { row.cells(self.namespaces, self.wide, None, now) };
        rows.into_iter().map(|row| all.below(&cells(row))).collect()
    }
}
