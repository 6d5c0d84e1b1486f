//! The request mix, validated. Owned by the plan, read by every core.

use crate::api::{Api, Wording};
use crate::units::{Nanos, Span};
use serde::Serialize;

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

/// Where the prompts of a kind of request come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompts {
    /// One of these, drawn. Not empty in a plan.
    List(Vec<String>),
    /// Made anew for each request from the seed: `prefix`, then words of about `min_tokens` tokens or more.
    Made { prefix: String, min_tokens: u32 },
}

/// What a kind of request asks a server for. A document and a plan say it in the same words; what a plan promises
/// beyond a document, `config::to_plan` has checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Generated text, over the API of the target.
    Chat {
        stream: bool,
        max_tokens: Span<u32>,
        /// One of these, drawn. Not empty in a plan.
        models: Vec<String>,
        prompts: Prompts,
        /// llama.cpp may answer from its prompt cache.
        cache_prompt: bool,
        /// What was asked for; the target has what was found out.
        wording: Wording,
    },
    /// A light GET, one of `Target::light_paths`.
    Light,
    /// A light GET of this path; in a document a light request with a `path`.
    Get { path: LightPath },
}

impl Call {
    /// Tag `endpoint`.
    pub fn endpoint(&self) -> &'static str {
        match self {
            Call::Chat { .. } => "chat",
            Call::Light => "light",
            Call::Get { path } => path.name(),
        }
    }

    /// It asks for generated text.
    pub fn is_chat(&self) -> bool {
        matches!(self, Call::Chat { .. })
    }

    /// Tag `stream`; a GET has none.
    pub fn stream(&self) -> Option<bool> {
        match self {
            Call::Chat { stream, .. } => Some(*stream),
            Call::Light | Call::Get { .. } => None,
        }
    }
}

/// What a light GET asks for. A server that is not llmsim is asked for its models list in place of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LightPath {
    Health,
    /// The models list.
    Models,
    /// One model of that list.
    Model,
    /// The server's statistics.
    Stats,
}

impl LightPath {
    pub const ALL: [LightPath; 4] = [
        LightPath::Health,
        LightPath::Models,
        LightPath::Model,
        LightPath::Stats,
    ];

    /// As documents and the tag `endpoint` call it.
    pub fn name(self) -> &'static str {
        match self {
            LightPath::Health => "health",
            LightPath::Models => "models",
            LightPath::Model => "model",
            LightPath::Stats => "stats",
        }
    }
}

/// The path of each `LightPath` at one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPaths {
    pub health: String,
    pub models: String,
    pub model: String,
    pub stats: String,
}

impl NamedPaths {
    /// The same path for all.
    pub fn all(path: &str) -> NamedPaths {
        NamedPaths {
            health: path.to_owned(),
            models: path.to_owned(),
            model: path.to_owned(),
            stats: path.to_owned(),
        }
    }

    pub fn of(&self, path: LightPath) -> &String {
        match path {
            LightPath::Health => &self.health,
            LightPath::Models => &self.models,
            LightPath::Model => &self.model,
            LightPath::Stats => &self.stats,
        }
    }
}

/// One kind of request in the mix.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestKind {
    /// Tag `request`, and the row in the breakdown.
    pub name: String,
    /// Within its endpoint.
    pub weight: u32,
    pub call: Call,
    pub timeouts: Timeouts,
    /// Index into `Workload::endpoints`: where it goes.
    pub endpoint: u16,
}

/// One server of several under test, or the only one.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Row in the breakdown. The only endpoint of a run may have none.
    pub name: Option<String>,
    /// Its share of the requests, against the other endpoints' weights; not 0.
    pub weight: u32,
}

/// `kinds` is not empty, its weights sum to more than 0 for each endpoint. Series i of the metrics is `kinds[i]`.
/// `endpoints` is not empty; target i of the run is `endpoints[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub endpoints: Vec<Endpoint>,
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
    /// Index into the kind's prompts, or into `Target::light_paths`, which has its own length; for a made prompt
    /// the key that it is made from.
    pub prompt: u64,
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
    /// What it speaks.
    pub api: Api,
    /// Where that API is, with query if any.
    pub api_path: String,
    /// Paths of light GETs that name none; not empty.
    pub light_paths: Vec<String>,
    /// Paths of light GETs that name theirs.
    pub named_paths: NamedPaths,
    /// Extra headers, name and value, already validated. Values may be secrets: never printed.
    pub headers: Vec<(String, String)>,
    /// How its requests are worded where they do not say themselves.
    pub wording: Wording,
}
