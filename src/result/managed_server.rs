//! What a managed server was seen to do, and what it counted beside us.

use crate::server::ServerResources;
use serde::{Deserialize, Serialize};

/// Of a server that the run has started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagedServerFigures {
    /// Of the simulator only: others do not count for us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ServerCounts>,
    /// Of a server that was there to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ServerResources>,
}

/// What a managed simulator counted, beside our own count of the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// Completions begun and errors answered, by the server's count, our probes subtracted.
    pub requests: u64,
    pub errors: u64,
    /// Of the errors: 429, 500 and 503, 504.
    pub rate_limit_errors: u64,
    pub server_errors: u64,
    pub timeout_errors: u64,
    /// Completions sent and answers of status 400 and above, by ours.
    pub client_requests: u64,
    pub client_errors: u64,
    pub client_rate_limit_errors: u64,
    pub client_server_errors: u64,
    pub client_timeout_errors: u64,
}

impl ServerCounts {
    /// Takes in another process's server.
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

    /// What is counted, the server's count, ours.
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

    /// The first count that is not the same: what, the server's, ours.
    pub fn difference(&self) -> Option<(&'static str, u64, u64)> {
        self.pairs().into_iter().find(|(_, theirs, ours)| theirs != ours)
    }
}
