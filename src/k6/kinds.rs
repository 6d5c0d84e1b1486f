//! Carries over several scenarios whose requests arrive at rates: each becomes a kind of request with its own rate.

use std::fmt::Write as _;

use super::load::{Load, Reader, other_keys};
use super::value::Object;
use crate::error::Reason;
use crate::imports::yaml_text;
use crate::plan::{Arrival, Executor, KindArrivals, KindShape, OpenLoop, RatesByKind};
use crate::units::{Nanos, format_duration};

/// What a document asks that names no requests, as the built-in documents with servers do.
const DOCUMENT_WITHOUT_REQUESTS: [&str; 2] = ["stream: true", "timeout: 5m"];

/// Makes one load of several scenarios, with what of them is lost by sharing it. Returns `None` if there are not
/// several, or if not all of them have a rate.
///
/// # Errors
/// Fails if a scenario cannot run, and if the time at which it starts is unknown.
pub fn share(scenarios: &[(Load, &Object)]) -> Result<Option<Load>, Reason> {
    let rates = scenarios.iter().map(|(load, _)| rate_of(&load.executor));
    let Some(rates) = rates.collect::<Option<Vec<_>>>().filter(|rates| rates.len() > 1) else {
        return Ok(None);
    };
    let mut open = OpenLoop {
        max_vus: 0,
        ..OpenLoop::default()
    };
    let mut kinds = Vec::new();
    for ((load, fields), (shape, of_one)) in scenarios.iter().zip(rates) {
        let place = format!("scenario `{}`", load.scenario);
        if let Some(mistake) = load.executor.mistakes().into_iter().next() {
            return Err(mistake.within(&place));
        }
        let reader = Reader { fields, place };
        kinds.push(KindArrivals {
            name: load.scenario.clone(),
            start_time: reader.duration("startTime")?.unwrap_or(0),
            shape,
            arrival: Arrival::Constant,
            max_vus: Some(of_one.max_vus),
        });
        open.max_vus = open.max_vus.saturating_add(of_one.max_vus);
        open.pre_allocated_vus = open.pre_allocated_vus.saturating_add(of_one.pre_allocated_vus);
    }
    let graceful_stop = scenarios.iter().map(|(load, _)| load.graceful_stop).max();
    let graceful_stop = graceful_stop.unwrap_or(0);
    let lost = scenarios
        .iter()
        .flat_map(|one| lost_by_sharing(one, graceful_stop));
    Ok(Some(Load {
        left_out: lost.collect(),
        executor: Executor::RatesByKind(RatesByKind::new(kinds, open)),
        graceful_stop,
        scenario: String::new(),
    }))
}

/// Returns the rate of a scenario over time, and its users.
fn rate_of(executor: &Executor) -> Option<(KindShape, OpenLoop)> {
    match executor {
        Executor::ConstantArrivalRate { rate, duration, open } => {
            let (rate, duration) = (*rate, *duration);
            Some((KindShape::Constant { rate, duration }, *open))
        }
        Executor::RampingArrivalRate {
            start_rate,
            stages,
            open,
        } => {
            let (start_rate, stages) = (*start_rate, stages.clone());
            Some((KindShape::Ramping { start_rate, stages }, *open))
        }
        _ => None,
    }
}

fn lost_by_sharing((load, fields): &(Load, &Object), graceful_stop: Nanos) -> Vec<String> {
    let name = &load.scenario;
    let mut lost = Vec::new();
    if load.graceful_stop < graceful_stop {
        lost.push(format!(
            "scenario `{name}`: `gracefulStop`: {} are no limit of its own; all kinds of request have \
             `graceful_stop: {}`",
            format_duration(load.graceful_stop),
            format_duration(graceful_stop)
        ));
    }
    lost.extend(other_keys(name, fields, true));
    lost
}

/// Writes the requests of a profile: a kind for each scenario, which asks as the heaviest request of the mix does.
/// `requests` is the block of the mix.
pub fn requests(rates: &RatesByKind, requests: &str) -> String {
    let asks = heaviest(requests);
    let mut out = String::from("requests:\n");
    for kind in rates.kinds() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "  - name: {}", yaml_text(&kind.name));
        let _ = match &kind.shape {
            KindShape::Constant { rate, duration } => {
                writeln!(
                    out,
                    "    rate: {rate}\n    duration: {}",
                    format_duration(*duration)
                )
            }
            KindShape::Ramping { start_rate, stages } => {
                let _ = writeln!(out, "    start_rate: {start_rate}\n    stages:");
                for stage in stages {
                    let duration = format_duration(stage.duration);
                    let _ = writeln!(
                        out,
                        "      - {{ duration: {duration}, target: {} }}",
                        stage.target
                    );
                }
                Ok(())
            }
        };
        if let Some(max_vus) = kind.max_vus {
            let _ = writeln!(out, "    max_vus: {max_vus}");
        }
        if kind.start_time > 0 {
            let _ = writeln!(out, "    start_time: {}", format_duration(kind.start_time));
        }
        for line in &asks {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// Returns the keys of the request with the highest weight without its name and weight, a line each; of several the
/// first. A built-in profile has its requests in one of two forms: `- { name: a, ... }`, or a key in each line.
fn heaviest(requests: &str) -> Vec<String> {
    let mut kinds: Vec<Vec<String>> = Vec::new();
    for line in requests.lines().skip(1) {
        if let Some(first) = line.strip_prefix("  - ") {
            let keys = match first.strip_prefix("{ ").and_then(|rest| rest.strip_suffix(" }")) {
                Some(keys) => keys.split(", ").map(str::to_owned).collect(),
                None => vec![first.to_owned()],
            };
            kinds.push(keys);
        } else if let (Some(kind), Some(key)) = (kinds.last_mut(), line.strip_prefix("    ")) {
            kind.push(key.to_owned());
        }
    }
    let weight = |keys: &[String]| -> u32 {
        let weights = keys.iter().filter_map(|key| key.strip_prefix("weight: "));
        weights.filter_map(|weight| weight.parse::<u32>().ok()).sum()
    };
    if kinds.is_empty() {
        return DOCUMENT_WITHOUT_REQUESTS.map(str::to_owned).to_vec();
    }
    let most = kinds.iter().map(|keys| weight(keys)).max();
    let mut chosen = kinds
        .into_iter()
        .find(|keys| Some(weight(keys)) == most)
        .unwrap_or_default();
    chosen.retain(|key| !key.starts_with("name: ") && !key.starts_with("weight: "));
    chosen
}

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod tests;
