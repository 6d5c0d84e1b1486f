//! The figures that are known, and the names that each kind of server has for them.

use serde::{Deserialize, Serialize};

/// The program that shows the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    Vllm,
    Sglang,
    Tgi,
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    Mock,
    /// NVIDIA's exporter of GPU figures.
    Dcgm,
    /// None of them: only names that were asked for are known.
    Other,
}

impl ServerKind {
    /// Returns the name as people write it.
    pub fn title(self) -> &'static str {
        match self {
            ServerKind::Vllm => "vLLM",
            ServerKind::Sglang => "SGLang",
            ServerKind::Tgi => "TGI",
            ServerKind::LlamaCpp => "llama.cpp",
            ServerKind::Mock => "the mock",
            ServerKind::Dcgm => "DCGM",
            ServerKind::Other => "other",
        }
    }
}

/// What the engines, models or devices that one server shows come to together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    Sum,
    Mean,
    Max,
}

/// The sort of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Gauge(Together),
    Counter,
    /// Of seconds, which are told as milliseconds.
    Times,
    /// Of anything else.
    Histogram,
}

/// A figure that several kinds of server have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its key in documents.
    pub key: &'static str,
    pub sort: Sort,
    /// Its name for people.
    pub title: &'static str,
}

const fn gauge(key: &'static str, together: Together, title: &'static str) -> Figure {
    Figure {
        key,
        sort: Sort::Gauge(together),
        title,
    }
}

const fn counter(key: &'static str, title: &'static str) -> Figure {
    Figure {
        key,
        sort: Sort::Counter,
        title,
    }
}

const fn times(key: &'static str, title: &'static str) -> Figure {
    Figure {
        key,
        sort: Sort::Times,
        title,
    }
}

/// All figures, in the order in which they are shown.
pub const FIGURES: [Figure; 22] = [
    gauge("running", Together::Sum, "requests running"),
    gauge("waiting", Together::Sum, "requests waiting"),
    gauge("kv_cache_usage", Together::Mean, "KV cache in use"),
    gauge("gpu_utilization", Together::Mean, "GPU utilization"),
    gauge("gpu_memory_used_bytes", Together::Sum, "GPU memory in use"),
    gauge("gpu_power_watts", Together::Sum, "GPU power"),
    gauge("gpu_temperature_celsius", Together::Max, "GPU temperature"),
    gauge("gpu_sm_clock_mhz", Together::Mean, "GPU clock"),
    counter("requests", "requests finished"),
    counter("aborted", "requests aborted"),
    counter("prompt_tokens", "prompt tokens"),
    counter("generation_tokens", "generated tokens"),
    counter("prefix_cache_queries", "prefix cache lookups, tokens"),
    counter("prefix_cache_hits", "prefix cache hits, tokens"),
    counter("preemptions", "preemptions"),
    times("ttft", "time to first token"),
    times("inter_token_latency", "time between tokens"),
    times("time_per_output_token", "time per output token of a request"),
    times("e2e_latency", "time of a whole request"),
    times("queue_time", "time in the queue"),
    times("prefill_time", "time to read the prompt"),
    times("decode_time", "time to generate"),
];

/// Returns the figure of a key; `None` for a name that was asked for.
pub fn figure(key: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.key == key)
}

/// Which samples of a name belong to a figure, by one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    All,
    /// The label has one of these values.
    With(&'static str, &'static [&'static str]),
    /// The label has none of them.
    Without(&'static str, &'static [&'static str]),
}

/// A name of a figure at one kind of server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub kind: ServerKind,
    pub key: &'static str,
    /// The name of a sample, or of a histogram without its ends.
    pub name: &'static str,
    pub only: Only,
    /// What its values are multiplied by.
    pub scale: f64,
    /// It is added to the name before it, instead of standing for it.
    pub is_added: bool,
}

const fn name(kind: ServerKind, key: &'static str, name: &'static str) -> Name {
    Name {
        kind,
        key,
        name,
        only: Only::All,
        scale: 1.0,
        is_added: false,
    }
}

const fn only(kind: ServerKind, key: &'static str, name: &'static str, only: Only) -> Name {
    Name {
        kind,
        key,
        name,
        only,
        scale: 1.0,
        is_added: false,
    }
}

const fn scaled(key: &'static str, name: &'static str, scale: f64) -> Name {
    Name {
        kind: ServerKind::Dcgm,
        key,
        name,
        only: Only::All,
        scale,
        is_added: false,
    }
}

const fn added(kind: ServerKind, key: &'static str, of: &'static str) -> Name {
    Name {
        is_added: true,
        ..name(kind, key, of)
    }
}

use ServerKind::{LlamaCpp, Mock, Sglang, Tgi, Vllm};

const LLAMACPP_CACHED: &str = "llamacpp:prompt_tokens_cached_total";
const NOT_FINISHED: Only = Only::Without("finished_reason", &["abort", "error"]);
const ABORTED: Only = Only::With("finished_reason", &["abort"]);

/// The names of all figures. Where a server has several for one figure, as newer and older versions do, the first one
/// counts.
pub(super) const NAMES: [Name; 64] = [
    name(Vllm, "running", "vllm:num_requests_running"),
    name(Vllm, "waiting", "vllm:num_requests_waiting"),
    name(Vllm, "kv_cache_usage", "vllm:kv_cache_usage_perc"),
    name(Vllm, "kv_cache_usage", "vllm:gpu_cache_usage_perc"),
    only(Vllm, "requests", "vllm:request_success_total", NOT_FINISHED),
    only(Vllm, "aborted", "vllm:request_success_total", ABORTED),
    name(Vllm, "prompt_tokens", "vllm:prompt_tokens_total"),
    name(Vllm, "generation_tokens", "vllm:generation_tokens_total"),
    name(Vllm, "prefix_cache_queries", "vllm:prefix_cache_queries_total"),
    name(
        Vllm,
        "prefix_cache_queries",
        "vllm:gpu_prefix_cache_queries_total",
    ),
    name(Vllm, "prefix_cache_queries", "vllm:gpu_prefix_cache_queries"),
    name(Vllm, "prefix_cache_hits", "vllm:prefix_cache_hits_total"),
    name(Vllm, "prefix_cache_hits", "vllm:gpu_prefix_cache_hits_total"),
    name(Vllm, "prefix_cache_hits", "vllm:gpu_prefix_cache_hits"),
    name(Vllm, "preemptions", "vllm:num_preemptions_total"),
    name(Vllm, "ttft", "vllm:time_to_first_token_seconds"),
    name(Vllm, "inter_token_latency", "vllm:inter_token_latency_seconds"),
    // What versions before 0.11 call time per output token are times between tokens.
    name(Vllm, "inter_token_latency", "vllm:time_per_output_token_seconds"),
    name(
        Vllm,
        "time_per_output_token",
        "vllm:request_time_per_output_token_seconds",
    ),
    name(Vllm, "e2e_latency", "vllm:e2e_request_latency_seconds"),
    name(Vllm, "queue_time", "vllm:request_queue_time_seconds"),
    name(Vllm, "prefill_time", "vllm:request_prefill_time_seconds"),
    name(Vllm, "decode_time", "vllm:request_decode_time_seconds"),
    name(Sglang, "running", "sglang:num_running_reqs"),
    name(Sglang, "waiting", "sglang:num_queue_reqs"),
    name(Sglang, "kv_cache_usage", "sglang:token_usage"),
    name(Sglang, "requests", "sglang:num_requests_total"),
    name(Sglang, "aborted", "sglang:num_aborted_requests_total"),
    name(Sglang, "prompt_tokens", "sglang:prompt_tokens_total"),
    name(Sglang, "generation_tokens", "sglang:generation_tokens_total"),
    // Every prompt is looked up.
    name(Sglang, "prefix_cache_queries", "sglang:prompt_tokens_total"),
    name(Sglang, "prefix_cache_hits", "sglang:cached_tokens_total"),
    name(Sglang, "preemptions", "sglang:num_retracted_requests_total"),
    name(Sglang, "ttft", "sglang:time_to_first_token_seconds"),
    name(
        Sglang,
        "inter_token_latency",
        "sglang:inter_token_latency_seconds",
    ),
    name(
        Sglang,
        "inter_token_latency",
        "sglang:time_per_output_token_seconds",
    ),
    name(
        Sglang,
        "time_per_output_token",
        "sglang:request_time_per_output_token_seconds",
    ),
    name(Sglang, "e2e_latency", "sglang:e2e_request_latency_seconds"),
    name(Sglang, "queue_time", "sglang:queue_time_seconds"),
    name(Tgi, "running", "tgi_batch_current_size"),
    name(Tgi, "waiting", "tgi_queue_size"),
    name(Tgi, "requests", "tgi_request_success"),
    name(Tgi, "prompt_tokens", "tgi_request_input_length_sum"),
    name(Tgi, "generation_tokens", "tgi_request_generated_tokens_sum"),
    name(
        Tgi,
        "time_per_output_token",
        "tgi_request_mean_time_per_token_duration",
    ),
    name(Tgi, "e2e_latency", "tgi_request_duration"),
    name(Tgi, "queue_time", "tgi_request_queue_duration"),
    name(LlamaCpp, "running", "llamacpp:requests_processing"),
    name(LlamaCpp, "waiting", "llamacpp:requests_deferred"),
    name(LlamaCpp, "kv_cache_usage", "llamacpp:kv_cache_usage_ratio"),
    name(LlamaCpp, "prompt_tokens", "llamacpp:prompt_tokens_total"),
    // Its prompt tokens are those that were not cached.
    added(LlamaCpp, "prompt_tokens", LLAMACPP_CACHED),
    name(LlamaCpp, "prefix_cache_queries", "llamacpp:prompt_tokens_total"),
    added(LlamaCpp, "prefix_cache_queries", LLAMACPP_CACHED),
    name(LlamaCpp, "prefix_cache_hits", LLAMACPP_CACHED),
    name(LlamaCpp, "generation_tokens", "llamacpp:tokens_predicted_total"),
    name(Mock, "running", "mock:requests_running"),
    name(Mock, "waiting", "mock:requests_waiting"),
    scaled("gpu_utilization", "DCGM_FI_DEV_GPU_UTIL", 0.01),
    scaled("gpu_utilization", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", 1.0),
    scaled("gpu_memory_used_bytes", "DCGM_FI_DEV_FB_USED", 1_048_576.0),
    scaled("gpu_power_watts", "DCGM_FI_DEV_POWER_USAGE", 1.0),
    scaled("gpu_temperature_celsius", "DCGM_FI_DEV_GPU_TEMP", 1.0),
    scaled("gpu_sm_clock_mhz", "DCGM_FI_DEV_SM_CLOCK", 1.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_of_a_figure_and_stands_once_for_it() {
        for (index, name) in NAMES.iter().enumerate() {
            assert!(figure(name.key).is_some(), "{name:?}");
            let same =
                |other: &&Name| (other.kind, other.key, other.name) == (name.kind, name.key, name.name);
            assert!(!NAMES[..index].iter().any(|other| same(&other)), "{name:?}");
        }
        for figure in &FIGURES {
            assert!(NAMES.iter().any(|name| name.key == figure.key), "{figure:?}");
        }
    }
}
