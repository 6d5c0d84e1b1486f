//! The section `load`: when requests are sent.

use std::fmt::Write as _;

use super::data::{Data, read_trace};
use super::draft::{ANYTHING, Draft};
use super::sessions::read_sessions;
use crate::config::document::in_flight_default;
use crate::config::document::reader::{Fields, Node, Reader, scalar};
use crate::error::{Reason, quoted};
use crate::plan::{Arrival, DURATION_MAX, Executor, ITERATIONS_MAX, OpenLoop, RateStage, VUS_MAX, WhenFull};
use crate::units::{MINUTE, Nanos, Rate, SECOND, format_duration};

pub(super) const KEYS: [&str; 12] = [
    "type",
    "interval",
    "stages",
    "sweep",
    "num_workers",
    "worker_max_concurrency",
    "worker_max_tcp_connections",
    "trace",
    "circuit_breakers",
    "request_timeout",
    "lora_traffic_split",
    "base_seed",
];
pub(super) const TYPES: [&str; 5] = [
    "constant",
    "poisson",
    "trace_replay",
    "concurrent",
    "trace_session_replay",
];
const STAGE_KEYS: [&str; 4] = ["rate", "duration", "num_requests", "concurrency_level"];
pub(super) const STAGES_MAX: usize = 300;
/// The most seconds of a stage.
const SECONDS_MAX: u64 = DURATION_MAX / SECOND;
pub(super) const MAX_SECONDS: f64 = SECONDS_MAX as f64;
const ADAPTERS_MAX: usize = 64;
/// aiohttp's limit of a whole request, which is in force there if the configuration has none.
const TIMEOUT: Nanos = 5 * MINUTE;

/// What the section says.
pub struct Load {
    /// The keys of the load.
    pub block: String,
    pub timeout: Nanos,
    pub seed: Option<u64>,
}

/// Opens the section, which is read once the requests are known.
pub fn open_load<'t>(draft: &mut Draft<'_>, root: &Fields<'t>) -> Option<Fields<'t>> {
    let hint = "inference-perf requires its stages: `load: { stages: [{ rate: 1, duration: 30 }] }`";
    draft.reader.required(root, "load", hint);
    draft.comes_from(ANYTHING, root, "load");
    draft.section(root, "load", &KEYS)
}

/// Reads the adapters among which the requests are split.
pub fn read_adapters(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Vec<(String, u32)> {
    let Some(items) = draft.reader.list(keys, "lora_traffic_split", ADAPTERS_MAX) else {
        return Vec::new();
    };
    let mut adapters = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("load.lora_traffic_split[{index}]");
        let Some(one) = draft.reader.mapping(&path, item, &["name", "split"]) else {
            continue;
        };
        for key in ["name", "split"] {
            draft
                .reader
                .required(&one, key, "write `{ name: ADAPTER, split: 0.5 }`");
        }
        let name = draft.reader.string(&one, "name", 256);
        let split = draft.reader.decimal(&one, "split", 0.0001..=1.0);
        if let (Some(name), Some(split)) = (name, split) {
            adapters.push((name, (split * 10_000.0).round() as u32));
        }
    }
    let sum: u32 = adapters.iter().map(|(_, weight)| weight).sum();
    if adapters.len() == items.len() && sum.abs_diff(10_000) > 10 {
        let what = format!("adds up to {}, not to 1", f64::from(sum) / 10_000.0);
        draft.refuse(
            keys,
            "lora_traffic_split",
            &what,
            "inference-perf refuses it as well",
        );
    }
    adapters
}

/// Reads the section.
pub fn read_load(draft: &mut Draft<'_>, keys: &Fields<'_>, data: &Data, root: &Fields<'_>) -> Load {
    let kind = draft.reader.choice(keys, "type", &TYPES).unwrap_or("constant");
    if keys.has("sweep") {
        let hint = "remove it and give `stages`, then search the limit: `llmload-uring find-limit PROFILE --over rate \
                    --slo 'ttft: p(95)<500'`";
        draft.refuse(
            keys,
            "sweep",
            "has no counterpart: a profile's rates are given",
            hint,
        );
    }
    let block = match kind {
        "concurrent" => concurrent(draft, keys, data),
        "trace_replay" => replay(draft, keys, data),
        "trace_session_replay" if data.has_sessions => read_sessions(draft, keys),
        _ if data.has_sessions => {
            let what = "is not `trace_session_replay`, as sessions of agents require";
            let hint = "inference-perf requires it as well: `{ type: trace_session_replay, stages: \
                        [{ concurrent_sessions: 2, num_sessions: 5 }] }`";
            draft.refuse(keys, "type", what, hint);
            String::new()
        }
        "trace_session_replay" => {
            let what = "is `trace_session_replay`, which has no counterpart with these data";
            let hint = "sessions come from `data.type: weka_trace_replay`, or from `conversation_replay` with \
                        `load.type: concurrent`";
            draft.refuse(keys, "type", what, hint);
            String::new()
        }
        _ => at_a_rate(draft, keys, data),
    };
    let hint =
        "a run ends early if a threshold fails: `{ threshold: rate<0.5, abortOnFail: true }` for `failed`";
    draft.lost(keys, "circuit_breakers", hint);
    if !keys.has("circuit_breakers") {
        draft.ignored(root, &["circuit_breakers"], "`load` names none of them");
    }
    draft.ignored(
        keys,
        &["worker_max_tcp_connections"],
        "each request in flight has a connection of its own",
    );
    let seconds = draft
        .reader
        .decimal(keys, "request_timeout", 0.001..=SECONDS_MAX as f64);
    Load {
        block,
        timeout: seconds.map_or(TIMEOUT, |seconds| (seconds * SECOND as f64) as Nanos),
        seed: draft.reader.count(keys, "base_seed", 0..=u64::MAX),
    }
}

/// Returns the stages, each with its keys.
fn read_stages<'t>(draft: &mut Draft<'_>, keys: &Fields<'t>) -> Vec<Fields<'t>> {
    // A sweep makes its stages itself.
    if !keys.meant("sweep") {
        let hint = "inference-perf requires them as well: `stages: [{ rate: 1, duration: 30 }]`";
        draft.reader.required(keys, "stages", hint);
    }
    let Some(items) = draft.reader.list(keys, "stages", STAGES_MAX) else {
        return Vec::new();
    };
    let open = |(index, item): (usize, &'t Node<'t>)| {
        let path = format!("{}stages[{index}]", keys.path);
        draft.reader.mapping(&path, item, &STAGE_KEYS)
    };
    items.iter().enumerate().filter_map(open).collect()
}

fn refuse_others(reader: &mut Reader<'_>, stage: &Fields<'_>, others: [&str; 2], kind: &str) {
    for key in others.into_iter().filter(|key| stage.has(key)) {
        let what = format!("key `{}{key}` does not belong to load type `{kind}`", stage.path);
        let hint = "inference-perf refuses it as well: remove it, or change `load.type`";
        reader.mistake(stage.line_of(key), Reason::new(what).hint(hint));
    }
}

/// Reads stages at a rate each. Both types make a given number of requests at random instants.
fn at_a_rate(draft: &mut Draft<'_>, keys: &Fields<'_>, data: &Data) -> String {
    if data.turns.is_some() {
        let what = "sends the turns of conversations at a rate, which has no counterpart";
        let hint = "write `type: concurrent` with `num_requests` and `concurrency_level`; `--rate` of a run begins \
                    sessions";
        draft.refuse(keys, "type", what, hint);
    }
    let mut stages: Vec<(Nanos, Rate)> = Vec::new();
    for stage in read_stages(draft, keys) {
        for key in ["rate", "duration"] {
            draft
                .reader
                .required(&stage, key, "write `{ rate: 1, duration: 30 }`");
        }
        refuse_others(
            &mut draft.reader,
            &stage,
            ["num_requests", "concurrency_level"],
            "constant",
        );
        let rate = draft.reader.parsed(&stage, "rate", "a number", |text| {
            let rate = text.parse::<f64>().ok().filter(|rate| *rate > 0.0);
            rate.and_then(|rate| Rate::new(rate, SECOND)).ok_or_else(|| {
                let what = format!(
                    "{} is no rate above 0 and up to 1,000,000 per second",
                    quoted(text)
                );
                Reason::new(what)
            })
        });
        let seconds = draft.reader.count(&stage, "duration", 1..=SECONDS_MAX);
        if let (Some(rate), Some(seconds)) = (rate, seconds) {
            stages.push((seconds * SECOND, rate));
        }
    }
    let kind = keys.node("type").and_then(scalar).unwrap_or("constant");
    draft.renamed.push(format!(
        "`load.type` `{kind}` is `arrival: scattered`: rate x duration requests in each stage, each at a random instant"
    ));
    let pause = read_interval(draft, keys);
    let open = read_users(draft, keys);
    let Some((duration, rate)) = stages.first().copied() else {
        return String::new();
    };
    let executor = match stages.len() {
        1 => Executor::ConstantArrivalRate { rate, duration, open },
        _ => {
            draft.renamed(
                keys,
                "stages",
                "follow one another when their time is over; inference-perf waits for all answers of a stage first",
            );
            Executor::RampingArrivalRate {
                start_rate: none(),
                stages: with_jumps(&stages, pause),
                open,
            }
        }
    };
    executor.as_profile()
}

fn none() -> Rate {
    Rate::per_second_of(0.0)
}

/// Returns stages that keep their rate, with a jump before each and a pause between two.
fn with_jumps(stages: &[(Nanos, Rate)], pause: Nanos) -> Vec<RateStage> {
    let stage = |duration, target| RateStage { duration, target };
    let mut out = Vec::new();
    for (index, (duration, rate)) in stages.iter().enumerate() {
        if index > 0 && pause > 0 {
            out.extend([stage(0, none()), stage(pause, none())]);
        }
        out.extend([stage(0, *rate), stage(*duration, *rate)]);
    }
    out
}

/// Reads the pause between two stages.
fn read_interval(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Nanos {
    let seconds = draft
        .reader
        .decimal(keys, "interval", 0.0..=SECONDS_MAX as f64)
        .unwrap_or(1.0);
    (seconds * SECOND as f64) as Nanos
}

/// Reads how many requests may be in flight. What arrives beyond that waits, as it waits for a worker there.
fn read_users(draft: &mut Draft<'_>, keys: &Fields<'_>) -> OpenLoop {
    let workers = draft.reader.count(keys, "num_workers", 0..=100_000_u64);
    let each = draft
        .reader
        .count(keys, "worker_max_concurrency", 1..=1_000_000_u64);
    let most = u64::from(in_flight_default(1));
    let max = match workers {
        Some(workers @ 1..) => (workers * each.unwrap_or(100)).min(most),
        _ => most,
    };
    if max < most {
        let how = format!("times `worker_max_concurrency` is `max_vus: {max}`, the most requests in flight");
        draft.renamed(keys, "num_workers", &how);
    } else if workers.is_none() && each.is_some() {
        let why = "it limits each of as many workers as that host has CPUs; `max_vus` limits the requests in flight";
        draft.lost(keys, "worker_max_concurrency", why);
    } else {
        let why = "the most requests in flight are 10,000, the default of `max_vus`";
        draft.ignored(keys, &["num_workers", "worker_max_concurrency"], why);
    }
    OpenLoop {
        arrival: Arrival::Scattered,
        pre_allocated_vus: 0,
        max_vus: max as u32,
        when_full: WhenFull::Queue,
    }
}

/// Reads a number of requests and how many are in flight. A profile has one such stage.
fn concurrent(draft: &mut Draft<'_>, keys: &Fields<'_>, data: &Data) -> String {
    let mut stages: Vec<(u64, u32)> = Vec::new();
    for stage in read_stages(draft, keys) {
        for key in ["num_requests", "concurrency_level"] {
            let hint = "write `{ num_requests: 300, concurrency_level: 10 }`";
            draft.reader.required(&stage, key, hint);
        }
        refuse_others(&mut draft.reader, &stage, ["rate", "duration"], "concurrent");
        let requests = draft.reader.count(&stage, "num_requests", 1..=ITERATIONS_MAX);
        let users = draft.reader.count(&stage, "concurrency_level", 1..=VUS_MAX);
        if let (Some(requests), Some(users)) = (requests, users) {
            let sessions = (requests as f64 / data.turns.unwrap_or(1.0)).round() as u64;
            stages.push((sessions.max(1), users));
        }
    }
    if let Some(turns) = data.turns {
        let how = format!("is a number of sessions here, of {turns:.1} turns on average: that many fewer");
        draft.renamed.push(format!("`load.stages[].num_requests` {how}"));
    }
    draft.ignored(
        keys,
        &["num_workers", "worker_max_concurrency", "interval"],
        "the concurrency of the stage says how many requests are in flight",
    );
    let Some((iterations, vus)) = stages.first().copied() else {
        return String::new();
    };
    for (index, (iterations, vus)) in stages.iter().enumerate().skip(1) {
        draft.left_out.push(format!(
            "`load.stages[{index}]`: a profile has one stage of this type; run it again with `--vus {vus} --iterations \
             {iterations}`"
        ));
    }
    Executor::SharedIterations {
        vus,
        iterations,
        max_duration: DURATION_MAX,
    }
    .as_profile()
}

/// Reads the trace whose rows say when requests are sent.
fn replay(draft: &mut Draft<'_>, keys: &Fields<'_>, data: &Data) -> String {
    draft
        .reader
        .required(keys, "trace", "write `trace: { file: trace.csv }`");
    let timed = read_trace(draft, keys);
    if data.trace.as_ref() != Some(&timed) {
        let what = match &data.trace {
            Some(other) => format!("names another file than `data.trace`, {}", quoted(other)),
            None => "says when requests are sent, and no `data.trace` how long they are".to_owned(),
        };
        let hint = "the rows of one trace say both: write `data: { type: random, trace: { file: … } }`";
        draft.refuse(keys, "trace", &what, hint);
    }
    let stages = match keys.has("stages") {
        true => read_stages(draft, keys).len(),
        false => 1,
    };
    if stages > 1 {
        let why = format!("the trace is replayed once; `trace_loop: {stages}` replays it again");
        draft.lost(keys, "stages", &why);
    }
    let open = read_users(draft, keys);
    let mut out = "executor: trace\n".to_owned();
    let _ = writeln!(out, "max_vus: {}\nwhen_full: queue", open.max_vus);
    out
}

/// Writes the keys that follow from the time that a request may take.
pub fn graceful_stop(timeout: Nanos) -> String {
    format!("graceful_stop: {}\n", format_duration(timeout))
}
