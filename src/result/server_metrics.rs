//! What servers say of the load themselves: their own counters, gauges and histograms.

use crate::metrics::TokenUsage;
use crate::result::{GroupFigures, MetricFigures, Ordered, RunResult};
use crate::server_metrics::{
    Account, Buckets, CounterAccount, GaugeAccount, HistogramAccount, Kept, Labels, ServerKind,
};
use crate::units::{Nanos, is_zero, seconds};
use serde::{Deserialize, Serialize};

/// The account of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerAccount {
    /// Where it was read.
    pub url: String,
    /// The name of the server that is loaded, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// It is that of a server that is loaded; otherwise its URL was given.
    pub is_target: bool,
    pub kind: ServerKind,
    pub readings: u64,
    /// Times that it did not answer with figures.
    pub readings_failed: u64,
    /// Answers that took longer than a second.
    pub readings_slow: u64,
    /// Why it did not answer, the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Lines that could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bad_lines: u64,
    /// Series that were left out, because there are too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Instants of the first and the last reading, since the start of the load; null without a reading.
    pub first_seconds: Option<f64>,
    pub last_seconds: Option<f64>,
    pub gauges: Ordered<GaugeFigures>,
    pub counters: Ordered<CounterFigures>,
    pub histograms: Ordered<HistogramFigures>,
    /// Share of the looked-up prompt tokens that the prefix cache had, 0 to 1; absent if nothing was looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_cache_hit_share: Option<f64>,
    /// Gauges and rates at each second of the load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<ServerRow>,
}

/// A gauge. Mean, least and most are those of the readings during the load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GaugeFigures {
    /// The server's own name of it.
    pub name: String,
    pub before: Option<f64>,
    pub mean: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub after: Option<f64>,
    /// Each engine, model or device, if there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<GaugeSeries>,
}

/// One engine, model or device of a gauge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GaugeSeries {
    pub labels: Ordered<String>,
    pub before: Option<f64>,
    pub mean: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub after: Option<f64>,
}

/// A counter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterFigures {
    pub name: String,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// What came in between.
    pub increase: f64,
    /// Times that it fell, because its server began anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resets: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<CounterSeries>,
}

/// One engine, model or reason of a counter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterSeries {
    pub labels: Ordered<String>,
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub increase: f64,
}

/// A histogram: what came during the load. Known ones are times in milliseconds; others have their server's own unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistogramFigures {
    pub name: String,
    pub count: u64,
    pub mean: Option<f64>,
    /// The bucket in which the percentile lies: more than the first, and not more than the second, which is null where
    /// the bucket has no end.
    pub p50: Option<[Option<f64>; 2]>,
    pub p90: Option<[Option<f64>; 2]>,
    pub p99: Option<[Option<f64>; 2]>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resets: u64,
    /// The upper end of each bucket, null for none, and how many values came into it.
    pub buckets: Vec<(Option<f64>, u64)>,
}

/// What a server showed at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerRow {
    /// Since the start of the load.
    pub elapsed_seconds: f64,
    /// Gauges by their keys, and rates of counters, whose keys end in `_per_second`.
    pub values: Ordered<f64>,
}

/// Where an account comes from, and how its readings went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    pub url: String,
    pub server: Option<String>,
    pub is_target: bool,
    pub failed: u64,
    pub slow: u64,
    pub last_error: Option<String>,
    /// Instants of the first and the last reading, in nanoseconds since the start of the load.
    pub first: Option<i64>,
    pub last: Option<i64>,
}

impl ServerAccount {
    /// Makes the figures. What the server says is text from elsewhere: `safe` hides secrets in it.
    pub fn new(facts: AccountFacts, account: &Account, safe: &dyn Fn(&str) -> String) -> ServerAccount {
        let at = |ns: Option<i64>| ns.map(|ns| ns as f64 / 1e9);
        let share = account.counter("prefix_cache_hits").and_then(|hits| {
            let queries = account.counter("prefix_cache_queries")?.increase;
            (queries > 0.0).then(|| (hits.increase / queries).clamp(0.0, 1.0))
        });
        ServerAccount {
            url: facts.url,
            server: facts.server,
            is_target: facts.is_target,
            kind: account.kind.unwrap_or(ServerKind::Other),
            readings: account.readings,
            readings_failed: facts.failed,
            readings_slow: facts.slow,
            last_error: facts.last_error.map(|why| safe(&why)),
            bad_lines: account.bad_lines,
            left_out: account.left_out,
            first_seconds: at(facts.first),
            last_seconds: at(facts.last),
            gauges: account.gauges.iter().map(|(kept, _)| gauge(kept, safe)).collect(),
            counters: account.counters.iter().map(|kept| counter(kept, safe)).collect(),
            histograms: account
                .histograms
                .iter()
                .map(|(kept, _)| histogram(kept))
                .collect(),
            prefix_cache_hit_share: share,
            timeline: rows(account),
        }
    }

    pub fn gauge(&self, key: &str) -> Option<&GaugeFigures> {
        self.gauges.get(key)
    }

    /// Returns how much a counter grew during the load.
    pub fn increase(&self, key: &str) -> Option<f64> {
        self.counters.get(key).map(|counter| counter.increase)
    }

    pub fn histogram(&self, key: &str) -> Option<&HistogramFigures> {
        self.histograms.get(key)
    }

    /// Tells whether it is that of a server of language models, not of a GPU alone.
    pub fn is_engine(&self) -> bool {
        let has = |key: &str| self.increase(key).is_some();
        has("requests") || has("generation_tokens") || self.histogram("ttft").is_some()
    }

    /// Merges the accounts of shards. A server that several of them read is one server, and each has seen all that it
    /// did: counters go from the lowest value to the highest, and the rest is that of the part that read it most often.
    pub(crate) fn merge<'a>(parts: impl Iterator<Item = (&'a ServerAccount, f64)>) -> Vec<ServerAccount> {
        let mut merged: Vec<ServerAccount> = Vec::new();
        for (part, offset) in parts {
            let part = part.clone().moved(offset);
            match merged
                .iter_mut()
                .find(|own| own.url == part.url && own.server == part.server)
            {
                Some(own) => own.join(part),
                None => merged.push(part),
            }
        }
        merged
    }

    fn moved(mut self, seconds: f64) -> ServerAccount {
        for at in [&mut self.first_seconds, &mut self.last_seconds]
            .into_iter()
            .flatten()
        {
            *at += seconds;
        }
        self.timeline
            .iter_mut()
            .for_each(|row| row.elapsed_seconds += seconds);
        self
    }

    fn join(&mut self, other: ServerAccount) {
        let (mut most, mut least) = match other.readings > self.readings {
            true => (other, self.clone()),
            false => (self.clone(), other),
        };
        for (key, own) in &mut most.counters.0 {
            let Some(more) = least.counters.get(key) else {
                continue;
            };
            let ends = own.before.zip(own.after).zip(more.before.zip(more.after));
            if let Some(((a, b), (c, d))) = ends.filter(|_| own.resets == 0 && more.resets == 0) {
                own.before = Some(a.min(c));
                own.after = Some(b.max(d));
                own.increase = b.max(d) - a.min(c);
            }
        }
        for (key, own) in &mut most.histograms.0 {
            if let Some(more) = least.histograms.0.iter_mut().find(|(name, _)| name == key)
                && more.1.count > own.count
            {
                std::mem::swap(own, &mut more.1);
            }
        }
        most.readings_failed += least.readings_failed;
        most.readings_slow += least.readings_slow;
        most.last_error = most.last_error.or(least.last_error);
        *self = most;
    }
}

fn named(labels: &Labels, safe: &dyn Fn(&str) -> String) -> Ordered<String> {
    labels
        .iter()
        .map(|(name, value)| (name.as_str(), safe(value)))
        .collect()
}

fn gauge(kept: &Kept<GaugeAccount>, safe: &dyn Fn(&str) -> String) -> (String, GaugeFigures) {
    let of = kept.total;
    let each = kept.series.iter().map(|series| GaugeSeries {
        labels: named(&series.labels, safe),
        before: series.of.before,
        mean: series.of.mean(),
        min: series.of.min,
        max: series.of.max,
        after: series.of.after,
    });
    let figures = GaugeFigures {
        name: kept.name.clone(),
        before: of.before,
        mean: of.mean(),
        min: of.min,
        max: of.max,
        after: of.after,
        series: if kept.series.len() > 1 {
            each.collect()
        } else {
            Vec::new()
        },
    };
    (kept.key.clone(), figures)
}

fn counter(kept: &Kept<CounterAccount>, safe: &dyn Fn(&str) -> String) -> (String, CounterFigures) {
    let of = kept.total;
    let each = kept.series.iter().map(|series| CounterSeries {
        labels: named(&series.labels, safe),
        before: series.of.before,
        after: series.of.after,
        increase: series.of.increase,
    });
    let figures = CounterFigures {
        name: kept.name.clone(),
        before: of.before,
        after: of.after,
        increase: of.increase,
        resets: of.resets,
        series: if kept.series.len() > 1 {
            each.collect()
        } else {
            Vec::new()
        },
    };
    (kept.key.clone(), figures)
}

fn histogram(kept: &Kept<HistogramAccount>) -> (String, HistogramFigures) {
    let came: &Buckets = &kept.total.came;
    let bounds = |q: f64| came.bounds(q).map(|(low, high)| [Some(low), high]);
    let buckets = came.ends.iter().zip(&came.counts);
    let figures = HistogramFigures {
        name: kept.name.clone(),
        count: came.count(),
        mean: came.mean(),
        p50: bounds(0.5),
        p90: bounds(0.9),
        p99: bounds(0.99),
        resets: kept.total.resets,
        buckets: buckets
            .map(|(end, count)| (Some(*end).filter(|end| end.is_finite()), *count))
            .collect(),
    };
    (kept.key.clone(), figures)
}

fn rows(account: &Account) -> Vec<ServerRow> {
    let rows = account.rows.iter();
    rows.map(|row| ServerRow {
        elapsed_seconds: seconds(row.at as Nanos),
        values: row
            .values
            .iter()
            .map(|(column, value)| (account.columns[*column].as_str(), *value))
            .collect(),
    })
    .collect()
}

/// The client's side of what some accounts say: all requests, or those to one server.
pub(super) struct ClientSide<'a> {
    /// The server's name, if there are several.
    pub server: Option<&'a str>,
    pub ok: u64,
    /// Those that did not end well, of which the server may have counted any.
    pub others: u64,
    pub output_tokens: u64,
    pub prompt_tokens: Option<u64>,
    pub counts_events: bool,
    pub metrics: &'a Ordered<MetricFigures>,
}

impl RunResult {
    /// Returns which accounts speak of which requests. With several servers each speaks of its own; the engines of URLs
    /// that were given speak of all together, as those behind a proxy do, if no server
    /// that is loaded speaks for itself.
    pub(super) fn sides(&self) -> Vec<(ClientSide<'_>, Vec<&ServerAccount>)> {
        let engines = || {
            self.server_metrics
                .iter()
                .filter(|account| account.is_engine() && account.readings > 0)
        };
        let given: Vec<&ServerAccount> = engines().filter(|account| !account.is_target).collect();
        let own: Vec<&ServerAccount> = engines().filter(|account| account.is_target).collect();
        match &self.servers {
            Some(servers) if !own.is_empty() => {
                let pairs = own.iter().filter_map(|account| {
                    let name = account.server.as_deref()?;
                    Some((self.side_of(name, servers.get(name)?), vec![*account]))
                });
                pairs.collect()
            }
            _ if !given.is_empty() => vec![(self.whole_side(), given)],
            None if !own.is_empty() => vec![(self.whole_side(), own)],
            _ => Vec::new(),
        }
    }

    fn whole_side(&self) -> ClientSide<'_> {
        let t = &self.totals;
        ClientSide {
            server: None,
            ok: self.generating(""),
            others: t.failed + t.interrupted + t.cancelled + t.in_flight,
            output_tokens: t.output_tokens,
            prompt_tokens: stated(t.ok, &t.usage),
            counts_events: t.token_source != super::TokenSources::Server,
            metrics: &self.metrics,
        }
    }

    fn side_of<'a>(&'a self, name: &'a str, group: &'a GroupFigures) -> ClientSide<'a> {
        let t = &group.totals;
        ClientSide {
            server: Some(name),
            ok: self.generating(name),
            others: t.failed + t.interrupted + t.cancelled,
            output_tokens: t.output_tokens,
            prompt_tokens: stated(t.ok, &t.usage),
            counts_events: t.token_source != super::TokenSources::Server,
            metrics: &group.metrics,
        }
    }

    /// Returns how many ok requests of a server, or of all, had tokens of any kind: others, such as a GET, are none to
    /// an engine.
    fn generating(&self, server: &str) -> u64 {
        let is_of = |kind: &str| {
            server.is_empty()
                || kind == server
                || kind
                    .strip_prefix(server)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let kinds = self.kinds.iter().filter(|(kind, _)| is_of(kind));
        let with_tokens = kinds
            .filter(|(_, group)| group.totals.output_tokens > 0 || !group.totals.usage.prompt.is_empty());
        with_tokens.map(|(_, group)| group.totals.ok).sum()
    }
}

/// Returns the tokens of all prompts, if every ok answer states its own.
fn stated(ok: u64, usage: &TokenUsage) -> Option<u64> {
    let prompt = &usage.prompt;
    (ok > 0 && prompt.requests >= ok).then_some(prompt.tokens)
}

/// Makes an account with every key that it may have.
#[cfg(test)]
pub(super) fn sample() -> ServerAccount {
    use crate::server_metrics::{Moment, Vocabulary};
    use crate::units::SECOND;
    let names = Vocabulary::new(&[]);
    let shown = |requests: u64, running: f64| {
        let text = format!(
            "vllm:num_requests_running{{engine=\"0\"}} {running}\nvllm:num_requests_running{{engine=\"1\"}} 0\n\
             vllm:prefix_cache_queries_total{{engine=\"0\"}} {requests}00\n\
             vllm:prefix_cache_queries_total{{engine=\"1\"}} 0\n\
             vllm:prefix_cache_hits_total {requests}0\nwrong\n\
             vllm:request_queue_time_seconds_bucket{{le=\"0.3\"}} {requests}\n\
             vllm:request_queue_time_seconds_bucket{{le=\"+Inf\"}} {requests}\n\
             vllm:request_queue_time_seconds_sum {requests}\n"
        );
        names.read(text.as_bytes())
    };
    let mut account = Account::default();
    account.add(&shown(10, 0.0), Moment::Before);
    account.add(&shown(12, 3.0), Moment::During(SECOND));
    // As if it had begun anew, and shown more than there is room for.
    account.add(&shown(5, 1.0), Moment::After(2 * SECOND));
    account.left_out = 1;
    let facts = AccountFacts {
        url: "http://127.0.0.1:8002/metrics".to_owned(),
        server: Some("vllm".to_owned()),
        is_target: true,
        failed: 1,
        slow: 1,
        last_error: Some("status 503".to_owned()),
        first: Some(-20_000_000),
        last: Some(2_000_000_000),
    };
    ServerAccount::new(facts, &account, &str::to_owned)
}

#[cfg(test)]
#[path = "server_metrics_tests.rs"]
mod tests;
