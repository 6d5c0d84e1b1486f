//! The schema of a document: which keys there are, what each may hold, what absent ones mean.
//!
//! Whatever is wrong is reported and replaced by a harmless value, so that later checks find the other mistakes
//! and none that only follow from it. With a mistake reported, nothing read here is ever run.

use crate::config::duration::{parse_count_span, parse_duration_span};
use crate::config::reader::{Fields, Node, Reader, check_duration, line};
use crate::config::thresholds::read_thresholds;
use crate::config::tree::read_tree;
use crate::config::{
    CallConfig, Config, ConfigError, Mistake, Place, Reason, RequestConfig, Settings, SimulatorConfig,
};
use crate::plan::{
    DURATION_MAX, Executor, ITERATIONS_MAX, KINDS_MAX, STAGES_MAX, Stage, VUS_MAX, WEIGHT_MAX,
};
use crate::server::args::{LATENCY_PROFILES, TARGET_TOKENS_MAX};
use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND};
use crate::workload::{LightPath, Span};

pub const SEED_DEFAULT: u64 = 1;
/// k6's.
pub const GRACEFUL_DEFAULT: Nanos = 30 * SECOND;
/// k6's.
pub const MAX_DURATION_DEFAULT: Nanos = 10 * MINUTE;
/// k6's for a whole request.
const TIMEOUT_DEFAULT: Nanos = MINUTE;
const CONNECT_TIMEOUT_DEFAULT: Nanos = 5 * SECOND;

pub const THINK_TIME_MAX: Nanos = 60 * MINUTE;
pub const MAX_TOKENS_MAX: u32 = 10_000_000;
pub const MODELS_MAX: usize = 1_000;
pub const MODEL_BYTES_MAX: usize = 256;
pub const PROMPTS_MAX: usize = 10_000;
pub const PROMPT_BYTES_MAX: usize = 256 << 10;
const NAME_BYTES_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 4_096;

const KEYS: [&str; 19] = [
    "description",
    "validate",
    "require_fit",
    "executor",
    "vus",
    "duration",
    "iterations",
    "max_duration",
    "start_vus",
    "stages",
    "graceful_ramp_down",
    "graceful_stop",
    "seed",
    "think_time",
    "models",
    "prompts",
    "requests",
    "steps",
    "simulator",
];
const THRESHOLDS: &str = "thresholds";

/// Executor, the keys it must have, the keys it may have.
const SHAPES: [(&str, &[&str], &[&str]); 4] = [
    ("constant-vus", &["duration"], &["vus"]),
    (
        "ramping-vus",
        &["stages"],
        &["start_vus", "graceful_ramp_down", "steps"],
    ),
    ("per-vu-iterations", &[], &["vus", "iterations", "max_duration"]),
    ("shared-iterations", &[], &["vus", "iterations", "max_duration"]),
];

const REQUEST_KEYS: [&str; 12] = [
    "name",
    "weight",
    "kind",
    "timeout",
    "connect_timeout",
    "stream",
    "max_tokens",
    "models",
    "prompts",
    "first_token_timeout",
    "idle_timeout",
    "path",
];
/// Of these keys, those that a light GET has no use for.
const CHAT_ONLY: [&str; 6] = [
    "stream",
    "max_tokens",
    "models",
    "prompts",
    "first_token_timeout",
    "idle_timeout",
];

/// Reads a document called `file` in errors. The mistakes are all that could be found; `Err` where there is
/// nothing to go on with.
pub fn read_document(profile: &str, file: &str, text: &str) -> Result<(Config, Vec<Mistake>), ConfigError> {
    let mut reader = Reader::new(file);
    let root = read_tree(file, text, &mut reader.mistakes)?;
    let known: Vec<&str> = KEYS.into_iter().chain([THRESHOLDS]).collect();
    let Some(fields) = reader.mapping("", "document", &root, &known) else {
        return Err(ConfigError::new(reader.mistakes));
    };
    let description = reader.string(&fields, "description", DESCRIPTION_BYTES_MAX);
    let executor = read_executor(&mut reader, &fields);
    let graceful_stop = reader.duration(&fields, "graceful_stop", 0..=DURATION_MAX);
    let seed = reader.count(&fields, "seed", 0..=u64::MAX);
    let think_time = reader.parsed(&fields, "think_time", "a duration or a range", |text| {
        let span = parse_duration_span(text)?;
        check_duration(span.max, &(0..=THINK_TIME_MAX))?;
        Ok(span)
    });
    let validate = reader.boolean(&fields, "validate");
    let require_fit = reader.boolean(&fields, "require_fit");
    let requests = read_requests(&mut reader, &fields, file);
    let steps = reader.boolean(&fields, "steps");
    let simulator = read_simulator(&mut reader, &fields);
    let thresholds = read_thresholds(&mut reader, &fields, THRESHOLDS, file);
    let config = Config {
        profile: profile.to_owned(),
        description,
        validate: validate.unwrap_or(false),
        require_fit: require_fit.unwrap_or(false),
        seed: seed.unwrap_or(SEED_DEFAULT),
        executor,
        graceful_stop: graceful_stop.unwrap_or(GRACEFUL_DEFAULT),
        think_time: think_time.unwrap_or(Span { min: 0, max: 0 }),
        requests,
        steps: steps.unwrap_or(false),
        simulator,
        thresholds,
        run: Settings::default(),
        shape_place: Place::file(file, fields.line_of("executor")),
        requests_place: Place::file(file, fields.line_of("requests")),
    };
    Ok((config, reader.mistakes))
}

fn read_executor(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Executor {
    let names: Vec<&'static str> = SHAPES.iter().map(|(name, ..)| *name).collect();
    reader.required(fields, "executor", &format!("one of {}", names.join(", ")));
    let chosen = reader.choice(fields, "executor", &names);
    match SHAPES.iter().find(|(name, ..)| Some(*name) == chosen) {
        Some(shape) => check_shape_keys(reader, fields, *shape),
        // Then no key can be said to be missing or out of place: still, what stands there is read below.
        None => drop(read_stages(reader, fields)),
    }
    let vus = reader.count(fields, "vus", 1..=VUS_MAX).unwrap_or(1);
    let start_vus = reader.count(fields, "start_vus", 0..=VUS_MAX).unwrap_or(1);
    // A faulty count is not to clash with a good number of VUs.
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
        reader.required(fields, key, &format!("executor `{name}` needs it"));
    }
    let all = SHAPES
        .iter()
        .flat_map(|(_, required, optional)| required.iter().chain(*optional));
    let mut seen: Vec<&str> = Vec::new();
    for key in all {
        let fits = required.contains(key) || optional.contains(key);
        if fields.has(key) && !fits && !seen.contains(key) {
            seen.push(key);
            let what = format!("key `{key}` has no meaning for executor `{name}`");
            let hint = format!("`{name}` takes {takes}");
            reader.mistake(fields.line_of(key), Reason::new(what).hint(hint));
        }
    }
}

fn read_stages(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Vec<Stage> {
    let harmless = vec![Stage {
        duration: SECOND,
        target: 1,
    }];
    let Some(items) = reader.list(fields, "stages", STAGES_MAX) else {
        return harmless;
    };
    let mut stages = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = format!("stages[{i}].");
        let Some(stage) = reader.mapping(&path, &format!("stages[{i}]"), item, &["duration", "target"])
        else {
            continue;
        };
        reader.required(&stage, "duration", "how long the stage lasts");
        reader.required(&stage, "target", "VUs at the end of the stage");
        let duration = reader.duration(&stage, "duration", 0..=DURATION_MAX);
        let target = reader.count(&stage, "target", 0..=VUS_MAX);
        if let (Some(duration), Some(target)) = (duration, target) {
            stages.push(Stage { duration, target });
        }
    }
    // What is left of faulty stages is not to look like too short or too empty a run.
    if stages.len() < items.len() {
        harmless
    } else {
        stages
    }
}

fn read_requests(reader: &mut Reader<'_>, fields: &Fields<'_>, file: &str) -> Vec<RequestConfig> {
    let before = reader.mistakes.len();
    reader.required(fields, "requests", "a list of the kinds of request in the mix");
    let models = reader.strings(fields, "models", MODELS_MAX, MODEL_BYTES_MAX);
    let prompts = reader.strings(fields, "prompts", PROMPTS_MAX, PROMPT_BYTES_MAX);
    let inherited = Inherited {
        models: models.unwrap_or_default(),
        prompts: prompts.unwrap_or_default(),
        // A faulty list is not to be reported again as a missing one.
        models_given: fields.meant("models"),
        prompts_given: fields.meant("prompts"),
    };
    let mut requests: Vec<RequestConfig> = Vec::new();
    for (i, item) in reader
        .list(fields, "requests", KINDS_MAX)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let Some(request) = read_request(reader, i, item, &inherited, file) else {
            continue;
        };
        if let Some(first) = requests.iter().find(|other| other.name == request.name) {
            let what = format!("requests[{i}]: name `{}` is taken", request.name);
            let hint = format!("line {} has it", first.place.line);
            reader.mistake(line(item), Reason::new(what).hint(hint));
        }
        requests.push(request);
    }
    // Options that change chat requests are not to complain about requests that could not be read.
    if requests.len() + 2 <= KINDS_MAX && reader.mistakes.len() > before {
        requests.extend([harmless_chat(true), harmless_chat(false)]);
    }
    requests
}

fn harmless_chat(stream: bool) -> RequestConfig {
    RequestConfig {
        name: "faulty".to_owned(),
        weight: 1,
        call: CallConfig::Chat {
            stream,
            max_tokens: Span { min: 1, max: 1 },
            models: vec!["faulty".to_owned()],
            prompts: vec!["faulty".to_owned()],
        },
        timeout: TIMEOUT_DEFAULT,
        connect_timeout: CONNECT_TIMEOUT_DEFAULT,
        first_token_timeout: None,
        idle_timeout: None,
        place: Place::default(),
    }
}

struct Inherited {
    models: Vec<String>,
    prompts: Vec<String>,
    models_given: bool,
    prompts_given: bool,
}

fn read_request(
    reader: &mut Reader<'_>,
    index: usize,
    node: &Node<'_>,
    inherited: &Inherited,
    file: &str,
) -> Option<RequestConfig> {
    let path = format!("requests[{index}].");
    let fields = reader.mapping(&path, &format!("requests[{index}]"), node, &REQUEST_KEYS)?;
    reader.required(&fields, "name", "a short name, its row in the report");
    let name = reader.parsed(&fields, "name", "a name", request_name);
    let weight = reader.count(&fields, "weight", 1..=WEIGHT_MAX).unwrap_or(1);
    let limit = MILLISECOND..=DURATION_MAX;
    let timeout = reader
        .duration(&fields, "timeout", limit.clone())
        .unwrap_or(TIMEOUT_DEFAULT);
    let connect = reader
        .duration(&fields, "connect_timeout", limit.clone())
        .unwrap_or(CONNECT_TIMEOUT_DEFAULT);
    let first_token_timeout = reader.duration(&fields, "first_token_timeout", limit.clone());
    let idle_timeout = reader.duration(&fields, "idle_timeout", limit);
    let kind = match fields.has("kind") {
        true => reader.choice(&fields, "kind", &["chat", "light"]),
        false => Some("chat"),
    };
    let call = match kind {
        Some("chat") => {
            if fields.has("path") {
                let what = format!("key `{}path` has no meaning for kind `chat`", fields.path);
                let hint = "the target's URL says where chat completions are; write `kind: light`";
                reader.mistake(fields.line_of("path"), Reason::new(what).hint(hint));
            }
            read_chat(reader, &fields, inherited)
        }
        Some(_) => {
            refuse_chat_keys(reader, &fields);
            read_light(reader, &fields)
        }
        None => CallConfig::Light,
    };
    Some(RequestConfig {
        name: name.unwrap_or_else(|| format!("requests[{index}]")),
        weight,
        call,
        timeout,
        connect_timeout: connect.min(timeout),
        first_token_timeout,
        idle_timeout,
        place: Place::file(file, fields.line),
    })
}

fn read_light(reader: &mut Reader<'_>, fields: &Fields<'_>) -> CallConfig {
    let name = reader.choice(fields, "path", &LightPath::ALL.map(LightPath::name));
    match LightPath::ALL.into_iter().find(|path| Some(path.name()) == name) {
        Some(path) => CallConfig::Get { path },
        None => CallConfig::Light,
    }
}

fn read_simulator(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<SimulatorConfig> {
    let node = fields.node("simulator")?;
    let known = ["latency", "tokens"];
    let simulator = reader.mapping("simulator.", "simulator", node, &known)?;
    let latency = reader.choice(&simulator, "latency", &LATENCY_PROFILES);
    Some(SimulatorConfig {
        latency: latency.map(str::to_owned),
        tokens: reader.count(&simulator, "tokens", 1..=TARGET_TOKENS_MAX),
    })
}

fn read_chat(reader: &mut Reader<'_>, fields: &Fields<'_>, inherited: &Inherited) -> CallConfig {
    reader.required(fields, "max_tokens", "the generation limit, `50` or `50-200`");
    let max_tokens = reader.parsed(fields, "max_tokens", "a whole number or a range", |text| {
        let span = parse_count_span(text)?;
        check_max_tokens(span)?;
        Ok(span)
    });
    let models = reader.strings(fields, "models", MODELS_MAX, MODEL_BYTES_MAX);
    let prompts = reader.strings(fields, "prompts", PROMPTS_MAX, PROMPT_BYTES_MAX);
    let given = |own: Option<Vec<String>>, key: &str, outer: &[String], outer_given: bool| {
        let list = own.unwrap_or_else(|| outer.to_vec());
        match list.is_empty() && (fields.meant(key) || outer_given) {
            true => vec!["faulty".to_owned()],
            false => list,
        }
    };
    CallConfig::Chat {
        stream: reader.boolean(fields, "stream").unwrap_or(false),
        max_tokens: max_tokens.unwrap_or(Span { min: 1, max: 1 }),
        models: given(models, "models", &inherited.models, inherited.models_given),
        prompts: given(prompts, "prompts", &inherited.prompts, inherited.prompts_given),
    }
}

pub fn check_max_tokens(span: Span<u32>) -> Result<(), Reason> {
    match span.min {
        0 => Err(Reason::new("`0` is below the limit, 1")),
        _ if span.max > MAX_TOKENS_MAX => Err(Reason::new(format!(
            "`{}` is above the limit, {MAX_TOKENS_MAX}",
            span.max
        ))),
        _ => Ok(()),
    }
}

fn refuse_chat_keys(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    for key in CHAT_ONLY {
        if fields.has(key) {
            let what = format!("key `{}{key}` has no meaning for kind `light`", fields.path);
            let hint = "a light request is a GET without a body; write `kind: chat`";
            reader.mistake(fields.line_of(key), Reason::new(what).hint(hint));
        }
    }
}

/// It becomes a tag, a row and a key in files.
fn request_name(text: &str) -> Result<String, Reason> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.len() > NAME_BYTES_MAX || !text.bytes().all(fits) {
        let what = format!("`{}` is no name", text.escape_default());
        let hint = format!("up to {NAME_BYTES_MAX} letters, digits, `_`, `-` and `.`");
        return Err(Reason::new(what).hint(hint));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
