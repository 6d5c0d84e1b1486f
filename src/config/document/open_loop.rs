//! The keys of an open loop: rates, their pattern, and the users who take what arrives.

use crate::config::document::reader::{Fields, Reader, length};
use crate::config::document::shape::read_stage_list;
use crate::plan::{Arrival, DURATION_MAX, Executor, OpenLoop, RateStage, VUS_MAX, WhenFull, parse_arrival};
use crate::units::{MILLISECOND, Nanos, Rate, SECOND, parse_rate_per};

/// The most requests in flight where the document sets no limit, if there is one server.
const IN_FLIGHT_DEFAULT: u32 = 10_000;

/// Returns the most requests in flight where nothing sets a limit. A user may keep a connection to each server, and
/// hosts allow so many open files.
pub fn in_flight_default(servers: usize) -> u32 {
    IN_FLIGHT_DEFAULT / servers.max(1) as u32
}

/// The keys that both executors take.
pub const OPEN_KEYS: [&str; 5] = [
    "time_unit",
    "arrival",
    "pre_allocated_vus",
    "max_vus",
    "when_full",
];

/// Reads the executor called `name`.
pub fn read_open(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str, duration: Nanos) -> Executor {
    let unit = reader
        .duration(fields, "time_unit", MILLISECOND..=DURATION_MAX)
        .unwrap_or(SECOND);
    let open = OpenLoop {
        arrival: reader
            .parsed(fields, "arrival", "a pattern", parse_arrival)
            .unwrap_or(Arrival::Constant),
        ..read_users(reader, fields)
    };
    // A wrong value is reported, and must not cause a second mistake.
    let harmless = Rate::per_second_of(1.0);
    if name == "ramping-arrival-rate" {
        let start_rate = match fields.has("start_rate") {
            true => read_rate(reader, fields, "start_rate", unit).unwrap_or(harmless),
            false => Rate::per_second_of(0.0),
        };
        return Executor::RampingArrivalRate {
            start_rate,
            stages: read_rate_stages(reader, fields, unit),
            open,
        };
    }
    Executor::ConstantArrivalRate {
        rate: read_rate(reader, fields, "rate", unit).unwrap_or(harmless),
        duration,
        open,
    }
}

pub(super) fn read_users(reader: &mut Reader<'_>, fields: &Fields<'_>) -> OpenLoop {
    let first = reader.count(fields, "pre_allocated_vus", 0..=VUS_MAX);
    let max = reader.count(fields, "max_vus", 1..=VUS_MAX);
    let full = reader.choice(fields, "when_full", &["drop", "queue"]);
    OpenLoop {
        arrival: Arrival::Constant,
        pre_allocated_vus: first.unwrap_or(0),
        // As k6 has it: without a limit of its own, the first users are all.
        max_vus: max
            .or(first.filter(|n| *n > 0))
            .unwrap_or_else(|| in_flight_default(length(fields, "servers"))),
        when_full: match full {
            Some("queue") => WhenFull::Queue,
            _ => WhenFull::Drop,
        },
    }
}

/// Reads a rate; a plain number is per `unit`.
pub(super) fn read_rate(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    unit: Nanos,
) -> Option<Rate> {
    reader.parsed(fields, key, "a rate", |text| parse_rate_per(text, unit))
}

pub(super) fn read_rate_stages(reader: &mut Reader<'_>, fields: &Fields<'_>, unit: Nanos) -> Vec<RateStage> {
    let hint = "add the rate at the end of the stage";
    let target = |reader: &mut Reader<'_>, stage: &Fields<'_>| read_rate(reader, stage, "target", unit);
    let stages = read_stage_list(reader, fields, hint, target);
    let stages = stages
        .unwrap_or_else(|| vec![(SECOND, Rate::per_second_of(1.0))])
        .into_iter();
    stages
        .map(|(duration, target)| RateStage { duration, target })
        .collect()
}
