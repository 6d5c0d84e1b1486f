//! The figures of the last ten seconds.

use crate::metrics::Distribution;
use crate::report::Sliding;
use crate::units::seconds;

/// The figures of what finished between two ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub requests: u64,
    pub completed: u64,
    pub errors: u64,
    pub output_tokens: u64,
    pub latency: Distribution,
    pub ttft: Distribution,
    /// Reap lag of reads (not of requests).
    pub reap_lag: Distribution,
}

impl Slot {
    /// Empties the slot and keeps its memory.
    pub fn reset(&mut self) {
        let Slot {
            requests,
            completed,
            errors,
            output_tokens,
            latency,
            ttft,
            reap_lag,
        } = self;
        for n in [requests, completed, errors, output_tokens] {
            *n = 0;
        }
        latency.reset();
        ttft.reset();
        reap_lag.reset();
    }
}

/// The figures of the window. Rates are per second of the time that it covers, 0 before the first tick.
#[derive(Clone, Debug)]
pub struct WindowFigures {
    pub requests_per_second: f64,
    pub output_tokens_per_second: f64,
    pub latency: Distribution,
    pub ttft: Distribution,
    pub reap_lag: Distribution,
}

impl WindowFigures {
    pub(super) fn from_window(window: &Sliding<Slot>) -> WindowFigures {
        let mut all = Slot::default();
        for slot in window.slots() {
            all.completed += slot.completed;
            all.output_tokens += slot.output_tokens;
            all.latency.merge(&slot.latency);
            all.ttft.merge(&slot.ttft);
            all.reap_lag.merge(&slot.reap_lag);
        }
        let span = window.span();
        let per_second = |n: u64| {
            if span == 0 { 0.0 } else { n as f64 / seconds(span) }
        };
        WindowFigures {
            requests_per_second: per_second(all.completed),
            output_tokens_per_second: per_second(all.output_tokens),
            latency: all.latency,
            ttft: all.ttft,
            reap_lag: all.reap_lag,
        }
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
