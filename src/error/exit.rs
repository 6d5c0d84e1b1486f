//! The exit codes of the process.

use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize, Serializer};

/// How the process ended. Scripts depend on the values; 99, 104 and 105 are k6's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    Ok = 0,
    Internal = 1,
    /// Bad command line.
    Usage = 2,
    ThresholdFailed = 99,
    /// Bad configuration.
    Config = 104,
    Interrupted = 105,
    /// This host cannot run the load: io_uring, memlock, files, ports.
    Host = 111,
    /// The output could not be written.
    Output = 112,
    /// The generator itself was the limit, and the user asked for a failure in that case.
    NotTrustworthy = 113,
    /// The target never answered, or the managed server did not start.
    Target = 114,
    /// Requests were sent or planned, but none of them succeeded.
    NothingSucceeded = 115,
    /// `find-limit`: not even the lowest load met the SLOs.
    NothingHolds = 116,
    /// A rank of a run of several did not come, or was lost.
    RankLost = 117,
}

/// Ranks the codes: the first one that occurred wins. A bad command line or configuration ends the program before
/// anything else can happen, so the ranks of `Usage` and `Config` are never contested.
const PRECEDENCE: [ExitCode; 13] = [
    ExitCode::Internal,
    ExitCode::Usage,
    ExitCode::Config,
    ExitCode::Interrupted,
    ExitCode::Output,
    ExitCode::RankLost,
    ExitCode::Host,
    ExitCode::NotTrustworthy,
    ExitCode::Target,
    ExitCode::NothingHolds,
    ExitCode::ThresholdFailed,
    ExitCode::NothingSucceeded,
    ExitCode::Ok,
];

/// The value of `run.verdict` for a run that met its thresholds, if any, and failed because of its analysis.
pub const FINDINGS_FAILED: &str = "findings_failed";

/// The value of `run.verdict` for a run that ended well and had no thresholds.
pub const NOT_JUDGED: &str = "not_judged";

impl ExitCode {
    /// All codes, in ascending order.
    pub const ALL: [ExitCode; 13] = [
        ExitCode::Ok,
        ExitCode::Internal,
        ExitCode::Usage,
        ExitCode::ThresholdFailed,
        ExitCode::Config,
        ExitCode::Interrupted,
        ExitCode::Host,
        ExitCode::Output,
        ExitCode::NotTrustworthy,
        ExitCode::Target,
        ExitCode::NothingSucceeded,
        ExitCode::NothingHolds,
        ExitCode::RankLost,
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the meaning in a few words, for the help.
    pub fn meaning(self) -> &'static str {
        match self {
            ExitCode::Ok => "ok",
            ExitCode::Internal => "internal error",
            ExitCode::Usage => "bad command line",
            ExitCode::ThresholdFailed => "threshold or finding failed",
            ExitCode::Config => "bad configuration",
            ExitCode::Interrupted => "interrupted",
            ExitCode::Host => "this host cannot run it",
            ExitCode::Output => "the output could not be written",
            ExitCode::NotTrustworthy => "the result is not trustworthy",
            ExitCode::Target => "the target never answered",
            ExitCode::NothingSucceeded => "no request succeeded",
            ExitCode::NothingHolds => "no load meets the SLOs",
            ExitCode::RankLost => "a rank is missing",
        }
    }

    /// Returns the code that the process exits with when all of `occurred` happened; `Ok` when nothing did.
    pub fn combine(occurred: &[ExitCode]) -> ExitCode {
        PRECEDENCE
            .into_iter()
            .find(|code| occurred.contains(code))
            .unwrap_or(ExitCode::Ok)
    }

    /// Returns the exit code with the number `code`, if there is one.
    pub fn from_code(code: u8) -> Option<ExitCode> {
        PRECEDENCE.into_iter().find(|known| known.code() == code)
    }

    /// Returns the value of `run.verdict` in the result document.
    pub fn verdict(self) -> &'static str {
        match self {
            ExitCode::Ok => "passed",
            ExitCode::Internal => "internal_error",
            ExitCode::Usage => "bad_command_line",
            ExitCode::ThresholdFailed => "threshold_failed",
            ExitCode::Config => "bad_configuration",
            ExitCode::Interrupted => "interrupted",
            ExitCode::Host => "host_unfit",
            ExitCode::Output => "output_not_written",
            ExitCode::NotTrustworthy => "not_trustworthy",
            ExitCode::Target => "target_never_answered",
            ExitCode::NothingSucceeded => "nothing_succeeded",
            ExitCode::NothingHolds => "nothing_holds",
            ExitCode::RankLost => "rank_lost",
        }
    }

    /// Returns true if `run.verdict` may be `word` with this code. A run without thresholds has not passed anything.
    pub fn allows_verdict(self, word: &str) -> bool {
        let other = match self {
            ExitCode::Ok => NOT_JUDGED,
            ExitCode::ThresholdFailed => FINDINGS_FAILED,
            _ => return word == self.verdict(),
        };
        word == self.verdict() || word == other
    }
}

impl Serialize for ExitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

impl<'de> Deserialize<'de> for ExitCode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ExitCode, D::Error> {
        let code = u8::deserialize(from)?;
        let unknown = Unexpected::Unsigned(code.into());
        ExitCode::from_code(code)
            .ok_or_else(|| D::Error::invalid_value(unknown, &"an exit code of this program"))
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_of_two_exit_codes_wins_in_both_orders() {
        let documented = [
            ExitCode::Internal,
            ExitCode::Interrupted,
            ExitCode::Output,
            ExitCode::RankLost,
            ExitCode::Host,
            ExitCode::NotTrustworthy,
            ExitCode::Target,
            ExitCode::NothingHolds,
            ExitCode::ThresholdFailed,
            ExitCode::NothingSucceeded,
        ];
        for (i, first) in documented.into_iter().enumerate() {
            assert_eq!(ExitCode::combine(&[first]), first);
            for second in &documented[i + 1..] {
                let (a, b) = (first, *second);
                assert_eq!(ExitCode::combine(&[a, b]), a);
                assert_eq!(ExitCode::combine(&[b, a]), a);
                assert_eq!(ExitCode::combine(&[b, ExitCode::Ok, a]), a);
            }
        }
        assert_eq!(ExitCode::combine(&[]), ExitCode::Ok);
    }

    #[test]
    fn every_code_has_its_own_number_and_verdict() {
        let codes = ExitCode::ALL.map(ExitCode::code);
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        let texts = |text: fn(ExitCode) -> &'static str| -> std::collections::HashSet<&str> {
            PRECEDENCE.into_iter().map(text).collect()
        };
        let (verdicts, meanings) = (texts(ExitCode::verdict), texts(ExitCode::meaning));
        assert_eq!((codes.len(), verdicts.len(), meanings.len()), (13, 13, 13));
    }
}
