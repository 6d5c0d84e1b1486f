//! Defines the outcomes of requests.

/// The outcome of a request. Each request has exactly one. `docs/METRICS.md` defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    Ok,
    Http4xx,
    Http429,
    Http5xx,
    Http503,
    ConnectFailed,
    TlsFailed,
    TimeoutConnect,
    TimeoutFirstToken,
    TimeoutIdle,
    TimeoutTotal,
    Reset,
    Truncated,
    StreamError,
    BadFinish,
    Malformed,
    ClientResource,
    Redirect,
    TooLarge,
    NotStreamed,
    UnsupportedEncoding,
    Http2Only,
    Interrupted,
    Cancelled,
}

impl Outcome {
    pub const COUNT: usize = 24;

    pub const ALL: [Outcome; Self::COUNT] = [
        Outcome::Ok,
        Outcome::Http4xx,
        Outcome::Http429,
        Outcome::Http5xx,
        Outcome::Http503,
        Outcome::ConnectFailed,
        Outcome::TlsFailed,
        Outcome::TimeoutConnect,
        Outcome::TimeoutFirstToken,
        Outcome::TimeoutIdle,
        Outcome::TimeoutTotal,
        Outcome::Reset,
        Outcome::Truncated,
        Outcome::StreamError,
        Outcome::BadFinish,
        Outcome::Malformed,
        Outcome::ClientResource,
        Outcome::Redirect,
        Outcome::TooLarge,
        Outcome::NotStreamed,
        Outcome::UnsupportedEncoding,
        Outcome::Http2Only,
        Outcome::Interrupted,
        Outcome::Cancelled,
    ];

    /// Returns the key in the result document and in thresholds.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Http4xx => "http_4xx",
            Outcome::Http429 => "http_429",
            Outcome::Http5xx => "http_5xx",
            Outcome::Http503 => "http_503",
            Outcome::ConnectFailed => "connect_failed",
            Outcome::TlsFailed => "tls_failed",
            Outcome::TimeoutConnect => "timeout_connect",
            Outcome::TimeoutFirstToken => "timeout_first_token",
            Outcome::TimeoutIdle => "timeout_idle",
            Outcome::TimeoutTotal => "timeout_total",
            Outcome::Reset => "reset",
            Outcome::Truncated => "truncated",
            Outcome::StreamError => "stream_error",
            Outcome::BadFinish => "bad_finish",
            Outcome::Malformed => "malformed",
            Outcome::ClientResource => "client_resource",
            Outcome::Redirect => "redirect",
            Outcome::TooLarge => "too_large",
            Outcome::NotStreamed => "not_streamed",
            Outcome::UnsupportedEncoding => "unsupported_encoding",
            Outcome::Http2Only => "http2_only",
            Outcome::Interrupted => "interrupted",
            Outcome::Cancelled => "cancelled",
        }
    }

    /// Returns true if the request failed: it was neither ok nor cut by us.
    pub fn is_failure(self) -> bool {
        self != Outcome::Ok && !self.is_cut()
    }

    /// Returns true if we ended the request before the server did: at the end of the run, or as a user who cancels it.
    /// How long it would have taken is unknown.
    pub fn is_cut(self) -> bool {
        matches!(self, Outcome::Interrupted | Outcome::Cancelled)
    }

    /// Returns true if the request went as planned: it is ok, or its user cancelled it.
    pub fn is_as_planned(self) -> bool {
        matches!(self, Outcome::Ok | Outcome::Cancelled)
    }

    pub fn is_timeout(self) -> bool {
        matches!(
            self,
            Outcome::TimeoutConnect
                | Outcome::TimeoutFirstToken
                | Outcome::TimeoutIdle
                | Outcome::TimeoutTotal
        )
    }

    /// Returns true for errors that an overloaded server causes: timeouts and 503s.
    pub fn is_contention_error(self) -> bool {
        self.is_timeout() || self == Outcome::Http503
    }

    /// Returns true if the connection could not be made or was lost, as k6 scripts count `connection_errors`.
    pub fn is_connection_error(self) -> bool {
        matches!(
            self,
            Outcome::ConnectFailed | Outcome::TlsFailed | Outcome::Reset | Outcome::ClientResource
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_at_its_own_index_and_has_its_own_name() {
        let mut names = std::collections::HashSet::new();
        for (i, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, i);
            assert!(names.insert(outcome.name()));
        }
    }
}
