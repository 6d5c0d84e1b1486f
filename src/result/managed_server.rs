//! Figures of a managed server: the resources it used, and its own counts next to ours.

use crate::server::ServerResources;
use serde::{Deserialize, Serialize};

/// The figures of a server that the run started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagedServerFigures {
    /// Counts of the simulator; other servers do not report any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ServerCounts>,
    /// Resources of a server that ran long enough to be observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ServerResources>,
}

/// The counts of a managed simulator, next to our own counts of the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// Completions begun and errors answered by the server's count, without our probes.
    pub requests: u64,
    pub errors: u64,
    /// Errors by status: 429; then 500 and 503; then 504.
    pub rate_limit_errors: u64,
    pub server_errors: u64,
    pub timeout_errors: u64,
    /// Completions sent and answers of status 400 and above, by our count.
    pub client_requests: u64,
    pub client_errors: u64,
    pub client_rate_limit_errors: u64,
    pub client_server_errors: u64,
    pub client_timeout_errors: u64,
}

impl ServerCounts {
    /// Merges the counts of another process's server.
    pub fn merge(self, other: ServerCounts) -> ServerCounts {
        let ServerCounts {
            requests,
            errors,
            rate_limit_errors,
            server_errors,
            timeout_errors,
            client_requests,
            client_errors,
            client_rate_limit_errors,
            client_server_errors,
            client_timeout_errors,
        } = other;
        ServerCounts {
            requests: self.requests + requests,
            errors: self.errors + errors,
            rate_limit_errors: self.rate_limit_errors + rate_limit_errors,
            server_errors: self.server_errors + server_errors,
            timeout_errors: self.timeout_errors + timeout_errors,
            client_requests: self.client_requests + client_requests,
            client_errors: self.client_errors + client_errors,
            client_rate_limit_errors: self.client_rate_limit_errors + client_rate_limit_errors,
            client_server_errors: self.client_server_errors + client_server_errors,
            client_timeout_errors: self.client_timeout_errors + client_timeout_errors,
        }
    }

    /// Returns the name of each count, the server's value, and ours.
    fn pairs(&self) -> [(&'static str, u64, u64); 5] {
        let ServerCounts {
            requests,
            errors,
            rate_limit_errors,
            server_errors,
            timeout_errors,
            client_requests,
            client_errors,
            client_rate_limit_errors,
            client_server_errors,
            client_timeout_errors,
        } = *self;
        [
            ("completions", requests, client_requests),
            ("429", rate_limit_errors, client_rate_limit_errors),
            ("500 and 503", server_errors, client_server_errors),
            ("504", timeout_errors, client_timeout_errors),
            ("errors", errors, client_errors),
        ]
    }

    /// Returns the first count that differs: its name, the server's value, and ours.
    pub fn difference(&self) -> Option<(&'static str, u64, u64)> {
        self.pairs().into_iter().find(|(_, theirs, ours)| theirs != ours)
    }
}

/// Makes samples of a few seconds for the tests.
#[cfg(test)]
pub(super) fn samples() -> crate::server::ServerSamples {
    use crate::server::{ServerSample, ServerSamples};
    use crate::units::SECOND;
    let mut samples = ServerSamples::default();
    for second in 0..=3 {
        samples.push(ServerSample {
            elapsed: second * SECOND,
            cpu_percent: (second > 0).then_some(40.0 + second as f64),
            rss_bytes: (50 + second % 2) << 20,
        });
    }
    samples
}
