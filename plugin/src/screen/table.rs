//! Tables: as wide as their cells in a pipe, and no wider than the window on a terminal.

use super::{Line, Span, Tone};

/// Between two columns, as kubectl has it.
const GAP: usize = 3;
/// A column that stays is not cut below this.
const NARROWEST: usize = 8;
/// A text that is shorter says nothing: its column goes.
const SHORTEST: usize = 20;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// In a window that is too narrow, columns with a higher number go first; 0 always stays.
    pub rank: u8,
    /// Whether its text may be cut to fit, once no column can go.
    pub cut: bool,
}

impl Column {
    /// One that stays.
    pub const fn key(title: &'static str) -> Self {
        Self { title, rank: 0, cut: true }
    }

    /// One that goes where there is no room, the higher `rank` first.
    pub const fn ranked(title: &'static str, rank: u8) -> Self {
        Self { title, rank, cut: false }
    }

    /// One of long text, which is cut before any column goes.
    pub const fn text(title: &'static str, rank: u8) -> Self {
        Self { title, rank, cut: true }
    }

    /// How narrow it may become.
    fn least(&self) -> usize {
        match (self.cut, self.rank) {
            (false, _) => usize::MAX,
            (true, 0) => NARROWEST,
            (true, _) => SHORTEST,
        }
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    /// The width of each column's widest cell.
    widths: Vec<usize>,
    rows: Vec<Vec<Span>>,
}

impl Table {
    /// An empty one.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        let columns = columns.into();
        let widths = columns.iter().map(|column| super::width(column.title)).collect();
        Self { columns, widths, rows: Vec::new() }
    }

    /// Adds a row: a cell for each column.
    pub fn push(&mut self, row: Vec<Span>) {
        for (width, cell) in self.widths.iter_mut().zip(&row) {
            *width = (*width).max(super::width(cell.text()));
        }
        self.rows.push(row);
    }

    /// The same without its rows, for lines below it.
    #[must_use]
    pub fn emptied(mut self) -> Self {
        self.rows.clear();
        self
    }

    /// The title and the rows, in a window of this width; without one as wide as they are.
    pub fn lines(&self, window: Option<usize>) -> Vec<Line> {
        let widths = self.fit(window);
        let titles: Vec<Span> = self.columns.iter().map(|column| Span::new(Tone::Strong, column.title)).collect();
        std::iter::once(&titles).chain(&self.rows).map(|row| self.line(row, &widths)).collect()
    }

    /// A line for below the table in the same window: its columns are as wide as there, or as they need where there is room.
    pub fn below(&self, row: &[Span], window: Option<usize>) -> Line {
        let fitted = self.fit(window);
        let needed = |(width, cell): (&Option<usize>, &Span)| width.map(|width| width.max(super::width(cell.text())));
        let line = self.line(row, &fitted.iter().zip(row).map(needed).collect::<Vec<_>>());
        match window {
            Some(window) if line.width() > window => self.line(row, &fitted),
            _ => line,
        }
    }

    fn line(&self, row: &[Span], widths: &[Option<usize>]) -> Line {
        let shown = row.iter().zip(widths).filter_map(|(cell, width)| Some((cell, (*width)?)));
        let mut line = Line::new();
        let mut end = 0;
        for (cell, width) in shown {
            line = line.padded(end);
            end = line.width() + width + GAP;
            line = line.with_cut(cell, width);
        }
        line
    }

    /// The width of each column that has room; `None` for one that has not.
    fn fit(&self, window: Option<usize>) -> Vec<Option<usize>> {
        let mut fitted: Vec<Option<usize>> = self.widths.iter().copied().map(Some).collect();
        let Some(window) = window else { return fitted };
        loop {
            let excess = total(&fitted).saturating_sub(window);
            if excess == 0 {
                return fitted;
            }
            // Long text first, the longest of it before the others; then whole columns; then what must stay.
            let shown = || {
                self.columns
                    .iter()
                    .zip(&fitted)
                    .enumerate()
                    .filter_map(|(at, (column, width))| Some((at, column, (*width)?)))
            };
            let longest = |stays: bool| {
                let may_cut =
                    shown().filter(|(_, column, width)| (column.rank == 0) == stays && *width > column.least());
                may_cut.max_by_key(|(_, _, width)| *width).map(|(at, column, _)| (at, column.least()))
            };
            let last =
                || shown().filter(|(_, column, _)| column.rank > 0).max_by_key(|(at, column, _)| (column.rank, *at));
            if let Some((index, least)) = longest(false) {
                shrink(&mut fitted, index, excess, least);
            } else if let Some((index, ..)) = last() {
                if let Some(width) = fitted.get_mut(index) {
                    *width = None;
                }
            } else if let Some((index, least)) = longest(true) {
                shrink(&mut fitted, index, excess, least);
            } else {
                return fitted;
            }
        }
    }
}

/// Takes `excess` off a column, or as much as it can lose.
fn shrink(widths: &mut [Option<usize>], index: usize, excess: usize, least: usize) {
    if let Some(Some(width)) = widths.get_mut(index) {
        *width = width.saturating_sub(excess).max(least);
    }
}

fn total(widths: &[Option<usize>]) -> usize {
    let shown = widths.iter().flatten();
    shown.clone().sum::<usize>() + GAP * shown.count().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [
            Column::key("NAME"),
            Column::ranked("STATE", 1),
            Column::ranked("ROWS", 3),
            Column::ranked("NEXT", 2),
            Column::text("MESSAGE", 4),
        ];
        let mut table = Table::new(columns);
        table.push(
            ["products", "Completed", "12", "in 5m", "Job 7 refreshed collection products."].map(Span::from).into(),
        );
        table.push(["日本", "Failed", "-", "-", "no files"].map(Span::from).into());
        table
    }

    fn shown(window: Option<usize>) -> Vec<String> {
        table().lines(window).iter().map(Line::plain).collect()
    }

    #[test]
    fn in_a_pipe_nothing_is_cut() {
        assert_eq!(
            shown(None),
            [
                "NAME       STATE       ROWS   NEXT    MESSAGE",
                "products   Completed   12     in 5m   Job 7 refreshed collection products.",
                "日本       Failed      -      -       no files",
            ]
        );
    }

    #[test]
    fn a_narrow_window_cuts_text_then_drops_columns_and_keeps_names() {
        let second = |window| shown(Some(window)).get(1).cloned().unwrap_or_default();
        assert_eq!(second(60), "products   Completed   12     in 5m   Job 7 refreshed colle…");
        assert_eq!(second(58), "products   Completed   12     in 5m   Job 7 refreshed col…");
        assert_eq!(second(57), "products   Completed   12     in 5m");
        assert_eq!(second(34), "products   Completed   in 5m");
        assert_eq!(second(20), "products   Completed");
        assert_eq!(second(9), "products");
    }

    #[test]
    fn a_line_below_the_table_stands_under_its_columns_as_far_as_there_is_room() {
        let row = ["a-long-name", "Failed", "-", "-", "no files"].map(Span::from);
        let below = |window| table().emptied().below(&row, window).plain();
        assert_eq!(below(None), "a-long-name   Failed      -      -       no files");
        assert_eq!(below(Some(80)), "a-long-name   Failed      -      -       no files");
        assert_eq!(below(Some(20)), "a-long-name   Failed");
        let longer = ["a-much-longer-name", "Failed", "-", "-", "no files"].map(Span::from);
        assert_eq!(table().emptied().below(&longer, Some(20)).plain(), "a-much-…   Failed");
    }

    #[test]
    fn no_line_is_wider_than_its_window() {
        for window in NARROWEST..100 {
            for line in table().lines(Some(window)) {
                assert!(line.width() <= window, "{window}: {}", line.plain());
            }
        }
    }
}
