//! k6's thresholds: those that this program can judge, and why the others are left out.

use super::load::duration;
use crate::error::yaml_escaped;
use crate::plan::{THRESHOLDS_MAX, Threshold};
use crate::units::Nanos;
use crate::units::format_duration;
use crate::workload::RequestKind;
use serde_json::{Map, Value};

/// One that is carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    pub metric: String,
    pub expression: String,
    pub abort_on_fail: bool,
    pub delay_abort_eval: Option<Nanos>,
}

/// `kinds` are those of the mix that the profile gets.
pub fn thresholds(of: &Map<String, Value>, kinds: &[RequestKind]) -> (Vec<Carried>, Vec<String>) {
    let (mut carried, mut left_out) = (Vec::new(), Vec::new());
    for (metric, value) in of {
        let list = match value {
            Value::Array(list) => list.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        for entry in list {
            match one(metric, entry, kinds) {
                Ok(threshold) if carried.len() < THRESHOLDS_MAX => carried.push(threshold),
                Ok(_) => left_out.push(format!("threshold on `{metric}`: more than {THRESHOLDS_MAX}")),
                Err(why) => left_out.push(format!("threshold on `{metric}`: {why}")),
            }
        }
    }
    (carried, left_out)
}

fn one(metric: &str, entry: &Value, kinds: &[RequestKind]) -> Result<Carried, String> {
    let (expression, fields) = match entry {
        Value::String(text) => (text.as_str(), None),
        Value::Object(fields) => {
            let text = fields.get("threshold").and_then(Value::as_str);
            (text.ok_or("it has no text")?, Some(fields))
        }
        _ => return Err("it is no text".into()),
    };
    let parsed = Threshold::parse(metric, expression).map_err(|reason| match advice(metric) {
        Some(advice) => format!("`{expression}`: {reason}: {advice}"),
        None => format!("`{expression}`: {reason}"),
    })?;
    parsed
        .selector
        .check(kinds)
        .map_err(|reason| reason.to_string())?;
    let get = |key: &str| fields.and_then(|fields| fields.get(key));
    let delay = match get("delayAbortEval") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(duration(value).ok_or_else(|| format!("`delayAbortEval`: {value} is no duration"))?)
        }
    };
    let abort_on_fail = get("abortOnFail").and_then(Value::as_bool).unwrap_or(false);
    Ok(Carried {
        metric: metric.to_owned(),
        expression: expression.to_owned(),
        abort_on_fail,
        delay_abort_eval: delay.filter(|_| abort_on_fail),
    })
}

/// What comes nearest to a metric of k6's that we have not.
fn advice(metric: &str) -> Option<&'static str> {
    let name = metric.split('{').next().unwrap_or(metric).trim();
    Some(match name {
        "iteration_duration" => "`latency` is one request without the pause after it",
        "http_req_receiving" | "http_req_sending" | "http_req_blocked" => {
            "a request is timed as `service_time`, `ttfb` and `connect`"
        }
        "vus" | "vus_max" | "data_sent" | "data_received" => "it is in the result, and no threshold's",
        "dropped_iterations" => "users here wait for their answers: none is dropped",
        "group_duration" => "there are no groups; `latency{request:NAME}` is one kind of request",
        _ => return None,
    })
}

/// A text in a profile.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", yaml_escaped(text))
}

/// As a profile writes it.
pub fn text(threshold: &Carried) -> String {
    let expression = quoted(&threshold.expression);
    if !threshold.abort_on_fail {
        return expression;
    }
    let delay = threshold.delay_abort_eval.map_or(String::new(), |delay| {
        format!(", delayAbortEval: {}", format_duration(delay))
    });
    format!("{{ threshold: {expression}, abortOnFail: true{delay} }}")
}
