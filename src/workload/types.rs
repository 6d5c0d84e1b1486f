//! The request mix, validated. Owned by the plan, read by every core.

use crate::units::Nanos;

/// Inclusive range; `min <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<T> {
    pub min: T,
    pub max: T,
}

/// How long each part of a request may take. `None`: no limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Option<Nanos>,
    pub first_token: Option<Nanos>,
    /// Between two reads, pings included.
    pub idle: Option<Nanos>,
    /// From `due` to the end.
    pub total: Nanos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// A chat completion.
    Chat {
        stream: bool,
        max_tokens: Span<u32>,
        models: Vec<String>,
        prompts: Vec<String>,
    },
    /// A light GET, one of `Target::light_paths`.
    Light,
}

/// One kind of request in the mix.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestKind {
    /// Tag `request`, and the row in the breakdown.
    pub name: String,
    pub weight: u32,
    pub call: Call,
    pub timeouts: Timeouts,
}

/// `kinds` is not empty, its weights sum to more than 0. Series i of the metrics is `kinds[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub kinds: Vec<RequestKind>,
    pub think_time: Span<Nanos>,
}

/// What one request will be: the same for the same seed, VU and iteration, on any number of cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Index into `Workload::kinds`.
    pub kind: u16,
    /// Index into the kind's models, 0 for a light GET.
    pub model: u32,
    /// Index into the kind's prompts, or into `Target::light_paths`, which has its own length.
    pub prompt: u32,
    pub max_tokens: u32,
    /// The pause after this request.
    pub think: Nanos,
}

/// Where requests go: fixed before the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As printed: `http://127.0.0.1:8080`.
    pub origin: String,
    /// Value of the Host header.
    pub authority: String,
    /// Resolved addresses, used in turn; not empty.
    pub addresses: Vec<std::net::SocketAddr>,
    /// Path of chat completions, with query if any.
    pub chat_path: String,
    /// Paths of light GETs; not empty.
    pub light_paths: Vec<String>,
    /// Extra headers, name and value, already validated. Values may be secrets: never printed.
    pub headers: Vec<(String, String)>,
}
