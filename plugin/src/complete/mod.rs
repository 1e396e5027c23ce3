//! Completion: what kubectl and shells are told of the word that is being typed, in the form of cobra, the library of kubectl: a
//! line for each candidate with its description behind a tab, and a last one with `:` and what the shell is to do.

mod place;
mod values;

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::cli::{Cli, Shell};
use place::Place;

/// The word by which kubectl and the scripts ask.
const ASKED: &str = "__complete";
/// The shell completes the names of files.
const FILES: u8 = 0;
/// It does not, whether there are candidates or not.
const NO_FILES: u8 = 4;

/// A word that can stand there, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    word: String,
    what: String,
}

impl Candidate {
    fn new(word: impl Into<String>, what: impl Into<String>) -> Self {
        Self { word: word.into(), what: what.into() }
    }
}

/// What may be the value of an argument.
enum Values {
    /// One of these.
    Known(Vec<Candidate>),
    /// A file.
    Files,
    /// What the cluster or the kubeconfig has.
    Found(values::Where),
}

/// The words to complete, if that is what this process was started for.
pub fn asked(mut args: impl Iterator<Item = String>) -> Option<Vec<String>> {
    (args.nth(1)? == ASKED).then(|| args.collect())
}

/// The script for a shell, or the program for kubectl.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../completion/bash"),
        Shell::Zsh => include_str!("../../completion/zsh"),
        Shell::Fish => include_str!("../../completion/fish"),
        Shell::Kubectl => include_str!("../../completion/kubectl_complete-ecrefresh"),
    }
}

/// What the last of these words can become. What cannot be found out is left out: nobody sees errors there.
pub fn answer(words: &[String]) -> String {
    let mut root = Cli::command();
    root.build();
    let (typed, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let place = Place::behind(&root, before);
    let (typed, values) = candidates(&place, typed);
    let (known, directive) = match values {
        Values::Known(known) => (known, NO_FILES),
        Values::Files => (Vec::new(), FILES),
        Values::Found(place_of) => (values::found(place_of, &place), NO_FILES),
    };
    let mut answer = String::new();
    for Candidate { word, what } in known.iter().filter(|candidate| candidate.word.starts_with(typed)) {
        let _ = if what.is_empty() { writeln!(answer, "{word}") } else { writeln!(answer, "{word}\t{what}") };
    }
    let _ = writeln!(answer, ":{directive}");
    answer
}

/// What can stand at a place, and how much of it is typed.
fn candidates<'t>(place: &Place<'_>, typed: &'t str) -> (&'t str, Values) {
    if let Some(flag) = place.value_of {
        return (typed, values::of(place.command, flag));
    }
    if typed.starts_with('-') && !place.only_words {
        let flag = typed.strip_prefix("--").and_then(|long| long.split_once('='));
        return match flag.and_then(|(name, value)| Some((place.flag(name)?, value))) {
            Some((flag, value)) => (value, values::of(place.command, flag)),
            None => (typed, Values::Known(flags(place))),
        };
    }
    let commands = commands(place.command);
    if !commands.is_empty() && place.words.is_empty() && !place.only_words {
        return (typed, Values::Known(commands));
    }
    let values = place.word().map_or_else(|| Values::Known(Vec::new()), |arg| values::of(place.command, arg));
    (typed, values)
}

fn commands(command: &Command) -> Vec<Candidate> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| Candidate::new(command.get_name(), first_line(command.get_about()))).collect()
}

/// The flags that can still be given.
fn flags(place: &Place<'_>) -> Vec<Candidate> {
    let is_open = |flag: &&Arg| {
        let repeats = matches!(flag.get_action(), clap::ArgAction::Append);
        !flag.is_hide_set() && (repeats || !place.given.contains_key(flag.get_id().as_str()))
    };
    let open = place.command.get_arguments().filter(is_open);
    open.filter_map(|flag| Some(Candidate::new(format!("--{}", flag.get_long()?), first_line(flag.get_help()))))
        .collect()
}

/// The first sentence of a help text, without its end.
fn first_line(help: Option<&clap::builder::StyledStr>) -> String {
    let text = help.map(ToString::to_string).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().replace('\t', " ");
    let sentence = line.split_once(". ").map_or(line.as_str(), |(first, _)| first);
    sentence.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(typed: &[&str]) -> (Vec<String>, String) {
        let typed: Vec<String> = typed.iter().map(|word| (*word).to_owned()).collect();
        let answer = answer(&typed);
        let mut lines: Vec<String> =
            answer.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect();
        let directive = lines.pop().unwrap_or_default();
        (lines, directive)
    }

    #[test]
    fn commands_flags_and_values_are_those_of_the_place() {
        for (typed, expected) in [
            (&["st"][..], &["status"][..]),
            (&["-n", "shop", "res"], &["resume"]),
            (&["run", "--ti"], &["--timeout"]),
            (&["run", "-l", "app=shop", "--wai"], &["--wait"]),
            (&["run", "--wait", "--wai"], &[]),
            (&["list", "-o", "j"], &["json"]),
            (&["list", "--output=ya"], &["yaml"]),
            (&["list", "-ona", "--al"], &["--all-namespaces"]),
            (&["create", "a", "--verify", "rep"], &["report"]),
            (&["completion", "z"], &["zsh"]),
            (&["run", "--", "--wai"], &[]),
            (&["create", ""], &[]),
        ] {
            let (found, directive) = words(typed);
            assert_eq!(
                (found.as_slice(), directive.as_str()),
                (&*expected.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), ":4"),
                "{typed:?}"
            );
        }
        assert_eq!(words(&["list", "--kubeconfig", ""]), (Vec::new(), ":0".to_owned()));
        let (all, _) = words(&[""]);
        assert!(all.contains(&"doctor".to_owned()) && !all.iter().any(|word| word.starts_with("__")), "{all:?}");
    }

    #[test]
    fn a_candidate_has_its_description_behind_a_tab() {
        assert_eq!(answer(&["resu".to_owned()]), "resume\tLet runs start again\n:4\n");
    }

    #[test]
    fn only_its_own_word_asks() {
        let args = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>().into_iter();
        assert_eq!(asked(args(&["k", "__complete", "run", ""])), Some(vec!["run".to_owned(), String::new()]));
        assert_eq!(asked(args(&["k", "run", "__complete"])), None);
        assert_eq!(asked(args(&["k"])), None);
    }
}
