//! The validated request mix. The plan owns it, and every core reads it.

use super::bust::CacheBust;
use super::cancel::Cancel;
use super::conversation::Conversation;
use super::costs::WordCosts;
use super::shared::SharedPrefixes;
use crate::api::{Api, BodySettings, ContentKind, Wording};
use crate::lengths::Lengths;
use crate::metrics::{AskedTokens, Goodput};
use crate::units::{Nanos, Span};
use crate::workload::rows::Rows;
use serde::Serialize;
use std::num::NonZeroU32;
use std::sync::Arc;

/// The time limits of a request's parts. `None` means that a part has no limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Option<Nanos>,
    pub first_token: Option<Nanos>,
    /// Limit between two reads; pings count as reads.
    pub idle: Option<Nanos>,
    /// Limit from `due` to the end.
    pub total: Nanos,
}

/// The source of the prompts of a kind of request.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompts {
    /// A list from which one is drawn. Not empty in a plan.
    List(Vec<String>),
    /// Made for each request from the seed: `prefix`, then words that are as many tokens as drawn, or slightly more.
    Made { prefix: String, tokens: Lengths },
    /// Rows of a dataset.
    Rows(Box<Rows>),
    /// Ids of tokens out of a vocabulary, made for each request from the seed: exactly as many as drawn.
    Ids { tokens: Lengths, vocabulary: Span<u32> },
    /// Prompts of which groups begin alike.
    Shared(Box<SharedPrefixes>),
}

impl Prompts {
    /// Returns what they give the model to read.
    pub fn content(&self) -> ContentKind {
        match self {
            Prompts::List(_) | Prompts::Made { .. } | Prompts::Rows(_) => ContentKind::Text,
            Prompts::Ids { .. } => ContentKind::Tokens,
            Prompts::Shared(shared) => match shared.vocabulary {
                Some(_) => ContentKind::Tokens,
                None => ContentKind::Text,
            },
        }
    }

    /// Returns which ids of tokens they are over an API; `None` if they are texts there.
    pub fn ids_at(&self, api: Api) -> Option<Span<u32>> {
        match self {
            Prompts::List(_) | Prompts::Made { .. } => None,
            Prompts::Ids { vocabulary, .. } => Some(*vocabulary),
            Prompts::Shared(shared) => shared.vocabulary,
            Prompts::Rows(rows) => rows.ids_for(api).filter(|_| rows.dataset.has_lengths()),
        }
    }

    /// Tells whether they are made of words, whose tokens only a tokenizer can count.
    pub fn are_words(&self) -> bool {
        match self {
            Prompts::Made { .. } => true,
            Prompts::Shared(shared) => shared.vocabulary.is_none(),
            Prompts::List(_) | Prompts::Ids { .. } | Prompts::Rows(_) => false,
        }
    }
}

/// A request for generated text.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    pub stream: bool,
    pub max_tokens: Lengths,
    /// A list from which one is drawn. Not empty in a plan.
    pub models: Vec<String>,
    pub prompts: Prompts,
    /// What the words of made prompts are in tokens to each of the models, once a tokenizer has counted them; else
    /// empty.
    pub word_costs: Box<[Arc<WordCosts>]>,
    /// Allows llama.cpp to answer from its prompt cache; `None`: conversations do, because who carries one on wants the
    /// beginning of it to be read once.
    pub cache_prompt: Option<bool>,
    /// No two of its prompts begin alike.
    pub cache_bust: Option<Box<CacheBust>>,
    /// Wording that was configured; the target has the wording that was found out.
    pub wording: Wording,
    /// How its sessions go, if it is a conversation of several turns.
    pub conversation: Option<Box<Conversation>>,
    /// What its bodies have besides.
    pub settings: Box<BodySettings>,
    /// Which of its requests their users cancel.
    pub cancel: Option<Box<Cancel>>,
    /// How many texts a request has, over APIs that embed, rank or score; `None` is one.
    pub batch_size: Option<NonZeroU32>,
}

impl Chat {
    /// Tells whether llama.cpp may answer from its prompt cache.
    pub fn caches_prompt(&self) -> bool {
        self.cache_prompt.unwrap_or(self.conversation.is_some())
    }

    /// Returns what words are in tokens to the model of a draw, if that is known.
    pub fn costs(&self, draw: &Draw) -> Option<&WordCosts> {
        self.word_costs.get(draw.model as usize).map(Arc::as_ref)
    }
}

/// The request of a document that says nothing about it. It has no models and no prompts yet.
impl Default for Chat {
    fn default() -> Chat {
        Chat {
            stream: false,
            max_tokens: Lengths::fixed(1),
            models: Vec::new(),
            prompts: Prompts::List(Vec::new()),
            word_costs: Box::default(),
            cache_prompt: None,
            cache_bust: None,
            wording: Wording::default(),
            conversation: None,
            settings: Box::default(),
            cancel: None,
            batch_size: None,
        }
    }
}

/// The thing that a kind of request asks a server for. Documents and plans share this type; `config::to_plan` has
/// checked whatever a plan promises beyond a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Generated text, over the API of the target.
    Chat(Chat),
    /// A light GET of one of `Target::light_paths`.
    Light,
    /// A light GET of this path; in a document, a light request with a `path`.
    Get { path: LightPath },
}

impl Call {
    /// Returns the value of the tag `endpoint`.
    pub fn endpoint(&self) -> &'static str {
        match self {
            Call::Chat(_) => "chat",
            Call::Light => "light",
            Call::Get { path } => path.name(),
        }
    }

    /// Returns what is asked for, if that is generated text.
    pub fn chat(&self) -> Option<&Chat> {
        match self {
            Call::Chat(chat) => Some(chat),
            Call::Light | Call::Get { .. } => None,
        }
    }

    /// Returns true if the call asks for generated text.
    pub fn is_chat(&self) -> bool {
        self.chat().is_some()
    }

    /// Returns how its sessions go; `None` if its requests are single ones.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.chat()?.conversation.as_deref()
    }

    /// Returns the value of the tag `stream`; a GET has none.
    pub fn stream(&self) -> Option<bool> {
        self.chat().map(|chat| chat.stream)
    }
}

/// The thing that a light GET asks for. A server other than llmsim is asked for its models list instead of any of them.
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

    /// Returns the name in documents and in the tag `endpoint`.
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
    /// Uses the same path for all.
    pub fn all(path: &str) -> NamedPaths {
        NamedPaths {
            health: path.to_owned(),
            models: path.to_owned(),
            model: path.to_owned(),
            stats: path.to_owned(),
        }
    }

    pub fn get(&self, path: LightPath) -> &String {
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
    /// Value of the tag `request`, and name of the row in the breakdown.
    pub name: String,
    /// Weight among the kinds of its server.
    pub weight: u32,
    pub call: Call,
    pub timeouts: Timeouts,
    /// The limits that a good request of this kind meets.
    pub goodput: Goodput,
    /// Headers of its requests, which replace the target's of the same name. Values may be secrets: never printed.
    pub headers: Vec<(String, String)>,
    /// Index into `Workload::servers` of the server it goes to.
    pub server: u16,
}

impl RequestKind {
    /// Returns its name in the mix. With several servers the server's name comes first, and each has the whole mix.
    pub fn name_in_mix(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Returns the headers of its requests to a target: the target's, in which its own replace those of the same name.
    pub fn headers_at<'a>(&'a self, target: &'a Target) -> Vec<(&'a str, &'a str)> {
        let mut headers = pairs(&target.headers).collect();
        replace(&mut headers, pairs(&self.headers));
        headers
    }
}

fn pairs(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> + Clone {
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// Adds headers in place of those of the same name.
pub(super) fn replace<'a>(
    headers: &mut Vec<(&'a str, &'a str)>,
    by: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) {
    headers.retain(|(name, _)| !by.clone().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    headers.extend(by);
}

/// A server as the mix sees it: one of several, or the only one.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Name of the row in the breakdown. The only server of a run may have none.
    pub name: Option<String>,
    /// Weight of its share of the requests among all servers; not 0.
    pub weight: u32,
}

/// The request mix. `kinds` is not empty, and for each server its weights sum to more than 0. Series i of the metrics
/// is `kinds[i]`. `servers` is not empty; target i of the run is `servers[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    pub servers: Vec<Server>,
    pub kinds: Vec<RequestKind>,
    pub think_time: Span<Nanos>,
    /// Each user asks each kind of a server once before kinds are drawn.
    pub each_kind_first: bool,
    /// How many users number their requests each for itself: request i of VU k is number i * users + k of all. 1 if
    /// requests are numbered together.
    pub users: u32,
    /// This is the mix of a warm-up.
    pub is_warm_up: bool,
    /// The number of the load among those of this process, by which prompts of `cache_bust` differ.
    pub load: u32,
}

/// The choices drawn for one request: the same for the same seed, VU and iteration, on any number of cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Index into `Workload::kinds`.
    pub kind: u16,
    /// Index into the kind's models, 0 for a light GET.
    pub model: u32,
    /// Index into the kind's prompts or rows, or into `Target::light_paths`, which has its own length. For a made
    /// prompt it is the key that the prompt is made from.
    pub prompt: u64,
    /// Length of a made prompt, in tokens; otherwise 0.
    pub prompt_tokens: u32,
    pub max_tokens: u32,
    /// What the beginning of its prompt is made from, if the kind's prompts begin differently; otherwise 0. All turns
    /// of a session have the same.
    pub bust: u64,
    /// The pause after this request.
    pub think: Nanos,
}

impl Draw {
    /// Returns the lengths that a request of so many answers asks for, all of these together.
    pub fn asked(&self, answers: u32) -> AskedTokens {
        AskedTokens {
            prompt: self.prompt_tokens,
            output: self.max_tokens.saturating_mul(answers),
            texts: 0,
        }
    }
}

/// An address and the API spoken there, fixed before the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Origin as it is printed: `http://127.0.0.1:8080`.
    pub origin: String,
    /// Value of the Host header.
    pub authority: String,
    /// Resolved addresses, used in turn; not empty.
    pub addresses: Vec<std::net::SocketAddr>,
    /// API that is spoken there.
    pub api: Api,
    /// Path of that API, with its query if there is one.
    pub api_path: String,
    /// The path that streams; most APIs have one path for both.
    pub stream_path: String,
    /// Paths of light GETs that name none; not empty.
    pub light_paths: Vec<String>,
    /// Paths of light GETs that name theirs.
    pub named_paths: NamedPaths,
    /// Extra headers, name and value, already validated. Values may be secrets: never printed.
    pub headers: Vec<(String, String)>,
    /// Wording of its requests, unless they have their own.
    pub wording: Wording,
}
