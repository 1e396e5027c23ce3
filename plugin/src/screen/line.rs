//! A line of text whose parts have a tone.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a part of a line is meant. What it means stands in the words, too: colours can be off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Like any text.
    #[default]
    Plain,
    /// A title.
    Strong,
    /// What matters less.
    Faint,
    /// As it should be.
    Good,
    /// Going on.
    Busy,
    /// Held, or worth a look.
    Held,
    /// Wrong.
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Busy => AnsiColor::Cyan.on_default(),
            Self::Held => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
        }
    }
}

/// A part of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its text, without control characters.
    text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl Span {
    /// `text` in this tone. What is written into an object cannot move the cursor or change colours.
    pub fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: printable(text.as_ref()), tone }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<T: AsRef<str>> From<T> for Span {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<Span>);

impl Line {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with `span` at its end.
    #[must_use]
    pub fn with(mut self, span: impl Into<Span>) -> Self {
        self.0.push(span.into());
        self
    }

    /// The same with spaces at its end, up to `width` columns.
    #[must_use]
    pub fn padded(self, width: usize) -> Self {
        let missing = width.saturating_sub(self.width());
        if missing == 0 { self } else { self.with(" ".repeat(missing)) }
    }

    /// The same with as much of `span` at its end as fits into `columns`.
    #[must_use]
    pub fn with_cut(self, span: &Span, columns: usize) -> Self {
        let fits = width(&span.text) <= columns;
        let text = if fits { span.text.clone() } else { with_ellipsis(&span.text, columns) };
        self.with(Span { text, tone: span.tone })
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|span| width(&span.text)).sum()
    }

    /// As much of it as fits into so many columns; what is left out is told by `…`.
    #[must_use]
    pub fn cut(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        let mut short = Vec::new();
        for span in self.0 {
            let wide = width(&span.text);
            if wide < left {
                left -= wide;
                short.push(span);
            } else {
                short.push(Span { text: with_ellipsis(&span.text, left), tone: span.tone });
                break;
            }
        }
        Self(short)
    }

    /// Its text alone.
    pub fn plain(&self) -> String {
        let text: String = self.0.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// Its text with colours.
    pub fn painted(&self) -> String {
        let mut text = String::new();
        let last = self.0.iter().rposition(|span| !span.text.trim_end().is_empty());
        for span in self.0.iter().take(last.map_or(0, |last| last + 1)) {
            let style = span.tone.style();
            text.push_str(&format!("{style}{}{style:#}", span.text));
        }
        text
    }
}

impl<T: Into<Span>> From<T> for Line {
    fn from(span: T) -> Self {
        Self::new().with(span)
    }
}

/// How many columns `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` without what a terminal would obey.
pub fn printable(text: &str) -> String {
    let shown = |c: char| if c == '\n' || c == '\t' { ' ' } else { '\u{fffd}' };
    text.chars().map(|c| if c.is_control() || is_direction(c) { shown(c) } else { c }).collect()
}

/// Characters that turn the direction of the text around them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As much of a text that is cut as fits into `columns`.
fn with_ellipsis(text: &str, columns: usize) -> String {
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut short = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += c.width().unwrap_or_default();
        if taken > room {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_told_and_wide_characters_count_double() {
        let line = || Line::from("ab").with(Span::new(Tone::Bad, "日本語"));
        assert_eq!(line().width(), 8);
        assert_eq!(line().cut(8).plain(), "ab日本語");
        assert_eq!(line().cut(7).plain(), "ab日本…");
        assert_eq!(line().cut(6).plain(), "ab日…");
        assert_eq!(line().cut(2).plain(), "a…");
        assert_eq!(line().cut(0).plain(), "");
    }

    #[test]
    fn what_is_written_into_an_object_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\tc\nd\u{202e}e"), "a\u{fffd}[2Jb c d\u{fffd}e");
    }

    #[test]
    fn spaces_at_the_end_are_not_painted() {
        assert_eq!(Line::from("a").padded(9).plain(), "a");
        assert_eq!(Line::from("a").padded(9).painted(), "a");
    }
}
