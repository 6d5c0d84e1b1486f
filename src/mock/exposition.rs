//! What the mock shows at `/metrics`: its own two gauges, or an account of itself in the words of vLLM.

use std::fmt::Write;
use std::sync::PoisonError;

use super::dialect::Counted;
use super::script::json;
use super::serve::Shared;
use super::writes::Writes;
use crate::units::{Nanos, seconds};

/// What `GET /metrics` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MetricsForm {
    /// Running and waiting requests, under names of the mock's own.
    #[default]
    Mock,
    /// The names, labels and buckets of vLLM, with the mock's own counts and times.
    Vllm,
    /// Nothing: the path is not found.
    None,
}

/// Upper ends of vLLM's buckets, in seconds: of the time to the first token, of times between tokens, of the times of a
/// whole request, and of counts of tokens.
const TTFT: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
    80.0, 160.0, 640.0, 2560.0,
];
const BETWEEN: [f64; 19] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];
const REQUEST: [f64; 21] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
];
const TOKENS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0,
];

/// Tokens that the mock's cache of keys and values is said to hold.
const CACHE_TOKENS: u64 = 65_536;

/// The name, the help and the buckets of each histogram, in the order of [`Histogram`].
const HISTOGRAMS: [(&str, &str, &[f64]); 10] = [
    ("time_to_first_token_seconds", "time to first token", &TTFT),
    ("inter_token_latency_seconds", "inter-token latency", &BETWEEN),
    (
        "request_time_per_output_token_seconds",
        "time per output token of a request",
        &BETWEEN,
    ),
    ("e2e_request_latency_seconds", "e2e request latency", &REQUEST),
    (
        "request_queue_time_seconds",
        "time spent in WAITING phase",
        &REQUEST,
    ),
    (
        "request_inference_time_seconds",
        "time spent in RUNNING phase",
        &REQUEST,
    ),
    (
        "request_prefill_time_seconds",
        "time spent in PREFILL phase",
        &REQUEST,
    ),
    (
        "request_decode_time_seconds",
        "time spent in DECODE phase",
        &REQUEST,
    ),
    ("request_prompt_tokens", "prefill tokens processed", &TOKENS),
    (
        "request_generation_tokens",
        "generation tokens processed",
        &TOKENS,
    ),
];

/// An index into [`HISTOGRAMS`].
#[derive(Clone, Copy)]
enum Histogram {
    Ttft,
    Gap,
    PerToken,
    Latency,
    Queue,
    Inference,
    Prefill,
    Decode,
    PromptTokens,
    OutputTokens,
}

/// One histogram as Prometheus shows it.
#[derive(Clone, Debug, Default)]
struct Buckets {
    /// Values in each bucket, the last of which has no end; empty without a value.
    counts: Vec<u64>,
    sum: f64,
}

impl Buckets {
    fn record(&mut self, ends: &[f64], value: f64, times: u64) {
        self.counts.resize(ends.len() + 1, 0);
        self.counts[ends.partition_point(|end| *end < value)] += times;
        self.sum += value * times as f64;
    }

    fn merge(&mut self, other: &Buckets) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
        self.sum += other.sum;
    }
}

/// The mock's account of itself since its start, as an engine keeps it.
#[derive(Clone, Debug, Default)]
pub struct Account {
    histograms: [Buckets; HISTOGRAMS.len()],
    prompt_tokens: u64,
    output_tokens: u64,
    /// Tokens that were looked up in the prefix cache, and those of them that it had.
    cache_queries: u64,
    cache_hits: u64,
    /// Requests by how they ended.
    by_length: u64,
    aborted: u64,
}

impl Account {
    fn record(&mut self, of: Histogram, value: f64) {
        let index = of as usize;
        self.histograms[index].record(HISTOGRAMS[index].2, value, 1);
    }

    /// Counts tokens that go out at `now`; `writes` does not have them yet.
    pub fn tokens(&mut self, writes: &Writes, count: u32, now: Nanos, counted: &Counted) {
        self.output_tokens += u64::from(count);
        let mut more = count;
        match writes.last {
            None => {
                self.prompt(counted);
                self.record(Histogram::Ttft, seconds(now.saturating_sub(writes.arrived)));
                more -= 1;
            }
            Some(last) => {
                self.record(Histogram::Gap, seconds(now.saturating_sub(last)));
                more -= 1;
            }
        }
        // Tokens of one write leave the engine together.
        let gap = Histogram::Gap as usize;
        if more > 0 {
            self.histograms[gap].record(HISTOGRAMS[gap].2, 0.0, more.into());
        }
    }

    fn prompt(&mut self, counted: &Counted) {
        self.prompt_tokens += u64::from(counted.prompt);
        if let Some(cached) = counted.cached {
            self.cache_queries += u64::from(counted.prompt);
            self.cache_hits += u64::from(cached);
        }
    }

    /// Counts an answer in one piece, whose tokens came evenly from the first to `now`.
    pub fn whole(&mut self, writes: &Writes, now: Nanos, counted: &Counted) {
        let first = writes.first.unwrap_or(now);
        self.prompt(counted);
        self.output_tokens += u64::from(counted.output);
        self.record(Histogram::Ttft, seconds(first.saturating_sub(writes.arrived)));
        let gaps = counted.output.saturating_sub(1);
        if gaps > 0 {
            let gap = seconds(now.saturating_sub(first)) / f64::from(gaps);
            let index = Histogram::Gap as usize;
            self.histograms[index].record(HISTOGRAMS[index].2, gap, gaps.into());
        }
        self.ended(writes, now, counted);
    }

    /// Counts an answer whose last token went out at `now`.
    pub fn ended(&mut self, writes: &Writes, now: Nanos, counted: &Counted) {
        let first = writes.first.unwrap_or(now);
        let begun = writes.begins.min(first);
        let decode = seconds(now.saturating_sub(first));
        self.by_length += 1;
        self.record(Histogram::Latency, seconds(now.saturating_sub(writes.arrived)));
        self.record(Histogram::Queue, seconds(begun.saturating_sub(writes.arrived)));
        self.record(Histogram::Inference, seconds(now.saturating_sub(begun)));
        self.record(Histogram::Prefill, seconds(first.saturating_sub(begun)));
        self.record(Histogram::Decode, decode);
        if counted.output > 1 {
            self.record(Histogram::PerToken, decode / f64::from(counted.output - 1));
        }
        self.record(Histogram::PromptTokens, counted.prompt.into());
        self.record(Histogram::OutputTokens, counted.output.into());
    }

    /// Counts a request whose client went away.
    pub fn aborted(&mut self) {
        self.aborted += 1;
    }

    pub fn merge(&mut self, other: &Account) {
        let Account {
            histograms,
            prompt_tokens,
            output_tokens,
            cache_queries,
            cache_hits,
            by_length,
            aborted,
        } = other;
        for (sum, more) in self.histograms.iter_mut().zip(histograms) {
            sum.merge(more);
        }
        self.prompt_tokens += prompt_tokens;
        self.output_tokens += output_tokens;
        self.cache_queries += cache_queries;
        self.cache_hits += cache_hits;
        self.by_length += by_length;
        self.aborted += aborted;
    }
}

/// Returns the answer to `GET /metrics`.
pub fn shown(shared: &Shared) -> Vec<u8> {
    let (o, gauges) = (&shared.options, shared.options.capacity.gauges());
    match o.metrics {
        MetricsForm::Mock => own(gauges.0, gauges.1),
        MetricsForm::Vllm => {
            let mut account = Account::default();
            for truth in &shared.truths {
                account.merge(&truth.lock().unwrap_or_else(PoisonError::into_inner).account);
            }
            vllm(&account, gauges, shared.counted.prompt + o.tokens, o.miscount)
        }
        MetricsForm::None => json(404, r#"{"error":"no such path"}"#),
    }
}

/// Returns the answer to `GET /metrics` under the mock's own names.
fn own(running: u32, waiting: u32) -> Vec<u8> {
    let mut body = String::new();
    for (name, help, value) in [
        ("mock:requests_running", "Requests that are served.", running),
        (
            "mock:requests_waiting",
            "Requests that wait for a place.",
            waiting,
        ),
    ] {
        family(&mut body, name, help, "gauge");
        let _ = writeln!(body, "{name} {value}");
    }
    answer(&body)
}

/// Returns the answer to `GET /metrics` under vLLM's names. A share of what was counted may be left out, as by a server
/// that counts wrongly.
fn vllm(account: &Account, (running, waiting): (u32, u32), tokens_each: u32, miscount: f64) -> Vec<u8> {
    let kept = |count: u64| (count as f64 * (1.0 - miscount)).round();
    let held = u64::from(running) * u64::from(tokens_each);
    let mut body = String::new();
    for (name, help, value) in [
        (
            "num_requests_running",
            "Number of requests in model execution batches.",
            running.into(),
        ),
        (
            "num_requests_waiting",
            "Number of requests waiting to be processed.",
            waiting.into(),
        ),
        (
            "kv_cache_usage_perc",
            "KV-cache usage. 1 means 100 percent usage.",
            (held as f64 / CACHE_TOKENS as f64).min(1.0),
        ),
    ] {
        sample(&mut body, (name, help, "gauge"), "", value);
    }
    for (name, help, value) in [
        (
            "prefix_cache_queries_total",
            "Prefix cache queries, in tokens.",
            account.cache_queries as f64,
        ),
        (
            "prefix_cache_hits_total",
            "Prefix cache hits, in tokens.",
            account.cache_hits as f64,
        ),
        ("num_preemptions_total", "Cumulative number of preemptions.", 0.0),
        (
            "prompt_tokens_total",
            "Number of prefill tokens processed.",
            kept(account.prompt_tokens),
        ),
        (
            "generation_tokens_total",
            "Number of generation tokens processed.",
            kept(account.output_tokens),
        ),
    ] {
        sample(&mut body, (name, help, "counter"), "", value);
    }
    let name = "vllm:request_success_total";
    family(
        &mut body,
        name,
        "Count of successfully processed requests.",
        "counter",
    );
    for (reason, count) in [
        ("stop", 0),
        ("length", account.by_length),
        ("abort", account.aborted),
    ] {
        let _ = writeln!(
            body,
            "{name}{{engine=\"0\",finished_reason=\"{reason}\",model_name=\"mock\"}} {:.1}",
            kept(count)
        );
    }
    for ((name, help, ends), buckets) in HISTOGRAMS.iter().zip(&account.histograms) {
        histogram(&mut body, (name, help), ends, buckets);
    }
    answer(&body)
}

fn sample(body: &mut String, (name, help, kind): (&str, &str, &str), labels: &str, value: f64) {
    let name = format!("vllm:{name}");
    family(body, &name, help, kind);
    let _ = writeln!(
        body,
        "{name}{{engine=\"0\",{labels}model_name=\"mock\"}} {value:?}"
    );
}

fn histogram(body: &mut String, (name, help): (&str, &str), ends: &[f64], buckets: &Buckets) {
    let name = format!("vllm:{name}");
    family(body, &name, &format!("Histogram of {help}."), "histogram");
    let mut below = 0;
    for (index, end) in ends.iter().chain(&[f64::INFINITY]).enumerate() {
        below += buckets.counts.get(index).copied().unwrap_or(0);
        let le = match end.is_finite() {
            true => format!("{end:?}"),
            false => "+Inf".to_owned(),
        };
        let _ = writeln!(
            body,
            "{name}_bucket{{engine=\"0\",le=\"{le}\",model_name=\"mock\"}} {below}.0"
        );
    }
    let labels = "engine=\"0\",model_name=\"mock\"";
    let _ = writeln!(body, "{name}_count{{{labels}}} {below}.0");
    let _ = writeln!(body, "{name}_sum{{{labels}}} {:?}", buckets.sum);
}

fn family(body: &mut String, name: &str, help: &str, kind: &str) {
    // As prometheus_client writes it: the family of a counter is named without its end.
    let _ = writeln!(body, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::{Line, lines};
    use crate::units::MILLISECOND;

    fn value(text: &str, name: &str, label: Option<(&str, &str)>) -> f64 {
        let found = lines(text.as_bytes()).find_map(|line| match line.unwrap() {
            Line::Sample(sample)
                if sample.name == name
                    && label.is_none_or(|(key, is)| sample.labels.get(key).as_deref() == Some(is)) =>
            {
                Some(sample.value)
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    fn shown(account: &Account, miscount: f64) -> String {
        let bytes = vllm(account, (3, 1), 512, miscount);
        let text = String::from_utf8(bytes).unwrap();
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    #[test]
    fn an_answer_is_accounted_for_under_vllms_names() {
        let counted = Counted::plain(3);
        let mut account = Account::default();
        let mut writes = Writes::new(0, MILLISECOND, 30 * MILLISECOND);
        for at in [30, 50, 70] {
            account.tokens(&writes, 1, at * MILLISECOND, &counted);
            writes.record(1, at * MILLISECOND);
        }
        account.ended(&writes, 70 * MILLISECOND, &counted);
        account.aborted();
        let mut both = Account::default();
        both.merge(&account);
        let text = shown(&both, 0.0);
        assert_eq!(value(&text, "vllm:num_requests_running", None), 3.0);
        assert_eq!(value(&text, "vllm:kv_cache_usage_perc", None), 0.0234375);
        assert_eq!(value(&text, "vllm:generation_tokens_total", None), 3.0);
        assert_eq!(value(&text, "vllm:prompt_tokens_total", None), 8.0);
        let success = "vllm:request_success_total";
        assert_eq!(value(&text, success, Some(("finished_reason", "length"))), 1.0);
        assert_eq!(value(&text, success, Some(("finished_reason", "abort"))), 1.0);
        let ttft = "vllm:time_to_first_token_seconds_bucket";
        assert_eq!(value(&text, ttft, Some(("le", "0.02"))), 0.0);
        assert_eq!(value(&text, ttft, Some(("le", "0.04"))), 1.0);
        assert_eq!(value(&text, ttft, Some(("le", "+Inf"))), 1.0);
        assert_eq!(value(&text, "vllm:inter_token_latency_seconds_count", None), 2.0);
        assert_eq!(value(&text, "vllm:inter_token_latency_seconds_sum", None), 0.04);
        assert_eq!(value(&text, "vllm:request_queue_time_seconds_sum", None), 0.001);
        assert_eq!(value(&text, "vllm:e2e_request_latency_seconds_sum", None), 0.07);
        let text = shown(&both, 0.5);
        assert_eq!(value(&text, "vllm:prompt_tokens_total", None), 4.0);
    }

    #[test]
    fn an_answer_in_one_piece_has_the_same_times() {
        let counted = Counted::plain(5);
        let mut account = Account::default();
        let mut writes = Writes::new(0, 0, 20 * MILLISECOND);
        writes.first = Some(20 * MILLISECOND);
        account.whole(&writes, 60 * MILLISECOND, &counted);
        let text = shown(&account, 0.0);
        assert_eq!(value(&text, "vllm:time_to_first_token_seconds_sum", None), 0.02);
        assert_eq!(value(&text, "vllm:inter_token_latency_seconds_count", None), 4.0);
        assert_eq!(value(&text, "vllm:inter_token_latency_seconds_sum", None), 0.04);
        assert_eq!(value(&text, "vllm:generation_tokens_total", None), 5.0);
    }
}
