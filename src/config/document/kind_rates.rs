//! The rates of an open loop in which each kind of request has its own: keys of `requests`, next to what the kinds have
//! in common.

use crate::config::RequestConfig;
use crate::config::document::open_loop::{read_rate, read_rate_stages, read_users};
use crate::config::document::reader::{Fields, Reader, items, member, sequence};
use crate::config::document::shape::{EXECUTORS, KEYS, is_open};
use crate::config::document::workload::SHAPE_KEYS;
use crate::error::Reason;
use crate::plan::{
    Arrival, DURATION_MAX, Executor, KindArrivals, KindShape, RateStage, RatesByKind, VUS_MAX, parse_arrival,
};
use crate::units::{MILLISECOND, Nanos, Rate, SECOND};

/// The keys of a request about its own rate.
pub const KIND_RATE_KEYS: [&str; 7] = [
    "rate",
    "start_rate",
    "stages",
    "duration",
    "start_time",
    "arrival",
    "max_vus",
];

/// The keys outside the kinds that go together with their rates.
const TAKES: [&str; 7] = [
    "executor",
    "duration",
    "time_unit",
    "arrival",
    "pre_allocated_vus",
    "max_vus",
    "when_full",
];

const ONE_RATE: &str = "give each kind of request a rate, or give them weights and the load one `rate`";

/// What kinds with rates inherit from the document.
pub struct KindDefaults {
    unit: Nanos,
    arrival: Arrival,
    /// `None` if the document has none; a wrong one has been reported and replaced.
    duration: Option<Nanos>,
}

/// Reads what the kinds inherit, if one of them has a rate.
pub fn read_kind_defaults(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<KindDefaults> {
    let kinds = fields.node("requests").map_or(&[][..], sequence);
    let has_rate = |kind| {
        let one = member(kind, "rate").or(member(kind, "start_rate"));
        one.is_some() || !items(kind, "stages").is_empty()
    };
    if !kinds.iter().any(has_rate) {
        return None;
    }
    let unit = reader.duration(fields, "time_unit", MILLISECOND..=DURATION_MAX);
    let arrival = reader.parsed(fields, "arrival", "a pattern", parse_arrival);
    let duration = reader.duration(fields, "duration", MILLISECOND..=DURATION_MAX);
    Some(KindDefaults {
        unit: unit.unwrap_or(SECOND),
        arrival: arrival.unwrap_or_default(),
        duration: duration.or(fields.meant("duration").then_some(SECOND)),
    })
}

/// Reads the rate of the kind called `name`. Without defaults no kind has one, and other keys about it have no effect.
pub fn read_kind_rate(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    name: &str,
    defaults: Option<&KindDefaults>,
) -> Option<KindArrivals> {
    let Some(defaults) = defaults else {
        for key in KIND_RATE_KEYS.into_iter().filter(|key| fields.has(key)) {
            let what = format!(
                "key `{}{key}` has no effect without a rate of its own",
                fields.path
            );
            let reason = Reason::new(what).hint("add `rate:` to each kind of request, or remove it");
            reader.mistake(fields.line_of(key), reason);
        }
        return None;
    };
    if fields.has("weight") {
        let what = format!(
            "key `{}weight` contradicts the rates of the kinds of request",
            fields.path
        );
        reader.mistake(fields.line_of("weight"), Reason::new(what).hint(ONE_RATE));
    }
    let start = reader.duration(fields, "start_time", 0..=DURATION_MAX);
    let arrival = reader.parsed(fields, "arrival", "a pattern", parse_arrival);
    let max_vus = reader.count(fields, "max_vus", 1..=VUS_MAX);
    let shape = match fields.meant("stages") || fields.meant("start_rate") {
        true => read_ramp(reader, fields, defaults),
        false => read_constant(reader, fields, defaults),
    };
    Some(KindArrivals {
        name: name.to_owned(),
        start_time: start.unwrap_or(0),
        shape,
        arrival: arrival.unwrap_or(defaults.arrival),
        max_vus,
    })
}

fn read_constant(reader: &mut Reader<'_>, fields: &Fields<'_>, defaults: &KindDefaults) -> KindShape {
    if !fields.meant("rate") {
        let what = format!("missing key `{}rate`, which other kinds have", fields.path);
        reader.mistake(fields.line, Reason::new(what).hint(ONE_RATE));
    }
    let rate = read_rate(reader, fields, "rate", defaults.unit);
    if rate.is_some_and(Rate::is_zero) {
        let what = format!("`{}rate`: no request ever arrives", fields.path);
        let hint = "use a rate above 0, or leave the kind out";
        reader.mistake(fields.line_of("rate"), Reason::new(what).hint(hint));
    }
    let own = reader.duration(fields, "duration", MILLISECOND..=DURATION_MAX);
    if !fields.meant("duration") && defaults.duration.is_none() {
        let what = format!(
            "missing key `{}duration`, which the document has not either",
            fields.path
        );
        let hint = "add `duration: 1m` to the document, or to the kind";
        reader.mistake(fields.line, Reason::new(what).hint(hint));
    }
    KindShape::Constant {
        // A wrong value is reported, and must not cause a second mistake.
        rate: rate
            .filter(|rate| !rate.is_zero())
            .unwrap_or(Rate::per_second_of(1.0)),
        duration: own.or(defaults.duration).unwrap_or(SECOND),
    }
}

fn read_ramp(reader: &mut Reader<'_>, fields: &Fields<'_>, defaults: &KindDefaults) -> KindShape {
    for key in ["rate", "duration"].into_iter().filter(|key| fields.has(key)) {
        let what = format!(
            "key `{0}{key}` contradicts the stages of `{0}stages`",
            fields.path
        );
        let hint = "use `start_rate` and `stages` for a ramp, or `rate` and `duration`";
        reader.mistake(fields.line_of(key), Reason::new(what).hint(hint));
    }
    reader.required(fields, "stages", "add the stages of the ramp");
    let start_rate = read_rate(reader, fields, "start_rate", defaults.unit);
    let stages: Vec<RateStage> = read_rate_stages(reader, fields, defaults.unit);
    KindShape::Ramping {
        start_rate: start_rate.unwrap_or(Rate::per_second_of(0.0)),
        stages,
    }
}

/// Makes the shape of a load whose kinds have rates, and returns it with the line that made it.
pub fn read_rates_by_kind(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    workload: Option<&Fields<'_>>,
    requests: &[RequestConfig],
) -> (Executor, usize) {
    let line = match fields.has("executor") {
        true => fields.line_of("executor"),
        false => fields.line_of("requests"),
    };
    let takes = TAKES.join(", ");
    let executor = reader.choice(fields, "executor", &EXECUTORS);
    if let Some(name) = executor.filter(|name| !is_open(name)) {
        let what = format!("executor `{name}` contradicts the rates of the kinds of request: its users wait");
        let hint = "use `constant-arrival-rate`, or remove `rate` from the kinds of request";
        reader.mistake(line, Reason::new(what).hint(hint));
    } else {
        for key in KEYS
            .into_iter()
            .filter(|key| fields.has(key) && !TAKES.contains(key))
        {
            let is_rate = ["rate", "start_rate", "stages"].contains(&key);
            let reason = match is_rate {
                true => Reason::new(format!(
                    "key `{key}` contradicts the rates of the kinds of request"
                ))
                .hint(ONE_RATE),
                false => {
                    let what = format!("key `{key}` has no effect where kinds of request have rates");
                    Reason::new(what).hint(format!("such a load takes {takes}"))
                }
            };
            reader.mistake(fields.line_of(key), reason);
        }
    }
    if let Some(workload) = workload {
        for (key, _) in SHAPE_KEYS.into_iter().filter(|(key, _)| workload.has(key)) {
            let what = format!("key `workload.{key}` contradicts the rates of the kinds of request");
            let hint = "write `duration: 1m` outside of `workload`, and `max_vus` for the most users";
            reader.mistake(workload.line_of(key), Reason::new(what).hint(hint));
        }
    }
    if fields.has("each_kind_first") {
        let what = "key `each_kind_first` has no effect where kinds of request have rates";
        reader.mistake(
            fields.line_of("each_kind_first"),
            Reason::new(what).hint("remove it"),
        );
    }
    let kinds = requests.iter().filter_map(|request| request.arrivals.clone());
    let kinds: Vec<KindArrivals> = kinds.collect();
    let mut users = read_users(reader, fields);
    // Kinds with limits of their own are all users together, unless the document has a limit.
    let own: Option<Vec<u32>> = kinds.iter().map(|kind| kind.max_vus).collect();
    if let Some(own) = own.filter(|own| !own.is_empty() && !fields.meant("max_vus")) {
        users.max_vus = own.into_iter().fold(0, u32::saturating_add);
    }
    (Executor::RatesByKind(RatesByKind::new(kinds, users)), line)
}

#[cfg(test)]
#[path = "kind_rates_tests.rs"]
mod tests;
