//! Standard output: a window of a width, or a pipe.

use std::io::{self, IsTerminal, Write};

use super::{Bars, Line};

/// Where a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns and rows of the window; none for a pipe or a file, which gets plain lines.
    pub window: Option<(usize, usize)>,
    /// What bars are drawn with.
    pub bars: Bars,
}

impl Screen {
    /// A pipe.
    pub const PIPE: Self = Self { window: None, bars: Bars::Ascii };

    /// Standard output as it is now: a window can be resized.
    pub fn stdout() -> Self {
        let out = io::stdout();
        let size = terminal_size::terminal_size_of(&out).map(|(columns, rows)| (columns.0.into(), rows.0.into()));
        let window = out.is_terminal().then(|| size.filter(|(columns, _)| *columns > 0).unwrap_or((80, 24)));
        Self { window, bars: Bars::of_locale(|name| std::env::var(name).ok()) }
    }

    /// How many columns there are; none for a pipe.
    pub fn width(&self) -> Option<usize> {
        self.window.map(|(columns, _)| columns)
    }
}

/// Prints lines, in colours where somebody sees them.
///
/// # Errors
/// Nobody reads on, or the disk is full.
pub fn lines<'a>(lines: impl IntoIterator<Item = &'a Line>) -> io::Result<()> {
    let mut out = anstream::AutoStream::auto(io::stdout().lock());
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.painted());
        text.push('\n');
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}
