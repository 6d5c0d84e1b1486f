//! The shape of the load: k6's shortcuts, or one scenario, as an executor of ours.

use super::value::{Object, Value};
use crate::error::{Reason, nearest, quoted};
use crate::plan::{Executor, Stage};
use crate::units::parse_duration;
use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND};

/// k6's defaults.
const GRACEFUL: Nanos = 30 * SECOND;
const MAX_DURATION: Nanos = 10 * MINUTE;

/// The shape, and what of it was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub executor: Executor,
    pub graceful_stop: Nanos,
    /// Its name among the scenarios; `default` where k6 makes one of shortcuts.
    pub scenario: String,
    pub left_out: Vec<String>,
}

const SHORTCUTS: [&str; 4] = ["vus", "duration", "iterations", "stages"];

/// What may stand in something that is not read, and where to have it worked out.
const INSPECT: &str = "`k6 inspect FILE > options.json` works it out: import that";

/// From the whole options.
pub fn load(options: &Object) -> Result<Load, Reason> {
    let given: Vec<&str> = SHORTCUTS.into_iter().filter(|key| options.has(key)).collect();
    match options.get("scenarios") {
        None => shortcut(options, &given),
        Some(Value::Object(scenarios)) if !scenarios.is_empty() => {
            // `k6 inspect --execution-requirements` shows the scenario that it has made of shortcuts beside them. A
            // script that has both is refused by k6, too.
            let made_of_them = scenarios.iter().all(|(name, _)| name == "default");
            if let Some(first) = given.first().filter(|_| !made_of_them) {
                let what = format!("`scenarios` and `{first}` are both there");
                return Err(Reason::new(what).hint("k6 refuses that: drop one of the two"));
            }
            one_of(scenarios)
        }
        Some(Value::Unread(unread)) => Err(Reason::new(format!("`scenarios`: {unread}")).hint(INSPECT)),
        Some(_) => Err(Reason::new("`scenarios` is no object of scenarios").hint("name: {executor: ...}")),
    }
}

fn shortcut(options: &Object, given: &[&str]) -> Result<Load, Reason> {
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
            let what = format!("`stages` and `{other}` are both there");
            return Err(Reason::new(what).hint("k6 refuses that: drop one of the two"));
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
        let hint = "k6 would make one iteration; say how many or how long";
        return Err(reader.perhaps_unread(what, hint));
    };
    Ok(Load {
        executor,
        graceful_stop: reader.duration("gracefulStop")?.unwrap_or(GRACEFUL),
        scenario: "default".into(),
        left_out: Vec::new(),
    })
}

/// The scenario with the most VUs, of those that can be carried; the others are named. Several at once would be
/// several mixes at once, which a profile has not.
fn one_of(scenarios: &Object) -> Result<Load, Reason> {
    let unread = scenarios.unread().iter();
    let mut left_out: Vec<String> = unread.map(|unread| format!("scenarios: {unread}")).collect();
    let mut found: Vec<Load> = Vec::new();
    for (name, value) in scenarios.iter() {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => continue,
            Value::Unread(unread) => {
                return Err(Reason::new(format!("scenario `{name}`: {unread}")).hint(INSPECT));
            }
            _ => {
                let what = format!("scenario `{name}` is no object");
                return Err(Reason::new(what).hint("name: {executor: ...}"));
            }
        };
        match scenario(name, fields)? {
            Ok(load) => found.push(load),
            Err(why) => left_out.push(why),
        }
    }
    // The first of those with the most.
    let most = found.iter().map(|load| load.executor.vus_of_all()).max();
    let chosen = found
        .iter()
        .position(|load| Some(load.executor.vus_of_all()) == most);
    let Some(chosen) = chosen else {
        let hint = "executors here are constant-vus, ramping-vus, per-vu-iterations and shared-iterations";
        return Err(Reason::new(left_out.join("; ")).hint(hint));
    };
    let mut load = found.swap_remove(chosen);
    for unused in &found {
        left_out.push(format!(
            "scenario `{}` ({} of {} VUs): a profile is one load, and this is that of `{}`; import it alone",
            unused.scenario,
            unused.executor.name(),
            unused.executor.vus_of_all(),
            load.scenario
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
fn scenario(name: &str, fields: &Object) -> Result<Result<Load, String>, Reason> {
    let reader = Reader {
        fields,
        place: format!("scenario `{name}`"),
    };
    if let Some(Value::Text(other)) = fields.get("executor")
        && [
            "constant-arrival-rate",
            "ramping-arrival-rate",
            "externally-controlled",
        ]
        .contains(&other.as_str())
    {
        return Ok(Err(format!("scenario `{name}`: {other} has no counterpart here")));
    }
    Ok(Ok(Load {
        executor: executor(&reader)?,
        graceful_stop: reader.duration("gracefulStop")?.unwrap_or(GRACEFUL),
        scenario: name.to_owned(),
        left_out: beside(name, fields),
    }))
}

fn executor(reader: &Reader<'_>) -> Result<Executor, Reason> {
    let vus = reader.count("vus")?.unwrap_or(1);
    let iterations = reader.count("iterations")?.unwrap_or(1);
    let max_duration = reader.duration("maxDuration")?.unwrap_or(MAX_DURATION);
    let name = match reader.fields.get("executor") {
        Some(Value::Text(name)) => name.as_str(),
        Some(_) => return Err(reader.wrong("executor", "no name of an executor")),
        None => return Err(reader.missing("executor")),
    };
    Ok(match name {
        "constant-vus" => Executor::ConstantVus {
            vus,
            duration: reader
                .duration("duration")?
                .ok_or_else(|| reader.missing("duration"))?,
        },
        "ramping-vus" => Executor::RampingVus {
            start_vus: reader.count("startVUs")?.unwrap_or(1),
            stages: reader.stages()?,
            graceful_ramp_down: reader.duration("gracefulRampDown")?.unwrap_or(GRACEFUL),
        },
        "per-vu-iterations" => Executor::PerVuIterations {
            vus,
            iterations,
            max_duration,
        },
        "shared-iterations" => Executor::SharedIterations {
            vus,
            iterations,
            max_duration,
        },
        other => {
            let what = format!("{}: unknown executor {}", reader.place, quoted(other));
            return Err(Reason::new(what).hint("is it spelled as k6 spells it?"));
        }
    })
}

/// What of a scenario is not its shape.
fn beside(name: &str, fields: &Object) -> Vec<String> {
    let mut left_out = Vec::new();
    for (key, value) in fields.iter().filter(|(_, value)| **value != Value::Null) {
        if let Some((_, why)) = BESIDE.iter().find(|(known, _)| *known == key) {
            let is_default = match value {
                Value::Text(text) if key == "exec" => text == "default",
                Value::Object(map) => map.is_empty(),
                value => key == "startTime" && duration(value) == Some(0),
            };
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
    let unread = fields.unread().iter();
    left_out.extend(unread.map(|unread| format!("scenario `{name}`: {unread}")));
    left_out
}

/// A key that k6 has not either.
pub fn unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(word) => format!("`{key}`: unknown key, did you mean `{word}`?"),
        None => format!("`{key}`: unknown key"),
    }
}

struct Reader<'a> {
    fields: &'a Object,
    place: String,
}

impl Reader<'_> {
    /// Something is not there, unless it stands in what is not read.
    fn perhaps_unread(&self, what: impl Into<String>, hint: &str) -> Reason {
        match self.fields.unread().first() {
            Some(unread) => Reason::new(format!("{}, unless it is in {unread}", what.into())).hint(INSPECT),
            None => Reason::new(what).hint(hint),
        }
    }

    fn missing(&self, key: &str) -> Reason {
        self.perhaps_unread(format!("{}: no `{key}`", self.place), "k6 demands it, too")
    }

    fn wrong(&self, key: &str, what: &str) -> Reason {
        match self.fields.get(key) {
            Some(Value::Unread(unread)) => {
                Reason::new(format!("{}: `{key}`: {unread}", self.place)).hint(INSPECT)
            }
            value => {
                let value = quoted(&value.unwrap_or(&Value::Null).to_string());
                Reason::new(format!("{}: `{key}`: {value} is {what}", self.place))
                    .hint("write it as k6's documentation of options has it")
            }
        }
    }

    /// A text of digits is a number to k6, too: variables of the environment are texts.
    fn count<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>, Reason> {
        let whole = match self.fields.get(key) {
            None => return Ok(None),
            Some(Value::Number(n)) if *n >= 0.0 && n.fract() == 0.0 && *n <= COUNT_MAX => Some(*n as u64),
            Some(Value::Text(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match whole.and_then(|n| T::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(self.wrong(key, "no count")),
        }
    }

    fn duration(&self, key: &str) -> Result<Option<Nanos>, Reason> {
        match self.fields.get(key) {
            None => Ok(None),
            Some(value) => match duration(value) {
                Some(length) => Ok(Some(length)),
                None => Err(self.wrong(key, "no duration")),
            },
        }
    }

    fn stages(&self) -> Result<Vec<Stage>, Reason> {
        let list = match self.fields.get("stages") {
            Some(Value::List(list)) => list,
            Some(_) => return Err(self.wrong("stages", "no list")),
            None => return Err(self.missing("stages")),
        };
        let stages = list.iter().enumerate().map(|(i, stage)| {
            let place = format!("{}: stage {}", self.place, i + 1);
            let fields = match stage {
                Value::Object(fields) => fields,
                Value::Unread(unread) => {
                    return Err(Reason::new(format!("{place}: {unread}")).hint(INSPECT));
                }
                _ => {
                    let what = format!("{place} is no object");
                    return Err(Reason::new(what).hint("{ duration: '1m', target: 10 }"));
                }
            };
            let reader = Reader { fields, place };
            if let Some(unread) = fields.unread().first() {
                return Err(Reason::new(format!("{}: {unread}", reader.place)).hint(INSPECT));
            }
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

/// Every whole number up to here has a double of its own.
const COUNT_MAX: f64 = 9_007_199_254_740_991.0;

/// k6's: `1m30s`, `1d2h`; a plain number, as a text too, is of milliseconds.
pub fn duration(value: &Value) -> Option<Nanos> {
    let text = match value {
        Value::Number(n) => n.to_string(),
        Value::Text(text) => text.clone(),
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
