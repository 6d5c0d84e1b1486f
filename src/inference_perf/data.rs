//! The section `data`: what requests ask.

use std::fmt::Write as _;

use super::api::ApiType;
use super::draft::Draft;
use super::lengths::{Sampler, mean_of, read_lengths, read_times};
use super::sessions::read_weka;
use crate::config::document::reader::{Fields, scalar};
use crate::error::Reason;
use crate::imports::yaml_text;
use crate::plan::{MAX_TOKENS_MAX, PROMPT_TOKENS_MAX, TURNS_MAX};

pub(super) const KEYS: [&str; 13] = [
    "type",
    "path",
    "corpus_file_path",
    "input_distribution",
    "output_distribution",
    "shared_prefix",
    "multimodal",
    "trace",
    "otel_trace_replay",
    "weka_trace_replay",
    "conversation_replay",
    "visionarena",
    "use_chat_template",
];
pub(super) const TYPES: [&str; 12] = [
    "mock",
    "shareGPT",
    "synthetic",
    "random",
    "shared_prefix",
    "cnn_dailymail",
    "infinity_instruct",
    "billsum_conversations",
    "otel_trace_replay",
    "weka_trace_replay",
    "conversation_replay",
    "visionarena",
];
const PREFIX_KEYS: [&str; 12] = [
    "num_groups",
    "num_unique_system_prompts",
    "num_prompts_per_group",
    "num_users_per_system_prompt",
    "system_prompt_len",
    "question_len",
    "output_len",
    "seed",
    "question_distribution",
    "output_distribution",
    "enable_multi_turn_chat",
    "multimodal",
];
const CONVERSATION_KEYS: [&str; 9] = [
    "seed",
    "num_conversations",
    "shared_system_prompt_len",
    "dynamic_system_prompt_len",
    "turns_per_conversation",
    "input_tokens_per_turn",
    "output_tokens_per_turn",
    "tool_call_latency_sec",
    "max_model_len",
];
pub(super) const PATH_BYTES_MAX: usize = 4_096;
/// What inference-perf's own default of an answer's length is.
const ANSWER_TOKENS: u32 = 30;
const SHAREGPT: &str = "download ShareGPT_V3_unfiltered_cleaned_split.json from Hugging Face \
    (anon8231489123/ShareGPT_Vicuna_unfiltered) and add `path: ShareGPT_V3_unfiltered_cleaned_split.json`";

/// What the section says.
#[derive(Default)]
pub struct Data {
    /// The block `prompts` or `dataset` of the profile.
    pub block: String,
    /// The token limit of the kinds of request, unless the rows of a dataset have their own.
    pub max_tokens: Option<String>,
    /// The block `conversation` of a kind, a line each.
    pub conversation: Vec<String>,
    /// The mean number of turns of a conversation.
    pub turns: Option<f64>,
    pub seed: Option<u64>,
    /// The trace that lengths come from.
    pub trace: Option<String>,
    /// The rows are sessions of agents.
    pub has_sessions: bool,
    /// The model that every request asks for, whatever the server section says.
    pub model: Option<String>,
}

/// Reads the section. An absent one asks for a few words.
pub fn read_data(draft: &mut Draft<'_>, root: &Fields<'_>, api: ApiType) -> Data {
    let Some(keys) = draft.section(root, "data", &KEYS) else {
        return mock();
    };
    let kind = draft.reader.choice(&keys, "type", &TYPES).unwrap_or("mock");
    if draft.reader.boolean(&keys, "use_chat_template") == Some(true) && api != ApiType::Chat {
        let why = "prompts are sent as they are; api.type `chat` lets the server apply its template";
        draft.lost(&keys, "use_chat_template", why);
    }
    refuse_images(draft, &keys);
    draft.ignored(
        &keys,
        &["corpus_file_path"],
        "made prompts have words of their own",
    );
    match kind {
        "mock" => mock(),
        "shareGPT" => read_sharegpt(draft, &keys),
        "synthetic" | "random" => read_made(draft, &keys),
        "shared_prefix" => read_prefix(draft, &keys),
        "conversation_replay" => read_conversation(draft, &keys),
        "weka_trace_replay" => read_weka(draft, &keys),
        other => {
            refuse(draft, &keys, other);
            Data::default()
        }
    }
}

fn mock() -> Data {
    Data {
        block: "prompts:\n  prompt_tokens: 8\n".to_owned(),
        max_tokens: Some(ANSWER_TOKENS.to_string()),
        ..Data::default()
    }
}

fn refuse(draft: &mut Draft<'_>, keys: &Fields<'_>, kind: &str) {
    let hint = match kind {
        "otel_trace_replay" => "no format of docs/DATASETS.md has the spans of OpenTelemetry",
        "visionarena" => "requests have texts alone",
        _ => {
            "nothing is downloaded: save its prompts, one `{\"prompt\": …, \"output_tokens\": N}` a line, and write \
             `--dataset custom:FILE`"
        }
    };
    let what = format!("is `{kind}`, which has no counterpart");
    draft.refuse(keys, "type", &what, hint);
}

fn read_sharegpt(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Data {
    if !keys.meant("path") {
        let what = format!(
            "missing key `{}path`: inference-perf downloads the file, and nothing is downloaded here",
            keys.path
        );
        let line = keys.line_of("type");
        draft.reader.mistake(line, Reason::new(what).hint(SHAREGPT));
    }
    for key in ["input_distribution", "output_distribution"] {
        draft.lost(
            keys,
            key,
            "rows are not chosen by their length; `filter: vllm` of the dataset leaves out what vllm bench does",
        );
    }
    let path = draft.reader.string(keys, "path", PATH_BYTES_MAX);
    draft.renamed(
        keys,
        "type",
        "`shareGPT`: without a tokenizer, 4 bytes of the recorded answer count as a token of its length",
    );
    Data {
        block: dataset("sharegpt", &path.unwrap_or_else(|| "faulty".to_owned())),
        ..Data::default()
    }
}

pub(super) fn dataset(format: &str, file: &str) -> String {
    format!("dataset:\n  format: {format}\n  file: {}\n", yaml_text(file))
}

/// Reads made prompts, or those whose lengths a trace has.
fn read_made(draft: &mut Draft<'_>, keys: &Fields<'_>) -> Data {
    if keys.has("trace") {
        let file = read_trace(draft, keys);
        let why = "the lengths are those of the trace, as in inference-perf";
        draft.ignored(keys, &["input_distribution", "output_distribution"], why);
        return Data {
            block: dataset("azure", &file),
            trace: Some(file),
            ..Data::default()
        };
    }
    for key in ["input_distribution", "output_distribution"] {
        draft
            .reader
            .required(keys, key, "inference-perf requires it as well");
    }
    let prompt = read_lengths(
        draft,
        keys,
        "input_distribution",
        Sampler::Shifted,
        &(1..=PROMPT_TOKENS_MAX),
    );
    let answer = read_lengths(
        draft,
        keys,
        "output_distribution",
        Sampler::Shifted,
        &(1..=MAX_TOKENS_MAX),
    );
    Data {
        block: format!(
            "prompts:\n  prompt_tokens: {}\n",
            prompt.unwrap_or_else(|| "1".to_owned())
        ),
        max_tokens: answer.or_else(|| Some("1".to_owned())),
        ..Data::default()
    }
}

/// Reads the mapping `trace` of `data` or `load`: the file of a trace of Azure's.
pub fn read_trace(draft: &mut Draft<'_>, keys: &Fields<'_>) -> String {
    let faulty = "faulty".to_owned();
    let Some(trace) = draft.section(keys, "trace", &["file", "format"]) else {
        return faulty;
    };
    draft.reader.required(&trace, "file", "add the path of the trace");
    draft.reader.choice(&trace, "format", &["AzurePublicDataset"]);
    draft
        .reader
        .string(&trace, "file", PATH_BYTES_MAX)
        .unwrap_or(faulty)
}

/// Refuses what asks for images.
fn refuse_images(draft: &mut Draft<'_>, keys: &Fields<'_>) {
    if keys.has("multimodal") {
        let hint = "remove it: requests have texts alone";
        draft.refuse(keys, "multimodal", "has no counterpart: no images are sent", hint);
    }
}

/// Returns the one of two names of a key that is there, the first if none is.
fn either<'k>(draft: &mut Draft<'_>, keys: &Fields<'_>, names: [&'k str; 2]) -> &'k str {
    let [first, second] = names;
    if keys.has(first) && keys.has(second) {
        let what = format!("and `{}{first}` are two names of one key", keys.path);
        draft.refuse(keys, second, &what, "remove one of them");
    }
    if keys.has(second) { second } else { first }
}

/// Reads prompts that begin alike: each group has a prefix of its own.
fn read_prefix(draft: &mut Draft<'_>, data: &Fields<'_>) -> Data {
    draft
        .reader
        .required(data, "shared_prefix", "inference-perf requires it as well");
    let Some(keys) = draft.section(data, "shared_prefix", &PREFIX_KEYS) else {
        return Data::default();
    };
    let groups = either(draft, &keys, ["num_unique_system_prompts", "num_groups"]);
    let each = either(
        draft,
        &keys,
        ["num_users_per_system_prompt", "num_prompts_per_group"],
    );
    let groups = draft.reader.count(&keys, groups, 1..=1_000_000).unwrap_or(10);
    let each = draft.reader.count(&keys, each, 1..=1_000_000).unwrap_or(10);
    refuse_images(draft, &keys);
    if draft.reader.boolean(&keys, "enable_multi_turn_chat") == Some(true) {
        draft.lost(
            &keys,
            "enable_multi_turn_chat",
            "each prompt is a request of its own; `--turns N` makes conversations, of N turns each",
        );
    }
    let mut lengths = |key: &str, legacy: &str, limit: u32, default: &str| {
        let plain = keys.node(key).and_then(scalar).is_some() || !keys.has(key);
        let key = if plain && keys.has(legacy) { legacy } else { key };
        read_lengths(draft, &keys, key, Sampler::Plain, &(1..=limit)).unwrap_or_else(|| default.to_owned())
    };
    let prefix = lengths("system_prompt_len", "", PROMPT_TOKENS_MAX, "100");
    let question = lengths("question_len", "question_distribution", PROMPT_TOKENS_MAX, "50");
    let answer = lengths("output_len", "output_distribution", MAX_TOKENS_MAX, "50");
    draft.renamed(
        data,
        "shared_prefix",
        "takes its prompts in turn in inference-perf; here each request draws one, so that some are asked again sooner",
    );
    let mut block = "prompts:\n".to_owned();
    let _ = writeln!(block, "  prefix_groups: {groups}\n  prompts_per_group: {each}");
    let _ = writeln!(block, "  prefix_tokens: {prefix}\n  prompt_tokens: {question}");
    Data {
        block,
        max_tokens: Some(answer),
        seed: draft.reader.count(&keys, "seed", 0..=u64::MAX),
        ..Data::default()
    }
}

/// Reads conversations that are made from distributions.
fn read_conversation(draft: &mut Draft<'_>, data: &Fields<'_>) -> Data {
    draft
        .reader
        .required(data, "conversation_replay", "inference-perf requires it as well");
    let Some(keys) = draft.section(data, "conversation_replay", &CONVERSATION_KEYS) else {
        return Data::default();
    };
    let mut lengths = |key: &str, limits, default: &str| {
        read_lengths(draft, &keys, key, Sampler::Plain, &limits).unwrap_or_else(|| default.to_owned())
    };
    let turns = lengths("turns_per_conversation", 1..=TURNS_MAX, "10");
    let prompt = lengths("input_tokens_per_turn", 1..=PROMPT_TOKENS_MAX, "512");
    let answer = lengths("output_tokens_per_turn", 1..=MAX_TOKENS_MAX, "256");
    let own = lengths("dynamic_system_prompt_len", 0..=PROMPT_TOKENS_MAX, "0");
    let shared = draft
        .reader
        .count(&keys, "shared_system_prompt_len", 0..=PROMPT_TOKENS_MAX)
        .unwrap_or(8_359);
    let tools = read_times(draft, &keys, "tool_call_latency_sec");
    draft.ignored(
        &keys,
        &["num_conversations"],
        "each session is a new conversation, where inference-perf begins its own again",
    );
    draft.lost(
        &keys,
        "max_model_len",
        "no turns of a history are left out; lower the turns instead",
    );
    let mut conversation = vec![
        format!("turns: {turns}"),
        format!("system_tokens: {shared}"),
        format!("session_tokens: {own}"),
        "on_failure: continue".to_owned(),
    ];
    if let Some(times) = tools {
        draft.comes_from("tool_time", &keys, "tool_call_latency_sec");
        conversation.push(format!("tool_time: {times}"));
    }
    Data {
        block: format!("prompts:\n  prompt_tokens: {prompt}\n"),
        max_tokens: Some(answer),
        turns: Some(mean_of(&turns)),
        conversation,
        seed: draft.reader.count(&keys, "seed", 0..=u64::MAX).or(Some(42)),
        ..Data::default()
    }
}
