//! The figures of the last ten seconds.

use crate::metrics::{Distribution, GoodCounts, MetricId, SeriesTotals, Snapshot};
use crate::report::Sliding;
use crate::units::{Nanos, seconds};

/// The figures of what finished between two ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub requests: u64,
    pub completed: u64,
    pub errors: u64,
    pub output_tokens: u64,
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    pub goodput: GoodCounts,
    pub dropped: u64,
    pub cancelled: u64,
    /// Counts of each series.
    pub series: Vec<SeriesSlot>,
    pub latency: Distribution,
    pub ttft: Distribution,
    pub tbt: Distribution,
    pub send_delay: Distribution,
    /// Reap lag of reads (not of requests).
    pub reap_lag: Distribution,
}

/// The figures of one series between two ticks. It has a mean instead of a distribution: those of 16 servers would
/// take 30 MB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeriesSlot {
    pub completed: u64,
    pub output_tokens: u64,
    pub ttft_count: u64,
    pub ttft_sum_ns: u128,
}

impl SeriesSlot {
    pub fn merge(&mut self, other: &SeriesSlot) {
        let SeriesSlot {
            completed,
            output_tokens,
            ttft_count,
            ttft_sum_ns,
        } = other;
        self.completed += completed;
        self.output_tokens += output_tokens;
        self.ttft_count += ttft_count;
        self.ttft_sum_ns += ttft_sum_ns;
    }

    fn append_series(&mut self, series: &SeriesTotals) {
        let ttft = series.metric(MetricId::Ttft);
        self.completed += series.completed();
        self.output_tokens += series.output_tokens;
        self.ttft_count += ttft.offered();
        self.ttft_sum_ns += ttft.sum_ns();
    }

    /// Returns the mean TTFT; `None` without one.
    pub fn ttft_mean(&self) -> Option<Nanos> {
        let mean = self.ttft_sum_ns.checked_div(u128::from(self.ttft_count))?;
        Nanos::try_from(mean).ok()
    }
}

impl Slot {
    /// Empties the slot and keeps its memory.
    pub fn reset(&mut self) {
        let Slot {
            requests,
            completed,
            errors,
            output_tokens,
            prompt_tokens,
            cached_tokens,
            goodput,
            dropped,
            cancelled,
            series,
            latency,
            ttft,
            tbt,
            send_delay,
            reap_lag,
        } = self;
        for n in [
            requests,
            completed,
            errors,
            output_tokens,
            prompt_tokens,
            cached_tokens,
            dropped,
            cancelled,
        ] {
            *n = 0;
        }
        *goodput = GoodCounts::default();
        series.fill(SeriesSlot::default());
        for distribution in [latency, ttft, tbt, send_delay, reap_lag] {
            distribution.reset();
        }
    }

    /// Adds the figures of all series of a core's snapshot.
    pub fn append_snapshot(&mut self, snapshot: &Snapshot) {
        self.series.resize(snapshot.series_count(), SeriesSlot::default());
        for (index, _, series) in snapshot.each() {
            self.series[index].append_series(series);
            self.requests += series.finished();
            self.completed += series.completed();
            self.errors += series.failed();
            self.output_tokens += series.output_tokens;
            self.prompt_tokens += series.usage.prompt.tokens;
            self.cached_tokens += series.usage.cached.tokens;
            self.goodput.merge(&series.goodput);
            self.dropped += series.dropped_iterations;
            self.cancelled += series.cancelled();
            self.latency.merge(series.metric(MetricId::Latency));
            self.ttft.merge(series.metric(MetricId::Ttft));
            self.tbt.merge(series.metric(MetricId::Tbt));
            self.send_delay.merge(series.metric(MetricId::ScheduleLag));
        }
        self.reap_lag.merge(&snapshot.reap_lag);
    }
}

/// The figures of the window. Rates are per second of the time that it covers, 0 before the first tick.
#[derive(Clone, Debug)]
pub struct WindowFigures {
    /// Time that the window covers.
    pub span: Nanos,
    pub requests_per_second: f64,
    pub output_tokens_per_second: f64,
    pub input_tokens_per_second: f64,
    pub goodput: GoodCounts,
    /// Counts of each series.
    pub series: Vec<SeriesSlot>,
    pub latency: Distribution,
    pub ttft: Distribution,
    pub tbt: Distribution,
    /// Time by which requests went out late, which is the generator's own.
    pub send_delay: Distribution,
    pub reap_lag: Distribution,
}

impl WindowFigures {
    pub(super) fn from_window(window: &Sliding<Slot>) -> WindowFigures {
        let mut all = Slot::default();
        for slot in window.slots() {
            all.completed += slot.completed;
            all.output_tokens += slot.output_tokens;
            all.prompt_tokens += slot.prompt_tokens;
            all.goodput.merge(&slot.goodput);
            all.series
                .resize(all.series.len().max(slot.series.len()), SeriesSlot::default());
            all.series
                .iter_mut()
                .zip(&slot.series)
                .for_each(|(all, one)| all.merge(one));
            all.latency.merge(&slot.latency);
            all.ttft.merge(&slot.ttft);
            all.tbt.merge(&slot.tbt);
            all.send_delay.merge(&slot.send_delay);
            all.reap_lag.merge(&slot.reap_lag);
        }
        let span = window.span();
        WindowFigures {
            span,
            goodput: all.goodput,
            requests_per_second: rate(all.completed, span),
            output_tokens_per_second: rate(all.output_tokens, span),
            input_tokens_per_second: rate(all.prompt_tokens, span),
            series: all.series,
            latency: all.latency,
            ttft: all.ttft,
            tbt: all.tbt,
            send_delay: all.send_delay,
            reap_lag: all.reap_lag,
        }
    }
}

/// Returns how many of `n` there are per second of `span`; 0 if it is no time.
pub(super) fn rate(n: u64, span: Nanos) -> f64 {
    if span == 0 { 0.0 } else { n as f64 / seconds(span) }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
