//! The mapping `workload`: users, times and seed. Other keys of a document have the same meaning, so each value may be
//! given in only one of the two places.

use crate::config::document::reader::{Fields, Reader};
use crate::error::Reason;
use crate::plan::{DURATION_MAX, Executor, Stage, VUS_MAX};
use crate::units::format_duration;
use crate::units::{MILLISECOND, SECOND};

pub const KEYS: [&str; 7] = [
    "users",
    "duration_seconds",
    "ramp_up_seconds",
    "warmup_seconds",
    "think_time",
    "seed",
    "repeat",
];

/// The keys that make the shape of the load, each with the key outside that has the same meaning.
pub(super) const SHAPE_KEYS: [(&str, &str); 3] = [
    ("users", "vus"),
    ("duration_seconds", "duration"),
    ("ramp_up_seconds", "stages"),
];

pub fn open_workload<'t>(reader: &mut Reader<'_>, fields: &Fields<'t>) -> Option<Fields<'t>> {
    let node = fields.node("workload")?;
    reader.mapping("workload", node, &KEYS)
}

/// Returns where a value is given that may be in `fields` as `key` or in `workload` as `twin`.
pub fn place_of<'a, 't>(
    reader: &mut Reader<'_>,
    (fields, key): (&'a Fields<'t>, &'static str),
    workload: Option<&'a Fields<'t>>,
    twin: &'static str,
) -> (&'a Fields<'t>, &'static str) {
    let Some(workload) = workload.filter(|workload| workload.has(twin)) else {
        return (fields, key);
    };
    if fields.has(key) {
        contradiction(reader, fields, key, workload, twin);
    }
    (workload, twin)
}

fn contradiction(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str, workload: &Fields<'_>, twin: &str) {
    let line = workload.line_of(twin);
    let what = format!("key `{key}` contradicts `workload.{twin}` of line {line}");
    let reason = Reason::new(what).hint("both have the same meaning: remove one of them");
    reader.mistake(fields.line_of(key), reason);
}

/// Tells whether `workload` makes the shape, or was meant to.
pub fn makes_the_shape(fields: &Fields<'_>, workload: Option<&Fields<'_>>, others: &[&str]) -> bool {
    let has_shape = |workload: &Fields<'_>| SHAPE_KEYS.iter().any(|(key, _)| workload.meant(key));
    workload.is_some_and(has_shape)
        || (fields.meant("workload") && !others.iter().any(|key| fields.meant(key)))
}

/// Returns the shape of the load and the line that made it. `others` are the keys outside that also make shapes.
pub fn workload_shape(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    workload: Option<&Fields<'_>>,
    others: &[&str],
) -> (Executor, usize) {
    let harmless = Executor::ConstantVus {
        vus: 1,
        duration: SECOND,
    };
    // A `workload` that is not a mapping has already been reported.
    let Some(workload) = workload else {
        return (harmless, fields.line_of("workload"));
    };
    let first = SHAPE_KEYS.iter().find(|(key, _)| workload.has(key));
    for key in others.iter().filter(|key| fields.has(key)) {
        let twin = SHAPE_KEYS
            .iter()
            .find(|(twin, outside)| outside == key && workload.has(twin));
        if let Some((twin, _)) = twin.or(first) {
            contradiction(reader, fields, key, workload, twin);
        }
    }
    let line = first.map_or(workload.line, |(key, _)| workload.line_of(key));
    (read_shape(reader, workload).unwrap_or(harmless), line)
}

/// Reads the shape that users, duration and ramp describe.
///
/// ```text
/// users |      ________________
///       |    /                 |
///     0 +---/------------------+--
///           ramp_up            duration, which includes it
/// ```
fn read_shape(reader: &mut Reader<'_>, workload: &Fields<'_>) -> Option<Executor> {
    reader.required(
        workload,
        "users",
        "add the number of users that run at the same time",
    );
    reader.required(
        workload,
        "duration_seconds",
        "add the length of the load, including the ramp",
    );
    let users = reader.count(workload, "users", 1..=VUS_MAX);
    let duration = reader.duration(workload, "duration_seconds", MILLISECOND..=DURATION_MAX);
    let ramp_up = match workload.has("ramp_up_seconds") {
        true => reader.duration(workload, "ramp_up_seconds", 0..=DURATION_MAX),
        false => Some(0),
    };
    let (vus, duration, ramp_up) = (users?, duration?, ramp_up?);
    if ramp_up > duration {
        let what = format!(
            "`workload.ramp_up_seconds`: `{}` is longer than `workload.duration_seconds` of line {}, {}",
            format_duration(ramp_up),
            workload.line_of("duration_seconds"),
            format_duration(duration)
        );
        let hint = "the duration includes the ramp";
        reader.mistake(workload.line_of("ramp_up_seconds"), Reason::new(what).hint(hint));
        return None;
    }
    if ramp_up == 0 {
        return Some(Executor::ConstantVus { vus, duration });
    }
    let stage = |duration| Stage {
        duration,
        target: vus,
    };
    let mut stages = vec![stage(ramp_up)];
    if duration > ramp_up {
        stages.push(stage(duration - ramp_up));
    }
    Some(Executor::RampingVus {
        start_vus: 0,
        stages,
        graceful_ramp_down: crate::config::document::GRACEFUL_DEFAULT,
    })
}

#[cfg(test)]
#[path = "workload_tests.rs"]
mod tests;
