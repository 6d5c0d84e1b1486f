//! Finds the options in what was given: JSON, an object with `options` in it, or a k6 script.

use super::script::{self, Declared};
use super::value::{Object, Value};
use crate::error::Reason;
use std::collections::BTreeMap;

const HINT: &str = "give k6's options as JSON, or a script that exports them: `export const options = {...}`";

/// What k6 was asked for, as far as it can be read.
#[derive(Debug)]
pub struct Found {
    pub options: Object,
    /// Metrics that the script makes.
    pub metrics: Vec<Declared>,
    /// What was read otherwise than it is written, and what stands beside the options.
    pub remarks: Vec<String>,
}

/// `env` are variables that a script is given.
///
/// # Errors
/// What is neither JSON nor a script with options, and options that do not say what the load is.
pub fn find(text: &str, env: &BTreeMap<String, String>) -> Result<Found, Reason> {
    let json = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => json,
        // JSON that is broken is told as such: it is no script.
        Err(e) if is_like_json(text) => {
            return Err(Reason::new(format!("no k6 options: broken JSON: {e}")).hint(HINT));
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
    let (options, remarks) = of_json(object)?;
    Ok(Found {
        options,
        metrics: Vec::new(),
        remarks,
    })
}

/// A brace and then a quoted key, or the end: no script begins so.
fn is_like_json(text: &str) -> bool {
    let inner = text.trim_start().strip_prefix(['{', '[']).map(str::trim_start);
    text.trim().is_empty()
        || inner.is_some_and(|inner| inner.is_empty() || inner.starts_with(['"', '{', '}']))
}

fn of_json(mut object: Object) -> Result<(Object, Vec<String>), Reason> {
    let results = object.get("metrics").cloned();
    // The data that handleSummary gets has them under this key, beside `metrics`.
    match object.take("options") {
        Some(Value::Object(inner)) if results.is_some() && !names_load(&inner) => {
            Err(Reason::new("results, whose options do not say what the load was").hint(HINT))
        }
        Some(Value::Object(inner)) => {
            let mut remarks = beside(&object);
            if !inner.has("thresholds") {
                remarks.extend(judged(results.as_ref()));
            }
            Ok((inner, remarks))
        }
        Some(_) => Err(Reason::new("no k6 options: `options` is no object").hint(HINT)),
        None if results.is_some() => {
            Err(Reason::new("results, not options: they do not say what the load was").hint(HINT))
        }
        None => Ok((object, Vec::new())),
    }
}

fn names_load(options: &Object) -> bool {
    ["stages", "duration", "iterations", "scenarios"]
        .iter()
        .any(|key| options.has(key))
}

/// Options that stand beside `options`, not in it.
fn beside(object: &Object) -> Vec<String> {
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
        .map(|key| format!("`{key}`: it stands beside `options`, where k6 does not read it"))
        .collect()
}

/// Thresholds that results show, where their options have none.
fn judged(results: Option<&Value>) -> Vec<String> {
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
                    format!("threshold on `{metric}`: `{text}` stands in the results, not in their options")
                })
                .collect::<Vec<_>>()
        })
        .collect()
}
