//! Writes the profile, with comments at its head on what could not be carried over.

use super::kinds;
use super::load::{Load, load, unknown};
use super::source::{Found, find};
use super::thresholds::{Carried, Context, Thresholds, text, thresholds};
use super::value::{Object, Value};
use crate::config::read_profile;
use crate::error::{Mistakes, Reason, one_line, quoted};
use crate::imports::{Imported, Importer, comments, stamped, yaml_text};
use crate::plan::Executor;
use crate::profiles;
use crate::units::format_duration;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// k6's options that do not belong to the load, each with what to know about it here.
const OTHERS: [(&str, &str); 37] = [
    ("batch", "each user makes one request at a time"),
    ("batchPerHost", "each user makes one request at a time"),
    ("blacklistIPs", "load is only ever sent to the target"),
    ("blockHostnames", "load is only ever sent to the target"),
    ("cloud", "nothing is sent to a cloud"),
    ("compatibilityMode", "there is no script"),
    (
        "discardResponseBodies",
        "answers are read as they arrive and are not kept",
    ),
    ("dns", "the target's name is looked up once, before the load"),
    ("executionSegment", "`--shard K/N` runs a part of the load"),
    (
        "executionSegmentSequence",
        "`--shard K/N` runs a part of the load",
    ),
    ("ext", "nothing is sent to a cloud"),
    ("hosts", "name the address in --target"),
    (
        "httpDebug",
        "requests are not printed; `--details` writes a line for each",
    ),
    ("insecureSkipTLSVerify", "give --insecure"),
    ("linger", "the program ends after its report"),
    ("maxRedirects", "redirects are not followed"),
    (
        "minIterationDuration",
        "`think_time` is a pause after each request",
    ),
    ("noCookiesReset", "there are no cookies"),
    ("noSetup", "there is no setup"),
    ("noSummary", "give --quiet"),
    ("noTeardown", "there is no teardown"),
    ("noThresholds", "remove the thresholds from the profile"),
    ("noUsageReport", "usage is never reported"),
    ("paused", "`--start-at TIME` begins the load at a given time"),
    ("rps", "the rate cannot be limited"),
    ("setupTimeout", "there is no setup"),
    ("summaryTimeUnit", "the summary chooses units"),
    (
        "summaryTrendStats",
        "the result document has a histogram of each metric",
    ),
    (
        "systemTags",
        "the result document has figures for each kind of request",
    ),
    (
        "tags",
        "thresholds have the tags endpoint, request, stream and expected_response",
    ),
    ("teardownTimeout", "there is no teardown"),
    ("throw", "each failure is an outcome"),
    ("tlsAuth", "there are no client certificates"),
    ("tlsCipherSuites", "TLS 1.2 and 1.3 with rustls's suites"),
    ("tlsVersion", "TLS 1.2 and 1.3 with rustls's suites"),
    ("userAgent", "give --header 'User-Agent: ...'"),
    ("noColor", "NO_COLOR in the environment"),
];
const CARRIED: [&str; 11] = [
    "vus",
    "duration",
    "iterations",
    "stages",
    "scenarios",
    "thresholds",
    "gracefulStop",
    "gracefulRampDown",
    "noConnectionReuse",
    "noVUConnectionReuse",
    "localIPs",
];
/// The keys that `k6 inspect --execution-requirements` adds, which follow from the rest.
const DERIVED: [&str; 2] = ["totalDuration", "maxVUs"];
/// The keys of a profile that are taken over from the mix: everything but its load and its models. The last is what
/// scenarios with rates have of their own.
const MIX_KEYS: [&str; 5] = ["server", "servers", "think_time", "prompts", "requests"];

/// The input of an import.
pub struct Request<'a> {
    /// k6's options as JSON, or a script.
    pub text: &'a str,
    /// The name of the file, for the head of the profile.
    pub from: &'a str,
    /// The built-in profile that the requests come from.
    pub mix: &'a str,
    /// The environment variables for a script.
    pub env: &'a BTreeMap<String, String>,
}

/// Imports k6's options as a profile.
///
/// # Errors
/// Fails if there are no options, if their load is unknown or has no counterpart, and if it is beyond the limits in
/// docs/PROFILES.md.
pub fn import(request: &Request<'_>) -> Result<Imported, Mistakes> {
    let Request { text, from, mix, env } = *request;
    let Found {
        options,
        metrics,
        remarks,
    } = find(text, env)?;
    let Some(of_mix) = profiles::text(mix) else {
        let known: Vec<&str> = profiles::names().collect();
        let what = format!("--mix {}: there is no such built-in profile", quoted(mix));
        return Err(Reason::new(what)
            .hint(format!("the profiles are {}", known.join(", ")))
            .into());
    };
    let Load {
        executor,
        graceful_stop,
        scenario,
        mut left_out,
    } = load(&options)?;
    let mut body = executor.as_profile();
    let _ = writeln!(body, "graceful_stop: {}", format_duration(graceful_stop));
    body.push_str(&connections(&options));
    body.push('\n');
    body.push_str(&requests(&executor, mix, of_mix));

    let checked = read_profile(from, &body).map_err(|e| beyond("the load is", &e))?;
    let context = Context {
        kinds: &checked.workload.kinds,
        declared: &metrics,
        scenario: &scenario,
    };
    let judged = thresholds(options.get("thresholds"), &context)?;
    let Thresholds {
        carried,
        left_out: lost,
    } = judged;
    body.push_str(&threshold_block(&carried));
    left_out.extend(lost);
    left_out.extend(options.unread().iter().map(|unread| {
        format!("options: {unread}; it may contain thresholds, and may replace options before it")
    }));
    left_out.extend(others(&options));
    left_out.extend(remarks);
    // The whole profile is read once more with its thresholds, so that what is written can be read.
    read_profile(from, &body).map_err(|e| beyond("the thresholds are", &e))?;
    let renamed: Vec<String> = carried.iter().filter_map(renaming).collect();
    let head = format!(
        "# From k6's options in {}, by llmload-uring import-k6.",
        one_line(from)
    );
    let mut below = comments("Not carried", &left_out);
    below.push_str(&comments("Under another name or in another unit", &renamed));
    below.push_str(&body);
    Ok(Imported {
        profile: stamped(Importer::K6, &head, &below),
        left_out,
        renamed,
        notes: vec![format!(
            "the requests are those of the profile {}, because k6's options contain none",
            quoted(mix)
        )],
        names_servers: !checked.server_names().is_empty(),
    })
}

/// Returns what the profile requests: the mix, or a kind of request for each scenario with a rate.
fn requests(executor: &Executor, mix: &str, of_mix: &str) -> String {
    let (what, mix_keys, kinds) = match executor.rates_by_kind() {
        None => ("this is the mix", &MIX_KEYS[..], String::new()),
        Some(rates) => (
            "each scenario asks as the heaviest request",
            &MIX_KEYS[..MIX_KEYS.len() - 1],
            kinds::requests(rates, &blocks(of_mix, &["requests"])),
        ),
    };
    format!(
        "# k6's options do not say what is requested: {what} of `{mix}`. Change it.\n\
         # Without `models` a server is asked for the one that it has.\n{}{kinds}",
        blocks(of_mix, mix_keys)
    )
}

/// Returns the keys for how connections are made. An iteration is one request here, so that k6's two options for
/// connections mean the same.
fn connections(options: &Object) -> String {
    let mut out = String::new();
    let is_on = |key| options.get(key) == Some(&Value::Bool(true));
    if is_on("noConnectionReuse") || is_on("noVUConnectionReuse") {
        out.push_str("connection: per-request\n");
    }
    if let Some(Value::Text(addresses)) = options.get("localIPs")
        && !addresses.trim().is_empty()
    {
        let _ = writeln!(out, "source_address: {}", yaml_text(addresses));
    }
    out
}

fn renaming(carried: &Carried) -> Option<String> {
    let theirs = carried.renamed.as_ref()?;
    Some(format!(
        "`{theirs}` is `{}: {}`",
        carried.metric, carried.expression
    ))
}

/// Returns the mistakes without their lines, which mean nothing in a profile that was never written.
fn beyond(what: &str, mistakes: &Mistakes) -> Mistakes {
    let reasons = mistakes.iter().map(|mistake| {
        let reason = mistake
            .reason
            .clone()
            .within(format!("{what} beyond the limits of this program"));
        reason.hint("see the limits in docs/PROFILES.md").into()
    });
    Mistakes::new(reasons.collect())
}

/// Returns the blocks of a profile's text that begin with these keys.
fn blocks(text: &str, keys: &[&str]) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with([' ', '-', '#']) && !line.is_empty() {
            let key = line.split(':').next().unwrap_or_default();
            inside = keys.contains(&key);
        }
        if inside && !line.is_empty() && !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn threshold_block(carried: &[Carried]) -> String {
    if carried.is_empty() {
        return String::new();
    }
    let mut out = "\n# A threshold without samples fails here; in k6 it passes.\nthresholds:\n".to_owned();
    for (i, first) in carried.iter().enumerate() {
        if carried[..i].iter().any(|before| before.metric == first.metric) {
            continue;
        }
        let _ = writeln!(out, "  {}:", yaml_text(&first.metric));
        for same in carried.iter().filter(|other| other.metric == first.metric) {
            let _ = writeln!(out, "    - {}", text(same));
        }
    }
    out
}

/// Returns a line for each option that does not belong to the load.
fn others(options: &Object) -> Vec<String> {
    let given = options.iter().filter(|(_, value)| is_set(value));
    given
        .filter(|(key, _)| !CARRIED.contains(key) && !DERIVED.contains(key))
        .map(|(key, _)| match OTHERS.iter().find(|(known, _)| *known == key) {
            Some((_, why)) => format!("`{key}`: {why}"),
            None => {
                let known: Vec<&str> = CARRIED.into_iter().chain(OTHERS.map(|(key, _)| key)).collect();
                unknown(key, &known)
            }
        })
        .collect()
}

/// Tells whether an option was set. k6 writes nulls and empty lists for options that were not.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::List(list) => !list.is_empty(),
        Value::Object(object) => !object.unread().is_empty() || object.iter().any(|(_, value)| is_set(value)),
        Value::Bool(truth) => *truth,
        _ => true,
    }
}
