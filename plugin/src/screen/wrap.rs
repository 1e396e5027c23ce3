//! Sentences in a window: broken between words.

use std::fmt::Display;

use super::{Line, Span, Tone, printable, width};

/// `text` in lines of this width, the first behind `label`, the others below its text. Without a window one line, however long.
pub fn wrapped(label: Line, tone: Tone, text: &str, window: Option<usize>) -> Vec<Line> {
    let indent = label.width();
    let text = printable(text);
    let Some(room) = window.map(|window| window.saturating_sub(indent).max(16)) else {
        return vec![label.with(Span::new(tone, text))];
    };
    let mut rows: Vec<String> = Vec::new();
    let mut row = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !row.is_empty() && width(&row) + 1 + width(word) > room {
            rows.push(std::mem::take(&mut row));
        }
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    rows.push(row);
    let mut label = Some(label);
    let begin = |label: &mut Option<Line>| label.take().unwrap_or_else(|| Line::new().padded(indent));
    rows.into_iter().map(|row| begin(&mut label).with(Span::new(tone, row))).collect()
}

/// What is said below what is shown while it may be old, for this reason.
pub fn stale(trouble: impl Display, window: Option<usize>) -> Vec<Line> {
    wrapped(Line::new(), Tone::Bad, &format!("{trouble} What is shown may be old; trying again."), window)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, window: Option<usize>) -> Vec<String> {
        wrapped(Line::from("Why  "), Tone::Plain, text, window).iter().map(Line::plain).collect()
    }

    #[test]
    fn sentences_are_broken_between_words_below_their_beginning() {
        let text = "Waiting for job 7, which this refresh did not start.";
        assert_eq!(shown(text, None), [format!("Why  {text}")]);
        assert_eq!(
            shown(text, Some(30)),
            ["Why  Waiting for job 7, which", "     this refresh did not", "     start."]
        );
        assert_eq!(shown("", Some(30)), ["Why"]);
        assert_eq!(shown("one\nline", None), ["Why  one line"]);
    }

    #[test]
    fn a_word_that_is_longer_than_a_line_is_left_whole() {
        let id = "s3://bucket/a/very/long/path";
        assert_eq!(shown(&format!("at {id} now"), Some(12)), ["Why  at", &format!("     {id}"), "     now"]);
    }
}
