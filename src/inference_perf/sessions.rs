//! Traces of agents, whose sessions are carried out as graphs: the data type `weka_trace_replay`, and the load type
//! `trace_session_replay`.

use super::data::{Data, PATH_BYTES_MAX, dataset};
use super::draft::Draft;
use super::load::{MAX_SECONDS, STAGES_MAX};
use crate::config::document::in_flight_default;
use crate::config::document::reader::Fields;
use crate::error::Reason;
use crate::plan::{Arrival, DURATION_MAX, Executor, ITERATIONS_MAX, OpenLoop, VUS_MAX, WhenFull};
use crate::units::{Nanos, Rate, SECOND};

const WEKA_KEYS: [&str; 19] = [
    "trace_directory",
    "trace_files",
    "hf_dataset_path",
    "trace_idle_gap_cap_seconds",
    "ignore_trace_delays",
    "use_think_time_only",
    "default_block_size",
    "num_dataset_entries",
    "use_static_model",
    "static_model_name",
    "model_mapping",
    "default_max_tokens",
    "override_tool_call_max_tokens",
    "inject_random_session_id",
    "duplicate_sessions_target",
    "max_wait_ms",
    "predecessor_wait_timeout_sec",
    "include_errors",
    "skip_invalid_files",
];
/// Keys without a counterpart, each with what to know about it.
const WEKA_LOST: [(&str, &str); 7] = [
    ("trace_idle_gap_cap_seconds", CAPS),
    ("max_wait_ms", CAPS),
    (
        "use_think_time_only",
        "delays are those between the times of the trace",
    ),
    ("model_mapping", "every request asks for the model of the server"),
    (
        "inject_random_session_id",
        "ids of blocks that are local to a session make other blocks in each",
    ),
    (
        "duplicate_sessions_target",
        "sessions follow again when all have been begun",
    ),
    (
        "predecessor_wait_timeout_sec",
        "a request waits as long as those before it take, each up to its `timeout`",
    ),
];
const CAPS: &str = "no delay is cut; `delay_scale` of the dataset shortens all of them";
const STAGE_KEYS: [&str; 4] = ["concurrent_sessions", "session_rate", "num_sessions", "timeout"];
const JOIN: &str = "join the sessions into one file, one a line: `jq -c . traces/*.json > traces.jsonl`, and write \
    `trace_files: [traces.jsonl]`";

/// Reads the trace of `weka_trace_replay`.
pub fn read_weka(draft: &mut Draft<'_>, data: &Fields<'_>) -> Data {
    let hint = "inference-perf requires it as well";
    draft.reader.required(data, "weka_trace_replay", hint);
    let Some(keys) = draft.section(data, "weka_trace_replay", &WEKA_KEYS) else {
        return Data::default();
    };
    let file = read_file(draft, &keys);
    for (key, why) in WEKA_LOST {
        draft.lost(&keys, key, why);
    }
    let settings = [
        "default_block_size",
        "default_max_tokens",
        "override_tool_call_max_tokens",
        "include_errors",
        "skip_invalid_files",
        "num_dataset_entries",
    ];
    let why = "lengths and blocks are those of the trace, and a session that cannot be read is a mistake";
    draft.ignored(&keys, &settings, why);
    let is_static = draft.reader.boolean(&keys, "use_static_model") == Some(true);
    let model = draft.reader.string(&keys, "static_model_name", PATH_BYTES_MAX);
    let mut block = dataset("weka", &file);
    if draft.reader.boolean(&keys, "ignore_trace_delays") == Some(true) {
        block.push_str("  delay_scale: 0\n");
    } else if !keys.has("max_wait_ms") && !keys.has("trace_idle_gap_cap_seconds") {
        let how = "keeps the delays of the trace; inference-perf cuts them to 15 s (`max_wait_ms`)";
        draft.renamed(data, "weka_trace_replay", how);
    }
    Data {
        block,
        has_sessions: true,
        model: model.filter(|_| is_static),
        ..Data::default()
    }
}

/// Returns the one file that holds the sessions.
fn read_file(draft: &mut Draft<'_>, keys: &Fields<'_>) -> String {
    let faulty = "faulty".to_owned();
    if keys.has("hf_dataset_path") {
        let hint = "download `traces.jsonl` of that data set, and write `trace_files: [traces.jsonl]`";
        let what = "names a data set to download, and nothing is downloaded here";
        draft.refuse(keys, "hf_dataset_path", what, hint);
        return faulty;
    }
    if keys.has("trace_directory") {
        draft.refuse(
            keys,
            "trace_directory",
            "names a folder, and a trace is one file here",
            JOIN,
        );
        return faulty;
    }
    draft.reader.required(keys, "trace_files", JOIN);
    let files = draft
        .reader
        .strings(keys, "trace_files", STAGES_MAX, PATH_BYTES_MAX);
    match files.as_deref() {
        Some([file]) => file.clone(),
        Some(_) => {
            draft.refuse(
                keys,
                "trace_files",
                "names several files, and a trace is one file here",
                JOIN,
            );
            faulty
        }
        None => faulty,
    }
}

/// A stage of sessions.
struct Stage {
    at_a_time: u32,
    rate: Option<Rate>,
    sessions: Option<u64>,
    timeout: Option<Nanos>,
}

/// Reads a number of sessions and how many are carried out at a time. A profile has one such stage.
pub fn read_sessions(draft: &mut Draft<'_>, keys: &Fields<'_>) -> String {
    let hint =
        "inference-perf requires them as well: `stages: [{ concurrent_sessions: 2, num_sessions: 5 }]`";
    draft.reader.required(keys, "stages", hint);
    let mut stages = Vec::new();
    let items = draft.reader.list(keys, "stages", STAGES_MAX).unwrap_or_default();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{}stages[{index}]", keys.path);
        if let Some(stage) = draft.reader.mapping(&path, item, &STAGE_KEYS) {
            stages.push(read_stage(draft, &stage));
        }
    }
    for index in 1..stages.len() {
        draft.left_out.push(format!(
            "`load.stages[{index}]`: a profile has one stage of this type; run it again with `--vus` and `--iterations`"
        ));
    }
    draft.ignored(
        keys,
        &["num_workers", "worker_max_concurrency", "interval"],
        "the stage says how many sessions are carried out at a time",
    );
    stages.first().map_or_else(String::new, Stage::written)
}

fn read_stage(draft: &mut Draft<'_>, stage: &Fields<'_>) -> Stage {
    let hint = "write `{ concurrent_sessions: 2, num_sessions: 5 }`";
    draft.reader.required(stage, "concurrent_sessions", hint);
    let per_second = draft.reader.decimal(stage, "session_rate", 0.000_001..=1e6);
    let sessions = draft.reader.count(stage, "num_sessions", 1..=ITERATIONS_MAX);
    if per_second.is_some() && !stage.meant("num_sessions") {
        let what = format!("`{}session_rate` has no end without `num_sessions`", stage.path);
        let hint = "add the number of sessions of the trace";
        draft
            .reader
            .mistake(stage.line_of("session_rate"), Reason::new(what).hint(hint));
    }
    let timeout = draft.reader.decimal(stage, "timeout", 0.001..=MAX_SECONDS);
    Stage {
        at_a_time: draft
            .reader
            .count(stage, "concurrent_sessions", 0..=VUS_MAX)
            .unwrap_or(1),
        rate: per_second.and_then(|rate| Rate::new(rate, SECOND)),
        sessions,
        timeout: timeout.map(|seconds| (seconds * SECOND as f64) as Nanos),
    }
}

impl Stage {
    /// Writes the keys of the load.
    fn written(&self) -> String {
        let most = in_flight_default(1);
        match (self.rate, self.sessions) {
            (Some(rate), Some(sessions)) => Executor::ConstantArrivalRate {
                rate,
                // The last one begins before it is over.
                duration: (sessions as f64 / rate.per_second() * SECOND as f64) as Nanos,
                open: OpenLoop {
                    arrival: Arrival::Constant,
                    pre_allocated_vus: 0,
                    max_vus: if self.at_a_time == 0 { most } else { self.at_a_time },
                    when_full: WhenFull::Queue,
                },
            }
            .as_profile(),
            (_, Some(sessions)) => Executor::SharedIterations {
                vus: match self.at_a_time {
                    0 => sessions.min(u64::from(VUS_MAX)) as u32,
                    some => some,
                },
                iterations: sessions,
                max_duration: self.timeout.unwrap_or(DURATION_MAX),
            }
            .as_profile(),
            // Each session of the trace once.
            (_, None) => match self.at_a_time {
                0 => "executor: trace\n".to_owned(),
                some => format!("executor: trace\nmax_vus: {some}\n"),
            },
        }
    }
}
