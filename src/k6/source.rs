//! Finds the options in the input: JSON, an object with `options` in it, or a k6 script.

use super::script::{self, Declared};
use super::value::{Object, Value};
use crate::error::Reason;
use std::collections::BTreeMap;

const HINT: &str = "pass k6's options as JSON, or a script that exports them: `export const options = {...}`";

/// The options of k6, as far as they can be read.
#[derive(Debug)]
pub struct Found {
    pub options: Object,
    /// The metrics that the script creates.
    pub metrics: Vec<Declared>,
    /// Remarks on what was not read as it is written, and on what is outside the options.
    pub remarks: Vec<String>,
}

/// Finds the options. `env` holds the environment variables for a script.
///
/// # Errors
/// Fails if the text is neither JSON nor a script with options, and if the options do not give a load.
pub fn find(text: &str, env: &BTreeMap<String, String>) -> Result<Found, Reason> {
    let json = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => json,
        // Broken JSON is reported as such and not read as a script.
        Err(e) if is_like_json(text) => {
            return Err(Reason::new(format!("no k6 options: invalid JSON: {e}")).hint(HINT));
        }
        Err(_) => {
            let script::Script {
                options,
                metrics,
                remarks,
            } = script::read(text, env)?;
            return Ok(Found {
                options,
                metrics,
                remarks,
            });
        }
    };
    let Value::Object(object) = Value::from(json) else {
        return Err(Reason::new("no k6 options: not an object").hint(HINT));
    };
    let (options, remarks) = options_in_json(object)?;
    Ok(Found {
        options,
        metrics: Vec::new(),
        remarks,
    })
}

/// Tells whether the text begins like JSON: with a bracket and then a quoted key or the end. No script begins like
/// this.
fn is_like_json(text: &str) -> bool {
    let inner = text.trim_start().strip_prefix(['{', '[']).map(str::trim_start);
    text.trim().is_empty()
        || inner.is_some_and(|inner| inner.is_empty() || inner.starts_with(['"', '{', '}']))
}

fn options_in_json(mut object: Object) -> Result<(Object, Vec<String>), Reason> {
    let results = object.get("metrics").cloned();
    // The data that handleSummary gets has `metrics` and, under this key, the options.
    match object.take("options") {
        Some(Value::Object(inner)) if results.is_some() && !names_load(&inner) => {
            Err(Reason::new("these are results, whose options do not give the load").hint(HINT))
        }
        Some(Value::Object(inner)) => {
            let mut remarks = misplaced_options(&object);
            if !inner.has("thresholds") {
                remarks.extend(thresholds_in_results(results.as_ref()));
            }
            Ok((inner, remarks))
        }
        Some(_) => Err(Reason::new("no k6 options: `options` is not an object").hint(HINT)),
        None if results.is_some() => {
            Err(Reason::new("these are results, not options, and do not give the load").hint(HINT))
        }
        None => Ok((object, Vec::new())),
    }
}

fn names_load(options: &Object) -> bool {
    ["stages", "duration", "iterations", "scenarios"]
        .iter()
        .any(|key| options.has(key))
}

/// Returns a remark for each option that is outside `options`, where k6 does not read it.
fn misplaced_options(object: &Object) -> Vec<String> {
    let known = [
        "thresholds",
        "stages",
        "duration",
        "iterations",
        "scenarios",
        "vus",
    ];
    let misplaced = known.into_iter().filter(|key| object.has(key));
    misplaced
        .map(|key| format!("`{key}`: it is outside `options`, where k6 does not read it"))
        .collect()
}

/// Returns a remark for each threshold that is only in the results, not in their options.
fn thresholds_in_results(results: Option<&Value>) -> Vec<String> {
    let Some(Value::Object(metrics)) = results else {
        return Vec::new();
    };
    let with_thresholds = metrics.iter().filter_map(|(metric, value)| match value {
        Value::Object(fields) => match fields.get("thresholds")? {
            Value::Object(thresholds) => Some((metric, thresholds)),
            _ => None,
        },
        _ => None,
    });
    with_thresholds
        .flat_map(|(metric, thresholds)| {
            let texts = thresholds.iter().map(|(text, _)| text);
            texts
                .map(|text| {
                    format!("threshold on `{metric}`: `{text}` is in the results, not in their options")
                })
                .collect::<Vec<_>>()
        })
        .collect()
}
