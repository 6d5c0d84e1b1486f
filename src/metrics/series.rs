//! Keeps the counts and distributions of one series, which is one kind of request at one server.

use super::finish::FinishCounts;
use super::sample::TwoClocks;
use super::status_counts::StatusCounts;
use crate::metrics::{
    Account, AfterLoad, AskedAndServed, Cause, Distribution, FinishWord, GoodCounts, METRICS, MetricId,
    Outcome, Sample, Sending, TokenSource, TokenUsage, WithinLoad,
};
use crate::stats::Clusters;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Everything that is counted for one series. Totals can be added: those of the whole are the sums of its parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeriesTotals {
    pub started: u64,
    /// Arrivals that no VU could take.
    pub dropped_iterations: u64,
    /// Requests that were to be cancelled, whether or not the answer came first.
    pub chosen_to_cancel: u64,
    pub sending: Sending,
    #[serde(with = "super::carried::counts")]
    by_outcome: [u64; Outcome::COUNT],
    #[serde(with = "super::carried::counts")]
    by_cause: [u64; Cause::COUNT],
    by_finish: FinishCounts,
    by_status: StatusCounts,
    #[serde(with = "super::carried::distributions")]
    metrics: [Distribution; MetricId::COUNT],
    /// The values of `tbt` by request: those of one request are not independent.
    gaps: Clusters,
    /// The values of failed requests among `metrics`, without those that are recorded before the outcome is known.
    #[serde(with = "super::carried::distributions")]
    failed_metrics: [Distribution; MetricId::COUNT],
    pub output_tokens: u64,
    /// Requests that were compared with limits, and those that met all.
    pub goodput: GoodCounts,
    pub lengths: AskedAndServed,
    pub usage: TokenUsage,
    pub after_load: AfterLoad,
    /// Number of requests by source of their token count: the server, events, or none.
    by_token_source: [u64; 3],
    /// Good answers to requests for text that carried none, and the tokens that their servers claim for them.
    pub ok_without_text: u64,
    pub tokens_without_text: u64,
    /// Event streams whose content type does not say so.
    pub untyped_streams: u64,
    /// Sum of the times that interrupted requests had been in flight. Each is a lower bound of the request's latency.
    #[serde(with = "super::carried::wide")]
    pub interrupted_elapsed_sum: u128,
    pub interrupted_elapsed_max: Nanos,
    /// Number of requests whose `server_prompt` exceeds our `ttft`, so that the clocks contradict each other.
    pub server_prompt_over: u64,
    /// Number of requests whose `server_decode` exceeds our `decode`.
    pub server_decode_over: u64,
}

/// The counts of a series in a result document, without its distributions.
#[derive(Clone, Debug, Default)]
pub struct SeriesCounts {
    pub started: u64,
    pub dropped_iterations: u64,
    pub chosen_to_cancel: u64,
    pub sending: Sending,
    pub by_outcome: Vec<(String, u64)>,
    pub by_cause: Vec<(String, u64)>,
    pub by_finish: Vec<(String, u64)>,
    pub by_status: Vec<(u16, u64)>,
    pub output_tokens: u64,
    pub goodput: GoodCounts,
    pub lengths: AskedAndServed,
    pub usage: TokenUsage,
    pub after_load: AfterLoad,
    pub ok_without_text: u64,
    pub tokens_without_text: u64,
    pub untyped_streams: u64,
    /// The sources that counted tokens.
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
            dropped_iterations: 0,
            chosen_to_cancel: 0,
            sending: Sending::default(),
            by_outcome: [0; Outcome::COUNT],
            by_cause: [0; Cause::COUNT],
            by_finish: FinishCounts::new(),
            by_status: StatusCounts::new(),
            metrics: std::array::from_fn(|_| Distribution::new()),
            gaps: Clusters::default(),
            failed_metrics: std::array::from_fn(|_| Distribution::new()),
            output_tokens: 0,
            goodput: GoodCounts::default(),
            lengths: AskedAndServed::default(),
            usage: TokenUsage::default(),
            after_load: AfterLoad::default(),
            by_token_source: [0; 3],
            ok_without_text: 0,
            tokens_without_text: 0,
            untyped_streams: 0,
            interrupted_elapsed_sum: 0,
            interrupted_elapsed_max: 0,
            server_prompt_over: 0,
            server_decode_over: 0,
        }
    }

    /// Adds a finished request. Returns how many of its values were out of range.
    pub(super) fn finish(&mut self, sample: &Sample) -> u64 {
        self.by_outcome[sample.outcome as usize] += 1;
        self.note(sample);
        self.by_status.count(sample.status);
        self.output_tokens += u64::from(sample.output_tokens);
        self.gaps.add(u64::from(sample.gaps));
        self.goodput.count(sample.good);
        self.chosen_to_cancel += u64::from(sample.chosen_to_cancel);
        self.lengths.count(sample);
        self.usage.count(sample);
        self.sending.count(sample);
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
            if let Some(ns) = metric.value(sample) {
                out_of_range += u64::from(!self.metrics[index].record(ns));
                if failed {
                    self.failed_metrics[index].record(ns);
                }
            }
        }
        out_of_range
    }

    /// Counts what was noticed about the answer.
    fn note(&mut self, sample: &Sample) {
        let answer = &sample.answer;
        if let Some(cause) = answer.cause {
            self.by_cause[cause as usize] += 1;
        }
        if let Some(word) = answer.finish {
            self.by_finish.add(word, 1);
        }
        if answer.without_text {
            self.ok_without_text += 1;
            self.tokens_without_text += u64::from(sample.output_tokens);
        }
        self.untyped_streams += u64::from(answer.untyped);
    }

    /// Records a value. Returns false if it is out of range.
    #[inline]
    pub(super) fn record(&mut self, metric: MetricId, ns: Nanos) -> bool {
        self.metrics[metric as usize].record(ns)
    }

    pub fn merge(&mut self, other: &SeriesTotals) {
        let SeriesTotals {
            started,
            dropped_iterations,
            chosen_to_cancel,
            sending,
            by_outcome,
            by_cause,
            by_finish,
            by_status,
            metrics,
            gaps,
            failed_metrics,
            output_tokens,
            goodput,
            lengths,
            usage,
            after_load,
            by_token_source,
            ok_without_text,
            tokens_without_text,
            untyped_streams,
            interrupted_elapsed_sum,
            interrupted_elapsed_max,
            server_prompt_over,
            server_decode_over,
        } = other;
        self.started += started;
        self.dropped_iterations += dropped_iterations;
        self.chosen_to_cancel += chosen_to_cancel;
        self.sending.merge(sending);
        merge_each(&mut self.by_outcome, by_outcome);
        merge_each(&mut self.by_cause, by_cause);
        self.by_finish.merge(by_finish);
        self.by_status.merge(by_status);
        for (mine, theirs) in self.metrics.iter_mut().zip(metrics) {
            mine.merge(theirs);
        }
        self.gaps.merge(gaps);
        for (mine, theirs) in self.failed_metrics.iter_mut().zip(failed_metrics) {
            mine.merge(theirs);
        }
        self.output_tokens += output_tokens;
        self.goodput.merge(goodput);
        self.lengths.merge(lengths);
        self.usage.merge(usage);
        self.after_load.merge(after_load);
        merge_each(&mut self.by_token_source, by_token_source);
        self.ok_without_text += ok_without_text;
        self.tokens_without_text += tokens_without_text;
        self.untyped_streams += untyped_streams;
        self.interrupted_elapsed_sum += interrupted_elapsed_sum;
        self.interrupted_elapsed_max = self.interrupted_elapsed_max.max(*interrupted_elapsed_max);
        self.server_prompt_over += server_prompt_over;
        self.server_decode_over += server_decode_over;
    }

    pub fn reset(&mut self) {
        let SeriesTotals {
            started,
            dropped_iterations,
            chosen_to_cancel,
            sending,
            by_outcome,
            by_cause,
            by_finish,
            by_status,
            metrics,
            gaps,
            failed_metrics,
            output_tokens,
            goodput,
            lengths,
            usage,
            after_load,
            by_token_source,
            ok_without_text,
            tokens_without_text,
            untyped_streams,
            interrupted_elapsed_sum,
            interrupted_elapsed_max,
            server_prompt_over,
            server_decode_over,
        } = self;
        *started = 0;
        *dropped_iterations = 0;
        *chosen_to_cancel = 0;
        *sending = Sending::default();
        by_outcome.fill(0);
        by_cause.fill(0);
        by_finish.reset();
        by_status.reset();
        metrics.iter_mut().for_each(Distribution::reset);
        *gaps = Clusters::default();
        failed_metrics.iter_mut().for_each(Distribution::reset);
        *output_tokens = 0;
        *goodput = GoodCounts::default();
        *lengths = AskedAndServed::default();
        *usage = TokenUsage::default();
        *after_load = AfterLoad::default();
        by_token_source.fill(0);
        *ok_without_text = 0;
        *tokens_without_text = 0;
        *untyped_streams = 0;
        *interrupted_elapsed_sum = 0;
        *interrupted_elapsed_max = 0;
        *server_prompt_over = 0;
        *server_decode_over = 0;
    }

    /// Adds the counts of a series in a document. Figures that documents do not contain stay empty: the separate values
    /// of failed requests, and the sum of the times of interrupted ones. An error names
    /// what is unknown: an `outcome` or a `cause`.
    pub fn merge_counts(&mut self, counts: &SeriesCounts) -> Result<(), (&'static str, String)> {
        let SeriesCounts {
            started,
            dropped_iterations,
            chosen_to_cancel,
            sending,
            by_outcome,
            by_cause,
            by_finish,
            by_status,
            output_tokens,
            goodput,
            lengths,
            usage,
            after_load,
            ok_without_text,
            tokens_without_text,
            untyped_streams,
            token_sources,
            interrupted_elapsed_max,
        } = counts;
        self.started += started;
        self.dropped_iterations += dropped_iterations;
        self.chosen_to_cancel += chosen_to_cancel;
        self.sending.merge(sending);
        for (name, n) in by_outcome {
            let outcome = Outcome::ALL.into_iter().find(|o| o.name() == name);
            let outcome = outcome.ok_or_else(|| ("outcome", name.clone()))?;
            self.by_outcome[outcome as usize] += n;
        }
        for (name, n) in by_cause {
            let cause = Cause::of_name(name).ok_or_else(|| ("cause", name.clone()))?;
            self.by_cause[cause as usize] += n;
        }
        for (word, n) in by_finish {
            self.by_finish.add(FinishWord::of(word.as_bytes()), *n);
        }
        for (status, n) in by_status {
            self.by_status.add(*status, *n);
        }
        self.output_tokens += output_tokens;
        self.goodput.merge(goodput);
        self.lengths.merge(lengths);
        self.usage.merge(usage);
        self.after_load.merge(after_load);
        self.ok_without_text += ok_without_text;
        self.tokens_without_text += tokens_without_text;
        self.untyped_streams += untyped_streams;
        for source in token_sources {
            self.by_token_source[*source as usize] += 1;
        }
        self.interrupted_elapsed_max = self.interrupted_elapsed_max.max(*interrupted_elapsed_max);
        Ok(())
    }

    /// Adds values, of which `independent` are independent of each other.
    pub fn merge_values(&mut self, metric: MetricId, values: &Distribution, independent: u64) {
        self.metrics[metric as usize].merge(values);
        if metric == MetricId::Tbt {
            self.gaps
                .merge(&Clusters::restored(values.offered(), independent));
        }
    }

    pub fn metric(&self, id: MetricId) -> &Distribution {
        &self.metrics[id as usize]
    }

    /// Returns the values of `tbt` by request, of requests that have ended.
    pub fn gaps(&self) -> &Clusters {
        &self.gaps
    }

    /// Returns how many independent values say as much as those of a metric: all of them, but for `tbt`, of which a
    /// request gives many that are alike.
    pub fn independent(&self, id: MetricId) -> u64 {
        match id {
            MetricId::Tbt => self.gaps.independent(),
            _ => self.metric(id).offered(),
        }
    }

    /// Returns the values of failed requests. They are empty for metrics of `Source::Engine`, which are recorded before
    /// the outcome is known.
    pub fn failed_metric(&self, id: MetricId) -> &Distribution {
        &self.failed_metrics[id as usize]
    }

    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.by_outcome[outcome as usize]
    }

    /// Failed requests for which it is known what exactly was wrong.
    pub fn cause(&self, cause: Cause) -> u64 {
        self.by_cause[cause as usize]
    }

    /// Answers by the word that their server ended them with, in the order of the words.
    pub fn by_finish(&self) -> Vec<(FinishWord, u64)> {
        self.by_finish.sorted()
    }

    pub fn by_status(&self) -> &StatusCounts {
        &self.by_status
    }

    /// Returns the number of requests whose `output_tokens` came from this source.
    pub fn token_source(&self, source: TokenSource) -> u64 {
        self.by_token_source[source as usize]
    }

    pub fn ok(&self) -> u64 {
        self.outcome(Outcome::Ok)
    }

    pub fn interrupted(&self) -> u64 {
        self.outcome(Outcome::Interrupted)
    }

    /// Returns the number of requests that their users cancelled.
    pub fn cancelled(&self) -> u64 {
        self.outcome(Outcome::Cancelled)
    }

    pub fn failed(&self) -> u64 {
        self.count_where(Outcome::is_failure)
    }

    pub fn account(&self) -> Account {
        Account {
            started: self.started,
            ok: self.ok(),
            failed: self.failed(),
            interrupted: self.interrupted(),
            cancelled: self.cancelled(),
        }
    }

    pub fn timeouts(&self) -> u64 {
        self.count_where(Outcome::is_timeout)
    }

    /// Returns the number of timeouts and 503s.
    pub fn contention_errors(&self) -> u64 {
        self.count_where(Outcome::is_contention_error)
    }

    pub fn connection_errors(&self) -> u64 {
        self.count_where(Outcome::is_connection_error)
    }

    /// Returns the number of requests that went out.
    pub fn sent(&self) -> u64 {
        self.metric(MetricId::ScheduleLag).offered()
    }

    /// Returns the number of requests that are ok, failed, interrupted or cancelled.
    pub fn finished(&self) -> u64 {
        self.by_outcome.iter().sum()
    }

    /// Returns the number of requests that came to their end: ok and failed.
    pub fn completed(&self) -> u64 {
        self.ok() + self.failed()
    }

    /// Returns what ended within the load.
    pub fn within_load(&self) -> WithinLoad {
        self.after_load.rest_of(self.rated())
    }

    /// Returns what rates count, whenever it ended.
    pub fn rated(&self) -> WithinLoad {
        WithinLoad {
            ok: self.ok(),
            failed: self.failed(),
            good: self.goodput.good,
            output_tokens: self.output_tokens,
            prompt_tokens: self.usage.prompt.tokens,
            texts: self.usage.texts,
        }
    }

    /// Returns failed / completed; `None` while nothing has completed.
    pub fn failed_rate(&self) -> Option<f64> {
        (self.completed() > 0).then(|| self.failed() as f64 / self.completed() as f64)
    }

    /// Returns (timeouts + 503s) / completed, the share of errors that too much load causes; `None` while nothing has
    /// completed.
    pub fn contention_error_rate(&self) -> Option<f64> {
        (self.completed() > 0).then(|| self.contention_errors() as f64 / self.completed() as f64)
    }

    fn count_where(&self, pick: fn(Outcome) -> bool) -> u64 {
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
