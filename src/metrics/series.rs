//! Counts and distributions of one series: one endpoint and kind of request.

use super::sample::TwoClocks;
use crate::metrics::{Account, Distribution, METRICS, MetricId, Outcome, Sample, Source, TokenSource};
use crate::units::Nanos;

/// Everything counted about one series. Additive: the totals of parts are the parts' sums.
#[derive(Clone, Debug)]
pub struct SeriesTotals {
    pub started: u64,
    by_outcome: [u64; Outcome::COUNT],
    by_status: StatusCounts,
    metrics: [Distribution; MetricId::COUNT],
    /// Of `metrics`, the values of failed requests; without those that are known before the outcome is.
    failed_metrics: [Distribution; MetricId::COUNT],
    pub output_tokens: u64,
    /// Requests whose tokens were counted by the server, by events, not at all.
    by_token_source: [u64; 3],
    /// Lower bounds of what the interrupted requests would have taken.
    pub interrupted_elapsed_sum: u128,
    pub interrupted_elapsed_max: Nanos,
    /// Requests whose `server_prompt` is over our `ttft`: the clocks contradict each other.
    pub server_prompt_over: u64,
    /// Requests whose `server_decode` is over our `decode`.
    pub server_decode_over: u64,
}

/// What a document says of a series beside its distributions.
#[derive(Clone, Debug, Default)]
pub struct SeriesCounts {
    pub started: u64,
    pub by_outcome: Vec<(String, u64)>,
    pub by_status: Vec<(u16, u64)>,
    pub output_tokens: u64,
    /// Those that counted tokens.
    pub token_sources: Vec<TokenSource>,
    pub interrupted_elapsed_max: Nanos,
}

impl Default for SeriesTotals {
    fn default() -> Self {
        Self::new()
    }
}

impl SeriesTotals {
    pub fn new() -> Self {
        SeriesTotals {
            started: 0,
            by_outcome: [0; Outcome::COUNT],
            by_status: StatusCounts::new(),
            metrics: std::array::from_fn(|_| Distribution::new()),
            failed_metrics: std::array::from_fn(|_| Distribution::new()),
            output_tokens: 0,
            by_token_source: [0; 3],
            interrupted_elapsed_sum: 0,
            interrupted_elapsed_max: 0,
            server_prompt_over: 0,
            server_decode_over: 0,
        }
    }

    /// How many values were out of range.
    pub(super) fn finish(&mut self, sample: &Sample) -> u64 {
        self.by_outcome[sample.outcome as usize] += 1;
        self.by_status.count(sample.status);
        self.output_tokens += u64::from(sample.output_tokens);
        self.by_token_source[sample.token_source as usize] += 1;
        if sample.outcome == Outcome::Interrupted {
            let elapsed = sample.done.saturating_sub(sample.due);
            self.interrupted_elapsed_sum += u128::from(elapsed);
            self.interrupted_elapsed_max = self.interrupted_elapsed_max.max(elapsed);
        }
        let over = |clocks: Option<TwoClocks>| u64::from(clocks.is_some_and(|c| c.server > c.client));
        self.server_prompt_over += over(sample.prompt_clocks());
        self.server_decode_over += over(sample.decode_clocks());
        let mut out_of_range = 0;
        let failed = sample.outcome.is_failure();
        for (index, metric) in METRICS.iter().enumerate() {
            if let Source::Sample(value) = metric.source
                && let Some(ns) = value(sample)
            {
                out_of_range += u64::from(!self.metrics[index].record(ns));
                if failed {
                    self.failed_metrics[index].record(ns);
                }
            }
        }
        out_of_range
    }

    /// False: out of range.
    #[inline]
    pub(super) fn offer(&mut self, metric: MetricId, ns: Nanos) -> bool {
        self.metrics[metric as usize].record(ns)
    }

    pub fn merge(&mut self, other: &SeriesTotals) {
        let SeriesTotals {
            started,
            by_outcome,
            by_status,
            metrics,
            failed_metrics,
            output_tokens,
            by_token_source,
            interrupted_elapsed_sum,
            interrupted_elapsed_max,
            server_prompt_over,
            server_decode_over,
        } = other;
        self.started += started;
        merge_each(&mut self.by_outcome, by_outcome);
        self.by_status.merge(by_status);
        for (mine, theirs) in self.metrics.iter_mut().zip(metrics) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.failed_metrics.iter_mut().zip(failed_metrics) {
            mine.merge(theirs);
        }
        self.output_tokens += output_tokens;
        merge_each(&mut self.by_token_source, by_token_source);
        self.interrupted_elapsed_sum += interrupted_elapsed_sum;
        self.interrupted_elapsed_max = self.interrupted_elapsed_max.max(*interrupted_elapsed_max);
        self.server_prompt_over += server_prompt_over;
        self.server_decode_over += server_decode_over;
    }

    pub fn reset(&mut self) {
        let SeriesTotals {
            started,
            by_outcome,
            by_status,
            metrics,
            failed_metrics,
            output_tokens,
            by_token_source,
            interrupted_elapsed_sum,
            interrupted_elapsed_max,
            server_prompt_over,
            server_decode_over,
        } = self;
        *started = 0;
        by_outcome.fill(0);
        by_status.reset();
        metrics.iter_mut().for_each(Distribution::reset);
        failed_metrics.iter_mut().for_each(Distribution::reset);
        *output_tokens = 0;
        by_token_source.fill(0);
        *interrupted_elapsed_sum = 0;
        *interrupted_elapsed_max = 0;
        *server_prompt_over = 0;
        *server_decode_over = 0;
    }

    /// Takes in what a document says of a series. What it does not say stays empty: the values of failed requests
    /// apart, and the sum of how long interrupted ones had been under way. An error names an unknown outcome.
    pub fn merge_counts(&mut self, counts: &SeriesCounts) -> Result<(), String> {
        let SeriesCounts {
            started,
            by_outcome,
            by_status,
            output_tokens,
            token_sources,
            interrupted_elapsed_max,
        } = counts;
        self.started += started;
        for (name, n) in by_outcome {
            let outcome = Outcome::ALL.into_iter().find(|o| o.name() == name);
            let outcome = outcome.ok_or_else(|| name.clone())?;
            self.by_outcome[outcome as usize] += n;
        }
        for (status, n) in by_status {
            self.by_status.counts[usize::from(*status).min(STATUSES - 1)] += n;
        }
        self.output_tokens += output_tokens;
        for source in token_sources {
            self.by_token_source[*source as usize] += 1;
        }
        self.interrupted_elapsed_max = self.interrupted_elapsed_max.max(*interrupted_elapsed_max);
        Ok(())
    }

    pub fn merge_values(&mut self, metric: MetricId, values: &Distribution) {
        self.metrics[metric as usize].merge(values);
    }

    pub fn metric(&self, id: MetricId) -> &Distribution {
        &self.metrics[id as usize]
    }

    /// The values of failed requests. Empty for metrics of `Source::Engine`, whose requests have no outcome yet.
    pub fn failed_metric(&self, id: MetricId) -> &Distribution {
        &self.failed_metrics[id as usize]
    }

    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.by_outcome[outcome as usize]
    }

    pub fn by_status(&self) -> &StatusCounts {
        &self.by_status
    }

    /// Requests whose `output_tokens` came from there.
    pub fn token_source(&self, source: TokenSource) -> u64 {
        self.by_token_source[source as usize]
    }

    pub fn ok(&self) -> u64 {
        self.outcome(Outcome::Ok)
    }

    pub fn interrupted(&self) -> u64 {
        self.outcome(Outcome::Interrupted)
    }

    pub fn failed(&self) -> u64 {
        self.sum_of(Outcome::is_failure)
    }

    pub fn account(&self) -> Account {
        Account {
            started: self.started,
            ok: self.ok(),
            failed: self.failed(),
            interrupted: self.interrupted(),
        }
    }

    pub fn timeouts(&self) -> u64 {
        self.sum_of(Outcome::is_timeout)
    }

    /// Timeouts and 503s.
    pub fn contention_errors(&self) -> u64 {
        self.sum_of(Outcome::is_contention_error)
    }

    pub fn connection_errors(&self) -> u64 {
        self.sum_of(Outcome::is_connection_error)
    }

    /// Ok, failed and interrupted.
    pub fn finished(&self) -> u64 {
        self.by_outcome.iter().sum()
    }

    /// Ran to an end of their own: ok and failed.
    pub fn completed(&self) -> u64 {
        self.ok() + self.failed()
    }

    /// Failed over completed; `None` while nothing completed.
    pub fn failed_rate(&self) -> Option<f64> {
        (self.completed() > 0).then(|| self.failed() as f64 / self.completed() as f64)
    }

    /// Timeouts and 503s over completed: what too much load is answered with. `None` while nothing completed.
    pub fn contention_error_rate(&self) -> Option<f64> {
        (self.completed() > 0).then(|| self.contention_errors() as f64 / self.completed() as f64)
    }

    fn sum_of(&self, pick: fn(Outcome) -> bool) -> u64 {
        Outcome::ALL
            .iter()
            .filter(|o| pick(**o))
            .map(|o| self.outcome(*o))
            .sum()
    }
}

fn merge_each(to: &mut [u64], from: &[u64]) {
    for (a, b) in to.iter_mut().zip(from) {
        *a += b;
    }
}

/// Requests by HTTP status. A flat table of the three-digit statuses (8 KB), so that a server that invents
/// hundreds of them costs no memory and the merge does not depend on order.
#[derive(Clone)]
pub struct StatusCounts {
    counts: Box<[u64]>,
}

/// Three digits; 0 is no status.
const STATUSES: usize = 1000;

impl StatusCounts {
    fn new() -> Self {
        StatusCounts {
            counts: vec![0; STATUSES].into_boxed_slice(),
        }
    }

    /// 0 (none arrived) is not counted. A status above 999 is no HTTP status and counts as 999.
    fn count(&mut self, status: u16) {
        if status != 0 {
            self.counts[usize::from(status).min(STATUSES - 1)] += 1;
        }
    }

    fn merge(&mut self, other: &StatusCounts) {
        let StatusCounts { counts } = other;
        merge_each(&mut self.counts, counts);
    }

    fn reset(&mut self) {
        self.counts.fill(0);
    }

    /// Status and count, those that occurred, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|(status, n)| (status as u16, *n))
    }
}

impl std::fmt::Debug for StatusCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
