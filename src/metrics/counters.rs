//! Counts events of a core and its connections.

use crate::metrics::TlsFailure;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// The counters of one core: since the last snapshot in the recorder, and since the start in the merge. The engine adds
/// to the fields directly. Gauges are set by [`Self::set_vus_running`] and [`Self::set_connections_open`], which keep
/// the peaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoreCounters {
    pub connections_opened: u64,
    /// Reused connections that ended before the first response byte. The request was sent again on a new one.
    pub stale_reconnects: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Token events with the same stamp as an earlier event of the same read.
    pub coalesced_events: u64,
    pub token_events: u64,
    /// Receive completions that carried bytes.
    pub reads: u64,
    /// Receives that ended because our ring of provided buffers was empty.
    pub buffer_shortages: u64,
    pub cq_overflows: u64,
    /// Reads without a kernel stamp although stamps were requested.
    pub stamps_missing: u64,
    /// Steps of CLOCK_REALTIME relative to CLOCK_MONOTONIC.
    pub clock_steps: u64,
    /// Detail records that did not fit.
    pub details_lost: u64,
    /// Turns of the loop that exceeded its limit.
    pub loop_stalls: u64,
    /// The longest of them; parts are joined by their maximum, not by a sum.
    pub longest_stall_ns: u64,
    /// Time in which the worker could have run, but had no CPU.
    pub run_delay_ns: u64,
    pub busy_ns: u64,
    pub wall_ns: u64,
    pub completions: u64,
    pub waits: u64,
    /// Values above the range of a distribution.
    pub out_of_range: u64,
    /// Completed TLS handshakes.
    pub tls_handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub tls_resumed: u64,
    /// Failed TLS connections by reason, in the order of `TlsFailure::ALL`.
    pub tls_failures: [u64; TlsFailure::COUNT],
    /// A gauge.
    pub vus_running: u64,
    /// A gauge.
    pub connections_open: u64,
    /// A gauge: arrivals that wait for a free user.
    pub waiting: u64,
    pub vus_peak: u64,
    pub connections_peak: u64,
    pub waiting_peak: u64,
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

    pub fn set_waiting(&mut self, n: u64) {
        self.waiting = n;
        self.waiting_peak = self.waiting_peak.max(n);
    }

    pub fn tls_failed(&mut self, reason: TlsFailure) {
        self.tls_failures[reason as usize] += 1;
    }

    /// Returns the counters for the next interval of the same core: counts start at 0, gauges keep their values, and
    /// peaks start at the gauges.
    pub(super) fn next_interval(&self) -> CoreCounters {
        CoreCounters {
            vus_running: self.vus_running,
            vus_peak: self.vus_running,
            connections_open: self.connections_open,
            connections_peak: self.connections_open,
            waiting: self.waiting,
            waiting_peak: self.waiting,
            ..CoreCounters::default()
        }
    }

    /// Adds a later interval of the same core: counts are added, gauges take the later value, and peaks the larger one.
    pub fn append(&mut self, later: &CoreCounters) {
        let (vus_peak, connections_peak) = (self.vus_peak, self.connections_peak);
        self.waiting = later.waiting;
        self.waiting_peak = self.waiting_peak.max(later.waiting_peak);
        self.sum_counts(later);
        self.vus_running = later.vus_running;
        self.connections_open = later.connections_open;
        self.vus_peak = vus_peak.max(later.vus_peak);
        self.connections_peak = connections_peak.max(later.connections_peak);
    }

    /// Adds another core in the same period: everything is added. The sum of peaks is an upper bound of the common
    /// peak.
    pub fn merge(&mut self, other: &CoreCounters) {
        self.sum_counts(other);
        self.vus_running += other.vus_running;
        self.connections_open += other.connections_open;
        self.vus_peak += other.vus_peak;
        self.connections_peak += other.connections_peak;
        self.waiting += other.waiting;
        self.waiting_peak += other.waiting_peak;
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
            longest_stall_ns,
            run_delay_ns,
            busy_ns,
            wall_ns,
            completions,
            waits,
            out_of_range,
            tls_handshakes,
            tls_resumed,
            tls_failures,
            vus_running: _,
            connections_open: _,
            vus_peak: _,
            connections_peak: _,
            waiting: _,
            waiting_peak: _,
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
        self.longest_stall_ns = self.longest_stall_ns.max(*longest_stall_ns);
        self.run_delay_ns += run_delay_ns;
        self.busy_ns += busy_ns;
        self.wall_ns += wall_ns;
        self.completions += completions;
        self.waits += waits;
        self.out_of_range += out_of_range;
        self.tls_handshakes += tls_handshakes;
        self.tls_resumed += tls_resumed;
        for (mine, theirs) in self.tls_failures.iter_mut().zip(tls_failures) {
            *mine += theirs;
        }
    }

    /// Returns the share of the run's `duration`, from 0 to 1, in which this core was not waiting; `None` before the
    /// first interval. The share of the core's own time would mislead: a core without a VU ends after a few
    /// milliseconds, which it spent almost entirely on starting.
    pub fn busy(&self, duration: Nanos) -> Option<f64> {
        self.share(self.busy_ns, duration)
    }

    /// Returns the same share of the time in which this core could have run, but had no CPU.
    pub fn run_delay(&self, duration: Nanos) -> Option<f64> {
        self.share(self.run_delay_ns, duration)
    }

    fn share(&self, part: Nanos, duration: Nanos) -> Option<f64> {
        (self.wall_ns > 0).then(|| part as f64 / self.wall_ns.max(duration) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLISECOND, SECOND};

    #[test]
    fn a_core_that_ended_at_once_was_idle_for_the_rest_of_the_run() {
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
