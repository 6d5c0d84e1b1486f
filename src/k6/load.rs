//! Reads the shape of the load, from k6's shortcuts or from one scenario, as an executor of ours.

use super::kinds::share;
use super::value::{Object, Value};
use crate::error::{Reason, nearest, quoted};
use crate::plan::{Executor, OpenLoop, RateStage, Stage};
use crate::units::parse_duration;
use crate::units::{MILLISECOND, MINUTE, Nanos, Rate, SECOND};

/// k6's default for graceful stops and ramp-downs.
const GRACEFUL: Nanos = 30 * SECOND;
/// k6's default for `maxDuration`.
const MAX_DURATION: Nanos = 10 * MINUTE;

/// The shape of the load, and what of it was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    pub executor: Executor,
    pub graceful_stop: Nanos,
    /// The scenario's name; `default` if k6 makes a scenario from shortcuts, and empty if each of several scenarios is
    /// a kind of request.
    pub scenario: String,
    pub left_out: Vec<String>,
}

const SHORTCUTS: [&str; 4] = ["vus", "duration", "iterations", "stages"];

/// The hint for values that only k6 can evaluate.
const INSPECT: &str = "let k6 evaluate it with `k6 inspect FILE > options.json`, and import that file";

/// Reads the load from all options.
pub fn load(options: &Object) -> Result<Load, Reason> {
    let given: Vec<&str> = SHORTCUTS.into_iter().filter(|key| options.has(key)).collect();
    match options.get("scenarios") {
        None => shortcut(options, &given),
        Some(Value::Object(scenarios)) if !scenarios.is_empty() => {
            // `k6 inspect --execution-requirements` prints the shortcuts and the scenario that it made from them. A
            // script that has both is refused by k6 as well.
            let from_shortcuts = scenarios.iter().all(|(name, _)| name == "default");
            if let Some(first) = given.first().filter(|_| !from_shortcuts) {
                let what = format!("`scenarios` and `{first}` cannot be used together");
                return Err(Reason::new(what).hint("k6 refuses this as well: remove one of them"));
            }
            from_scenarios(scenarios)
        }
        Some(Value::Unread(unread)) => Err(Reason::new(format!("`scenarios`: {unread}")).hint(INSPECT)),
        Some(_) => {
            Err(Reason::new("`scenarios` is not an object of scenarios")
                .hint("write `name: {executor: ...}`"))
        }
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
            let what = format!("`stages` and `{other}` cannot be used together");
            return Err(Reason::new(what).hint("k6 refuses this as well: remove one of them"));
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
        let what = "no load: there is none of `stages`, `duration`, `iterations` and `scenarios`";
        let hint = "k6 would make one iteration; add a number of iterations or a duration";
        return Err(reader.absent(what, hint));
    };
    Ok(Load {
        executor,
        graceful_stop: reader.duration("gracefulStop")?.unwrap_or(GRACEFUL),
        scenario: "default".into(),
        left_out: Vec::new(),
    })
}

/// Reads the load of one or several scenarios; those that cannot be carried over are named.
fn from_scenarios(scenarios: &Object) -> Result<Load, Reason> {
    let unread = scenarios.unread().iter();
    let mut left_out: Vec<String> = unread.map(|unread| format!("scenarios: {unread}")).collect();
    let mut found: Vec<(Load, &Object)> = Vec::new();
    for (name, value) in scenarios.iter() {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => continue,
            Value::Unread(unread) => {
                return Err(Reason::new(format!("scenario `{name}`: {unread}")).hint(INSPECT));
            }
            _ => {
                let what = format!("scenario `{name}` is not an object");
                return Err(Reason::new(what).hint("write `name: {executor: ...}`"));
            }
        };
        match scenario(name, fields)? {
            Ok(load) => found.push((load, fields)),
            Err(why) => left_out.push(why),
        }
    }
    let mut load = match share(&found)? {
        Some(shared) => shared,
        None => match largest(found, &mut left_out) {
            Some(load) => load,
            None => {
                let hint = "use an executor of k6 other than externally-controlled";
                return Err(Reason::new(left_out.join("; ")).hint(hint));
            }
        },
    };
    load.left_out.extend(left_out);
    Ok(load)
}

/// Chooses the scenario with the most VUs, of several the first, and names the others. Users who wait for their answers
/// have one mix of requests and one plan.
fn largest(mut found: Vec<(Load, &Object)>, left_out: &mut Vec<String>) -> Option<Load> {
    let vus = |(load, _): &(Load, &Object)| load.executor.vus_of_all();
    let most = found.iter().map(vus).max();
    let chosen = found.iter().position(|one| Some(vus(one)) == most)?;
    let (mut load, fields) = found.swap_remove(chosen);
    load.left_out = other_keys(&load.scenario, fields, false);
    for (unused, _) in &found {
        left_out.push(format!(
            "scenario `{}` ({} with {} VUs): a profile has one load, here that of `{}`; import it separately",
            unused.scenario,
            unused.executor.name(),
            unused.executor.vus_of_all(),
            load.scenario
        ));
    }
    Some(load)
}

/// The keys of a scenario that do not belong to its shape, each with the reason why it is left out.
const OTHER_KEYS: [(&str, &str); 5] = [
    (
        "exec",
        "no function of the script runs; requests are drawn from the mix",
    ),
    ("env", "variables of the script have no use here"),
    ("tags", "tags of the script's metrics have no use here"),
    ("options", "options of the browser have no use here"),
    (
        "startTime",
        "the load begins at once (or at a given time with `--start-at TIME`)",
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

/// Reads a scenario. Returns `Ok(Err(why))` if it is valid in k6 but cannot be carried over.
fn scenario(name: &str, fields: &Object) -> Result<Result<Load, String>, Reason> {
    let reader = Reader {
        fields,
        place: format!("scenario `{name}`"),
    };
    if let Some(Value::Text(other)) = fields.get("executor")
        && other == "externally-controlled"
    {
        return Ok(Err(format!("scenario `{name}`: {other} has no counterpart here")));
    }
    Ok(Ok(Load {
        executor: executor(&reader)?,
        graceful_stop: reader.duration("gracefulStop")?.unwrap_or(GRACEFUL),
        scenario: name.to_owned(),
        left_out: Vec::new(),
    }))
}

fn executor(reader: &Reader<'_>) -> Result<Executor, Reason> {
    let vus = reader.count("vus")?.unwrap_or(1);
    let iterations = reader.count("iterations")?.unwrap_or(1);
    let max_duration = reader.duration("maxDuration")?.unwrap_or(MAX_DURATION);
    let name = match reader.fields.get("executor") {
        Some(Value::Text(name)) => name.as_str(),
        Some(_) => return Err(reader.wrong("executor", "not the name of an executor")),
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
        "constant-arrival-rate" => Executor::ConstantArrivalRate {
            rate: reader.rate("rate")?.ok_or_else(|| reader.missing("rate"))?,
            duration: reader
                .duration("duration")?
                .ok_or_else(|| reader.missing("duration"))?,
            open: open_loop(reader)?,
        },
        "ramping-arrival-rate" => Executor::RampingArrivalRate {
            start_rate: reader.rate("startRate")?.unwrap_or(Rate::per_second_of(0.0)),
            stages: rate_stages(reader)?,
            open: open_loop(reader)?,
        },
        other => {
            let what = format!("{}: unknown executor {}", reader.place, quoted(other));
            return Err(Reason::new(what).hint("spell it as k6 does"));
        }
    })
}

/// Reads the users of an open loop. In k6 those before the load are the most, unless `maxVUs` says otherwise.
fn open_loop(reader: &Reader<'_>) -> Result<OpenLoop, Reason> {
    let first = reader
        .count("preAllocatedVUs")?
        .ok_or_else(|| reader.missing("preAllocatedVUs"))?;
    Ok(OpenLoop {
        pre_allocated_vus: first,
        max_vus: reader.count("maxVUs")?.unwrap_or(first),
        ..OpenLoop::default()
    })
}

fn rate_stages(reader: &Reader<'_>) -> Result<Vec<RateStage>, Reason> {
    let unit = reader.time_unit()?;
    let stages = reader.stages()?.into_iter().map(|stage| {
        let target = Rate::new(f64::from(stage.target), unit);
        let target =
            target.ok_or_else(|| reader.wrong("stages", "beyond the rate limit of 1,000,000 per second"))?;
        Ok(RateStage {
            duration: stage.duration,
            target,
        })
    });
    stages.collect()
}

/// Returns a line for each key of a scenario that does not belong to its shape. A scenario that is a kind of request
/// among others keeps the time at which it starts.
pub fn other_keys(name: &str, fields: &Object, is_kind: bool) -> Vec<String> {
    let mut left_out = Vec::new();
    let has_rate =
        matches!(fields.get("executor"), Some(Value::Text(name)) if name.ends_with("-arrival-rate"));
    for (key, value) in fields.iter().filter(|(_, value)| **value != Value::Null) {
        if let Some((_, why)) = OTHER_KEYS.iter().find(|(known, _)| *known == key) {
            let is_default = match value {
                Value::Text(text) if key == "exec" => text == "default",
                Value::Object(map) => map.is_empty(),
                value => key == "startTime" && duration(value) == Some(0),
            };
            let why = match (is_kind, key) {
                (true, "startTime") => continue,
                (true, "exec") => "no function of the script runs; change what this kind of request asks",
                _ => why,
            };
            if !is_default {
                left_out.push(format!("scenario `{name}`: `{key}`: {why}"));
            }
        } else if ARRIVAL.contains(&key) && !has_rate {
            left_out.push(format!(
                "scenario `{name}`: `{key}`: does not belong to this executor"
            ));
        } else if !SHAPE.contains(&key) && !ARRIVAL.contains(&key) {
            let known = SHAPE
                .into_iter()
                .chain(ARRIVAL)
                .chain(OTHER_KEYS.map(|(key, _)| key));
            let known: Vec<&str> = known.collect();
            left_out.push(format!("scenario `{name}`: {}", unknown(key, &known)));
        }
    }
    let unread = fields.unread().iter();
    left_out.extend(unread.map(|unread| format!("scenario `{name}`: {unread}")));
    left_out
}

/// Returns the text for a key that k6 does not know either.
pub fn unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(word) => format!("`{key}`: unknown key, did you mean `{word}`?"),
        None => format!("`{key}`: unknown key"),
    }
}

pub struct Reader<'a> {
    pub fields: &'a Object,
    /// Where the fields are, for messages.
    pub place: String,
}

impl Reader<'_> {
    /// Returns the reason for a missing value. It may be in an expression that cannot be evaluated here.
    fn absent(&self, what: impl Into<String>, hint: &str) -> Reason {
        match self.fields.unread().first() {
            Some(unread) => Reason::new(format!("{}, unless it is in {unread}", what.into())).hint(INSPECT),
            None => Reason::new(what).hint(hint),
        }
    }

    fn missing(&self, key: &str) -> Reason {
        self.absent(format!("{}: no `{key}`", self.place), "k6 requires it as well")
    }

    fn wrong(&self, key: &str, what: &str) -> Reason {
        match self.fields.get(key) {
            Some(Value::Unread(unread)) => {
                Reason::new(format!("{}: `{key}`: {unread}", self.place)).hint(INSPECT)
            }
            value => {
                let value = quoted(&value.unwrap_or(&Value::Null).to_string());
                Reason::new(format!("{}: `{key}`: {value} is {what}", self.place))
                    .hint("write it as in k6's documentation of options")
            }
        }
    }

    /// Reads a count. A string of digits is a number to k6 as well, because environment variables are strings.
    fn count<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>, Reason> {
        let whole = match self.fields.get(key) {
            None => return Ok(None),
            Some(Value::Number(n)) if *n >= 0.0 && n.fract() == 0.0 && *n <= COUNT_MAX => Some(*n as u64),
            Some(Value::Text(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match whole.and_then(|n| T::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(self.wrong(key, "not a count")),
        }
    }

    pub fn duration(&self, key: &str) -> Result<Option<Nanos>, Reason> {
        match self.fields.get(key) {
            None => Ok(None),
            Some(value) => match duration(value) {
                Some(length) => Ok(Some(length)),
                None => Err(self.wrong(key, "not a duration")),
            },
        }
    }

    fn time_unit(&self) -> Result<Nanos, Reason> {
        match self.duration("timeUnit")? {
            Some(0) => Err(self.wrong("timeUnit", "not a length of time")),
            unit => Ok(unit.unwrap_or(SECOND)),
        }
    }

    /// Reads a rate per `timeUnit`.
    fn rate(&self, key: &str) -> Result<Option<Rate>, Reason> {
        let Some(count) = self.count::<u32>(key)? else {
            return Ok(None);
        };
        let rate = Rate::new(f64::from(count), self.time_unit()?);
        rate.map(Some)
            .ok_or_else(|| self.wrong(key, "beyond the limit of 1,000,000 per second"))
    }

    fn stages(&self) -> Result<Vec<Stage>, Reason> {
        let list = match self.fields.get("stages") {
            Some(Value::List(list)) => list,
            Some(_) => return Err(self.wrong("stages", "not a list")),
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
                    let what = format!("{place} is not an object");
                    return Err(Reason::new(what).hint("write `{ duration: '1m', target: 10 }`"));
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

/// The largest whole number up to which a double is exact.
const COUNT_MAX: f64 = 9_007_199_254_740_991.0;

/// Reads a duration as k6 does: `1m30s`, `1d2h`, or a plain number of milliseconds, which may be a string.
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
