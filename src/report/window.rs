//! The last ten seconds.

use crate::metrics::Distribution;
use crate::units::{Nanos, SECOND, seconds};
use std::collections::VecDeque;

pub const WINDOW: Nanos = 10 * SECOND;
/// One slot a tick, a tick a second, and some to spare. Faster ticks make the window shorter, never larger.
const SLOTS_MAX: usize = 16;
/// Ticks that come a little late must not make the window nine seconds long.
const TICK_JITTER_MAX: Nanos = SECOND / 2;

/// What finished between two ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub start: Nanos,
    pub end: Nanos,
    pub requests: u64,
    pub completed: u64,
    pub errors: u64,
    pub output_tokens: u64,
    pub latency: Distribution,
    pub ttft: Distribution,
    /// Of reads, not of requests.
    pub reap_lag: Distribution,
}

impl Slot {
    fn reset(&mut self) {
        let Slot {
            start,
            end,
            requests,
            completed,
            errors,
            output_tokens,
            latency,
            ttft,
            reap_lag,
        } = self;
        for n in [start, end, requests, completed, errors, output_tokens] {
            *n = 0;
        }
        latency.reset();
        ttft.reset();
        reap_lag.reset();
    }
}

/// Figures of the window; rates are per second of the time it spans, 0 before the first tick.
#[derive(Clone, Debug)]
pub struct WindowFigures {
    /// What the window spans: ten seconds, less at the start.
    pub span: Nanos,
    pub completed: u64,
    pub errors: u64,
    pub requests_per_second: f64,
    pub output_tokens_per_second: f64,
    pub latency: Distribution,
    pub ttft: Distribution,
    pub reap_lag: Distribution,
}

#[derive(Debug)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    end: Nanos,
}

impl Window {
    pub fn new() -> Window {
        Window {
            slots: VecDeque::with_capacity(SLOTS_MAX),
            end: 0,
        }
    }

    pub fn end(&self) -> Nanos {
        self.end
    }

    /// Time in which this window saw nothing of what ended: it begins anew.
    pub fn skip_to(&mut self, end: Nanos) {
        self.slots.clear();
        self.end = end;
    }

    /// Gives back an empty slot, recycled where one fell out of the window.
    pub fn push(&mut self, mut slot: Slot, end: Nanos) -> Slot {
        slot.start = self.end;
        slot.end = end;
        self.end = end;
        let mut free = None;
        while let Some(oldest) = self.slots.front()
            && (oldest.start + WINDOW + TICK_JITTER_MAX < end || self.slots.len() == SLOTS_MAX)
        {
            free = self.slots.pop_front();
        }
        self.slots.push_back(slot);
        let mut free = free.unwrap_or_default();
        free.reset();
        free
    }

    pub fn figures(&self) -> WindowFigures {
        let mut all = Slot::default();
        for slot in &self.slots {
            all.requests += slot.requests;
            all.completed += slot.completed;
            all.errors += slot.errors;
            all.output_tokens += slot.output_tokens;
            all.latency.merge(&slot.latency);
            all.ttft.merge(&slot.ttft);
            all.reap_lag.merge(&slot.reap_lag);
        }
        let span = self.slots.front().map_or(0, |s| self.end - s.start);
        let per_second = |n: u64| {
            if span == 0 { 0.0 } else { n as f64 / seconds(span) }
        };
        WindowFigures {
            span,
            completed: all.completed,
            errors: all.errors,
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
