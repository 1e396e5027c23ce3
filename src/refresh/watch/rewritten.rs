//! Files that were rewritten under their names, which Milvus does not read again: whom nobody else tells, the user is told.

use jiff::Timestamp;

use super::{Version, WatchRecord};
use crate::stores::{MAX_NAMES, Newer};

/// Files that were rewritten under their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// How many.
    pub count: i64,
    /// The first of them.
    pub names: Vec<String>,
    /// They are newer than this.
    pub since: Timestamp,
    /// The contents with which they were last listed.
    pub content: String,
    /// The collection that has what they were before.
    pub collection: Option<i64>,
}

/// What a look is asked about files that are newer than others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing.
    Nothing,
    /// Which files are newer than this.
    Which(Timestamp),
    /// Which of these are still newer than this.
    Still(Timestamp, Vec<String>),
}

impl WatchRecord {
    /// The question to the next look.
    pub(super) fn question(&self) -> Question {
        let listed = self.rewritten.as_ref();
        if let (Some(observed), Some(refreshed)) = (&self.observed, &self.refreshed)
            && observed.is_rewrite_of(&refreshed.version)
            && listed.is_none_or(|listed| listed.content != observed.content)
        {
            return Question::Which(refreshed.time);
        }
        match listed.filter(|listed| !listed.names.is_empty()) {
            Some(listed) => Question::Still(listed.since, listed.names.clone()),
            None => Question::Nothing,
        }
    }

    /// Takes the answer to `question` of a look that found `version`, for a run's `collection`.
    pub(super) fn hear(&mut self, question: &Question, version: &Version, newer: &Newer, collection: Option<i64>) {
        let Some(refreshed) = &self.refreshed else { return };
        let count = i64::try_from(newer.count).unwrap_or(i64::MAX);
        let before = self.rewritten.take();
        self.rewritten = match question {
            Question::Which(since) if version.is_rewrite_of(&refreshed.version) => {
                let (mut names, mut known) = before.map(|before| (before.names, before.count)).unwrap_or_default();
                let mut more: Vec<_> = newer.names.iter().filter(|name| !names.contains(name)).cloned().collect();
                known = known.max(count).max(i64::try_from(names.len() + more.len()).unwrap_or(i64::MAX));
                names.append(&mut more);
                names.truncate(MAX_NAMES);
                Some(Rewritten { count: known, names, since: *since, content: version.content.clone(), collection })
            }
            Question::Still(..) => before.and_then(|before| before.without_those_that_are_gone(newer)),
            Question::Nothing | Question::Which(_) => before,
        };
        // What is there is what was refreshed: the files were put back.
        let same = |listed: &Rewritten| listed.since == refreshed.time && version.content == refreshed.version.content;
        self.rewritten.take_if(|listed| same(listed));
    }
}

impl Rewritten {
    fn without_those_that_are_gone(self, newer: &Newer) -> Option<Self> {
        let names: Vec<_> = self.names.iter().filter(|name| newer.names.contains(name)).cloned().collect();
        let gone = i64::try_from(self.names.len() - names.len()).unwrap_or_default();
        (!names.is_empty()).then(|| Self { count: (self.count - gone).max(1), names, ..self })
    }
}
