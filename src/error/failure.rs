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
        let hint = "this is a mistake of llmload-uring: please report it with the command line";
        Failure::new(ExitCode::Internal, what, None, hint)
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
