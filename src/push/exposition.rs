//! Writes the text format of Prometheus, version 0.0.4: the lines of each metric follow its HELP and TYPE. There are
//! no time stamps, because a Pushgateway refuses them.

use std::fmt::Write as _;

use crate::units::{Nanos, seconds};

use super::figures::{BOUNDS, Buckets, EndpointFigures, Gauges, PushFigures};

/// The content type of a push.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The name, the help, and the source of the value of a metric.
type Row<F> = (&'static str, &'static str, F);
type Gauge = fn(&Gauges) -> Option<f64>;
type Counter = fn(&EndpointFigures) -> u64;
type Histogram = for<'a> fn(&'a EndpointFigures) -> &'a Buckets;

/// The gauges; one without a value is left out. The names are those of the Python tool, in which
/// `client_lag` is the latency.
const GAUGES: [Row<Gauge>; 14] = [
    (
        "llm_client_lag_p50_seconds",
        "Latency from due to done, median",
        |g| value(g.latency.p50),
    ),
    (
        "llm_client_lag_p90_seconds",
        "Latency from due to done, 90th percentile",
        |g| value(g.latency.p90),
    ),
    (
        "llm_client_lag_p99_seconds",
        "Latency from due to done, 99th percentile",
        |g| value(g.latency.p99),
    ),
    ("llm_ttft_p50_seconds", "Time to the first token, median", |g| {
        value(g.ttft.p50)
    }),
    (
        "llm_ttft_p90_seconds",
        "Time to the first token, 90th percentile",
        |g| value(g.ttft.p90),
    ),
    (
        "llm_ttft_p99_seconds",
        "Time to the first token, 99th percentile",
        |g| value(g.ttft.p99),
    ),
    (
        "llm_tokens_per_second",
        "Output tokens per second of finished requests",
        |g| Some(g.output_tokens_per_second),
    ),
    (
        "llm_input_tokens_per_second",
        "Prompt tokens per second of finished requests, as the server counts them",
        |g| g.input_tokens_per_second,
    ),
    (
        "llm_cached_share",
        "Share of cached among prompt tokens of the answers that state both, 0 to 1",
        |g| g.cached_share,
    ),
    (
        "llm_request_rate_per_second",
        "Requests that ended per second, ok and failed",
        |g| Some(g.requests_per_second),
    ),
    (
        "llm_error_rate",
        "Share of failed among ok and failed requests, 0 to 1",
        |g| g.error_rate,
    ),
    (
        "llm_contention_error_rate",
        "Share of timeouts and 503s among ok and failed requests, 0 to 1",
        |g| g.contention_error_rate,
    ),
    (
        "llm_goodput",
        "Share of requests that met all limits of goodput among those that have limits, 0 to 1",
        |g| g.goodput,
    ),
    ("llm_active_users", "Virtual users that are running", |g| {
        g.active_users.map(|n| n as f64)
    }),
];

const COUNTERS: [Row<Counter>; 9] = [
    ("llm_requests_total", "Requests that ended, ok and failed", |e| {
        e.requests
    }),
    ("llm_failed_requests_total", "Requests that failed", |e| e.failed),
    (
        "llm_cancelled_requests_total",
        "Requests that their users cancelled, neither ok nor failed",
        |e| e.cancelled,
    ),
    (
        "llm_judged_requests_total",
        "Requests that ended and have limits of goodput",
        |e| e.goodput.judged,
    ),
    (
        "llm_good_requests_total",
        "Requests that met all limits of goodput",
        |e| e.goodput.good,
    ),
    (
        "llm_output_tokens_total",
        "Output tokens of finished requests",
        |e| e.output_tokens,
    ),
    (
        "llm_prompt_tokens_total",
        "Prompt tokens of finished requests, as the server counts them",
        |e| e.usage.prompt.tokens,
    ),
    (
        "llm_cached_tokens_total",
        "Prompt tokens that came from the server's cache, as it counts them",
        |e| e.usage.cached.tokens,
    ),
    (
        "llm_reasoning_tokens_total",
        "Output tokens that are thoughts, as the server counts them",
        |e| e.usage.reasoning.tokens,
    ),
];

const HISTOGRAMS: [Row<Histogram>; 3] = [
    (
        "llm_latency_seconds",
        "Time from due to done of every finished request, including failed ones",
        |e| &e.latency,
    ),
    (
        "llm_ttft_seconds",
        "Time from due to the first event that carries generated text",
        |e| &e.ttft,
    ),
    (
        "llm_tbt_seconds",
        "Gap between consecutive token-bearing events of a request",
        |e| &e.tbt,
    ),
];

/// The gauge that says whether gauges cover the whole run.
const IS_LAST: &str = "llm_run_finished";

/// Writes the figures. Gauges of all endpoints together have no label, those of one endpoint have its name. Counts are
/// per endpoint only, so that a sum over them counts nothing twice.
pub fn render(figures: &PushFigures) -> String {
    let mut out = String::with_capacity(8 << 10);
    let span = match figures.is_last {
        true => "of the whole run",
        false => "of the last 10 s, or since the last push if that was earlier",
    };
    for (name, help, pick) in GAUGES {
        header(&mut out, name, &format!("{help}, {span}"), "gauge");
        if let Some(value) = pick(&figures.all) {
            put(&mut out, format_args!("{name} {value}\n"));
        }
        for endpoint in &figures.endpoints {
            if let Some(value) = pick(&endpoint.gauges) {
                let label = escaped(&endpoint.name);
                put(&mut out, format_args!("{name}{{endpoint=\"{label}\"}} {value}\n"));
            }
        }
    }
    header(&mut out, IS_LAST, "1 in the push at the end of the run", "gauge");
    put(
        &mut out,
        format_args!("{IS_LAST} {}\n", u8::from(figures.is_last)),
    );
    for (name, help, pick) in COUNTERS {
        header(&mut out, name, &format!("{help}, since the start"), "counter");
        for endpoint in &figures.endpoints {
            let (label, value) = (escaped(&endpoint.name), pick(endpoint));
            put(&mut out, format_args!("{name}{{endpoint=\"{label}\"}} {value}\n"));
        }
    }
    for (name, help, pick) in HISTOGRAMS {
        header(&mut out, name, &format!("{help}, since the start"), "histogram");
        for endpoint in &figures.endpoints {
            histogram(&mut out, name, &escaped(&endpoint.name), pick(endpoint));
        }
    }
    out
}

fn value(nanos: Option<Nanos>) -> Option<f64> {
    nanos.map(seconds)
}

fn header(out: &mut String, name: &str, help: &str, kind: &str) {
    put(out, format_args!("# HELP {name} {help}.\n# TYPE {name} {kind}\n"));
}

fn histogram(out: &mut String, name: &str, label: &str, buckets: &Buckets) {
    let mut up_to = 0;
    for (bound, count) in BOUNDS.iter().zip(&buckets.counts) {
        up_to += count;
        let bound = seconds(*bound);
        put(
            out,
            format_args!("{name}_bucket{{endpoint=\"{label}\",le=\"{bound}\"}} {up_to}\n"),
        );
    }
    let (count, sum) = (buckets.count, buckets.sum_ns as f64 / 1e9);
    put(
        out,
        format_args!(
            "{name}_bucket{{endpoint=\"{label}\",le=\"+Inf\"}} {count}\n\
             {name}_sum{{endpoint=\"{label}\"}} {sum}\n{name}_count{{endpoint=\"{label}\"}} {count}\n"
        ),
    );
}

/// Escapes the value of a label as the format requires.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn put(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("writing to a string does not fail");
}
