//! What k6 scripts and extensions for language models call the metrics that this program has under other names.
//!
//! Names are those of xk6-llm (`llm_ttft`, `llm_itl`, `llm_tpot`, ...), xk6-llm-perf (`llm_token_latency`,
//! `llm_completion_time`, ...), the benchmark script of llama.cpp and of xk6-sse
//! (`llm_emit_first_token_second`, `llamacpp_...`), and what public scripts for such servers call their own trends
//! and rates (`time_to_first_token`, `ttft_ms`, `errors`). A script that declares a metric is believed about its type,
//! and about its unit where the name does not say it.

use super::script::{Declared, Type};
use crate::plan::Threshold;

/// How a threshold on a metric of a script is judged here.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// By a metric that has the same name here, or by none.
    Same,
    /// By this one. `factor` turns the script's unit into ours.
    As { metric: &'static str, factor: f64 },
    /// Not at all, and why.
    None(String),
}

/// Of the names that follow, each stands for one of these.
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

/// Without prefix, unit and separators. k6's own names and ours are not among them.
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

/// What stands before such a name. Longer ones first.
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

/// What a name says of its unit, and how many milliseconds that is.
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

/// What `metric` of a script means; `declared` are the metrics that it makes, `expression` is judged.
pub fn meaning(metric: &str, expression: &str, declared: &[Declared]) -> Meaning {
    if is_of_k6(metric) {
        return Meaning::Same;
    }
    let own = declared.iter().find(|known| known.name == metric);
    let of = own.map(|own| own.of).or_else(|| of_an_extension(metric));
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
            Some(of) => format!("a {} in the script; what it measures is none here", of.name()),
            None => "it is no figure of what the metric measures here".into(),
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
        Type::Rate => plain(share),
        Type::Counter => plain(count),
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
        // The extensions count those that succeeded.
        Family::Requests if own.is_none() && metric.starts_with("llm_") => counted("checks", "ok"),
        Family::Requests if taken_as == Type::Counter => plain("requests"),
        Family::Requests => wrong_type(),
        Family::Tokens => Meaning::None("tokens are counted in the result, and no threshold's".into()),
        Family::TokenRate => Meaning::None(
            "rates of tokens are in the result, and no threshold's; for one stream, 1000 divided by its tokens \
             per second is `tpot`"
                .into(),
        ),
        Family::Objectives => Meaning::None(
            "give each objective as a threshold of its own, on `ttft`, `tpot` or `latency`".into(),
        ),
    }
}

fn plain(metric: &'static str) -> Meaning {
    Meaning::As { metric, factor: 1.0 }
}

/// k6's own metrics, which mean the same in every script.
fn is_of_k6(metric: &str) -> bool {
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

/// The type of a metric that an extension makes, so that no script declares it.
fn of_an_extension(metric: &str) -> Option<Type> {
    match metric {
        "llm_errors" | "llm_requests" | "llm_embed_errors" | "llm_embed_requests" => Some(Type::Counter),
        _ => None,
    }
}

/// A metric of the script's that is no known one, and may be called as one of ours.
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
            "a {} in the script and a {} here",
            of.name(),
            ours.name()
        )),
        // Per second of a counter, a share of a rate.
        None if ours == Type::Counter && expression.trim_start().starts_with("rate") => Meaning::None(
            "a rate in k6 is a share, or per second of a counter: which of them it is stands in the script"
                .into(),
        ),
        _ => Meaning::Same,
    }
}

/// Which family a name belongs to, and its milliseconds where it says them.
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
    // `tokens_second` is no time: whole names first.
    let whole = [words.as_str(), bare].into_iter().find_map(lookup);
    if let Some(family) = whole {
        return Some((family, None));
    }
    let (suffix, unit) = UNITS.iter().find(|(suffix, _)| words.ends_with(suffix))?;
    let without = |name: &str| name.strip_suffix(suffix).and_then(lookup);
    let family = without(&words).or_else(|| without(bare))?;
    Some((family, Some(*unit)))
}

/// `timeToFirstToken`, `Time-To-First-Token` and `TTFT` in small letters, words parted by `_`.
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

/// What the script puts into it, where that is one of k6's own times.
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

/// Seconds where the script divides by a thousand, as `Date.now()` is in milliseconds.
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
