//! Reads k6's thresholds: those that this program can judge, and the reasons why the others are left out.

use super::load::duration;
use super::names::{Meaning, meaning};
use super::script::Declared;
use super::value::{Object, Value};
use crate::error::{Reason, quoted};
use crate::imports::yaml_text;
use crate::plan::{THRESHOLDS_MAX, Threshold};
use crate::units::Nanos;
use crate::units::format_duration;
use crate::workload::RequestKind;

/// The longest hint that is repeated. Longer ones list all metrics.
const HINT_BYTES_MAX: usize = 120;

/// A threshold that is carried over.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    pub metric: String,
    pub expression: String,
    pub abort_on_fail: bool,
    pub delay_abort_eval: Option<Nanos>,
    /// Metric and expression as they are in k6, if they differ.
    pub renamed: Option<String>,
}

/// The context in which thresholds are read.
pub struct Context<'a> {
    /// The requests of the profile's mix.
    pub kinds: &'a [RequestKind],
    /// The metrics that the script creates.
    pub declared: &'a [Declared],
    /// The scenario whose load is carried over; empty if each scenario is a kind of request.
    pub scenario: &'a str,
}

#[derive(Debug, Default)]
pub struct Thresholds {
    pub carried: Vec<Carried>,
    pub left_out: Vec<String>,
}

/// Reads the thresholds.
///
/// # Errors
/// Fails if they are not an object, which k6 refuses as well.
pub fn thresholds(asked: Option<&Value>, context: &Context<'_>) -> Result<Thresholds, Reason> {
    let mut found = Thresholds::default();
    let asked = match asked {
        None => return Ok(found),
        Some(Value::Object(asked)) => asked,
        Some(Value::Unread(unread)) => {
            found.left_out.push(format!("`thresholds`: {unread}"));
            return Ok(found);
        }
        Some(other) => {
            let what = format!("`thresholds` is {}, not an object", quoted(&other.to_string()));
            return Err(Reason::new(what).hint("write `thresholds: { http_req_failed: ['rate<0.01'] }`"));
        }
    };
    for unread in asked.unread() {
        found.left_out.push(format!("thresholds: {unread}"));
    }
    for (metric, value) in asked.iter() {
        let list = match value {
            Value::List(list) => list.as_slice(),
            Value::Null => &[],
            one => std::slice::from_ref(one),
        };
        for entry in list {
            found.add(metric, entry, context);
        }
    }
    Ok(found)
}

impl Thresholds {
    fn add(&mut self, metric: &str, entry: &Value, context: &Context<'_>) {
        let name = quoted(metric);
        match read_threshold(metric, entry, context) {
            Ok((threshold, lost)) if self.carried.len() < THRESHOLDS_MAX => {
                self.carried.push(threshold);
                let lost = lost.into_iter().map(|why| format!("threshold on {name}: {why}"));
                self.left_out.extend(lost);
            }
            Ok(_) => self.left_out.push(format!(
                "threshold on {name}: there are more than {THRESHOLDS_MAX}"
            )),
            Err(why) => self.left_out.push(format!("threshold on {name}: {why}")),
        }
    }
}

/// Reads one threshold; returns it with what of it is not carried over.
fn read_threshold(
    metric: &str,
    entry: &Value,
    context: &Context<'_>,
) -> Result<(Carried, Vec<String>), String> {
    let (expression, fields) = match entry {
        Value::Text(text) => (text.as_str(), None),
        Value::Object(fields) => match fields.get("threshold") {
            Some(Value::Text(text)) => (text.as_str(), Some(fields)),
            Some(Value::Unread(unread)) => return Err(unread.to_string()),
            _ => match fields.unread().first() {
                Some(unread) => return Err(unread.to_string()),
                None => return Err("it has no expression".into()),
            },
        },
        Value::Unread(unread) => return Err(unread.to_string()),
        _ => return Err("it is not a string".into()),
    };
    let (name, tags) = metric.split_at(metric.find('{').unwrap_or(metric.len()));
    let name = name.trim();
    let (ours, factor) = match meaning(name, expression, context.declared) {
        Meaning::Same => (name, 1.0),
        Meaning::As { metric, factor } => (metric, factor),
        Meaning::None(why) => return Err(format!("{}: {why}", quoted(expression))),
    };
    let key = format!("{ours}{}", without_scenario(tags, context.scenario)?);
    let text = scaled(expression, factor).unwrap_or_else(|| expression.to_owned());
    let parsed = Threshold::parse(&key, &text).map_err(|reason| {
        let why = match advice(name) {
            Some(advice) => format!("{}: {advice}", reason.what),
            None if context.declared.iter().any(|own| own.name == name) => {
                format!("{}: the script creates it itself", reason.what)
            }
            None => without_list(&reason),
        };
        format!("{}: {why}", quoted(expression))
    })?;
    parsed
        .selector
        .check(context.kinds, &[])
        .map_err(|reason| format!("{}: {reason}", quoted(expression)))?;
    let (abort_on_fail, delay, lost) = fields.map_or((false, None, Vec::new()), abort_options);
    let is_renamed = key != metric.trim() || text != expression;
    Ok((
        Carried {
            metric: key,
            expression: text,
            abort_on_fail,
            delay_abort_eval: delay.filter(|_| abort_on_fail),
            renamed: is_renamed.then(|| format!("{}: {expression}", metric.trim())),
        },
        lost,
    ))
}

/// Returns the reason without a hint that lists everything, which would be repeated for each threshold.
fn without_list(reason: &Reason) -> String {
    match &reason.hint {
        Some(hint) if hint.len() <= HINT_BYTES_MAX => reason.to_string(),
        _ => reason.what.clone(),
    }
}

/// Reads `abortOnFail` and `delayAbortEval`, and what of them cannot be carried over.
fn abort_options(fields: &Object) -> (bool, Option<Nanos>, Vec<String>) {
    let mut lost: Vec<String> = fields.unread().iter().map(ToString::to_string).collect();
    let mut wrong = |key: &str, value: &Value, what: &str| match value {
        Value::Unread(unread) => lost.push(format!("`{key}`: {unread}")),
        value => lost.push(format!("`{key}`: {} is {what}", quoted(&value.to_string()))),
    };
    let abort_on_fail = match fields.get("abortOnFail") {
        Some(Value::Bool(truth)) => *truth,
        None => false,
        Some(value) => {
            wrong("abortOnFail", value, "neither true nor false");
            false
        }
    };
    let delay = fields.get("delayAbortEval").and_then(|value| {
        let delay = duration(value);
        if delay.is_none() {
            wrong("delayAbortEval", value, "not a duration");
        }
        delay
    });
    let known = ["threshold", "abortOnFail", "delayAbortEval"];
    for (key, _) in fields.iter().filter(|(key, _)| !known.contains(key)) {
        lost.push(super::load::unknown(key, &known));
    }
    (abort_on_fail, delay, lost)
}

/// Returns the tags without that of the scenario. Its load is the only one, so the tag selects every request. If each
/// scenario is a kind of request, the tag is that of the kind.
fn without_scenario(tags: &str, scenario: &str) -> Result<String, String> {
    let Some(inner) = tags
        .trim()
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return Ok(tags.to_owned());
    };
    let mut kept: Vec<String> = Vec::new();
    for tag in inner.split(',') {
        match tag.split_once(':') {
            Some((name, value)) if name.trim() == "scenario" => {
                let value = value.trim().trim_matches(['"', '\'']);
                if scenario.is_empty() {
                    kept.push(format!("request:{value}"));
                } else if value != scenario {
                    return Err(format!("the load is that of scenario `{scenario}`"));
                }
            }
            _ => kept.push(tag.to_owned()),
        }
    }
    Ok(match kept.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", kept.join(",")),
    })
}

/// The expression with its number in another unit.
fn scaled(expression: &str, factor: f64) -> Option<String> {
    if factor == 1.0 {
        return None;
    }
    let operator = expression.find(['<', '>', '=', '!'])?;
    let number = operator + expression[operator..].find(|c| !"<>=!".contains(c))?;
    let value: f64 = expression[number..].trim().parse().ok()?;
    let scaled = value * factor;
    // To a millionth: `0.3 * 1000` is 300.
    let rounded = (scaled * 1e6).round() / 1e6;
    rounded
        .is_finite()
        .then(|| format!("{}{rounded}", expression[..number].trim()))
}

/// What comes nearest to a metric of k6's that we have not.
fn advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "iteration_duration" => "`latency` is one request without the pause after it",
        "http_req_receiving" | "http_req_sending" | "http_req_blocked" => {
            "a request is timed as `service_time`, `ttfb` and `connect`"
        }
        "vus" | "vus_max" | "data_sent" | "data_received" => "it is in the result, and no threshold's",
        "group_duration" => "there are no groups; `latency{request:NAME}` is one kind of request",
        "llm_ttfo" => "`ttft` is the first event with text, thoughts included",
        "sse_event" => "events are counted in the result, and no threshold's",
        _ => return None,
    })
}

/// Writes a threshold as in a profile.
pub fn text(threshold: &Carried) -> String {
    let expression = yaml_text(&threshold.expression);
    if !threshold.abort_on_fail {
        return expression;
    }
    let delay = threshold.delay_abort_eval.map_or(String::new(), |delay| {
        format!(", delayAbortEval: {}", format_duration(delay))
    });
    format!("{{ threshold: {expression}, abortOnFail: true{delay} }}")
}
