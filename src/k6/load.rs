//! The shape of the load: k6's shortcuts, or one scenario, as an executor of ours.

use crate::error::{Reason, nearest, quoted};
use crate::plan::{Executor, Stage};
use crate::units::parse_duration;
use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND};
use serde_json::{Map, Value};

/// k6's defaults.
const GRACEFUL: Nanos = 30 * SECOND;
const MAX_DURATION: Nanos = 10 * MINUTE;

/// The shape, and what of it was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub executor: Executor,
    pub graceful_stop: Nanos,
    pub left_out: Vec<String>,
}

const SHORTCUTS: [&str; 4] = ["vus", "duration", "iterations", "stages"];

/// From the whole options.
pub fn load(options: &Map<String, Value>) -> Result<Load, Reason> {
    let given: Vec<&str> = SHORTCUTS.into_iter().filter(|key| has(options, key)).collect();
    match options.get("scenarios") {
        None | Some(Value::Null) => shortcut(options, &given),
        Some(Value::Object(scenarios)) if !scenarios.is_empty() => {
            // `k6 inspect --execution-requirements` shows the scenario that it has made of shortcuts beside them. A
            // script that has both is refused by k6, too.
            let made_of_them = scenarios.len() == 1 && scenarios.contains_key("default");
            if let Some(first) = given.first().filter(|_| !made_of_them) {
                let what = format!("`scenarios` and `{first}` are both there");
                return Err(Reason::new(what).hint("k6 refuses that: drop one of the two"));
            }
            one_of(scenarios)
        }
        Some(_) => Err(Reason::new("`scenarios` is no object of scenarios").hint("name: {executor: ...}")),
    }
}

fn has(fields: &Map<String, Value>, key: &str) -> bool {
    fields.get(key).is_some_and(|value| !value.is_null())
}

fn shortcut(options: &Map<String, Value>, given: &[&str]) -> Result<Load, Reason> {
    let clash = |other: &str| {
        let what = format!("`stages` and `{other}` are both there");
        Reason::new(what).hint("k6 refuses that: drop one of the two")
    };
    let reader = Reader {
        fields: options,
        place: "options".into(),
    };
    let vus = reader.count("vus")?.unwrap_or(1);
    let executor = if given.contains(&"stages") {
        if let Some(other) = ["duration", "iterations"]
            .into_iter()
            .find(|key| given.contains(key))
        {
            return Err(clash(other));
        }
        Executor::RampingVus {
            start_vus: vus,
            stages: reader.stages()?,
            graceful_ramp_down: reader.duration("gracefulRampDown")?.unwrap_or(GRACEFUL),
        }
    } else if let Some(iterations) = reader.count("iterations")? {
        Executor::SharedIterations {
            vus,
            iterations,
            max_duration: reader.duration("duration")?.unwrap_or(MAX_DURATION),
        }
    } else if let Some(duration) = reader.duration("duration")? {
        Executor::ConstantVus { vus, duration }
    } else {
        let what = "no load: none of `stages`, `duration`, `iterations` and `scenarios` is there";
        return Err(Reason::new(what).hint("k6 would make one iteration; say how many or how long"));
    };
    Ok(Load {
        executor,
        graceful_stop: reader.duration("gracefulStop")?.unwrap_or(GRACEFUL),
        left_out: Vec::new(),
    })
}

/// The scenario with the most VUs, of those that can be carried; the others are named. Several at once would be
/// several mixes at once, which a profile has not.
fn one_of(scenarios: &Map<String, Value>) -> Result<Load, Reason> {
    let mut left_out = Vec::new();
    let mut found: Vec<(&String, Load)> = Vec::new();
    for (name, value) in scenarios {
        let Value::Object(fields) = value else {
            let what = format!("scenario `{name}` is no object");
            return Err(Reason::new(what).hint("name: {executor: ...}"));
        };
        match scenario(name, fields)? {
            Ok(load) => found.push((name, load)),
            Err(why) => left_out.push(why),
        }
    }
    // The first of those with the most.
    let most = found.iter().map(|(_, load)| load.executor.vus_of_all()).max();
    let chosen = found
        .iter()
        .position(|(_, load)| Some(load.executor.vus_of_all()) == most);
    let Some(chosen) = chosen else {
        let hint = "executors here are constant-vus, ramping-vus, per-vu-iterations and shared-iterations";
        return Err(Reason::new(left_out.join("; ")).hint(hint));
    };
    let (name, mut load) = found.swap_remove(chosen);
    for (other, unused) in &found {
        let vus = unused.executor.vus_of_all();
        left_out.push(format!(
            "scenario `{other}` ({} of {vus} VUs): a profile is one load, and this is that of `{name}`; import it alone",
            unused.executor.name()
        ));
    }
    load.left_out.extend(left_out);
    Ok(load)
}

/// What a scenario says beside its shape, and why that is left out.
const BESIDE: [(&str, &str); 5] = [
    ("exec", "which function runs: requests are drawn from the mix"),
    ("env", "variables of the script"),
    ("tags", "tags of the script's metrics"),
    ("options", "the browser's options"),
    (
        "startTime",
        "the load begins at once (`--start-at TIME` begins it at an instant)",
    ),
];
const SHAPE: [&str; 9] = [
    "executor",
    "vus",
    "duration",
    "iterations",
    "stages",
    "startVUs",
    "maxDuration",
    "gracefulStop",
    "gracefulRampDown",
];
const ARRIVAL: [&str; 5] = ["rate", "timeUnit", "preAllocatedVUs", "maxVUs", "startRate"];

/// `Ok(Err(why))`: it is a scenario of k6's that cannot be carried.
fn scenario(name: &str, fields: &Map<String, Value>) -> Result<Result<Load, String>, Reason> {
    let reader = Reader {
        fields,
        place: format!("scenario `{name}`"),
    };
    let vus = reader.count("vus")?.unwrap_or(1);
    let iterations = reader.count("iterations")?.unwrap_or(1);
    let max_duration = reader.duration("maxDuration")?.unwrap_or(MAX_DURATION);
    let executor = match fields.get("executor").and_then(Value::as_str) {
        Some("constant-vus") => Executor::ConstantVus {
            vus,
            duration: reader
                .duration("duration")?
                .ok_or_else(|| reader.missing("duration"))?,
        },
        Some("ramping-vus") => Executor::RampingVus {
            start_vus: reader.count("startVUs")?.unwrap_or(1),
            stages: reader.stages()?,
            graceful_ramp_down: reader.duration("gracefulRampDown")?.unwrap_or(GRACEFUL),
        },
        Some("per-vu-iterations") => Executor::PerVuIterations {
            vus,
            iterations,
            max_duration,
        },
        Some("shared-iterations") => Executor::SharedIterations {
            vus,
            iterations,
            max_duration,
        },
        Some(other @ ("constant-arrival-rate" | "ramping-arrival-rate" | "externally-controlled")) => {
            return Ok(Err(format!("scenario `{name}`: {other} has no counterpart here")));
        }
        Some(other) => {
            let what = format!("scenario `{name}`: unknown executor {}", quoted(other));
            return Err(Reason::new(what).hint("is it spelled as k6 spells it?"));
        }
        None => return Err(reader.missing("executor")),
    };
    let mut left_out = Vec::new();
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let key = key.as_str();
        if let Some((_, why)) = BESIDE.iter().find(|(known, _)| *known == key) {
            let is_default = (key == "exec" && value == "default")
                || (key == "startTime" && reader.duration("startTime")? == Some(0))
                || value.as_object().is_some_and(Map::is_empty);
            if !is_default {
                left_out.push(format!("scenario `{name}`: `{key}`: {why}"));
            }
        } else if ARRIVAL.contains(&key) {
            left_out.push(format!("scenario `{name}`: `{key}`: not of this executor"));
        } else if !SHAPE.contains(&key) {
            let known: Vec<&str> = SHAPE.into_iter().chain(BESIDE.map(|(key, _)| key)).collect();
            left_out.push(format!("scenario `{name}`: {}", unknown(key, &known)));
        }
    }
    Ok(Ok(Load {
        executor,
        graceful_stop: reader.duration("gracefulStop")?.unwrap_or(GRACEFUL),
        left_out,
    }))
}

/// A key that k6 has not either.
pub fn unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(word) => format!("`{key}`: unknown key, did you mean `{word}`?"),
        None => format!("`{key}`: unknown key"),
    }
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    place: String,
}

impl Reader<'_> {
    fn missing(&self, key: &str) -> Reason {
        Reason::new(format!("{}: no `{key}`", self.place)).hint("k6 demands it, too")
    }

    fn wrong(&self, key: &str, what: &str) -> Reason {
        let value = self.fields.get(key).unwrap_or(&Value::Null).to_string();
        let what = format!("{}: `{key}`: {} is {what}", self.place, quoted(&value));
        Reason::new(what)
            .hint("values are to be written out: an expression of the script is not worked out here")
    }

    fn count<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>, Reason> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|n| T::try_from(n).ok()) {
                Some(n) => Ok(Some(n)),
                None => Err(self.wrong(key, "no count")),
            },
        }
    }

    fn duration(&self, key: &str) -> Result<Option<Nanos>, Reason> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match duration(value) {
                Some(length) => Ok(Some(length)),
                None => Err(self.wrong(key, "no duration")),
            },
        }
    }

    fn stages(&self) -> Result<Vec<Stage>, Reason> {
        let list = self.fields.get("stages").and_then(Value::as_array);
        let list = list.ok_or_else(|| self.missing("stages"))?;
        let stages = list.iter().enumerate().map(|(i, stage)| {
            let place = format!("{}: stage {}", self.place, i + 1);
            let Some(fields) = stage.as_object() else {
                return Err(
                    Reason::new(format!("{place} is no object")).hint("{ duration: '1m', target: 10 }")
                );
            };
            let reader = Reader { fields, place };
            Ok(Stage {
                duration: reader
                    .duration("duration")?
                    .ok_or_else(|| reader.missing("duration"))?,
                target: reader.count("target")?.ok_or_else(|| reader.missing("target"))?,
            })
        });
        stages.collect()
    }
}

/// k6's: `1m30s`, `1d2h`; a plain number, as a text too, is of milliseconds.
pub fn duration(value: &Value) -> Option<Nanos> {
    let text = match value {
        Value::Number(n) => n.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    if let Ok(ms) = text.parse::<f64>() {
        let ns = ms * MILLISECOND as f64;
        return (ms >= 0.0 && ns < u64::MAX as f64).then_some(ns.round() as Nanos);
    }
    let (days, rest) = match text.split_once('d') {
        Some((days, rest)) => (days.parse::<u32>().ok()?, rest),
        None => (0, text.as_str()),
    };
    let days = Nanos::from(days).checked_mul(24 * 60 * MINUTE)?;
    match rest {
        "" if days > 0 => Some(days),
        _ => parse_duration(rest).ok()?.checked_add(days),
    }
}
