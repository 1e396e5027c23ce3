//! How a command ends, for scripts.

use std::process::ExitCode;

/// The exit code of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Completed, or simply done.
    Ok,
    /// A refresh failed, or the API server refused what was asked for.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// It took longer than the command may wait.
    Timeout,
    /// There is no such object, or no such kind in this cluster.
    NotFound,
    /// No cluster is configured, it does not answer, or it does not accept the login.
    Unreachable,
    /// Ended by Ctrl-C, as shells name it.
    Interrupted,
}

impl Exit {
    /// From the best to the worst, for a command about several objects.
    const BY_WEIGHT: [Self; 7] =
        [Self::Ok, Self::Failed, Self::Timeout, Self::NotFound, Self::Usage, Self::Unreachable, Self::Interrupted];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Timeout => 3,
            Self::NotFound => 4,
            Self::Unreachable => 5,
            Self::Interrupted => 130,
        }
    }

    /// The worse of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        let weight = |exit| Self::BY_WEIGHT.iter().position(|known| *known == exit);
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Exit::{self, *};

    #[test]
    fn of_several_objects_the_worst_counts() {
        let worst = |all: &[Exit]| all.iter().copied().fold(Ok, Exit::worst).code();
        assert_eq!(worst(&[]), 0);
        assert_eq!(worst(&[Ok, Failed, Ok]), 1);
        assert_eq!(worst(&[Timeout, Failed]), 3);
        assert_eq!(worst(&[Failed, NotFound, Timeout]), 4);
        assert_eq!(worst(&[Unreachable, NotFound]), 5);
    }
}
