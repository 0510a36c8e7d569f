//! How commands end.

use std::process::ExitCode;

/// How a command ends. Scripts may rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It failed; stderr says why and what to do.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A check found something wrong: damage of the lake, a failed part of `doctor`.
    Found,
    /// Done, but some of the events that were sent went to quarantine.
    Quarantined,
}

/// The numbers, as `--help` shows them.
pub const HELP: &str = "\
Exit codes: 0 done; 1 failed, stderr says why; 2 wrong usage; 3 a check found something wrong;
            4 done, but some events went to quarantine.
NO_COLOR switches colours off. Data goes to stdout, words go to stderr.";

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Found => 3,
            Self::Quarantined => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
