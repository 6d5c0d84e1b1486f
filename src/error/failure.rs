//! Failures: why a run did not take place or what went wrong during it. `main` shows them and exits with their code.

use std::fmt;

use crate::error::{ExitCode, Mistakes, Reason, one_line};

/// A failure ends the program, or spoils a part of what it was asked for. It has an exit code, the mistakes that led
/// to it, and lines with details. It is shown as `error: …`, `cause: …`, `hint: …`; every line is safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: ExitCode,
    mistakes: Mistakes,
    /// Details, such as the last lines of a child's log.
    cause: Vec<String>,
    /// True if the failure was shown when it happened, so that only its exit code still matters.
    shown: bool,
}

/// The next step for the user where the mistake is ours.
const BUG_HINT: &str = "this is a bug in llmload-uring; please report it, with the command line";

impl Failure {
    /// Makes a failure from a [`Reason`], from a mistake with its place, or from several mistakes.
    pub fn new(exit: ExitCode, mistakes: impl Into<Mistakes>) -> Failure {
        Failure {
            exit,
            mistakes: mistakes.into(),
            cause: Vec::new(),
            shown: false,
        }
    }

    /// Adds the lines of `text` to what is shown as the cause.
    pub fn because(mut self, text: &str) -> Failure {
        self.cause.extend(text.lines().map(str::to_owned));
        self
    }

    /// Makes a failure that the user cannot have caused, and asks for a bug report.
    pub fn internal(what: impl fmt::Display) -> Failure {
        Failure::new(ExitCode::Internal, Reason::new(what.to_string()).hint(BUG_HINT))
    }

    /// Makes a failure from our own figures that do not add up, one line each; `None` if there are none.
    pub fn imbalance(what: impl fmt::Display, figures: &[String]) -> Option<Failure> {
        let cause = Some(figures.join("\n")).filter(|cause| !cause.is_empty())?;
        Some(Failure::internal(what).because(&cause))
    }

    /// Returns the same failure with `place` in front of each mistake's own place, to say which of several it is about.
    pub fn within(mut self, place: &str) -> Failure {
        self.mistakes = self.mistakes.within(place);
        self
    }

    /// Returns the same failure with other names for the places of options, where `rename` has one.
    pub fn with_places(mut self, rename: impl Fn(&str) -> Option<String>) -> Failure {
        self.mistakes = self.mistakes.with_places(rename);
        self
    }

    /// Returns the same failure marked as shown, so that `main` does not show it again.
    pub fn marked_shown(self) -> Failure {
        Failure { shown: true, ..self }
    }

    pub fn is_shown(&self) -> bool {
        self.shown
    }
}

impl fmt::Display for Failure {
    /// Writes the lines without a line feed at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cause.is_empty() {
            return self.mistakes.fmt(f);
        }
        let lines: Vec<_> = self.cause.iter().map(|line| one_line(line)).collect();
        self.mistakes
            .show(f, &format!("\ncause: {}", lines.join("\n       ")))
    }
}

impl std::error::Error for Failure {}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Failure {
        Failure::new(ExitCode::Config, mistakes)
    }
}

impl From<crate::error::Mistake> for Failure {
    fn from(mistake: crate::error::Mistake) -> Failure {
        Failure::new(ExitCode::Config, mistake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::safe_text::{HOSTILE, is_unsafe};

    #[test]
    fn a_failure_is_error_cause_and_hint() {
        let reason = Reason::new("server: ended with exit code 3").hint("start it yourself");
        let failure = Failure::new(ExitCode::Target, reason).because("one\ntwo\n");
        let expected =
            "error: server: ended with exit code 3\ncause: one\n       two\nhint: start it yourself";
        assert_eq!(failure.to_string(), expected);
        let several = failure.within("server `a`").to_string();
        assert!(
            several.starts_with("error: server `a`: server: ended"),
            "{several}"
        );
    }

    #[test]
    fn control_characters_in_a_failure_are_escaped() {
        let reason = Reason::new(HOSTILE).hint(HOSTILE);
        let failure = Failure::new(ExitCode::Config, reason.at(HOSTILE, 3)).because(HOSTILE);
        let text = failure.within(HOSTILE).to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| !line.contains(is_unsafe)), "{text}");
    }
}
