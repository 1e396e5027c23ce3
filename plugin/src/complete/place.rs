//! Where the word that is completed stands: read from the words before it and the tree of commands.

use std::collections::BTreeMap;

use clap::{Arg, Command};

/// Where it stands.
#[derive(Debug)]
pub struct Place<'a> {
    /// The command that it belongs to.
    pub command: &'a Command,
    /// The flag whose value it is.
    pub value_of: Option<&'a Arg>,
    /// The flags that were given, by their ids, with the last value of those that have one.
    pub given: BTreeMap<&'a str, String>,
    /// The words that are no flags and no commands.
    pub words: Vec<String>,
    /// Whether `--` was before it: then no word is a flag.
    pub only_words: bool,
}

impl<'a> Place<'a> {
    /// The place behind the words `before`.
    pub fn behind(root: &'a Command, before: &[String]) -> Self {
        let mut place =
            Self { command: root, value_of: None, given: BTreeMap::new(), words: Vec::new(), only_words: false };
        for word in before {
            place.pass(word);
        }
        place
    }

    fn pass(&mut self, word: &str) {
        if let Some(flag) = self.value_of.take() {
            self.give(flag, word);
        } else if self.only_words {
            self.words.push(word.to_owned());
        } else if word == "--" {
            self.only_words = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            if let Some(flag) = self.flag(name) {
                self.meet(flag, value);
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            self.pass_short(short);
        } else if let Some(command) = self.command.find_subcommand(word).filter(|_| self.words.is_empty()) {
            self.command = command;
        } else {
            self.words.push(word.to_owned());
        }
    }

    /// Flags of one letter, the last of which may have its value behind it.
    fn pass_short(&mut self, letters: &str) {
        for (at, letter) in letters.char_indices() {
            let Some(flag) = self.command.get_arguments().find(|flag| flag.get_short() == Some(letter)) else { return };
            let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let rest = rest.strip_prefix('=').unwrap_or(rest);
            if takes_value(flag) {
                return self.meet(flag, Some(rest).filter(|rest| !rest.is_empty()));
            }
            self.give(flag, "");
        }
    }

    /// The flag of this name.
    pub fn flag(&self, long: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|flag| flag.get_long() == Some(long))
    }

    fn meet(&mut self, flag: &'a Arg, value: Option<&str>) {
        match value {
            None if takes_value(flag) => self.value_of = Some(flag),
            value => self.give(flag, value.unwrap_or_default()),
        }
    }

    fn give(&mut self, flag: &'a Arg, value: &str) {
        self.given.insert(flag.get_id().as_str(), value.to_owned());
    }

    /// The argument that a word which is no flag is here.
    pub fn word(&self) -> Option<&'a Arg> {
        let mut words = self.command.get_positionals();
        let last = self.command.get_positionals().last()?;
        let many = last.get_num_args().is_some_and(|number| number.max_values() > 1);
        words.nth(self.words.len()).or(Some(last).filter(|_| many))
    }
}

/// Whether a value follows it.
pub fn takes_value(flag: &Arg) -> bool {
    flag.get_action().takes_values()
}
