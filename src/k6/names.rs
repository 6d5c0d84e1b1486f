//! The names under which k6 scripts and extensions for language models have the metrics of this program.
//!
//! Names are those of xk6-llm (`llm_ttft`, `llm_itl`, `llm_tpot`, ...), xk6-llm-perf (`llm_token_latency`,
//! `llm_completion_time`, ...), the benchmark script of llama.cpp and of xk6-sse
//! (`llm_emit_first_token_second`, `llamacpp_...`), and what public scripts for such servers call their own trends
//! and rates (`time_to_first_token`, `ttft_ms`, `errors`). If a script declares a metric, its type is taken from there,
//! and so is its unit if the name does not give one.

use super::script::{Declared, Type};
use crate::plan::Threshold;

/// How a threshold on a script's metric is judged here.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// The metric keeps its name, which may be unknown here.
    Same,
    /// The metric is this one of ours. `factor` converts the script's unit to ours.
    As { metric: &'static str, factor: f64 },
    /// The threshold cannot be judged, for this reason.
    None(String),
}

/// The meanings that the known names have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    FirstToken,
    FirstByte,
    BetweenTokens,
    PerToken,
    Whole,
    Failures,
    Successes,
    Requests,
    Tokens,
    TokenRate,
    Objectives,
}

/// The known names, without prefix, unit and separators. k6's own names and ours are not among them.
const NAMES: [(Family, &[&str]); 11] = [
    (
        Family::FirstToken,
        &[
            "ttft",
            "timetofirsttoken",
            "firsttoken",
            "firsttokentime",
            "firsttokenlatency",
            "emitfirsttoken",
        ],
    ),
    (
        Family::FirstByte,
        &[
            "ttfb",
            "timetofirstbyte",
            "firstbyte",
            "firstbytelatency",
            "responseheaders",
        ],
    ),
    (
        Family::BetweenTokens,
        &[
            "itl",
            "tbt",
            "intertokenlatency",
            "intertokentime",
            "intertoken",
            "timebetweentokens",
            "tokenlatency",
            "interchunklatency",
            "chunklatency",
        ],
    ),
    (Family::PerToken, &["tpot", "timeperoutputtoken", "timepertoken"]),
    (
        Family::Whole,
        &[
            "latency",
            "e2e",
            "e2el",
            "e2elatency",
            "endtoend",
            "endtoendlatency",
            "requestduration",
            "requestlatency",
            "requesttime",
            "calllatency",
            "response",
            "responsetime",
            "responselatency",
            "completiontime",
            "completionduration",
            "completionlatency",
            "timetocompletion",
            "generationtime",
            "generationduration",
            "duration",
            "total",
            "totaltime",
            "totalduration",
            "totallatency",
            "totalresponsetime",
        ],
    ),
    (
        Family::Failures,
        &[
            "error",
            "errors",
            "errorrate",
            "errorcount",
            "errorstotal",
            "failed",
            "failedrequests",
            "failedrate",
            "failure",
            "failures",
            "failurerate",
            "requestfailed",
            "requestsfailed",
            "requesterrors",
            "completionerrors",
        ],
    ),
    (
        Family::Successes,
        &[
            "ok",
            "okrate",
            "success",
            "successes",
            "successrate",
            "successcount",
            "successfulrequests",
            "requestsuccess",
            "requestssuccessful",
            "completionsuccess",
            "completionsuccessrate",
        ],
    ),
    (
        Family::Requests,
        &["requests", "requeststotal", "totalrequests", "requestcount"],
    ),
    (
        Family::Tokens,
        &[
            "prompttokens",
            "completiontokens",
            "inputtokens",
            "outputtokens",
            "totaltokens",
            "tokens",
            "tokenstotal",
            "tokensgenerated",
            "generatedtokens",
            "tokensreceived",
            "prompttokenstotalcounter",
            "completiontokenstotalcounter",
            "chunksperrequest",
            "inputsequencelength",
            "outputsequencelength",
        ],
    ),
    (
        Family::TokenRate,
        &[
            "tokenspersecond",
            "tokenspersec",
            "tokenspersecondstream",
            "tokenspersecondsync",
            "tokenssecond",
            "outputtokenspersecond",
            "tps",
            "tokenthroughput",
            "promptprocessingsecond",
        ],
    ),
    (
        Family::Objectives,
        &["goodput", "goodrequest", "slottft", "slotpot", "sloe2el"],
    ),
];

/// The prefixes of such names, longer ones first.
const PREFIXES: [&str; 17] = [
    "chat_completion_",
    "completions_",
    "completion_",
    "inference_",
    "generation_",
    "streaming_",
    "llamacpp_",
    "gen_ai_",
    "genai_",
    "openai_",
    "stream_",
    "model_",
    "vllm_",
    "chat_",
    "llm_",
    "sse_",
    "ai_",
];

/// The suffixes that give a unit, each with its length in milliseconds.
const UNITS: [(&str, f64); 9] = [
    ("_milliseconds", 1.0),
    ("_millis", 1.0),
    ("_ms", 1.0),
    ("_seconds", 1e3),
    ("_second", 1e3),
    ("_secs", 1e3),
    ("_sec", 1e3),
    ("_s", 1e3),
    ("_us", 1e-3),
];

/// Returns the meaning of a script's metric in a threshold. `declared` are the metrics that the script creates.
pub fn meaning(metric: &str, expression: &str, declared: &[Declared]) -> Meaning {
    if is_built_in(metric) {
        return Meaning::Same;
    }
    let own = declared.iter().find(|known| known.name == metric);
    let of = own.map(|own| own.of).or_else(|| type_in_extensions(metric));
    let Some((family, unit)) = family(metric) else {
        return unchanged(metric, expression, of);
    };
    let figure = expression.trim_start();
    let counts = figure.starts_with("count");
    let rates = figure.starts_with("rate");
    let taken_as = match of {
        Some(of) => of,
        None if counts => Type::Counter,
        None if rates => Type::Rate,
        None => Type::Trend,
    };
    let wrong_type = || {
        Meaning::None(match of {
            Some(of) => format!(
                "it is a {} in the script, a type that this figure does not have here",
                of.name()
            ),
            None => "the metric has no such figure here".into(),
        })
    };
    let time = |metric| match taken_as {
        Type::Trend => Meaning::As {
            metric,
            factor: unit.unwrap_or_else(|| unit_of_added(own)),
        },
        _ => wrong_type(),
    };
    let counted = |share: &'static str, count: &'static str| match taken_as {
        Type::Rate => same_unit(share),
        Type::Counter => same_unit(count),
        Type::Trend | Type::Gauge => wrong_type(),
    };
    match family {
        Family::FirstToken | Family::FirstByte | Family::Whole => time(measured(own).unwrap_or(match family {
            Family::FirstToken => "ttft",
            Family::FirstByte => "ttfb",
            _ => "latency",
        })),
        Family::BetweenTokens => time("tbt"),
        Family::PerToken => time("tpot"),
        Family::Failures => counted("failed", "failures"),
        Family::Successes => counted("checks", "ok"),
        // The extensions count only requests that succeeded.
        Family::Requests if own.is_none() && metric.starts_with("llm_") => counted("checks", "ok"),
        Family::Requests if taken_as == Type::Counter => same_unit("requests"),
        Family::Requests => wrong_type(),
        Family::Tokens => Meaning::None("the result counts tokens, but thresholds cannot use the count".into()),
        Family::TokenRate => Meaning::None(
            "the result has rates of tokens, but thresholds cannot use them; for one stream, 1000 divided by its \
             tokens per second is `tpot`"
                .into(),
        ),
        Family::Objectives => Meaning::None(
            "write the limits of each objective as `goodput: { ttft: 500ms, tpot: 30ms }`, and the threshold as \
             `goodput: rate>0.95`"
                .into(),
        ),
    }
}

fn same_unit(metric: &'static str) -> Meaning {
    Meaning::As { metric, factor: 1.0 }
}

/// Tells whether a metric is one of k6's own, which mean the same in every script.
fn is_built_in(metric: &str) -> bool {
    const NAMES: [&str; 9] = [
        "checks",
        "iterations",
        "iteration_duration",
        "dropped_iterations",
        "group_duration",
        "vus",
        "vus_max",
        "data_sent",
        "data_received",
    ];
    metric.starts_with("http_") || NAMES.contains(&metric)
}

/// Returns the type of a metric that an extension creates, because no script declares it.
fn type_in_extensions(metric: &str) -> Option<Type> {
    match metric {
        "llm_errors" | "llm_requests" | "llm_embed_errors" | "llm_embed_requests" => Some(Type::Counter),
        _ => None,
    }
}

/// Returns the meaning of an unknown metric of the script, whose name may be that of one of ours.
fn unchanged(metric: &str, expression: &str, of: Option<Type>) -> Meaning {
    let is = |example: &str| Threshold::parse(metric, example).is_ok();
    let ours = match (is("p(95)<1"), is("count<1"), is("rate<1")) {
        (true, _, _) => Type::Trend,
        (_, true, _) => Type::Counter,
        (_, _, true) => Type::Rate,
        _ => return Meaning::Same,
    };
    match of {
        Some(of) if of != ours => Meaning::None(format!(
            "it is a {} in the script and a {} here",
            of.name(),
            ours.name()
        )),
        // `rate` is per second for a counter, and a share for a rate.
        None if ours == Type::Counter && expression.trim_start().starts_with("rate") => Meaning::None(
            "a rate in k6 is a share or, for a counter, a number per second; only the script shows which"
                .into(),
        ),
        _ => Meaning::Same,
    }
}

/// Returns the family of a name and, if the name gives a unit, its length in milliseconds.
fn family(metric: &str) -> Option<(Family, Option<f64>)> {
    let words = separated(metric);
    let bare = PREFIXES
        .iter()
        .find_map(|prefix| words.strip_prefix(prefix))
        .unwrap_or(&words);
    let lookup = |name: &str| {
        let compact = name.replace('_', "");
        let found = NAMES.iter().find(|(_, names)| names.contains(&compact.as_str()));
        found.map(|(family, _)| *family)
    };
    // Whole names come first, because `tokens_second` is not a time.
    let whole = [words.as_str(), bare].into_iter().find_map(lookup);
    if let Some(family) = whole {
        return Some((family, None));
    }
    let (suffix, unit) = UNITS.iter().find(|(suffix, _)| words.ends_with(suffix))?;
    let without = |name: &str| name.strip_suffix(suffix).and_then(lookup);
    let family = without(&words).or_else(|| without(bare))?;
    Some((family, Some(*unit)))
}

/// Writes `timeToFirstToken`, `Time-To-First-Token` and `TTFT` in lower case, with words separated by `_`.
fn separated(metric: &str) -> String {
    let mut out = String::new();
    let mut after_small = false;
    for c in metric.chars() {
        if c.is_ascii_uppercase() && after_small {
            out.push('_');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
        match c {
            '-' | '.' | ' ' => out.push('_'),
            _ => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Returns our metric for what the script adds to its metric, if that is one of k6's own times.
fn measured(own: Option<&Declared>) -> Option<&'static str> {
    let added = &own?.added;
    let all = |what: &str| !added.is_empty() && added.iter().all(|code| code.contains(what));
    if all("timings.waiting") {
        Some("ttfb")
    } else if all("timings.duration") {
        Some("service_time")
    } else {
        None
    }
}

/// Returns the unit of what the script adds: seconds if it divides by a thousand, because `Date.now()` is in
/// milliseconds.
fn unit_of_added(own: Option<&Declared>) -> f64 {
    const TO_SECONDS: [&str; 5] = ["/1000", "/1e3", "/1.e3", "/1_000", "*0.001"];
    let is_in_seconds = own.is_some_and(|own| {
        !own.added.is_empty()
            && own
                .added
                .iter()
                .all(|code| TO_SECONDS.iter().any(|divided| code.contains(divided)))
    });
    if is_in_seconds { 1e3 } else { 1.0 }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
