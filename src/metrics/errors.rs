//! Keeps how far reported times are from true ones, where a server says what the truth is.

use crate::metrics::Differences;

/// The errors of a client's figures of streams that were answered completely, by the stamps in their events
/// (`--verify-stamps`). The time for a new connection is left out: it is a metric of its own.
#[derive(Clone, Debug, Default)]
pub struct ClientErrors {
    /// From the instant at which a request was due to its arrival at the server: the true value is 0.
    pub arrival: Differences,
    /// `ttft`; the truth runs from the request's arrival at the server to the send of the first token.
    pub ttft: Differences,
    /// `tbt`; the truth is the time between two sends.
    pub gap: Differences,
    /// `latency`; the truth runs from the request's arrival to the send of the last token.
    pub latency: Differences,
}

impl ClientErrors {
    pub fn merge(&mut self, other: &ClientErrors) {
        let ClientErrors {
            arrival,
            ttft,
            gap,
            latency,
        } = other;
        self.arrival.merge(arrival);
        self.ttft.merge(ttft);
        self.gap.merge(gap);
        self.latency.merge(latency);
    }

    pub fn reset(&mut self) {
        let ClientErrors {
            arrival,
            ttft,
            gap,
            latency,
        } = self;
        for differences in [arrival, ttft, gap, latency] {
            differences.reset();
        }
    }
}
