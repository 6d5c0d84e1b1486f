//! What a core counts about itself and its connections.

use crate::metrics::TlsFailure;
use crate::units::Nanos;

/// Counts of one core: since the last snapshot in the recorder, since the start in the merge.
/// The engine adds to the fields directly; gauges are set by [`Self::set_vus_running`] and
/// [`Self::set_connections_open`], which keep the peaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreCounters {
    pub connections_opened: u64,
    /// A reused connection that died before the first response byte: reconnected, sent once more.
    pub stale_reconnects: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Token-bearing events that share their stamp with an earlier event of the same read.
    pub coalesced_events: u64,
    pub token_events: u64,
    /// Receive completions that carried bytes.
    pub reads: u64,
    /// Receives that ended because the provided-buffer ring was empty: our shortage.
    pub buffer_shortages: u64,
    pub cq_overflows: u64,
    /// Reads without a kernel stamp where one was asked for.
    pub stamps_missing: u64,
    /// Steps of CLOCK_REALTIME against CLOCK_MONOTONIC.
    pub clock_steps: u64,
    /// Detail records that found no room.
    pub details_lost: u64,
    /// Turns of the loop that took longer than its limit.
    pub loop_stalls: u64,
    pub busy_ns: u64,
    pub wall_ns: u64,
    pub completions: u64,
    pub waits: u64,
    /// Arrivals that no VU could take.
    pub dropped_iterations: u64,
    /// Values over the range of a distribution.
    pub out_of_range: u64,
    /// TLS handshakes that were done.
    pub tls_handshakes: u64,
    /// Of these, those that resumed an earlier session.
    pub tls_resumed: u64,
    /// By reason; in the order of `TlsFailure::ALL`.
    pub tls_failures: [u64; TlsFailure::COUNT],
    /// Gauge.
    pub vus_running: u64,
    /// Gauge.
    pub connections_open: u64,
    pub vus_peak: u64,
    pub connections_peak: u64,
}

impl CoreCounters {
    pub fn set_vus_running(&mut self, n: u64) {
        self.vus_running = n;
        self.vus_peak = self.vus_peak.max(n);
    }

    pub fn set_connections_open(&mut self, n: u64) {
        self.connections_open = n;
        self.connections_peak = self.connections_peak.max(n);
    }

    pub fn tls_failed(&mut self, reason: TlsFailure) {
        self.tls_failures[reason as usize] += 1;
    }

    /// The next interval of the same core: counts from 0, gauges go on, peaks start at the gauges.
    pub(super) fn next_interval(&self) -> CoreCounters {
        CoreCounters {
            vus_running: self.vus_running,
            vus_peak: self.vus_running,
            connections_open: self.connections_open,
            connections_peak: self.connections_open,
            ..CoreCounters::default()
        }
    }

    /// Takes in a later interval of the same core: counts add, gauges are the later ones, peaks the larger ones.
    pub fn append(&mut self, later: &CoreCounters) {
        let (vus_peak, connections_peak) = (self.vus_peak, self.connections_peak);
        self.sum_counts(later);
        self.vus_running = later.vus_running;
        self.connections_open = later.connections_open;
        self.vus_peak = vus_peak.max(later.vus_peak);
        self.connections_peak = connections_peak.max(later.connections_peak);
    }

    /// Takes in another core at the same time: everything adds. Summed peaks are an upper bound of the common peak.
    pub fn merge(&mut self, other: &CoreCounters) {
        self.sum_counts(other);
        self.vus_running += other.vus_running;
        self.connections_open += other.connections_open;
        self.vus_peak += other.vus_peak;
        self.connections_peak += other.connections_peak;
    }

    fn sum_counts(&mut self, other: &CoreCounters) {
        let CoreCounters {
            connections_opened,
            stale_reconnects,
            bytes_sent,
            bytes_received,
            coalesced_events,
            token_events,
            reads,
            buffer_shortages,
            cq_overflows,
            stamps_missing,
            clock_steps,
            details_lost,
            loop_stalls,
            busy_ns,
            wall_ns,
            completions,
            waits,
            dropped_iterations,
            out_of_range,
            tls_handshakes,
            tls_resumed,
            tls_failures,
            vus_running: _,
            connections_open: _,
            vus_peak: _,
            connections_peak: _,
        } = other;
        self.connections_opened += connections_opened;
        self.stale_reconnects += stale_reconnects;
        self.bytes_sent += bytes_sent;
        self.bytes_received += bytes_received;
        self.coalesced_events += coalesced_events;
        self.token_events += token_events;
        self.reads += reads;
        self.buffer_shortages += buffer_shortages;
        self.cq_overflows += cq_overflows;
        self.stamps_missing += stamps_missing;
        self.clock_steps += clock_steps;
        self.details_lost += details_lost;
        self.loop_stalls += loop_stalls;
        self.busy_ns += busy_ns;
        self.wall_ns += wall_ns;
        self.completions += completions;
        self.waits += waits;
        self.dropped_iterations += dropped_iterations;
        self.out_of_range += out_of_range;
        self.tls_handshakes += tls_handshakes;
        self.tls_resumed += tls_resumed;
        for (mine, theirs) in self.tls_failures.iter_mut().zip(tls_failures) {
            *mine += theirs;
        }
    }

    /// Share of the run's `duration` that this core was not waiting, 0 to 1; `None` before the first interval. A
    /// core without a VU is over at once: of its own few milliseconds it was busy with starting for nearly all.
    pub fn busy(&self, duration: Nanos) -> Option<f64> {
        (self.wall_ns > 0).then(|| self.busy_ns as f64 / self.wall_ns.max(duration) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    #[test]
    fn a_core_that_was_over_at_once_was_idle_for_the_rest_of_the_run() {
        let idle = CoreCounters {
            busy_ns: MILLISECOND,
            wall_ns: MILLISECOND,
            ..CoreCounters::default()
        };
        assert_eq!(idle.busy(SECOND), Some(0.001));
        assert_eq!(idle.busy(0), Some(1.0));
        assert_eq!(CoreCounters::default().busy(SECOND), None);
    }
}
