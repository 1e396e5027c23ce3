//! The page of a failure class on a terminal: the section of docs/failures.md, which comes along with the plugin.

use milvus_refresh_operator::refresh::{FailureClass, failure_section};

use crate::screen::{Line, Span, Tone, wrapped};

/// All that is known of a class, in a window of this width.
pub fn page(class: FailureClass, window: Option<usize>) -> Vec<Line> {
    let section = failure_section(class);
    let mut shown: Vec<Line> = Vec::new();
    let mut quotes = false;
    for text in section.trim_end().lines() {
        if text == "```" {
            quotes = !quotes;
        } else if quotes {
            shown.extend(wrapped(Line::from("    "), Tone::Faint, text, window));
        } else if let Some(title) = text.strip_prefix("## ") {
            shown.push(Line::from(Span::new(Tone::Strong, title)));
        } else {
            let (number, text) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(0));
            let label = if number.ends_with('.') { format!("{number} ") } else { number.to_owned() };
            shown.extend(wrapped(Line::from(label), Tone::Plain, plain(text).trim_start(), window));
        }
    }
    shown
}

/// Markdown without its marks; of a link its text and where it leads.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        match after.split_once("](").and_then(|(title, after)| Some((title, after.split_once(')')?))) {
            Some((title, (target, after))) => {
                plain.push_str(&format!("{title} (docs/{target})"));
                rest = after;
            }
            None => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain.replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_and_links_say_where_they_lead() {
        assert_eq!(
            plain("`served` or `count`: follow [the runbook](runbooks/A.md)."),
            "served or count: follow the runbook (docs/runbooks/A.md)."
        );
        assert_eq!(plain("collection not found[database=a]"), "collection not found[database=a]");
    }

    #[test]
    fn every_class_has_its_whole_page() {
        for class in FailureClass::ALL {
            let shown: Vec<_> = page(class, Some(80)).iter().map(Line::plain).collect();
            assert_eq!(shown.first().map(String::as_str), Some(class.as_str()));
            let steps = shown.iter().position(|line| line == "What to do:");
            assert!(
                steps.is_some_and(|steps| shown.iter().skip(steps).any(|line| line.starts_with("1. "))),
                "{shown:#?}"
            );
            let own = |line: &&String| !line.starts_with("    ");
            assert!(shown.iter().filter(own).all(|line| !line.contains('`')), "{shown:#?}");
        }
    }
}
