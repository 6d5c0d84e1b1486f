//! Why a run did not take place, or what went wrong beside it: shown by `main`, with an exit code.

use std::fmt;

use crate::error::{ExitCode, Mistakes, Reason, one_line};

/// What ends the program, or spoils a part of what it was asked for: the exit code, the mistakes that led there, and
/// lines that say more. Shown as `error: …`, `cause: …`, `hint: …`; every line of it is safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub exit: ExitCode,
    mistakes: Mistakes,
    /// Such as the last lines of a child's log.
    cause: Vec<String>,
    /// It was shown when it happened: only its exit code is left to count.
    told: bool,
}

/// The next step where it was our mistake.
const BUG_HINT: &str = "this is a bug in llmload-uring; please report it, with the command line";

impl Failure {
    /// A [`Reason`], a mistake with its place, or several.
    pub fn new(exit: ExitCode, mistakes: impl Into<Mistakes>) -> Failure {
        Failure {
            exit,
            mistakes: mistakes.into(),
            cause: Vec::new(),
            told: false,
        }
    }

    /// Adds the lines of `text` to what is shown as the cause.
    pub fn because(mut self, text: &str) -> Failure {
        self.cause.extend(text.lines().map(str::to_owned));
        self
    }

    /// Something that can't be the user's doing.
    pub fn internal(what: impl fmt::Display) -> Failure {
        Failure::new(ExitCode::Internal, Reason::new(what.to_string()).hint(BUG_HINT))
    }

    /// Figures of ours that do not add up, a line each; `None` where there are none.
    pub fn imbalance(what: impl fmt::Display, figures: &[String]) -> Option<Failure> {
        let cause = Some(figures.join("\n")).filter(|cause| !cause.is_empty())?;
        Some(Failure::internal(what).because(&cause))
    }

    /// The same, said of one of several: `place` stands in front of each mistake's own.
    pub fn within(mut self, place: &str) -> Failure {
        self.mistakes = self.mistakes.within(place);
        self
    }

    /// The same, after it was shown: nobody shows it once more.
    pub fn told(self) -> Failure {
        Failure { told: true, ..self }
    }

    pub fn is_told(&self) -> bool {
        self.told
    }

    /// The first of its mistakes, without a place.
    pub fn reason(&self) -> &Reason {
        &self.mistakes.first().reason
    }

    /// The lines that say more, as they are.
    pub fn cause(&self) -> &[String] {
        &self.cause
    }
}

impl fmt::Display for Failure {
    /// Lines without the end of the last one.
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
    fn nothing_in_it_reaches_a_terminal_as_it_came() {
        let reason = Reason::new(HOSTILE).hint(HOSTILE);
        let failure = Failure::new(ExitCode::Config, reason.at(HOSTILE, 3)).because(HOSTILE);
        let text = failure.within(HOSTILE).to_string();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| !line.contains(is_unsafe)), "{text}");
    }
}
