//! The table of the APIs that servers speak, with one row for each.
//!
//! Everything that the program has to know about an API is a column here, so no other module distinguishes APIs. A new
//! API takes a module of its own next to this one (its body and its readers), a row, and its texts for the mock
//! (`mock/dialect`).

use serde::{Serialize, Serializer};

use super::settings;
use super::{
    Alike, BodyFacts, ContentKind, EventFacts, Generation, Malformed, Reply, Setting, Words, chat,
    completions, inputs, llamacpp, messages, ollama, read_event_among, responses, sglang, tgi, triton,
};
use crate::sse::Framing;

/// Appends the JSON body of a request.
pub type WriteBody = fn(&mut Vec<u8>, &Generation);
/// Reads one event of a stream: its `event` field, then its joined `data` lines. The events of a stream of lines have
/// the name that events have without one. The events that came together in a read have one `Alike`.
pub type ReadEvent = for<'a> fn(&mut Alike<'a>, &'a [u8], &'a [u8]) -> Result<EventFacts, Malformed>;
/// Reads the body of an answer that came in one piece.
pub type ReadBody = fn(&[u8]) -> Result<BodyFacts, Malformed>;

/// Reads the body of a 200 to a side question: the answer in a word, or what is wrong with it.
pub type ReadSide = fn(&[u8]) -> Result<String, &'static str>;

/// Everything that the program knows about one API.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name where documents are read and written, as in `api: chat`.
    pub name: &'static str,
    /// Its name in messages: "chat completions at /v1/chat/completions".
    pub title: &'static str,
    /// The end of its path. A URL whose path ends like this means this API; a URL that names no API gets it appended.
    pub end: &'static str,
    /// The end of the path that streams, where it is another one.
    pub stream_end: Option<&'static str>,
    /// What a path has somewhere before its end, because it names the model there. Nothing can be appended to a URL
    /// without it.
    pub within: Option<&'static str>,
    /// Prefixes under which servers have it, the likeliest first. The first one whose models list answers is used.
    /// Empty if the API is directly below the path of the URL.
    pub prefixes: &'static [&'static str],
    /// Its bodies name the model. Otherwise the path does, or the server has only one.
    pub names_model: bool,
    /// The path of the models list after the prefix. The list shows where the API is, which models there are, and where
    /// light requests go. Without one the model that is loaded answers, whatever model a request names.
    pub models: Option<&'static str>,
    /// Headers that its requests have unless the user gives others.
    pub headers: &'static [(&'static str, &'static str)],
    /// A header that has the key alone, in addition to `Authorization: Bearer KEY`.
    pub key_header: Option<&'static str>,
    pub write_body: WriteBody,
    /// What its requests can carry. Anything else is refused before the run.
    pub carries: &'static [ContentKind],
    /// Its words for what a completion may be asked for besides.
    pub words: Words,
    /// How many texts a request has.
    pub texts: Texts,
    /// How the events of its streams are told apart.
    pub framing: Framing,
    /// `None` if the API does not stream. Looked up once per stream, called once per event.
    pub read_event: Option<ReadEvent>,
    pub read_body: ReadBody,
    /// The text of an answer, for conversations that carry it on.
    pub reply: Reply,
    /// The member that ends an answer, for an error that says it is missing. `None` if the API has nothing that tells
    /// a complete answer, so that every text counts as one.
    pub finish: Option<&'static str>,
    /// A good stream ends with the server's count of tokens; without it, validation fails. Of an API without, a server
    /// may count nevertheless.
    pub has_usage: bool,
    /// A question that validation asks in addition to a whole answer and a stream.
    pub side_question: Option<SideQuestion>,
}

impl Row {
    /// Returns the member of a body that holds the setting, with the names of inner objects and dots before it; `None`
    /// if the API has none.
    pub fn word_for(&self, setting: Setting) -> Option<&'static str> {
        let mut words = self.words.iter().copied().flatten();
        words.find(|(known, _)| *known == setting).map(|(_, word)| *word)
    }
}

/// How many texts a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// One, which is generated from.
    One,
    /// Any number, and each gets an answer of its own.
    Many,
    /// One, and those that it is compared with.
    OneAndMany,
}

/// A question that a server of an API may be able to answer, but need not.
#[derive(Clone, Copy, Debug)]
pub struct SideQuestion {
    /// The end of its path; the part before it is that of the API's own path.
    pub end: &'static str,
    pub write_body: WriteBody,
    pub read: ReadSide,
}

/// Declares the APIs with their rows, so that each has a row and is in `ALL`.
macro_rules! table {
    ($($(#[$doc:meta])* $api:ident => $row:expr;)*) => {
        /// An API that a server speaks. Each target speaks exactly one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Api {
            $($(#[$doc])* $api,)*
        }

        impl Api {
            /// All APIs in the order of the table. `ALL[api as usize]` is `api`.
            pub const ALL: [Api; [$(Api::$api),*].len()] = [$(Api::$api),*];

            pub const fn row(self) -> &'static Row {
                match self {
                    $(Api::$api => &const { $row },)*
                }
            }
        }
    };
}

/// What OpenAI's APIs have in common.
const OPENAI: Row = Row {
    name: "",
    title: "",
    end: "",
    stream_end: None,
    within: None,
    prefixes: &["/v1", "/openai/v1"],
    names_model: true,
    models: Some("/models"),
    headers: &[],
    key_header: None,
    write_body: chat::write_body,
    carries: &[ContentKind::Text],
    words: &[],
    texts: Texts::One,
    framing: Framing::Events,
    read_event: None,
    read_body: chat::read_body,
    reply: chat::REPLY,
    finish: Some("finish_reason"),
    has_usage: true,
    side_question: None,
};

/// What the APIs of other servers have in common: each is directly below the URL.
const NATIVE: Row = Row {
    prefixes: &[],
    names_model: false,
    models: None,
    ..OPENAI
};

/// What Ollama's own APIs have in common.
const OLLAMA: Row = Row {
    prefixes: &[""],
    names_model: true,
    models: Some("/api/tags"),
    framing: Framing::Lines,
    read_event: Some(read_event_among::<ollama::Ollama>),
    read_body: ollama::read_body,
    reply: ollama::REPLY,
    finish: Some("`done` that is true"),
    ..NATIVE
};

table! {
    /// OpenAI's `/v1/chat/completions`.
    Chat => Row {
        name: "chat",
        title: "chat completions",
        end: "/chat/completions",
        carries: &[ContentKind::Text, ContentKind::Messages],
        words: &[settings::OPENAI, settings::TOOLS],
        read_event: Some(read_event_among::<chat::Chat>),
        side_question: Some(responses::SIDE_QUESTION),
        ..OPENAI
    };
    /// OpenAI's older `/v1/completions`.
    Completions => Row {
        name: "completions",
        title: "completions",
        end: "/completions",
        write_body: completions::write_body,
        carries: &[ContentKind::Text, ContentKind::Tokens],
        words: &[settings::OPENAI],
        // The grammar is chat's, with `text` instead of `delta` and `message`.
        read_event: Some(read_event_among::<chat::Chat>),
        ..OPENAI
    };
    /// llama.cpp's own `/completion`.
    LlamaCpp => Row {
        name: "llamacpp",
        title: "llama.cpp's own completions",
        end: "/completion",
        names_model: true,
        write_body: llamacpp::write_body,
        carries: &[ContentKind::Text, ContentKind::Tokens],
        words: &[settings::LLAMA_CPP],
        read_event: Some(read_event_among::<llamacpp::LlamaCpp>),
        read_body: llamacpp::read_body,
        reply: llamacpp::REPLY,
        finish: Some("`stop` that is true"),
        has_usage: false,
        ..NATIVE
    };
    /// OpenAI's `/v1/responses`.
    Responses => Row {
        name: "responses",
        title: "OpenAI's responses",
        end: "/responses",
        write_body: responses::write_body,
        words: &[settings::RESPONSES, settings::TOOLS],
        carries: &[ContentKind::Text, ContentKind::Messages],
        read_event: Some(read_event_among::<responses::Responses>),
        read_body: responses::read_body,
        reply: responses::REPLY,
        finish: Some("`status` that is `completed` or `incomplete`"),
        ..OPENAI
    };
    /// Anthropic's `/v1/messages`.
    Messages => Row {
        name: "messages",
        title: "Anthropic's messages",
        end: "/messages",
        prefixes: &["/v1", "/anthropic/v1"],
        headers: &messages::HEADERS,
        key_header: Some("x-api-key"),
        write_body: messages::write_body,
        words: &[settings::MESSAGES, settings::TOOLS],
        carries: &[ContentKind::Text, ContentKind::Messages],
        read_event: Some(read_event_among::<messages::Messages>),
        read_body: messages::read_body,
        reply: messages::REPLY,
        finish: Some("stop_reason"),
        ..OPENAI
    };
    /// Ollama's `/api/generate`.
    Ollama => Row {
        name: "ollama",
        title: "Ollama's generate",
        end: "/api/generate",
        write_body: ollama::write_generate,
        words: &[settings::OLLAMA],
        ..OLLAMA
    };
    /// Ollama's `/api/chat`.
    OllamaChat => Row {
        name: "ollama_chat",
        title: "Ollama's chat",
        end: "/api/chat",
        write_body: ollama::write_chat,
        words: &[settings::OLLAMA, settings::TOOLS],
        carries: &[ContentKind::Text, ContentKind::Messages],
        ..OLLAMA
    };
    /// Text Generation Inference's `/generate_stream` and `/generate`. The latter alone means SGLang.
    Tgi => Row {
        name: "tgi",
        title: "TGI's generate",
        end: "/generate",
        stream_end: Some("/generate_stream"),
        write_body: tgi::write_body,
        words: &[settings::TGI],
        read_event: Some(read_event_among::<tgi::Tgi>),
        read_body: tgi::read_body,
        reply: tgi::REPLY,
        finish: Some("`details` with a `finish_reason`"),
        ..NATIVE
    };
    /// SGLang's own `/generate`.
    Sglang => Row {
        name: "sglang",
        title: "SGLang's generate",
        end: "/generate",
        write_body: sglang::write_body,
        words: &[settings::SGLANG],
        carries: &[ContentKind::Text, ContentKind::Tokens],
        read_event: Some(read_event_among::<sglang::Sglang>),
        read_body: sglang::read_body,
        reply: sglang::REPLY,
        finish: Some("`meta_info` with a `finish_reason`"),
        ..NATIVE
    };
    /// Triton's `/v2/models/MODEL/generate_stream` and `…/generate`.
    Triton => Row {
        name: "triton",
        title: "Triton's generate",
        end: "/generate",
        stream_end: Some("/generate_stream"),
        within: Some("/v2/models/"),
        write_body: triton::write_body,
        words: &[settings::TRITON],
        read_event: Some(read_event_among::<triton::Triton>),
        read_body: triton::read_body,
        reply: triton::REPLY,
        finish: None,
        has_usage: false,
        ..NATIVE
    };
    /// OpenAI's `/v1/embeddings`.
    Embeddings => Row {
        name: "embeddings",
        title: "embeddings",
        end: "/embeddings",
        write_body: inputs::write_embeddings,
        carries: &[ContentKind::Text, ContentKind::Tokens],
        texts: Texts::Many,
        read_body: inputs::read_embeddings,
        reply: Reply::NONE,
        finish: Some("`data` with embeddings"),
        ..OPENAI
    };
    /// `/v1/rerank`, as Jina, Cohere, vLLM, SGLang, llama.cpp and TEI have it.
    Rerank => Row {
        name: "rerank",
        title: "rerank",
        end: "/rerank",
        prefixes: &["/v1", "", "/v2"],
        write_body: inputs::write_rerank,
        texts: Texts::OneAndMany,
        read_body: inputs::read_scores,
        reply: Reply::NONE,
        finish: Some("`results` with scores"),
        ..OPENAI
    };
    /// vLLM's `/score`.
    Score => Row {
        name: "score",
        title: "score",
        end: "/score",
        prefixes: &["/v1", ""],
        write_body: inputs::write_score,
        texts: Texts::OneAndMany,
        read_body: inputs::read_scores,
        reply: Reply::NONE,
        finish: Some("`data` with scores"),
        ..OPENAI
    };
}

/// Path ends of APIs that have no row. A URL with one of them is refused rather than taken for a prefix.
pub const ENDS_WITHOUT_ROW: [&str; 6] = [
    "/infer",
    "/classify",
    "/pooling",
    "/images/generations",
    "/audio/speech",
    "/audio/transcriptions",
];

impl Row {
    /// Returns true if the API can answer in events.
    pub fn streams(&self) -> bool {
        self.read_event.is_some()
    }

    /// Returns the end of the path that streams.
    pub fn end_of_streams(&self) -> &'static str {
        self.stream_end.unwrap_or(self.end)
    }

    /// Returns the end of the path if it is a path of this API.
    pub fn end_of(&self, path: &str) -> Option<&'static str> {
        let is_within = self.within.is_none_or(|part| path.contains(part));
        let ends = [Some(self.end), self.stream_end].into_iter().flatten();
        let fitting = ends.filter(|end| is_within && path.ends_with(end));
        fitting.max_by_key(|end| end.len())
    }
}

impl Api {
    /// The API that a server is assumed to speak if neither its URL nor the document says.
    pub const DEFAULT: Api = Api::Chat;

    /// Returns the API whose path `path` is. If several match, the one decides that names a model in its path, then the
    /// longest end, then the place in the table.
    pub fn from_path(path: &str) -> Option<Api> {
        let matched = |api: Api| Some((api, api.row().end_of(path)?));
        Api::ALL
            .into_iter()
            .filter_map(matched)
            .max_by_key(|(api, end)| (api.row().within.is_some(), end.len()))
            .map(|(api, _)| api)
    }

    /// Returns the API with this name in documents.
    pub fn from_name(name: &str) -> Option<Api> {
        Api::ALL.into_iter().find(|api| api.row().name == name)
    }
}

/// Serialises the API as its name in documents.
impl Serialize for Api {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.row().name)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
