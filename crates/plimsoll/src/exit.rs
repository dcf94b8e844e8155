//! Exit codes. They are part of the command line's promise: scripts build on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and nothing that `--fail-on` names was found.
    Done,
    /// 1: done, and something that `--fail-on` names was found.
    Found,
    /// 2: it could not be done: a wrong flag, no cluster, a damaged file. The message says what and the remedy.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Found => Self::from(1),
            Exit::Failed => Self::from(2),
        }
    }
}
