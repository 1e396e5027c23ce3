//! `list -w`: the table as it changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::runtime::watcher::Event;
use milvus_refresh_operator::object::Key;

use super::tabulate::{nothing, tabulate};
use crate::{
    cli::List,
    cluster::{Cluster, News, REFRESHES, Refresh, Selection},
    exit::Exit,
    problem::Problem,
    screen::{Heard, Line, Screen, Span, Table, Tone, View, follow, stale},
    words::Row,
};

/// Lists, and shows each change.
///
/// # Errors
/// They cannot be had; or it was ended by Ctrl-C.
pub async fn run(cluster: &Cluster, list: &List, wide: bool) -> Result<Exit, Problem> {
    let selection = Selection::labelled(list.selector.as_deref());
    let news = cluster.watch(cluster.scope(), REFRESHES, selection);
    let view = Rows {
        rows: BTreeMap::new(),
        listing: Some(BTreeMap::new()),
        layout: Table::new([]),
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
    /// The columns of the table that a pipe has got.
    layout: Table,
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
                if first {
                    let table = tabulate(self.rows.values(), self.namespaces, self.wide, &Screen::PIPE, now);
                    lines = table.lines(None);
                    self.layout = table.emptied();
                } else {
                    let gone = before.iter().filter(|(key, _)| !self.rows.contains_key(*key));
                    lines = gone.map(|(_, row)| self.line_of_deleted(row)).collect();
                    let news = self.rows.iter().filter(|(key, row)| before.get(*key) != Some(*row));
                    lines.extend(news.map(|(_, row)| self.line(row, now)));
                }
                self.trouble = None;
            }
            Event::Apply(refresh) => {
                let row = Row::of(&refresh);
                let before = self.rows.insert(Key::of(&refresh), row.clone());
                if before.as_ref() != Some(&row) {
                    lines = vec![self.line(&row, now)];
                }
                self.trouble = None;
            }
            Event::Delete(refresh) => {
                let gone = self.rows.remove(&Key::of(&refresh));
                lines = gone.iter().map(|row| self.line_of_deleted(row)).collect();
                self.trouble = None;
            }
        }
        Ok(Heard { lines, end: None })
    }

    fn shown(&self, screen: &Screen, now: Timestamp) -> Vec<Line> {
        let trouble: Vec<Line> = self.trouble.iter().flat_map(|trouble| stale(trouble, screen.width())).collect();
        let mut lines = match (self.rows.is_empty(), &self.listing) {
            (true, Some(_)) => Vec::new(),
            (true, None) => vec![Line::from(&self.nothing)],
            (false, _) => self.table(screen, trouble.len(), now),
        };
        lines.extend(trouble);
        lines
    }
}

impl Rows {
    /// The rows that the window has room for beside so many other lines: of thousands nobody sees the rest.
    fn table(&self, screen: &Screen, others: usize, now: Timestamp) -> Vec<Line> {
        // The title, how many more there are, and the cursor.
        let room = screen.window.map_or(usize::MAX, |(_, rows)| rows.saturating_sub(others + 3).max(1));
        let rows = self.rows.values().take(room);
        let mut lines = tabulate(rows, self.namespaces, self.wide, screen, now).lines(screen.width());
        let more = self.rows.len().saturating_sub(room);
        if more > 0 {
            let text = format!("... {more} more; -n and -l show fewer");
            lines.push(Line::from(Span::new(Tone::Faint, text)));
        }
        lines
    }

    /// A row below a table that a pipe has already got.
    fn line(&self, row: &Row, now: Timestamp) -> Line {
        self.layout.below(&row.cells(self.namespaces, self.wide, None, now), None)
    }

    /// The same of one that is gone.
    fn line_of_deleted(&self, row: &Row) -> Line {
        self.layout.below(&row.cells_of_deleted(self.namespaces, self.wide), None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::screen::Bars;

    fn object(number: usize) -> Refresh {
        let name = format!("refresh-{number}");
        serde_json::from_value(json!({ "metadata": { "name": name }, "spec": { "collectionName": "a" } })).unwrap()
    }

    fn listed(count: usize) -> Rows {
        let mut rows = Rows {
            rows: BTreeMap::new(),
            listing: None,
            layout: Table::new([]),
            trouble: None,
            namespaces: false,
            wide: false,
            nothing: "none".to_owned(),
        };
        let applied = (0..count).map(|number| Event::InitApply(object(number)));
        for event in std::iter::once(Event::Init).chain(applied).chain([Event::InitDone]) {
            rows.hear(News::Event(event), Timestamp::UNIX_EPOCH).unwrap();
        }
        rows
    }

    #[test]
    fn a_pipe_is_told_of_what_is_gone_whether_somebody_watched_or_not() {
        let mut rows = listed(3);
        let mut hear = |event: Event<Refresh>| {
            let heard = rows.hear(News::Event(event), Timestamp::UNIX_EPOCH).unwrap();
            heard.lines.iter().map(Line::plain).collect::<Vec<_>>()
        };
        let gone = hear(Event::Delete(object(1)));
        assert!(matches!(gone.as_slice(), [line] if line.starts_with("refresh-1   Deleted ")), "{gone:?}");
        assert!(hear(Event::Delete(object(1))).is_empty(), "it was told");
        hear(Event::Init);
        hear(Event::InitApply(object(0)));
        let gone = hear(Event::InitDone);
        assert!(matches!(gone.as_slice(), [line] if line.starts_with("refresh-2   Deleted ")), "{gone:?}");
    }

    #[test]
    fn of_more_than_the_window_has_room_for_the_number_is_told() {
        let shown = |count: usize, trouble: Option<Problem>| {
            let rows = Rows { trouble, ..listed(count) };
            let screen = Screen { window: Some((80, 10)), bars: Bars::Ascii };
            rows.shown(&screen, Timestamp::UNIX_EPOCH).iter().map(Line::plain).collect::<Vec<_>>()
        };
        assert_eq!(shown(0, None), ["none"]);
        assert_eq!(shown(7, None).len(), 8);
        let many = shown(9, None);
        assert_eq!((many.len(), many.last().map(String::as_str)), (9, Some("... 2 more; -n and -l show fewer")));
        let lost = shown(9, Some(Problem::usage("It does not answer.")));
        assert_eq!(
            (lost.len(), lost.last().map(String::as_str)),
            (9, Some("It does not answer. What is shown may be old; trying again."))
        );
    }
}
