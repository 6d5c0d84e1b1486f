//! What goes wrong with servers before a run.

use crate::error::printable;
use crate::error::{ExitCode, Failure};
use std::fmt;

/// Each is one line and one hint; log lines of a child come as `cause`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerError {
    /// What was asked for makes no sense, or not in this build. Exit code 104.
    Config { message: String, hint: String },
    /// A managed server did not start, or went away. Exit code 114. `log` holds its last lines, escaped.
    Managed { message: String, log: Vec<String> },
    /// The target never answered, or not as an LLM server does. Exit code 114.
    Target { message: String, hint: String },
}

impl ServerError {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            ServerError::Config { .. } => ExitCode::Config,
            ServerError::Managed { .. } | ServerError::Target { .. } => ExitCode::Target,
        }
    }

    /// The next step.
    pub fn hint(&self) -> &str {
        match self {
            ServerError::Config { hint, .. } | ServerError::Target { hint, .. } => hint,
            ServerError::Managed { .. } => {
                "start a server yourself and name it: --no-server --target http://HOST:PORT"
            }
        }
    }

    /// The last lines of a managed server's log.
    pub fn cause(&self) -> Option<String> {
        match self {
            ServerError::Managed { log, .. } if !log.is_empty() => Some(log.join("\n")),
            _ => None,
        }
    }

    pub fn config(message: impl Into<String>, hint: impl Into<String>) -> Self {
        ServerError::Config {
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub fn target(message: impl Into<String>, hint: impl Into<String>) -> Self {
        ServerError::Target {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The same mistake in another option.
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        match &mut self {
            ServerError::Config { message, hint } | ServerError::Target { message, hint } => {
                *message = message.replacen(from, to, 1);
                *hint = hint.replacen(from, to, 1);
            }
            ServerError::Managed { .. } => {}
        }
        self
    }

    /// Which of several servers it is, in front; its URL stands in the document.
    pub fn of_server(self, name: &str) -> Self {
        let mut error = self.renamed("--target", "base_url");
        match &mut error {
            ServerError::Config { message, .. }
            | ServerError::Target { message, .. }
            | ServerError::Managed { message, .. } => {
                *message = format!("server `{}`: {message}", printable(name, 80));
            }
        }
        error
    }

    pub fn managed(message: impl Into<String>) -> Self {
        ServerError::Managed {
            message: message.into(),
            log: Vec::new(),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::Config { message, .. }
            | ServerError::Managed { message, .. }
            | ServerError::Target { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for ServerError {}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Failure {
        Failure::new(error.exit_code(), &error, error.cause().as_deref(), error.hint())
    }
}
