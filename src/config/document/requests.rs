//! `requests`: the kinds of request in the mix, with what they inherit from the document.

use std::num::NonZeroU32;

use crate::api::{BodySettings, TokenLimitKey, Wording};
use crate::config::document::body::{BODY_KEYS, read_body};
use crate::config::document::cancel::{inherited_cancel, read_cancel, some_cancel};
use crate::config::document::conversation::read_conversation;
use crate::config::document::dataset::read_dataset;
use crate::config::document::goodput::{read_goodput, read_light_goodput};
use crate::config::document::kind_rates::{KIND_RATE_KEYS, KindDefaults, read_kind_rate};
use crate::config::document::prompts::{PROMPT_TOKENS_DEFAULT, PromptsKeys, read_max_tokens, read_prompts};
use crate::config::document::python_tool::{ClientTimeouts, read_client};
use crate::config::document::reader::{Fields, Node, Reader, line};
use crate::config::document::servers::read_headers;
use crate::config::document::{
    CONNECT_TIMEOUT_DEFAULT, MODEL_BYTES_MAX, MODELS_MAX, NAME_BYTES_MAX, TIMEOUT_DEFAULT,
};
use crate::config::{DatasetConfig, PromptsFile, RequestConfig, ServerEntry};
use crate::error::{Place, Reason, quoted};
use crate::lengths::Lengths;
use crate::metrics::Goodput;
use crate::plan::{DURATION_MAX, KINDS_MAX, WEIGHT_MAX};
use crate::profiles::MODEL_DEFAULT;
use crate::units::{MILLISECOND, MINUTE, Nanos};
use crate::workload::{BATCH_MAX, CacheBust, Call, Cancel, Chat, Conversation, LightPath, Prompts};

/// The token limit of the request that is the mix if a document with servers lists none.
const MAX_TOKENS_DEFAULT: Lengths = Lengths::fixed(200);
/// The timeout of that request. Twenty users queue for minutes at a model on a few CPU cores.
const LONG_TIMEOUT: Nanos = 5 * MINUTE;

const OWN_KEYS: [&str; 22] = [
    "name",
    "weight",
    "kind",
    "timeout",
    "connect_timeout",
    "stream",
    "max_tokens",
    "models",
    "prompts",
    "dataset",
    "first_token_timeout",
    "idle_timeout",
    "goodput",
    "path",
    "cache_prompt",
    "cache_bust",
    "max_tokens_key",
    "stream_options",
    "conversation",
    "cancel",
    "batch_size",
    "headers",
];
/// Those of these keys that have no effect on a light GET.
const CHAT_ONLY: [&str; 14] = [
    "stream",
    "max_tokens",
    "models",
    "prompts",
    "dataset",
    "first_token_timeout",
    "idle_timeout",
    "cache_prompt",
    "cache_bust",
    "max_tokens_key",
    "stream_options",
    "conversation",
    "cancel",
    "batch_size",
];

/// Returns the keys of a request, without [`BODY_KEYS`].
pub(super) fn request_keys() -> impl Iterator<Item = &'static str> {
    OWN_KEYS.into_iter().chain(KIND_RATE_KEYS)
}

/// Reads the mix. A document with servers or a `workload` needs no list; without one, the mix is one streaming
/// completion.
pub fn read_requests(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    servers: &[ServerEntry],
    rates: Option<&KindDefaults>,
    file: &str,
) -> Vec<RequestConfig> {
    let before = reader.mistakes.len();
    let models = reader.strings(fields, "models", MODELS_MAX, MODEL_BYTES_MAX);
    let keys = read_prompts(reader, fields);
    // A wrong list must not be reported again as a missing one.
    let mut inherited = Inherited {
        client: read_client(reader, fields),
        wording: read_wording(reader, fields),
        conversation: read_conversation(reader, fields).map(Box::new),
        settings: read_body(reader, fields),
        cancel: read_cancel(reader, fields),
        batch_size: read_batch_size(reader, fields),
        cache_bust: read_cache_bust(reader, fields).flatten(),
        goodput: read_goodput(reader, fields).unwrap_or_default(),
        models: models.unwrap_or_else(|| placeholder_if(fields.meant("models"))),
        prompts: keys
            .prompts
            .clone()
            .unwrap_or(Prompts::List(placeholder_if(fields.meant("prompts")))),
        keys,
        dataset: read_dataset(reader, fields),
        is_dataset_meant: fields.meant("dataset"),
    };
    inherited.use_dataset();
    inherited.fill_models(servers);
    if ["server", "servers", "workload"]
        .iter()
        .any(|key| fields.meant(key))
    {
        inherited.fill_prompts();
        if !fields.meant("requests") {
            return vec![default_request(&inherited, Place::file(file, fields.line))];
        }
    }
    reader.required(
        fields,
        "requests",
        "add a list of the kinds of request in the mix",
    );
    let mut requests: Vec<RequestConfig> = Vec::new();
    for (i, item) in reader
        .list(fields, "requests", KINDS_MAX)
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        let Some(request) = read_request(reader, i, item, (&inherited, rates), file) else {
            continue;
        };
        if let Some(first) = requests.iter().find(|other| other.name == request.name) {
            let what = format!("requests[{i}]: the name `{}` is already in use", request.name);
            let hint = format!("line {} uses it", first.place.line);
            reader.mistake(line(item), Reason::new(what).hint(hint));
        }
        requests.push(request);
    }
    // Options that change chat requests must not complain about requests that could not be read.
    if requests.len() + 2 <= KINDS_MAX && reader.mistakes.len() > before {
        requests.extend([harmless_chat(true), harmless_chat(false)]);
    }
    requests
}

fn harmless_chat(stream: bool) -> RequestConfig {
    RequestConfig {
        name: "faulty".to_owned(),
        weight: 1,
        arrivals: None,
        headers: Vec::new(),
        sent: Vec::new(),
        call: Call::Chat(Chat {
            stream,
            max_tokens: Lengths::fixed(1),
            models: vec!["faulty".to_owned()],
            prompts: Prompts::List(vec!["faulty".to_owned()]),
            ..Chat::default()
        }),
        prompts_file: None,
        dataset: None,
        has_limit: true,
        timeout: TIMEOUT_DEFAULT,
        connect_timeout: CONNECT_TIMEOUT_DEFAULT,
        first_token_timeout: None,
        idle_timeout: None,
        goodput: Goodput::default(),
        place: Place::default(),
    }
}

/// The values for requests without their own. An empty list means that there is none.
struct Inherited {
    client: ClientTimeouts,
    wording: Wording,
    conversation: Option<Box<Conversation>>,
    settings: BodySettings,
    cancel: Option<Cancel>,
    batch_size: Option<NonZeroU32>,
    cache_bust: Option<Box<CacheBust>>,
    goodput: Goodput,
    models: Vec<String>,
    prompts: Prompts,
    keys: PromptsKeys,
    /// Where `prompts` come from, if they are rows of a dataset.
    dataset: Option<DatasetConfig>,
    /// There is one, or a wrong one.
    is_dataset_meant: bool,
}

impl Inherited {
    /// Adds the models that a document need not name: a server with an alias is asked for that.
    fn fill_models(&mut self, servers: &[ServerEntry]) {
        // A server with an alias is asked only for that. One without must not be asked for another's.
        if self.models.is_empty() && servers.iter().all(|server| server.model_alias.is_some()) {
            for alias in servers.iter().filter_map(|server| server.model_alias.clone()) {
                if !self.models.contains(&alias) {
                    self.models.push(alias);
                }
            }
        }
        if self.models.is_empty() {
            self.models.push(MODEL_DEFAULT.to_owned());
        }
    }

    /// Makes the prompts rows of the dataset, if there is one, or was meant to be.
    fn use_dataset(&mut self) {
        match &self.dataset {
            Some(dataset) => self.prompts = dataset.unread(),
            None if self.is_dataset_meant => self.prompts = Prompts::List(placeholder_if(true)),
            None => {}
        }
    }

    /// Adds the prompts that a document with servers need not have.
    fn fill_prompts(&mut self) {
        if self.prompts == Prompts::List(Vec::new()) {
            self.prompts = Prompts::Made {
                prefix: String::new(),
                tokens: PROMPT_TOKENS_DEFAULT,
            };
        }
    }
}

fn default_request(inherited: &Inherited, place: Place) -> RequestConfig {
    let timeout = inherited.client.total.unwrap_or(LONG_TIMEOUT);
    let connect = inherited.client.connect.unwrap_or(CONNECT_TIMEOUT_DEFAULT);
    RequestConfig {
        name: "stream".to_owned(),
        weight: 1,
        arrivals: None,
        headers: Vec::new(),
        sent: Vec::new(),
        call: Call::Chat(Chat {
            stream: true,
            max_tokens: inherited.keys.max_tokens.clone().unwrap_or(MAX_TOKENS_DEFAULT),
            models: inherited.models.clone(),
            prompts: inherited.prompts.clone(),
            word_costs: Box::default(),
            cache_prompt: inherited.keys.cache_prompt,
            cache_bust: inherited.cache_bust.clone(),
            wording: inherited.wording,
            conversation: inherited.conversation.clone(),
            settings: Box::new(inherited.settings.clone()),
            cancel: inherited_cancel(inherited.cancel, true)
                .and_then(some_cancel)
                .map(Box::new),
            batch_size: inherited.batch_size,
        }),
        prompts_file: inherited.keys.file.clone(),
        dataset: inherited.dataset.clone(),
        has_limit: true,
        timeout,
        connect_timeout: connect.min(timeout),
        first_token_timeout: None,
        idle_timeout: None,
        goodput: inherited.goodput.clone(),
        place,
    }
}

/// Returns a replacement for a list that is there but could not be read.
fn placeholder_if(meant: bool) -> Vec<String> {
    if meant {
        vec!["faulty".to_owned()]
    } else {
        Vec::new()
    }
}

fn read_request(
    reader: &mut Reader<'_>,
    index: usize,
    node: &Node<'_>,
    (inherited, rates): (&Inherited, Option<&KindDefaults>),
    file: &str,
) -> Option<RequestConfig> {
    let known: Vec<&str> = request_keys().chain(BODY_KEYS).collect();
    let fields = reader.mapping(&format!("requests[{index}]"), node, &known)?;
    reader.required(
        &fields,
        "name",
        "add a short name, which becomes its row in the report",
    );
    let name = reader.parsed(&fields, "name", "a name", request_name);
    let weight = reader.count(&fields, "weight", 1..=WEIGHT_MAX).unwrap_or(1);
    let limit = MILLISECOND..=DURATION_MAX;
    let timeout = reader
        .duration(&fields, "timeout", limit.clone())
        .or(inherited.client.total)
        .unwrap_or(TIMEOUT_DEFAULT);
    let connect = reader
        .duration(&fields, "connect_timeout", limit.clone())
        .or(inherited.client.connect)
        .unwrap_or(CONNECT_TIMEOUT_DEFAULT);
    let first_token_timeout = reader.duration(&fields, "first_token_timeout", limit.clone());
    let idle_timeout = reader.duration(&fields, "idle_timeout", limit);
    let kind = match fields.has("kind") {
        true => reader.choice(&fields, "kind", &["chat", "light"]),
        false => Some("chat"),
    };
    let mut origin = Origin::default();
    let goodput = match kind {
        Some("light") => {
            read_light_goodput(reader, &fields).unwrap_or_else(|| inherited.goodput.without_text())
        }
        _ => read_goodput(reader, &fields).unwrap_or_else(|| inherited.goodput.clone()),
    };
    let call = match kind {
        Some("chat") => {
            if fields.has("path") {
                let what = format!("key `{}path` has no effect with kind `chat`", fields.path);
                let hint =
                    "the path of chat completions is in the target's URL; write `kind: light` for a GET";
                reader.mistake(fields.line_of("path"), Reason::new(what).hint(hint));
            }
            let (call, of_prompts) = read_chat(reader, &fields, inherited);
            origin = of_prompts;
            call
        }
        Some(_) => {
            refuse_chat_keys(reader, &fields);
            origin.has_limit = true;
            read_light(reader, &fields)
        }
        None => Call::Light,
    };
    let name = name.unwrap_or_else(|| format!("requests[{index}]"));
    let arrivals = read_kind_rate(reader, &fields, &name, rates);
    Some(RequestConfig {
        name,
        weight,
        arrivals,
        headers: read_headers(reader, &fields),
        sent: Vec::new(),
        call,
        prompts_file: origin.file,
        dataset: origin.dataset,
        has_limit: origin.has_limit,
        timeout,
        connect_timeout: connect.min(timeout),
        first_token_timeout,
        idle_timeout,
        goodput,
        place: Place::file(file, fields.line),
    })
}

fn read_light(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Call {
    let name = reader.choice(fields, "path", &LightPath::ALL.map(LightPath::name));
    match LightPath::ALL.into_iter().find(|path| Some(path.name()) == name) {
        Some(path) => Call::Get { path },
        None => Call::Light,
    }
}

/// What the prompts of a request come from, if that is a file, and whether something says how long answers are.
#[derive(Default)]
struct Origin {
    file: Option<PromptsFile>,
    dataset: Option<DatasetConfig>,
    has_limit: bool,
}

/// Reads a chat request, and what its prompts come from.
fn read_chat(reader: &mut Reader<'_>, fields: &Fields<'_>, inherited: &Inherited) -> (Call, Origin) {
    let outer = inherited.keys.max_tokens.clone();
    let own_dataset = read_dataset(reader, fields);
    let inherits = !fields.meant("prompts") && !fields.meant("dataset");
    let dataset = own_dataset.or(inherited.dataset.clone().filter(|_| inherits));
    // Rows have lengths of their own.
    let is_dataset_meant = fields.meant("dataset") || inherits && inherited.is_dataset_meant;
    // Whether an option brings a limit, or a dataset, shows later.
    let has_limit = outer.is_some() || is_dataset_meant || fields.meant("max_tokens");
    let own = read_max_tokens(reader, fields);
    let models = reader.strings(fields, "models", MODELS_MAX, MODEL_BYTES_MAX);
    let own_prompts = read_prompts(reader, fields);
    let file = match &own_prompts.prompts {
        Some(_) => own_prompts.file,
        None if dataset.is_some() => None,
        None => inherited.keys.file.clone(),
    };
    let cache_prompt = reader
        .boolean(fields, "cache_prompt")
        .or(inherited.keys.cache_prompt);
    let filled = |list: Vec<String>, key: &str| match list.is_empty() {
        true => placeholder_if(fields.meant(key)),
        false => list,
    };
    let models = models.unwrap_or_else(|| inherited.models.clone());
    let given = match (&dataset, own_prompts.prompts) {
        (Some(dataset), _) => dataset.unread(),
        (None, Some(own)) => own,
        (None, None) => inherited.prompts.clone(),
    };
    let prompts = match given {
        Prompts::List(texts) => Prompts::List(filled(texts, "prompts")),
        made => made,
    };
    let conversation = match fields.has("conversation") {
        true => read_conversation(reader, fields).map(Box::new),
        false => inherited.conversation.clone(),
    };
    let stream = reader.boolean(fields, "stream").unwrap_or(false);
    let cancel = match fields.has("cancel") {
        true => read_cancel(reader, fields),
        false => inherited_cancel(inherited.cancel, stream),
    };
    let call = Call::Chat(Chat {
        stream,
        max_tokens: own.or(outer).unwrap_or(MAX_TOKENS_DEFAULT),
        models: filled(models, "models"),
        prompts,
        word_costs: Box::default(),
        cache_prompt,
        cache_bust: read_cache_bust(reader, fields).unwrap_or_else(|| inherited.cache_bust.clone()),
        wording: read_wording(reader, fields).or(inherited.wording),
        conversation,
        settings: Box::new(inherited.settings.with(&read_body(reader, fields))),
        cancel: cancel.and_then(some_cancel).map(Box::new),
        batch_size: read_batch_size(reader, fields).or(inherited.batch_size),
    });
    let origin = Origin {
        file,
        dataset,
        has_limit,
    };
    (call, origin)
}

/// Reads how many texts a request has.
fn read_batch_size(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<NonZeroU32> {
    let texts = reader.count(fields, "batch_size", 1..=BATCH_MAX);
    texts.and_then(NonZeroU32::new)
}

/// Reads whether prompts begin differently in each request and each run: true, false or the tag of a run.
fn read_cache_bust(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Option<Box<CacheBust>>> {
    reader.parsed(fields, "cache_bust", "true, false or a tag", CacheBust::parse)
}

/// Reads how to word the members of a body in which servers differ, in a document or a request.
fn read_wording(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Wording {
    let keys = TokenLimitKey::ALL.map(TokenLimitKey::name);
    Wording {
        token_limit: reader
            .choice(fields, "max_tokens_key", &keys)
            .and_then(TokenLimitKey::from_name),
        stream_options: reader.boolean(fields, "stream_options"),
    }
}

fn refuse_chat_keys(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    for key in CHAT_ONLY.into_iter().chain(BODY_KEYS) {
        if fields.has(key) {
            let what = format!("key `{}{key}` has no effect with kind `light`", fields.path);
            let hint = "a light request is a GET without a body; write `kind: chat`";
            reader.mistake(fields.line_of(key), Reason::new(what).hint(hint));
        }
    }
}

/// Checks a request's name, which becomes a tag, a row and a key in files.
fn request_name(text: &str) -> Result<String, Reason> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.len() > NAME_BYTES_MAX || !text.bytes().all(fits) {
        let what = format!("{} is not a valid name", quoted(text));
        let hint = format!("use up to {NAME_BYTES_MAX} letters, digits, `_`, `-` and `.`");
        return Err(Reason::new(what).hint(hint));
    }
    Ok(text.to_owned())
}
