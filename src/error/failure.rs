//! Why a run did not take place, or what went wrong beside it: shown by `main`, with an exit code.

use std::fmt::Display;

use crate::error::ConfigError;
use crate::error::ExitCode;
use crate::error::escape;

/// One or several errors in the form `error: …`, `cause: …`, `hint: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: ExitCode,
    pub text: String,
}

/// The next step where it was our mistake.
const BUG_HINT: &str = "this is a bug in llmload-uring; please report it, with the command line";

impl Failure {
    pub fn new(exit: ExitCode, what: impl Display, cause: Option<&str>, hint: &str) -> Failure {
        let mut text = format!("error: {}\n", escape(&what.to_string()));
        if let Some(cause) = cause {
            let lines: Vec<String> = cause.lines().map(|l| escape(l).into_owned()).collect();
            text.push_str(&format!("cause: {}\n", lines.join("\n       ")));
        }
        if !hint.is_empty() {
            text.push_str(&format!("hint: {}\n", escape(hint)));
        }
        Failure { exit, text }
    }

    pub fn internal(what: impl Display) -> Failure {
        Failure::new(ExitCode::Internal, what, None, BUG_HINT)
    }

    /// Figures of ours that do not add up, a line each; `None` where there are none.
    pub fn imbalance(what: impl Display, figures: &[String]) -> Option<Failure> {
        let cause = Some(figures.join("\n"));
        let cause = cause.filter(|cause| !cause.is_empty())?;
        Some(Failure::new(ExitCode::Internal, what, Some(&cause), BUG_HINT))
    }

    /// One that was printed when it happened: only its exit code is left to count.
    pub fn told(exit: ExitCode) -> Failure {
        Failure {
            exit,
            text: String::new(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure {
            exit: ExitCode::Config,
            text: format!("{error}\n"),
        }
    }
}
