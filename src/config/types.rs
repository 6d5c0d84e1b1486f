//! The configuration as types: the document with the options of the command line. `to_plan` gives its meaning.

use crate::api::Api;
use crate::config::document::serialize_body;
use crate::config::made_form::MadeForm;
use crate::config::which_server::{ServerChoice, choice_keys};
use crate::config::{DatasetConfig, Header, ServerMetricsConfig, Settings, TokenizerConfig};
use crate::discover::api_of;
use crate::error::Place;
use crate::host::SourceList;
use crate::metrics::Goodput;
use crate::plan::AnalysisLimits;
use crate::plan::ConnectionUse;
use crate::plan::{Executor, KindArrivals, PairedPrompts};
use crate::push::PushConfig;
use crate::units::Nanos;
use crate::units::Span;
use crate::units::duration_span_text;
use crate::units::duration_text;
use crate::units::format_duration;
use crate::units::is_zero;
use crate::units::optional_duration_text;
use crate::units::optional_path_text;
use crate::units::redact;
use crate::workload::{Call, Chat, Prompts};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::path::PathBuf;

/// The configuration of a run. Serialised, and without `Config::RUN_KEYS`, it is a document that reads back as itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// The name of a built-in profile, or the path of a file.
    pub profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The server of the run: `server` or `servers` in a document, with options applied.
    #[serde(flatten, serialize_with = "choice_keys")]
    pub server: ServerChoice,
    /// Each server is validated before the load.
    pub validate: bool,
    /// If the generator was the limit, the run ends with [`crate::error::ExitCode::NotTrustworthy`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_fit: bool,
    /// A threshold on a quantile that its sample cannot decide fails.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_decided: bool,
    pub seed: u64,
    #[serde(flatten)]
    pub executor: Executor,
    #[serde(serialize_with = "duration_text")]
    pub graceful_stop: Nanos,
    #[serde(serialize_with = "duration_span_text")]
    pub think_time: Span<Nanos>,
    #[serde(skip_serializing_if = "ConnectionUse::is_keep_alive")]
    pub connection: ConnectionUse,
    /// Where connections come from; empty if the system chooses.
    #[serde(skip_serializing_if = "SourceList::is_empty")]
    pub source_address: SourceList,
    pub requests: Vec<RequestConfig>,
    /// Who counts the tokens of made prompts before the load.
    #[serde(skip_serializing_if = "TokenizerConfig::is_none")]
    pub tokenizer: TokenizerConfig,
    /// Whose own account of the load is read.
    #[serde(skip_serializing_if = "ServerMetricsConfig::is_default")]
    pub server_metrics: ServerMetricsConfig,
    /// The header with each request's id; `None` sends none.
    #[serde(serialize_with = "header_or_none", skip_serializing_if = "is_usual_id_header")]
    pub request_id_header: Option<String>,
    /// Each user asks each kind of request once before kinds are drawn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub each_kind_first: bool,
    /// Thresholds are judged step by step.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub steps: bool,
    /// The settings of the built-in simulator, which options override.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorConfig>,
    #[serde(serialize_with = "threshold_map", skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<ThresholdConfig>,
    /// The length of the warm-up, which is excluded from all results.
    #[serde(serialize_with = "duration_text", skip_serializing_if = "is_zero")]
    pub warmup: Nanos,
    /// The number of runs, one after the other.
    #[serde(skip_serializing_if = "is_one")]
    pub repeat: u32,
    /// Each server is loaded alone, then all together.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contention: bool,
    /// Every request goes to both servers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paired: bool,
    /// What the two requests of a pair ask for.
    #[serde(skip_serializing_if = "is_same")]
    pub paired_prompts: PairedPrompts,
    /// The directory of the files that a run writes in addition to `output`.
    #[serde(
        serialize_with = "optional_path_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub results_dir: Option<PathBuf>,
    #[serde(
        serialize_with = "optional_path_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub output: Option<PathBuf>,
    /// Every request is written to the files; `None` means only if there is a `results_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<bool>,
    pub analysis: AnalysisLimits,
    /// The Pushgateway; `None` if nothing is pushed.
    #[serde(rename = "prometheus", skip_serializing_if = "Option::is_none")]
    pub push: Option<PushConfig>,
    pub run: Settings,
    /// What the document asks for and does not get, each with its place.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// The place that gives the shape of the load.
    #[serde(skip)]
    pub shape_place: Place,
    #[serde(skip)]
    pub requests_place: Place,
    /// The place that gives the source addresses.
    #[serde(skip)]
    pub source_place: Place,
    /// The place that asks for pairs.
    #[serde(skip)]
    pub paired_place: Place,
}

impl Config {
    /// The keys of a serialised configuration that no document has: they are about the run.
    pub const RUN_KEYS: [&str; 3] = ["profile", "run", "managed_server"];

    /// Returns the servers that have an address; empty if the run starts the server that it loads.
    pub fn servers(&self) -> &[ServerEntry] {
        self.server.servers()
    }

    /// Copies the rates of the kinds, which the executor has, to the kinds, whose keys they are in a document.
    pub fn copy_rates(&mut self) {
        let rates = self.executor.rates_by_kind();
        for (index, request) in self.requests.iter_mut().enumerate() {
            request.arrivals = rates.and_then(|rates| rates.kinds().get(index).cloned());
        }
    }

    /// Tells whether the document names the servers, not an option.
    pub fn document_names_servers(&self) -> bool {
        self.servers().iter().any(|server| !server.place.is_option())
    }
}

/// One server of the document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerEntry {
    /// The name in the breakdown, which is required with several servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(serialize_with = "shown_url")]
    pub base_url: String,
    /// The model to ask for instead of those of the mix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_alias: Option<String>,
    /// The weight of the server's share of requests, in millionths; 1_000_000 if absent.
    #[serde(serialize_with = "millionths_text")]
    pub weight: u32,
    /// The API; `None` means that the path of `base_url` gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The environment variable that holds its key; the key itself is in `sent` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The headers as the document has them, with `${NAME}` not replaced.
    #[serde(serialize_with = "header_map", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// The headers that these two result in. They replace the run's headers of the same name at this server.
    #[serde(skip)]
    pub sent: Vec<Header>,
    #[serde(skip)]
    pub place: Place,
}

impl ServerEntry {
    /// The weight of a server that names none.
    pub const WEIGHT_DEFAULT: u32 = 1_000_000;

    /// Returns a server of which only the URL is known.
    pub fn at(url: &str, place: Place) -> ServerEntry {
        ServerEntry {
            name: None,
            base_url: url.to_owned(),
            model_alias: None,
            weight: ServerEntry::WEIGHT_DEFAULT,
            api: None,
            api_key_env: None,
            headers: Vec::new(),
            sent: Vec::new(),
            place,
        }
    }

    /// Returns its API, if the document or the URL names one. That of any other is known when it has answered.
    pub fn known_api(&self) -> Option<Api> {
        self.api.or_else(|| api_of(&self.base_url))
    }
}

/// One kind of request in the mix, with what it inherits from the document filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestConfig {
    pub name: String,
    pub weight: u32,
    /// Its own rate, as the executor has it: a document has it here.
    pub arrivals: Option<KindArrivals>,
    pub call: Call,
    /// The headers of its requests as the document has them, with `${NAME}` not replaced.
    pub headers: Vec<Header>,
    /// The headers that these result in. They replace those of the run and the server of the same name.
    pub sent: Vec<Header>,
    /// The file that the prompts come from, if any.
    pub prompts_file: Option<PromptsFile>,
    /// The dataset that they come from, if any.
    pub dataset: Option<DatasetConfig>,
    /// Something says how long answers are: a key, an option, or the rows of a dataset. A light request needs nothing.
    pub has_limit: bool,
    pub timeout: Nanos,
    pub connect_timeout: Nanos,
    pub first_token_timeout: Option<Nanos>,
    pub idle_timeout: Option<Nanos>,
    pub goodput: Goodput,
    pub place: Place,
}

impl RequestConfig {
    /// Returns the header in which requests name their session, of a conversation or of an agent.
    pub fn affinity_header(&self) -> Option<&str> {
        let own = self
            .call
            .conversation()
            .and_then(|own| own.affinity_header.as_deref());
        own.or_else(|| self.dataset.as_ref()?.affinity_header.as_deref())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PromptsFile {
    /// The text before each prompt of the file.
    pub prefix: String,
    pub file: String,
}

/// Serialises a request as in a document: a mapping of all its keys.
impl Serialize for RequestConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        match &self.arrivals {
            Some(arrivals) => arrivals.serialize_into(&mut map)?,
            None => map.serialize_entry("weight", &self.weight)?,
        }
        match &self.call {
            Call::Light => map.serialize_entry("kind", "light")?,
            Call::Get { path } => {
                map.serialize_entry("kind", "light")?;
                map.serialize_entry("path", path)?;
            }
            Call::Chat(chat) => serialize_chat(&mut map, chat, self)?,
        }
        if !self.headers.is_empty() {
            map.serialize_entry("headers", &HeaderMap(&self.headers))?;
        }
        let times = [
            ("timeout", Some(self.timeout)),
            ("connect_timeout", Some(self.connect_timeout)),
            ("first_token_timeout", self.first_token_timeout),
            ("idle_timeout", self.idle_timeout),
        ];
        for (key, nanos) in times {
            if let Some(nanos) = nanos {
                map.serialize_entry(key, &format_duration(nanos))?;
            }
        }
        if !self.goodput.is_empty() {
            map.serialize_entry("goodput", &self.goodput)?;
        }
        map.end()
    }
}

/// Writes the keys of a chat request; `request` knows where its prompts come from.
fn serialize_chat<M: SerializeMap>(
    map: &mut M,
    chat: &Chat,
    request: &RequestConfig,
) -> Result<(), M::Error> {
    let Chat {
        stream,
        max_tokens,
        models,
        prompts,
        word_costs: _,
        cache_prompt,
        cache_bust,
        wording,
        conversation,
        settings,
        cancel,
        batch_size,
    } = chat;
    map.serialize_entry("kind", "chat")?;
    map.serialize_entry("stream", stream)?;
    map.serialize_entry("max_tokens", max_tokens)?;
    map.serialize_entry("models", models)?;
    match (&request.prompts_file, prompts) {
        _ if request.dataset.is_some() => map.serialize_entry("dataset", &request.dataset)?,
        (None, Prompts::Rows(_)) => {}
        (Some(file), _) => map.serialize_entry("prompts", file)?,
        (None, Prompts::List(texts)) => map.serialize_entry("prompts", texts)?,
        (None, made) => map.serialize_entry("prompts", &MadeForm(made))?,
    }
    if let Some(conversation) = conversation {
        map.serialize_entry("conversation", conversation)?;
    }
    if let Some(cancel) = cancel {
        map.serialize_entry("cancel", cancel)?;
    }
    if let Some(texts) = batch_size {
        map.serialize_entry("batch_size", texts)?;
    }
    // A document that is read again must not take another default.
    if chat.caches_prompt() || cache_prompt.is_some() {
        map.serialize_entry("cache_prompt", &chat.caches_prompt())?;
    }
    if let Some(bust) = cache_bust {
        map.serialize_entry("cache_bust", bust)?;
    }
    if let Some(key) = wording.token_limit {
        map.serialize_entry("max_tokens_key", &key)?;
    }
    if let Some(asked) = wording.stream_options {
        map.serialize_entry("stream_options", &asked)?;
    }
    serialize_body(settings, map)
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SimulatorConfig {
    /// The name of a latency profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// The number of tokens in each answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdConfig {
    pub metric: String,
    pub expression: String,
    /// The run ends when the threshold fails.
    pub abort_on_fail: bool,
    /// The time at the beginning of the run in which that does not happen.
    pub delay_abort_eval: Option<Nanos>,
    pub place: Place,
}

struct HeaderMap<'a>(&'a [Header]);

impl Serialize for HeaderMap<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        header_map(self.0, to)
    }
}

/// Serialises headers as a mapping, with each value redacted.
fn header_map<S: Serializer>(headers: &[Header], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(headers.iter().map(|header| (&header.name, &header.value)))
}

fn shown_url<S: Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&redact(url))
}

/// Serialises a weight as in a document, for example 0.3.
fn millionths_text<S: Serializer>(weight: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(f64::from(*weight) / f64::from(ServerEntry::WEIGHT_DEFAULT))
}

/// The header that most servers and gateways read an id from.
pub const REQUEST_ID_HEADER: &str = "X-Request-Id";
/// The word for no such header.
pub const NO_HEADER: &str = "none";

fn header_or_none<S: Serializer>(name: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(name.as_deref().unwrap_or(NO_HEADER))
}

fn is_usual_id_header(name: &Option<String>) -> bool {
    name.as_deref() == Some(REQUEST_ID_HEADER)
}

fn is_same(prompts: &PairedPrompts) -> bool {
    *prompts == PairedPrompts::Same
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

/// Serialises thresholds as in a document: each metric with its expressions.
fn threshold_map<S: Serializer>(list: &[ThresholdConfig], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    for (i, first) in list.iter().enumerate() {
        if list[..i].iter().any(|before| before.metric == first.metric) {
            continue;
        }
        let same = list.iter().filter(|other| other.metric == first.metric);
        let forms: Vec<ThresholdForm<'_>> = same.map(ThresholdForm::from_config).collect();
        map.serialize_entry(&first.metric, &forms)?;
    }
    map.end()
}

/// The two forms of a threshold in k6.
#[derive(Serialize)]
#[serde(untagged)]
enum ThresholdForm<'a> {
    Short(&'a str),
    Long {
        threshold: &'a str,
        #[serde(rename = "abortOnFail")]
        abort_on_fail: bool,
        #[serde(
            rename = "delayAbortEval",
            serialize_with = "optional_duration_text",
            skip_serializing_if = "Option::is_none"
        )]
        delay_abort_eval: Option<Nanos>,
    },
}

impl ThresholdForm<'_> {
    fn from_config(threshold: &ThresholdConfig) -> ThresholdForm<'_> {
        match threshold.abort_on_fail {
            false => ThresholdForm::Short(&threshold.expression),
            true => ThresholdForm::Long {
                threshold: &threshold.expression,
                abort_on_fail: true,
                delay_abort_eval: threshold.delay_abort_eval,
            },
        }
    }
}
