//! The verdict in words: why a run has its exit code.

use crate::error::{ExitCode, FINDINGS_FAILED, Failure, NOT_JUDGED, Reason};
use crate::judge::ThresholdResult;
use crate::result::{FailureFigures, RunResult, StoppedBy, Totals};
use crate::units::elapsed;

impl RunResult {
    /// Returns the reason for an exit code, which is the document's or one that came up after it was written.
    pub fn why(&self, exit: ExitCode) -> String {
        let run = &self.run;
        match exit {
            ExitCode::Ok if run.verdict == NOT_JUDGED => "nothing judged: no thresholds".to_owned(),
            ExitCode::Ok => self.passed(),
            ExitCode::Interrupted => format!("by a signal after {}", elapsed(run.duration_seconds)),
            ExitCode::ThresholdFailed if run.verdict == FINDINGS_FAILED => {
                match self.analysis.iter().filter(|f| f.blames_the_server()).count() {
                    1 => "1 finding of the analysis".to_owned(),
                    n => format!("{n} findings of the analysis"),
                }
            }
            ExitCode::ThresholdFailed => self.thresholds_failed(),
            ExitCode::Target if run.stopped_by == StoppedBy::Server => {
                "the server ended during the run".to_owned()
            }
            ExitCode::Internal if run.stopped_by == StoppedBy::Failure => {
                "a worker of the generator failed".to_owned()
            }
            ExitCode::NotTrustworthy => {
                let reasons = self.client.limit_reasons.iter();
                let rules: Vec<&str> = reasons.map(|reason| reason.rule.as_str()).collect();
                format!("the generator was not fit ({})", rules.join(", "))
            }
            other => other.meaning().to_owned(),
        }
    }

    /// Returns the verdict in a word, with which an exit code is shown.
    pub fn word(&self, exit: ExitCode) -> &'static str {
        match exit {
            ExitCode::Ok if self.run.verdict == NOT_JUDGED => "DONE",
            ExitCode::Ok => "PASSED",
            ExitCode::Interrupted => "INTERRUPTED",
            _ => "FAILED",
        }
    }

    fn passed(&self) -> String {
        let says = match self.thresholds.iter().filter(|t| !t.not_applicable).count() {
            0 => "no finding about the server".to_owned(),
            1 => "the only threshold holds".to_owned(),
            2 => "both thresholds hold".to_owned(),
            n => format!("all {n} thresholds hold"),
        };
        format!("{says}{}", self.undecided())
    }

    /// Returns how many thresholds the samples do not decide, as the end of a sentence.
    fn undecided(&self) -> String {
        match self.thresholds.iter().filter(|t| t.is_undecided()).count() {
            0 => String::new(),
            1 if self.thresholds.len() == 1 => ", not decided".to_owned(),
            n => format!(", {n} not decided"),
        }
    }

    fn thresholds_failed(&self) -> String {
        let judged: Vec<&ThresholdResult> = self.thresholds.iter().filter(|t| !t.not_applicable).collect();
        let failed = judged.iter().filter(|t| !t.ok).count();
        let ended = match self.run.stopped_by {
            StoppedBy::Threshold => format!(", ended after {}", elapsed(self.run.duration_seconds)),
            _ => String::new(),
        };
        match failed {
            0 => format!("a threshold failed in a part{ended}"),
            1 if judged.len() == 1 => format!("the only threshold failed{}{ended}", self.undecided()),
            _ => format!(
                "{failed} of {} thresholds failed{}{ended}",
                judged.len(),
                self.undecided()
            ),
        }
    }

    /// Returns the failure for the document's exit code; `None` if that is 0.
    pub fn failure(&self) -> Option<Failure> {
        let exit = self.run.exit_code;
        match exit {
            ExitCode::Ok => None,
            ExitCode::NothingSucceeded => {
                let why = self
                    .failures
                    .first()
                    .map_or(String::new(), FailureFigures::in_words);
                Some(nothing_succeeded(&self.totals).because(&why))
            }
            ExitCode::Interrupted => {
                let what = format!("the run was interrupted {}", self.why(exit));
                Some(Failure::new(
                    exit,
                    Reason::new(what).hint("the figures are those until then"),
                ))
            }
            _ => {
                let hint = match exit {
                    ExitCode::ThresholdFailed => "see the rows marked FAIL in the summary",
                    ExitCode::NotTrustworthy => {
                        "see the warnings in the summary; without --require-fit it would pass"
                    }
                    _ => "see what the run itself printed: the document has the exit code alone",
                };
                Some(Failure::new(exit, Reason::new(self.why(exit)).hint(hint)))
            }
        }
    }
}

/// Returns the failure of a run in which no request succeeded.
fn nothing_succeeded(totals: &Totals) -> Failure {
    let Totals {
        requests,
        failed,
        interrupted,
        ..
    } = totals;
    let (what, hint) = match requests {
        0 => (
            "no request was sent".to_owned(),
            "see the warnings in the summary, and check that the load had users and time for a request",
        ),
        _ => (
            format!(
                "not one of {requests} requests succeeded: {failed} failed, {interrupted} were still running at the end"
            ),
            "see the failures in the summary",
        ),
    };
    Failure::new(ExitCode::NothingSucceeded, Reason::new(what).hint(hint))
}
