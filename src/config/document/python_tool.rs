//! Keys of the Python tool's documents that have no place here, or another one: each is answered with what does the
//! same. Its mapping `client` is read in full.

use crate::config::document::THINK_TIME_MAX;
use crate::config::document::load_profile::in_stages;
use crate::config::document::reader::{Fields, Node, Reader, is_empty, member, scalar, truth};
use crate::config::document::shared::other_name;
use crate::error::{Reason, quoted};
use crate::plan::DURATION_MAX;
use crate::units::{MILLISECOND, Nanos, Span};

const CLIENT_KEYS: [&str; 4] = ["timeout_seconds", "connect_timeout", "retries", "backoff_factor"];
const THINK_TIME_KEYS: [&str; 9] = [
    "enabled",
    "distribution",
    "fixed_seconds",
    "min_seconds",
    "max_seconds",
    "mean_seconds",
    "sigma",
    "jitter_ratio",
    "after_error_multiplier",
];
/// The most retries that a document may ask for, none of which is carried.
const RETRIES_MAX: u32 = 1_000_000;
const BACKOFF_MAX: f64 = 1e6;

/// The answer to a key of the Python tool that this program does not have.
pub enum Answer {
    /// Its value asks for what happens anyway.
    Harmless,
    /// The document is valid without it. The text says why it is not carried.
    NotCarried(&'static str),
    /// Without it the load would be another.
    Refused(Reason),
}

fn other_name_of_prompts_key(path: &str, key: &str) -> Option<&'static str> {
    match path.ends_with("prompts.") || path.contains("prefix_buckets[") {
        true => other_name(key),
        false => None,
    }
}

/// Answers `key` of the mapping at `path` (`workload.`); `None` if the Python tool has no such key there.
pub fn answer<'t>(path: &str, key: &str, value: &'t Node<'t>) -> Option<Answer> {
    let text = scalar(value).unwrap_or("");
    let is = |harmless: &[&str]| is_empty(value) || harmless.contains(&text);
    let name = format!("{path}{key}");
    let refused = |what: &str, hint: String| {
        Some(Answer::Refused(
            Reason::new(format!("key `{name}` {what}")).hint(hint),
        ))
    };
    if let Some(ours) = other_name_of_prompts_key(path, key) {
        return refused("has another name here", format!("write `{ours}`"));
    }
    match (path, key) {
        ("", "comparison_mode") if is_empty(value) || truth(text) == Some(false) => Some(Answer::Harmless),
        ("", "comparison_mode") => refused(
            "has another name here",
            "write `contention: true`: each server alone, then all together, compared".to_owned(),
        ),
        ("", "load_profile") if is(&[]) => Some(Answer::Harmless),
        ("", "load_profile") => refused("has another form here", in_stages(value)),
        ("", "ping") if is(&[]) || is_off(value) => Some(Answer::Harmless),
        ("", "ping") => Some(Answer::NotCarried(
            "nothing is pinged; `connect` has the time of each connection",
        )),
        ("workload.", "scenario" | "arrival_distribution") => Some(Answer::Harmless),
        ("workload.", "iterations") if is(&["1"]) => Some(Answer::Harmless),
        ("workload.", "iterations") => refused(
            "has another name here",
            format!(
                "write `repeat: {}` for that many runs, one after the other; `iterations` outside of `workload` \
                 counts requests",
                text.parse::<u32>().map_or("N".to_owned(), |n| n.to_string())
            ),
        ),
        ("workload.", "mode") if is(&["closed_loop"]) => Some(Answer::Harmless),
        ("workload.", "mode") => refused(
            "has another form here",
            "write `executor: constant-arrival-rate` with `rate: 5/s` and `duration: 60s` in place of `users` and \
             `duration_seconds`; `arrival: poisson` draws the gaps, `max_vus` limits the requests in flight"
                .to_owned(),
        ),
        ("workload.", "max_in_flight") if is(&["0"]) => Some(Answer::Harmless),
        ("workload.", "max_in_flight") => Some(Answer::NotCarried(
            "each user has one request in flight, so `users` is the limit; that of a load at a rate is `max_vus`",
        )),
        ("prompts.", "strategy") if is(&["uniform"]) => Some(Answer::Harmless),
        ("prompts.", "stages" | "ramp") if is(&[]) => Some(Answer::Harmless),
        ("prompts.", "strategy" | "stages" | "ramp") => refused(
            "asks for lengths that change with time, which prompts here do not",
            "`prompt_tokens: 256-2048` draws each length; for lengths one after the other make a run for each"
                .to_owned(),
        ),
        _ => None,
    }
}

fn is_off<'t>(value: &'t Node<'t>) -> bool {
    member(value, "enabled").is_some_and(|text| truth(text) == Some(false))
}

/// Answers the mapping `system` of the Python tool, which is about the figures of a host; here it is a system prompt.
/// Returns false for any other mapping.
pub fn answer_system(reader: &mut Reader<'_>, fields: &Fields<'_>) -> bool {
    let Some(node) = fields.node("system") else {
        return false;
    };
    let is_theirs = fields.path.is_empty() && member(node, "enabled").is_some();
    if is_theirs && !is_off(node) {
        let text = "`system` is not carried over: the figures of this host are in `client`, those of a server that the \
                    run starts in `managed_server`";
        reader.note(fields.line_of("system"), text);
    }
    is_theirs
}

/// The time limits that a document sets for requests that have none of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTimeouts {
    pub total: Option<Nanos>,
    pub connect: Option<Nanos>,
}

/// Reads `client`. A request that is sent again would hide a failure, so retries are only told.
pub fn read_client(reader: &mut Reader<'_>, fields: &Fields<'_>) -> ClientTimeouts {
    let open = fields
        .node("client")
        .and_then(|node| reader.mapping("client", node, &CLIENT_KEYS));
    let Some(client) = open else {
        return ClientTimeouts::default();
    };
    let limit = MILLISECOND..=DURATION_MAX;
    let total = reader.duration(&client, "timeout_seconds", limit.clone());
    let connect = reader.duration(&client, "connect_timeout", limit);
    let retries = reader.count(&client, "retries", 0..=RETRIES_MAX);
    reader.decimal(&client, "backoff_factor", 0.0..=BACKOFF_MAX);
    if retries.is_some_and(|retries| retries > 0) {
        let text = "`client.retries` and `backoff_factor` are not carried over: a request that fails counts as failed, and \
                    is not sent again";
        reader.note(client.line_of("retries"), text);
    }
    ClientTimeouts { total, connect }
}

/// Reads a `think_time` that is a mapping.
pub fn read_think_time(reader: &mut Reader<'_>, node: &Node<'_>) -> Span<Nanos> {
    let none = Span { min: 0, max: 0 };
    let Some(think) = reader.mapping("think_time", node, &THINK_TIME_KEYS) else {
        return none;
    };
    let names = ["none", "fixed", "uniform", "exponential", "lognormal"];
    let enabled = reader.boolean(&think, "enabled").unwrap_or(false);
    let distribution = reader.choice(&think, "distribution", &names);
    let mut time = |key: &str| reader.duration(&think, key, 0..=THINK_TIME_MAX);
    let [fixed, min, max, mean] =
        ["fixed_seconds", "min_seconds", "max_seconds", "mean_seconds"].map(&mut time);
    if !enabled {
        return none;
    }
    for key in ["jitter_ratio", "after_error_multiplier"] {
        let neutral = if key == "jitter_ratio" { 0.0 } else { 1.0 };
        if reader
            .decimal(&think, key, 0.0..=1e6)
            .is_some_and(|value| value != neutral)
        {
            let text =
                format!("`think_time.{key}` is not carried over: `think_time` here is a time or a range");
            reader.note(think.line_of(key), &text);
        }
    }
    let line = think.line_of("distribution");
    match distribution {
        Some("fixed") => {
            let both = fixed.or(mean).unwrap_or(0);
            Span { min: both, max: both }
        }
        Some("uniform") => match (min.unwrap_or(0), max) {
            (min, Some(max)) if min <= max => Span { min, max },
            _ => {
                let what =
                    "`think_time`: `uniform` goes from `min_seconds` to a `max_seconds` that is not shorter";
                reader.mistake(line, Reason::new(what).hint("or write `think_time: 200ms-2s`"));
                none
            }
        },
        Some(name @ ("exponential" | "lognormal")) => {
            let what = format!(
                "`think_time.distribution`: {} is not supported here",
                quoted(name)
            );
            let hint = "pauses are uniform here: `think_time: 200ms-2s`, or one time";
            reader.mistake(line, Reason::new(what).hint(hint));
            none
        }
        _ => none,
    }
}
