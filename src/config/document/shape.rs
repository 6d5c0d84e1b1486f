//! The shape of the load: executor and stages, or `workload`.

use crate::config::document::open_loop::{OPEN_KEYS, read_open};
use crate::config::document::reader::{Fields, Reader};
use crate::config::document::trace::{TRACE, TRACE_KEYS, read_trace};
use crate::config::document::workload::{makes_the_shape, workload_shape};
use crate::config::document::{GRACEFUL_DEFAULT, MAX_DURATION_DEFAULT};
use crate::error::Reason;
use crate::plan::{DURATION_MAX, Executor, ITERATIONS_MAX, STAGES_MAX, Stage, VUS_MAX};
use crate::units::{MILLISECOND, Nanos, SECOND};

/// The keys that make a shape.
pub(super) const KEYS: [&str; 21] = [
    "executor",
    "vus",
    "duration",
    "iterations",
    "max_duration",
    "start_vus",
    "stages",
    "graceful_ramp_down",
    "steps",
    "rate",
    "start_rate",
    "time_unit",
    "arrival",
    "pre_allocated_vus",
    "max_vus",
    "when_full",
    "time_scale",
    "delay_scale",
    "trace_window",
    "trace_loop",
    "trace_spread",
];

/// The executors, each with its required and its optional keys.
const SHAPES: [(&str, &[&str], &[&str]); 7] = [
    ("constant-vus", &["duration"], &["vus"]),
    (
        "ramping-vus",
        &["stages"],
        &["start_vus", "graceful_ramp_down", "steps"],
    ),
    ("per-vu-iterations", &[], &["vus", "iterations", "max_duration"]),
    ("shared-iterations", &[], &["vus", "iterations", "max_duration"]),
    ("constant-arrival-rate", &["rate", "duration"], &OPEN_KEYS),
    (
        "ramping-arrival-rate",
        &["stages"],
        &[
            "start_rate",
            "time_unit",
            "arrival",
            "pre_allocated_vus",
            "max_vus",
            "when_full",
        ],
    ),
    (TRACE, &[], &TRACE_KEYS),
];

/// The names of the executors.
pub(super) const EXECUTORS: [&str; 7] = [
    SHAPES[0].0,
    SHAPES[1].0,
    SHAPES[2].0,
    SHAPES[3].0,
    SHAPES[4].0,
    SHAPES[5].0,
    SHAPES[6].0,
];

/// Tells whether the requests of an executor arrive at a rate.
pub(super) fn is_open(name: &str) -> bool {
    name.ends_with("-arrival-rate")
}

/// Reads the shape, and returns it with the line that made it.
pub fn read_shape(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    workload: Option<&Fields<'_>>,
) -> (Executor, usize) {
    if makes_the_shape(fields, workload, &KEYS) {
        return workload_shape(reader, fields, workload, &KEYS);
    }
    (read_executor(reader, fields), fields.line_of("executor"))
}

fn read_executor(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Executor {
    let hint = format!(
        "use one of {}, or `workload` with `users` and `duration_seconds`",
        EXECUTORS.join(", ")
    );
    reader.required(fields, "executor", &hint);
    let chosen = reader.choice(fields, "executor", &EXECUTORS);
    match SHAPES.iter().find(|(name, ..)| Some(*name) == chosen) {
        Some(shape) => check_shape_keys(reader, fields, *shape),
        // Without a valid executor no key is missing or misplaced, but the values are still checked.
        None => drop(read_stages(reader, fields)),
    }
    if let Some(name) = chosen.filter(|name| is_open(name)) {
        let duration = reader.duration(fields, "duration", MILLISECOND..=DURATION_MAX);
        return read_open(reader, fields, name, duration.unwrap_or(SECOND));
    }
    if chosen == Some(TRACE) {
        return read_trace(reader, fields);
    }
    let vus = reader.count(fields, "vus", 1..=VUS_MAX).unwrap_or(1);
    let start_vus = reader.count(fields, "start_vus", 0..=VUS_MAX).unwrap_or(1);
    // The default for a wrong count must not contradict a correct number of VUs.
    let faulty = if fields.has("iterations") {
        ITERATIONS_MAX
    } else {
        1
    };
    let iterations = reader
        .count(fields, "iterations", 1..=ITERATIONS_MAX)
        .unwrap_or(faulty);
    let duration = reader
        .duration(fields, "duration", MILLISECOND..=DURATION_MAX)
        .unwrap_or(SECOND);
    let max_duration = reader
        .duration(fields, "max_duration", MILLISECOND..=DURATION_MAX)
        .unwrap_or(MAX_DURATION_DEFAULT);
    let graceful_ramp_down = reader
        .duration(fields, "graceful_ramp_down", 0..=DURATION_MAX)
        .unwrap_or(GRACEFUL_DEFAULT);
    match chosen {
        Some("ramping-vus") => Executor::RampingVus {
            start_vus,
            stages: read_stages(reader, fields),
            graceful_ramp_down,
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
        _ => Executor::ConstantVus { vus, duration },
    }
}

fn check_shape_keys(reader: &mut Reader<'_>, fields: &Fields<'_>, shape: (&str, &[&str], &[&str])) {
    let (name, required, optional) = shape;
    let takes = [required, optional].concat().join(", ");
    for key in required {
        reader.required(fields, key, &format!("executor `{name}` requires it"));
    }
    let all = SHAPES
        .iter()
        .flat_map(|(_, required, optional)| required.iter().chain(*optional));
    let mut seen: Vec<&str> = Vec::new();
    for key in all {
        let fits = required.contains(key) || optional.contains(key);
        if fields.has(key) && !fits && !seen.contains(key) {
            seen.push(key);
            let what = format!("key `{key}` has no effect with executor `{name}`");
            let hint = format!("`{name}` takes {takes}");
            reader.mistake(fields.line_of(key), Reason::new(what).hint(hint));
        }
    }
}

fn read_stages(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<Stage> {
    let hint = "add the number of VUs at the end of the stage";
    let target = |reader: &mut Reader<'_>, stage: &Fields<'_>| reader.count(stage, "target", 0..=VUS_MAX);
    let stages = read_stage_list(reader, fields, hint, target).unwrap_or_else(|| vec![(SECOND, 1)]);
    let stages = stages.into_iter();
    stages
        .map(|(duration, target)| Stage { duration, target })
        .collect()
}

/// Reads the duration and the target of each stage. `None` if one is wrong, because the remaining stages could look
/// like a run that is too short or empty.
pub(super) fn read_stage_list<T>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    hint_for_target: &str,
    read_target: impl Fn(&mut Reader<'_>, &Fields<'_>) -> Option<T>,
) -> Option<Vec<(Nanos, T)>> {
    let items = reader.list(fields, "stages", STAGES_MAX)?;
    let mut stages = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let name = format!("{}stages[{i}]", fields.path);
        let Some(stage) = reader.mapping(&name, item, &["duration", "target"]) else {
            continue;
        };
        reader.required(&stage, "duration", "add the length of the stage");
        reader.required(&stage, "target", hint_for_target);
        let duration = reader.duration(&stage, "duration", 0..=DURATION_MAX);
        let target = read_target(reader, &stage);
        stages.extend(duration.zip(target));
    }
    (stages.len() == items.len()).then_some(stages)
}
