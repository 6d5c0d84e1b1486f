//! The check that documents are the parts of one run.

use crate::error::Reason;
use crate::merge::Part;
use serde_json::Value;

/// The settings that may differ between the processes of one run: where they ran and what they wrote.
const PER_PROCESS_KEYS: [&str; 10] = [
    "io",
    "shard",
    "output",
    "details",
    "calibration",
    "cores",
    "cpus",
    "cacert",
    "port",
    "push_required",
];
/// The keys of a document that may differ as well: each process writes its own files, pushes under its own name, and
/// connects from its own host's addresses.
pub const DOCUMENT_KEYS_PER_PROCESS: [&str; 5] =
    ["output", "results_dir", "details", "prometheus", "source_address"];

/// The number of shards that a message lists.
const SHOWN_MAX: usize = 8;

/// Checks that the parts are of one run, each shard once, and sorts them by shard. Returns the numbers of the missing
/// shards, of which there are none unless `partial` allows it.
pub fn check(parts: &mut [Part], partial: bool) -> Result<Vec<u32>, Reason> {
    parts.sort_by_key(|part| part.shard.index());
    let Some((first, rest)) = parts.split_first() else {
        return Err(Reason::new("nothing to merge").hint("name the documents of all shards"));
    };
    for other in rest {
        same_run(first, other)?;
    }
    for pair in parts.windows(2) {
        if pair[0].shard == pair[1].shard {
            let what = format!(
                "{} and {} are both shard {}",
                pair[0].name, pair[1].name, pair[0].shard
            );
            return Err(Reason::new(what).hint("name one document for each shard"));
        }
    }
    let given: Vec<u32> = parts.iter().map(|part| part.shard.number()).collect();
    let count = parts[0].shard.count();
    let missing: Vec<u32> = (1..=count).filter(|n| given.binary_search(n).is_err()).collect();
    if !missing.is_empty() && !partial {
        let what = format!("shards {} of {count} are missing", listed(&missing));
        return Err(
            Reason::new(what).hint("name their documents as well, or merge without them with --partial")
        );
    }
    Ok(missing)
}

/// Lists numbers, for example as `1, 2, 3 and 7 more`.
pub fn listed(numbers: &[u32]) -> String {
    let shown: Vec<String> = numbers.iter().take(SHOWN_MAX).map(u32::to_string).collect();
    match numbers.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn same_run(a: &Part, b: &Part) -> Result<(), Reason> {
    let differ = |what: &str, of_a: &str, of_b: &str, hint: &'static str| {
        let what = format!("{what}: {of_a} in {}, {of_b} in {}", a.name, b.name);
        Err(Reason::new(what).hint(hint))
    };
    let (count_a, count_b) = (a.shard.count(), b.shard.count());
    if count_a != count_b {
        let (count_a, count_b) = (format!("{count_a} shards"), format!("{count_b}"));
        return differ(
            "not the same plan",
            &count_a,
            &count_b,
            "run all shards with the same N in --shard K/N",
        );
    }
    let versions = |part: &Part| {
        let versions = part.document.run.versions.iter();
        let texts: Vec<String> = versions
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        texts.join(", ")
    };
    if a.document.run.versions != b.document.run.versions {
        let hint =
            "run all shards with the same version, because versions may differ in how they draw requests";
        return differ("not the same version", &versions(a), &versions(b), hint);
    }
    if a.document.client.stamp_source != b.document.client.stamp_source {
        let text = |part: &Part| format!("{:?}", part.document.client.stamp_source).to_lowercase();
        let hint =
            "run all shards with the same --stamp, because figures of different stamps cannot be joined";
        return differ("not the same --stamp", &text(a), &text(b), hint);
    }
    let counts = |part: &Part| part.document.run.token_counts.clone();
    if counts(a) != counts(b) {
        let text = |part: &Part| counts(part).unwrap_or_else(|| "none".to_owned());
        let hint = "run all shards with the same tokenizer (`tokenizer`, --tokenizer): the prompts that were made are as \
                    long as it counts, so that of these shards differ";
        return differ("not the same counts of tokens", &text(a), &text(b), hint);
    }
    let (plan_a, plan_b) = (common(&a.document.config), common(&b.document.config));
    match difference("config", &plan_a, &plan_b) {
        None => Ok(()),
        Some((path, of_a, of_b)) => {
            let hint =
                "run all shards with the same profile and options, except for --shard and host-specific ones";
            differ(&format!("not the same run: {path}"), &of_a, &of_b, hint)
        }
    }
}

/// Returns what the configurations of all processes of a run have in common.
pub fn common_config_of(config: &Value) -> Value {
    common(config)
}

/// Says where two plans differ, the first of which is rank 0's; `None` if they do not.
pub fn difference_of(first: &Value, other: &Value) -> Option<String> {
    let (path, of_first, of_other) = difference("", first, other)?;
    let path = path.trim_start_matches('.');
    Some(format!("{path} is {of_first} for rank 0, and {of_other} here"))
}

/// Returns the configuration without the settings that may differ between processes.
fn common(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(fields) = config.as_object_mut() {
        DOCUMENT_KEYS_PER_PROCESS
            .iter()
            .for_each(|key| drop(fields.remove(*key)));
    }
    // Each process chooses its own tag.
    for request in config
        .get_mut("requests")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(bust) = request.get_mut("cache_bust") {
            *bust = Value::Bool(true);
        }
    }
    if let Some(run) = config.get_mut("run").and_then(Value::as_object_mut) {
        for key in PER_PROCESS_KEYS {
            run.remove(key);
        }
    }
    config
}

/// Returns the first path at which two values differ, with both values, shortened for a message.
fn difference(path: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                difference(&format!("{path}.{key}"), &of(a), &of(b))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => (0..a.len())
            .zip(a.iter().zip(b))
            .find_map(|(i, (a, b))| difference(&format!("{path}[{i}]"), a, b)),
        _ if a == b => None,
        _ => Some((path.to_owned(), shortened(a), shortened(b))),
    }
}

fn shortened(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
