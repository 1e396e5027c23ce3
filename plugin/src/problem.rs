//! Why a command cannot do what it was asked for: what happened and what to do, in sentences.

use std::{fmt, io};

use crate::{exit::Exit, screen::printable};

/// Why a command ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How the command ends.
    pub exit: Exit,
    message: String,
}

impl Problem {
    /// One that ends the command like this.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Ends the command without a word: it was interrupted, or nobody reads on.
    pub fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Tells it on standard error.
    pub fn tell(&self) -> Exit {
        if !self.message.is_empty() {
            anstream::eprintln!("{}", printable(&self.message));
        }
        self.exit
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<io::Error> for Problem {
    /// Of printing: nothing is wrong when a reader such as `head` has enough.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::silent(Exit::Ok),
            _ => Self::new(Exit::Failed, format!("The output cannot be written: {error}.")),
        }
    }
}
