//! What the doctor says.

use serde::Serialize;

use crate::{
    problem::Problem,
    screen::{Line, Span, Tone, wrapped},
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth a look, or not known.
    Warning,
    /// Something does not work until somebody changes it.
    Problem,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What is so, and what the reader can do.
    pub message: String,
}

/// Of one kind no more are listed.
const SHOWN: usize = 20;

impl Finding {
    /// Something that is as it should be.
    pub fn ok(message: impl Into<String>) -> Self {
        Self { level: Level::Ok, message: message.into() }
    }

    /// Something that is worth a look, or not known.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { level: Level::Warning, message: message.into() }
    }

    /// Something that does not work.
    pub fn problem(message: impl Into<String>) -> Self {
        Self { level: Level::Problem, message: message.into() }
    }

    /// The caller lacks a right, so that this is not checked.
    pub fn unseen(refused: &Problem, unchecked: &str) -> Self {
        Self::warning(format!("{refused} Not checked: {unchecked}."))
    }

    /// In a window of this width.
    pub fn lines(&self, width: Option<usize>) -> Vec<Line> {
        let (word, tone) = match self.level {
            Level::Ok => ("ok", Tone::Good),
            Level::Warning => ("warning", Tone::Held),
            Level::Problem => ("problem", Tone::Bad),
        };
        wrapped(Line::from(Span::new(tone, word)).padded(9), Tone::Plain, &self.message, width)
    }
}

/// The first of many of one kind, and how many more there are.
pub fn shortened(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let more = findings.len().saturating_sub(SHOWN);
    if let Some(level) = findings.get(SHOWN).map(|finding| finding.level) {
        findings.truncate(SHOWN);
        findings.push(Finding { level, message: format!("... and {more} more like these.") });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_the_worst_are_shown_and_the_others_counted() {
        let many = (0..30).map(|number| {
            let message = number.to_string();
            if number == 29 { Finding::problem(message) } else { Finding::warning(message) }
        });
        let short = shortened(many.collect());
        assert_eq!(short.len(), 21);
        assert_eq!(short.first().map(|finding| finding.level), Some(Level::Problem));
        assert_eq!(short.last(), Some(&Finding::warning("... and 10 more like these.")));
        assert_eq!(shortened(vec![Finding::ok("a")]), [Finding::ok("a")]);
    }
}
