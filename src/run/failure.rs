//! Why a run did not take place, or what went wrong beside it: shown by `main`, with an exit code.

use std::fmt::Display;

use crate::config::ConfigError;
use crate::host::HostError;
use crate::host::cpus::CpuError;
use crate::output::{OutputError, escape};
use crate::result::ExitCode;
use crate::server::ServerError;

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

    pub fn host(errors: &[HostError]) -> Failure {
        let texts = errors
            .iter()
            .map(|e| Failure::new(ExitCode::Host, e, None, &e.hint()).text);
        Failure {
            exit: ExitCode::Host,
            text: texts.collect(),
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

impl From<CpuError> for Failure {
    fn from(error: CpuError) -> Failure {
        Failure::new(ExitCode::Config, error, None, "")
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Failure {
        let exit = match error.exit_code() {
            104 => ExitCode::Config,
            _ => ExitCode::Target,
        };
        Failure::new(exit, &error, error.cause().as_deref(), error.hint())
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        Failure::new(ExitCode::Output, &error, None, error.hint())
    }
}
