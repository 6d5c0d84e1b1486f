//! Whether documents are the parts of one run.

use crate::error::Reason;
use crate::merge::Part;
use serde_json::Value;

/// What may differ between the processes of one run: where they ran and what they wrote.
const OF_THE_PROCESS: [&str; 8] = [
    "shard",
    "output",
    "details",
    "cores",
    "cpus",
    "cacert",
    "port",
    "push_required",
];
/// The same of what a document says: processes that push figures do so under names of their own.
pub const WHERE_IT_GOES: [&str; 4] = ["output", "results_dir", "details", "prometheus"];

/// Names of numbers shown at most.
const SHOWN_MAX: usize = 8;

/// Numbers of the shards that are missing; not empty only where `partial` allows it. `parts` are in order of
/// their shards afterwards.
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
            return Err(Reason::new(what).hint("each shard once"));
        }
    }
    let given: Vec<u32> = parts.iter().map(|part| part.shard.number()).collect();
    let count = parts[0].shard.count();
    let missing: Vec<u32> = (1..=count).filter(|n| given.binary_search(n).is_err()).collect();
    if !missing.is_empty() && !partial {
        let what = format!("shards {} of {count} are missing", listed(&missing));
        return Err(Reason::new(what).hint("name their documents too, or join what there is with --partial"));
    }
    Ok(missing)
}

/// `1, 2, 3 and 7 more`.
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
            "not one plan",
            &count_a,
            &count_b,
            "the same N in each --shard K/N",
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
        let hint = "one version draws one plan: run all shards with the same";
        return differ("not one program", &versions(a), &versions(b), hint);
    }
    if a.document.client.stamp_source != b.document.client.stamp_source {
        let text = |part: &Part| format!("{:?}", part.document.client.stamp_source).to_lowercase();
        let hint = "stamps of two kinds do not add: the same --stamp for all";
        return differ("not one measurement: stamps", &text(a), &text(b), hint);
    }
    let (plan_a, plan_b) = (common(&a.document.config), common(&b.document.config));
    match difference("config", &plan_a, &plan_b) {
        None => Ok(()),
        Some((path, of_a, of_b)) => {
            let hint =
                "the same profile and options for all shards, --shard and what belongs to the host apart";
            differ(&format!("not one run: {path}"), &of_a, &of_b, hint)
        }
    }
}

/// The configuration without what belongs to the process.
fn common(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(fields) = config.as_object_mut() {
        WHERE_IT_GOES.iter().for_each(|key| drop(fields.remove(*key)));
    }
    if let Some(run) = config.get_mut("run").and_then(Value::as_object_mut) {
        for key in OF_THE_PROCESS {
            run.remove(key);
        }
    }
    config
}

/// The first place at which two values differ, and both values there, cut to a line.
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
        _ => Some((path.to_owned(), short(a), short(b))),
    }
}

fn short(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
