//! Reads llmsim's own counts of requests, which are the ground truth for a run against it.

use serde::Deserialize;

use crate::blocking_http::Peer;
use crate::discover::STATS_PATH;
use crate::error::{ExitCode, Failure, Reason};

/// Counts since the server's start, or between two readings. llmsim does not count requests for health, statistics and
/// models lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServerTotals {
    /// Requests started, failed ones included.
    pub total_requests: u64,
    pub streaming_requests: u64,
    pub non_streaming_requests: u64,
    /// Tokens of finished answers; a stream that the client leaves is not counted.
    pub completion_tokens: u64,
    pub total_errors: u64,
    /// Answers with status 429.
    pub rate_limit_errors: u64,
    /// Answers with status 500 or 503.
    pub server_errors: u64,
    /// Answers with status 504.
    pub timeout_errors: u64,
}

impl ServerTotals {
    /// Reads `/llmsim/stats` of any llmsim.
    pub fn read(peer: &Peer<'_>) -> Result<Self, Failure> {
        serde_json::from_value(stats(peer)?).map_err(|e| unreadable(peer, &e.to_string()))
    }

    /// Returns the counts since the reading `earlier`.
    pub fn since(self, earlier: ServerTotals) -> ServerTotals {
        let ServerTotals {
            total_requests,
            streaming_requests,
            non_streaming_requests,
            completion_tokens,
            total_errors,
            rate_limit_errors,
            server_errors,
            timeout_errors,
        } = earlier;
        ServerTotals {
            total_requests: self.total_requests.saturating_sub(total_requests),
            streaming_requests: self.streaming_requests.saturating_sub(streaming_requests),
            non_streaming_requests: self.non_streaming_requests.saturating_sub(non_streaming_requests),
            completion_tokens: self.completion_tokens.saturating_sub(completion_tokens),
            total_errors: self.total_errors.saturating_sub(total_errors),
            rate_limit_errors: self.rate_limit_errors.saturating_sub(rate_limit_errors),
            server_errors: self.server_errors.saturating_sub(server_errors),
            timeout_errors: self.timeout_errors.saturating_sub(timeout_errors),
        }
    }
}

/// Reads the whole document.
pub(super) fn stats(peer: &Peer<'_>) -> Result<serde_json::Value, Failure> {
    let answer = peer
        .get(STATS_PATH)
        .map_err(|e| unreadable(peer, &e.to_string()))?;
    if answer.status != 200 {
        return Err(unreadable(peer, &format!("status {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|e| unreadable(peer, &e.to_string()))
}

fn unreadable(peer: &Peer<'_>, reason: &str) -> Failure {
    let what = format!("http://{}{STATS_PATH}: {reason}", peer.authority);
    let hint = "the server's own counts cannot be compared; see its log";
    Failure::new(ExitCode::Target, Reason::new(what).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_subtract_field_by_field_and_unknown_fields_are_ignored() {
        let now: ServerTotals = serde_json::from_str(
            r#"{"total_requests":10,"total_errors":3,"server_errors":2,"timeout_errors":1,"uptime_secs":9,"model_requests":{}}"#,
        )
        .unwrap();
        let then = ServerTotals {
            total_requests: 1,
            server_errors: 2,
            ..Default::default()
        };
        let between = now.since(then);
        assert_eq!(between.total_requests, 9);
        assert_eq!((between.server_errors, between.timeout_errors), (0, 1));
    }
}
