//! The schema of a document: its keys, their values, and their defaults.
//!
//! A wrong value is reported and replaced by a harmless one, so that later checks find the other mistakes, but none
//! that only follow from it. A document with a mistake is never run.

mod analysis;
mod body;
mod cancel;
mod connections;
mod conversation;
mod dataset;
mod goodput;
mod json_text;
mod kind_rates;
mod lengths;
mod load_profile;
mod open_loop;
mod prompts;
mod python_tool;
pub mod reader;
mod requests;
pub mod servers;
mod shape;
mod shared;
pub(in crate::config) mod thresholds;
mod trace;
pub mod tree;
mod workload;

pub use json_text::json_text;
pub use prompts::PROMPT_TOKENS_DEFAULT;

use crate::config::document::analysis::read_analysis;
use crate::config::document::body::{BODY_KEYS, read_request_id_header};
pub(in crate::config) use crate::config::document::body::{id_header, serialize_body};
use crate::config::document::connections::{read_connection, read_sources};
use crate::config::document::kind_rates::{read_kind_defaults, read_rates_by_kind};
pub use crate::config::document::open_loop::in_flight_default;
use crate::config::document::reader::{Fields, Reader, is_mapping};
use crate::config::document::requests::read_requests;
use crate::config::document::servers::read_servers;
use crate::config::document::shape::read_shape;
use crate::config::document::thresholds::read_thresholds;
use crate::config::document::tree::read_tree;
use crate::config::document::workload::{open_workload, place_of};
use crate::config::push::read_push;
use crate::config::server_metrics::read_server_metrics;
use crate::config::tokenizer::read_tokenizer;
use crate::config::{Config, RequestConfig, ServerChoice, ServerEntry, Settings, SimulatorConfig};
use crate::error::{Mistake, Mistakes, Place, Reason};
use crate::plan::{DURATION_MAX, Executor, PairedPrompts, REPEAT_MAX, THINK_TIME_MAX};
use crate::server::args::{LATENCY_PROFILES, TARGET_TOKENS_MAX};
use crate::units::Span;
use crate::units::check_duration;
use crate::units::parse_duration_span;
use crate::units::{MINUTE, Nanos, SECOND};
use std::path::PathBuf;

pub const SEED_DEFAULT: u64 = 1;
/// The default of k6.
pub const GRACEFUL_DEFAULT: Nanos = 30 * SECOND;
/// The default of k6.
pub const MAX_DURATION_DEFAULT: Nanos = 10 * MINUTE;
/// The default of k6 for a whole request.
pub const TIMEOUT_DEFAULT: Nanos = MINUTE;
pub const CONNECT_TIMEOUT_DEFAULT: Nanos = 5 * SECOND;

pub const MODELS_MAX: usize = 1_000;
pub const MODEL_BYTES_MAX: usize = 256;
pub const NAME_BYTES_MAX: usize = 64;
const PATH_BYTES_MAX: usize = 4_096;
const DESCRIPTION_BYTES_MAX: usize = 4_096;

const KEYS: [&str; 60] = [
    "description",
    "validate",
    "require_fit",
    "require_decided",
    "executor",
    "vus",
    "duration",
    "iterations",
    "max_duration",
    "start_vus",
    "stages",
    "graceful_ramp_down",
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
    "graceful_stop",
    "seed",
    "cache_bust",
    "think_time",
    "connection",
    "source_address",
    "request_id_header",
    "models",
    "prompts",
    "dataset",
    "tokenizer",
    "server_metrics",
    "requests",
    "each_kind_first",
    "goodput",
    "cancel",
    "batch_size",
    "max_tokens_key",
    "stream_options",
    "conversation",
    "steps",
    "simulator",
    "server",
    "servers",
    "workload",
    "client",
    "warmup",
    "repeat",
    "contention",
    "paired",
    "paired_prompts",
    "results_dir",
    "output",
    "details",
    "analysis",
    "prometheus",
];
const THRESHOLDS: &str = "thresholds";

/// Reads a document, which errors call `file`, and returns it with all mistakes that were found. Fails if the text is
/// not a document at all.
pub fn read_document(profile: &str, file: &str, text: &str) -> Result<(Config, Vec<Mistake>), Mistakes> {
    let mut reader = Reader::new(file);
    let root = read_tree(file, text, &mut reader.mistakes)?;
    let known: Vec<&str> = KEYS.into_iter().chain(BODY_KEYS).chain([THRESHOLDS]).collect();
    let Some(fields) = reader.document(&root, &known) else {
        return Err(Mistakes::new(reader.mistakes));
    };
    let workload = open_workload(&mut reader, &fields);
    let servers = read_servers(&mut reader, &fields, file);
    let inside = workload.as_ref();
    let (requests, (executor, shape_line)) = read_load(&mut reader, &fields, inside, (&servers, file));
    let simulator = read_simulator(&mut reader, &fields, &servers);
    let (holds_seed, seed) = place_of(&mut reader, (&fields, "seed"), inside, "seed");
    let (holds_think, think) = place_of(&mut reader, (&fields, "think_time"), inside, "think_time");
    let (holds_warmup, warmup) = place_of(&mut reader, (&fields, "warmup"), inside, "warmup_seconds");
    let (holds_repeat, repeat) = place_of(&mut reader, (&fields, "repeat"), inside, "repeat");
    let config = Config {
        profile: profile.to_owned(),
        description: reader.string(&fields, "description", DESCRIPTION_BYTES_MAX),
        server: ServerChoice::of_document(servers, simulator.as_ref()),
        require_fit: reader.boolean(&fields, "require_fit").unwrap_or(false),
        require_decided: reader.boolean(&fields, "require_decided").unwrap_or(false),
        validate: reader.boolean(&fields, "validate").unwrap_or(false),
        seed: reader
            .count(holds_seed, seed, 0..=u64::MAX)
            .unwrap_or(SEED_DEFAULT),
        executor,
        graceful_stop: reader
            .duration(&fields, "graceful_stop", 0..=DURATION_MAX)
            .unwrap_or(GRACEFUL_DEFAULT),
        think_time: read_think_time(&mut reader, holds_think, think),
        connection: read_connection(&mut reader, &fields),
        source_address: read_sources(&mut reader, &fields),
        request_id_header: read_request_id_header(&mut reader, &fields),
        requests,
        tokenizer: read_tokenizer(&mut reader, &fields),
        server_metrics: read_server_metrics(&mut reader, &fields),
        each_kind_first: reader.boolean(&fields, "each_kind_first").unwrap_or(false),
        steps: reader.boolean(&fields, "steps").unwrap_or(false),
        simulator,
        thresholds: read_thresholds(&mut reader, &fields, THRESHOLDS, file),
        warmup: reader
            .duration(holds_warmup, warmup, 0..=DURATION_MAX)
            .unwrap_or(0),
        repeat: reader.count(holds_repeat, repeat, 1..=REPEAT_MAX).unwrap_or(1),
        contention: reader.boolean(&fields, "contention").unwrap_or(false),
        paired: reader.boolean(&fields, "paired").unwrap_or(false),
        paired_prompts: reader
            .choice(&fields, "paired_prompts", &PairedPrompts::NAMES)
            .and_then(PairedPrompts::of_name)
            .unwrap_or_default(),
        results_dir: read_path(&mut reader, &fields, "results_dir"),
        output: read_path(&mut reader, &fields, "output"),
        details: reader.boolean(&fields, "details"),
        analysis: read_analysis(&mut reader, &fields),
        push: read_push(&mut reader, &fields),
        run: Settings::default(),
        notes: reader.take_notes(),
        shape_place: Place::file(file, shape_line),
        requests_place: Place::file(file, fields.line_of("requests")),
        source_place: Place::file(file, fields.line_of("source_address")),
        paired_place: read_paired_place(&fields, file),
    };
    Ok((config, reader.mistakes))
}

/// Reads the mix, and the shape of the load with the line that made it.
fn read_load(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    workload: Option<&Fields<'_>>,
    (servers, file): (&[ServerEntry], &str),
) -> (Vec<RequestConfig>, (Executor, usize)) {
    let kinds = read_kind_defaults(reader, fields);
    let requests = read_requests(reader, fields, servers, kinds.as_ref(), file);
    let shape = match kinds {
        Some(_) => read_rates_by_kind(reader, fields, workload, &requests),
        None => read_shape(reader, fields, workload),
    };
    (requests, shape)
}

fn read_paired_place(fields: &Fields<'_>, file: &str) -> Place {
    let key = match fields.has("paired") {
        true => "paired",
        false => "paired_prompts",
    };
    Place::file(file, fields.line_of(key))
}

fn read_think_time(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str) -> Span<Nanos> {
    if let Some(node) = fields.node(key).filter(|node| is_mapping(node)) {
        return python_tool::read_think_time(reader, node);
    }
    let span = reader.parsed(fields, key, "a duration or a range", |text| {
        let span = parse_duration_span(text)?;
        check_duration(span.max, &(0..=THINK_TIME_MAX))?;
        Ok(span)
    });
    span.unwrap_or(Span { min: 0, max: 0 })
}

fn read_path(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str) -> Option<PathBuf> {
    reader.string(fields, key, PATH_BYTES_MAX).map(PathBuf::from)
}

fn read_simulator(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    servers: &[ServerEntry],
) -> Option<SimulatorConfig> {
    let node = fields.node("simulator")?;
    if let Some(first) = servers.first() {
        let what = "key `simulator` has no effect in a document that names a server";
        let hint = format!("line {} names one, so no simulator is started", first.place.line);
        reader.mistake(fields.line_of("simulator"), Reason::new(what).hint(hint));
    }
    let known = ["latency", "tokens"];
    let simulator = reader.mapping("simulator", node, &known)?;
    let latency = reader.choice(&simulator, "latency", &LATENCY_PROFILES);
    Some(SimulatorConfig {
        latency: latency.map(str::to_owned),
        tokens: reader.count(&simulator, "tokens", 1..=TARGET_TOKENS_MAX),
    })
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;

#[cfg(test)]
mod python_tool_tests;

#[cfg(test)]
mod times_tests;
