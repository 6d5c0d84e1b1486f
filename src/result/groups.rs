//! Counts and measurements of a group of requests: of all, of one server, or of one kind.

use crate::metrics::{Cause, METRICS, Outcome, SeriesTotals, TokenSource};
use crate::plan::Plan;
use crate::result::Traffic;
use crate::result::figures::{MetricFigures, Ordered};
use crate::units::{Nanos, seconds};
use serde::{Deserialize, Serialize};

/// The source of output token counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSources {
    Server,
    /// One token was counted for each event with text.
    Events,
    /// The server counted for some requests, events were counted for others.
    Mixed,
    None,
}

impl TokenSources {
    fn from_totals(totals: &SeriesTotals) -> TokenSources {
        let server = totals.token_source(TokenSource::Server) > 0;
        let events = totals.token_source(TokenSource::Events) > 0;
        match (server, events) {
            (true, true) => TokenSources::Mixed,
            (true, false) => TokenSources::Server,
            (false, true) => TokenSources::Events,
            (false, false) => TokenSources::None,
        }
    }

    /// Returns the sources that were used.
    pub fn each(self) -> &'static [TokenSource] {
        match self {
            TokenSources::Server => &[TokenSource::Server],
            TokenSources::Events => &[TokenSource::Events],
            TokenSources::Mixed => &[TokenSource::Server, TokenSource::Events],
            TokenSources::None => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Time that the rates divide by, from the start of the load to its end; `None` in older documents, which divide
    /// by the time of the whole run.
    #[serde(default)]
    pub load_seconds: Option<f64>,
    /// Rate of arrivals that were due; absent where users wait for their answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_per_second: Option<f64>,
    /// Rate of requests that went out; absent in older documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_per_second: Option<f64>,
    /// Share of sent requests that went out more than 1 ms late by our own delay, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<f64>,
    /// Rate of ok and failed requests that ended within the load: what was achieved.
    pub requests_per_second: f64,
    pub ok_requests_per_second: f64,
    pub output_tokens_per_second: f64,
    /// Rate of prompt tokens, cached ones included, as servers count them; absent if no answer states them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_second: Option<f64>,
    /// Both together; absent if no answer states its prompt tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tokens_per_second: Option<f64>,
    /// Rate of texts that were embedded, ranked or scored; absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_per_second: Option<f64>,
    /// Share of cached among prompt tokens, 0 to 1, over the answers that state both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_share: Option<f64>,
    /// Share of reasoning among output tokens, 0 to 1, over the answers that state both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_share: Option<f64>,
    /// Share of failed among ok and failed requests, 0 to 1.
    pub error_rate: f64,
    /// Share of timeouts and 503s among ok and failed requests, 0 to 1.
    pub contention_error_rate: f64,
    /// Share of good requests among those that have limits, 0 to 1; absent without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodput: Option<f64>,
    /// Rate of good requests that ended within the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_requests_per_second: Option<f64>,
}

/// The figures of a group of requests: one kind's, or one server's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupFigures {
    pub totals: Traffic,
    pub rates: Rates,
    pub metrics: Ordered<MetricFigures>,
}

/// The assignment of a plan's series to groups.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// Name of each series, in order.
    pub kinds: Vec<String>,
    /// Name of each server if there are several, otherwise empty.
    pub servers: Vec<String>,
    /// Index of each series' server.
    pub server_of_kind: Vec<u16>,
}

impl Grouping {
    /// Groups series by the kinds and the servers of a plan.
    pub fn from_plan(plan: &Plan) -> Grouping {
        let kinds = &plan.workload.kinds;
        Grouping {
            kinds: kinds.iter().map(|kind| kind.name.clone()).collect(),
            servers: plan.server_names(),
            server_of_kind: kinds.iter().map(|kind| kind.server).collect(),
        }
    }

    /// Returns the name of each series in the details: with several servers, its server's name.
    pub fn names_in_details(&self) -> Vec<String> {
        match self.servers.is_empty() {
            true => self.kinds.clone(),
            false => {
                let servers = self.server_of_kind.iter();
                servers
                    .map(|index| self.servers[usize::from(*index)].clone())
                    .collect()
            }
        }
    }

    /// Makes a group of each of `series`, which are in the order of `kinds`.
    pub fn by_kind(&self, series: &[SeriesTotals], loaded: Nanos) -> Ordered<GroupFigures> {
        assert_eq!(self.kinds.len(), series.len(), "one name for each series");
        let named = self.kinds.iter().zip(series);
        named
            .map(|(name, series)| (name.clone(), group(series, loaded)))
            .collect()
    }

    /// Makes a group of each server's kinds of request; `None` if there is only one server.
    pub fn by_server(&self, series: &[SeriesTotals], loaded: Nanos) -> Option<Ordered<GroupFigures>> {
        assert_eq!(
            self.server_of_kind.len(),
            series.len(),
            "one server for each series"
        );
        let of_server = |index: u16| {
            let mut sum = SeriesTotals::new();
            let pairs = self.server_of_kind.iter().zip(series);
            pairs
                .filter(|(server, _)| **server == index)
                .for_each(|(_, series)| sum.merge(series));
            group(&sum, loaded)
        };
        let groups = (0u16..).zip(&self.servers);
        (!self.servers.is_empty()).then(|| {
            groups
                .map(|(index, name)| (name.clone(), of_server(index)))
                .collect()
        })
    }
}

fn group(series: &SeriesTotals, loaded: Nanos) -> GroupFigures {
    GroupFigures {
        totals: traffic(series),
        rates: rates(series, loaded),
        metrics: metrics(series),
    }
}

pub(crate) fn traffic(series: &SeriesTotals) -> Traffic {
    Traffic {
        requests: series.started,
        dropped_iterations: series.dropped_iterations,
        ok: series.ok(),
        failed: series.failed(),
        interrupted: series.interrupted(),
        cancelled: series.cancelled(),
        chosen_to_cancel: series.chosen_to_cancel,
        by_outcome: Outcome::ALL
            .into_iter()
            .map(|o| (o.name(), series.outcome(o)))
            .filter(|(_, n)| *n > 0)
            .collect(),
        by_cause: Cause::ALL
            .into_iter()
            .map(|cause| (cause.name(), series.cause(cause)))
            .filter(|(_, n)| *n > 0)
            .collect(),
        by_finish: series
            .by_finish()
            .into_iter()
            .map(|(word, n)| (word.as_str().to_owned(), n))
            .collect(),
        by_status: series
            .by_status()
            .iter()
            .map(|(status, n)| (status.to_string(), n))
            .collect(),
        output_tokens: series.output_tokens,
        offered: series.sending.offered,
        sent: series.sent(),
        late: series.sending.late,
        queued: series.sending.queued,
        goodput: series.goodput,
        lengths: series.lengths,
        usage: series.usage,
        after_load: series.after_load,
        token_source: TokenSources::from_totals(series),
        ok_without_text: series.ok_without_text,
        tokens_without_text: series.tokens_without_text,
        untyped_streams: series.untyped_streams,
        interrupted_elapsed_max_seconds: seconds(series.interrupted_elapsed_max),
    }
}

/// `loaded`: how long the load went on.
pub(crate) fn rates(series: &SeriesTotals, loaded: Nanos) -> Rates {
    let per_second = |n: u64| {
        if loaded == 0 {
            0.0
        } else {
            n as f64 / seconds(loaded)
        }
    };
    let within = series.within_load();
    let states_prompts = series.usage.prompt.requests > 0;
    Rates {
        load_seconds: Some(seconds(loaded)),
        offered_per_second: (series.sending.offered > 0).then(|| per_second(series.sending.offered)),
        sent_per_second: Some(per_second(series.sent())),
        late: (series.sent() > 0).then(|| series.sending.late as f64 / series.sent() as f64),
        requests_per_second: per_second(within.completed()),
        ok_requests_per_second: per_second(within.ok),
        output_tokens_per_second: per_second(within.output_tokens),
        input_tokens_per_second: states_prompts.then(|| per_second(within.prompt_tokens)),
        total_tokens_per_second: states_prompts.then(|| per_second(within.tokens())),
        texts_per_second: (series.usage.texts > 0).then(|| per_second(within.texts)),
        cached_share: series.usage.cached.share(),
        reasoning_share: series.usage.reasoning.share(),
        error_rate: series.failed_rate().unwrap_or(0.0),
        contention_error_rate: series.contention_error_rate().unwrap_or(0.0),
        goodput: series.goodput.share(),
        good_requests_per_second: series.goodput.share().map(|_| per_second(within.good)),
    }
}

pub(crate) fn metrics(series: &SeriesTotals) -> Ordered<MetricFigures> {
    METRICS
        .iter()
        .filter(|m| !m.rare || !series.metric(m.id).is_empty())
        .map(|m| {
            let (values, independent) = (series.metric(m.id), series.independent(m.id));
            (m.key, MetricFigures::from_distribution(values, independent))
        })
        .collect()
}
