//! The table of the APIs that servers speak, with one row for each.
//!
//! Everything that the program has to know about an API is a column here, so no other module distinguishes APIs. A new
//! API takes a module of its own next to this one (its body and its readers), a row, and its texts for the mock
//! (`mock/dialect`).

use serde::{Serialize, Serializer};

use super::{BodyFacts, ContentKind, EventFacts, Generation, Malformed, Reply, chat, completions, llamacpp};

/// Appends the JSON body of a request.
pub type WriteBody = fn(&mut Vec<u8>, &Generation);
/// Reads one event of a stream: its `event` field, then its joined `data` lines.
pub type ReadEvent = fn(&[u8], &[u8]) -> Result<EventFacts, Malformed>;
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
    /// Prefixes under which servers have it, the likeliest first. The first one whose models list (`PREFIX/models`)
    /// answers is used. Empty if the API is directly below the path of the URL and has no models list; then the model
    /// that is loaded answers, whatever model a request names.
    pub prefixes: &'static [&'static str],
    pub write_body: WriteBody,
    /// What its requests can carry. Anything else is refused before the run.
    pub carries: &'static [ContentKind],
    /// `None` if the API does not stream. Looked up once per stream, called once per server-sent event.
    pub read_event: Option<ReadEvent>,
    pub read_body: ReadBody,
    /// The text of an answer, for conversations that carry it on.
    pub reply: Reply,
    /// The member that ends generated text, for an error that says it is missing.
    pub finish: &'static str,
    /// A good stream ends with the server's count of tokens; without it, validation fails.
    pub has_usage: bool,
    /// A question that validation asks in addition to a whole answer and a stream.
    pub side_question: Option<SideQuestion>,
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

table! {
    /// OpenAI's `/v1/chat/completions`.
    Chat => Row {
        name: "chat",
        title: "chat completions",
        end: "/chat/completions",
        prefixes: &["/v1", "/openai/v1"],
        write_body: chat::write_body,
        carries: &[ContentKind::Text, ContentKind::Messages],
        read_event: Some(chat::read_event),
        read_body: chat::read_body,
        reply: chat::REPLY,
        finish: "finish_reason",
        has_usage: true,
        side_question: Some(chat::RESPONSES),
    };
    /// OpenAI's older `/v1/completions`.
    Completions => Row {
        name: "completions",
        title: "completions",
        end: "/completions",
        prefixes: &["/v1", "/openai/v1"],
        write_body: completions::write_body,
        carries: &[ContentKind::Text, ContentKind::Tokens],
        // The grammar is chat's, with `text` instead of `delta` and `message`.
        read_event: Some(chat::read_event),
        read_body: chat::read_body,
        reply: chat::REPLY,
        finish: "finish_reason",
        has_usage: true,
        side_question: None,
    };
    /// llama.cpp's own `/completion`.
    LlamaCpp => Row {
        name: "llamacpp",
        title: "llama.cpp's own completions",
        end: "/completion",
        prefixes: &[],
        write_body: llamacpp::write_body,
        carries: &[ContentKind::Text, ContentKind::Tokens],
        read_event: Some(llamacpp::read_event),
        read_body: llamacpp::read_body,
        reply: llamacpp::REPLY,
        finish: "`stop` that is true",
        has_usage: false,
        side_question: None,
    };
}

/// Path ends of APIs that have no row. A URL with one of them is refused rather than taken for a prefix.
pub const ENDS_WITHOUT_ROW: [&str; 3] = ["/responses", "/messages", "/generate"];

impl Api {
    /// The API that a server is assumed to speak if neither its URL nor the document says.
    pub const DEFAULT: Api = Api::Chat;

    /// Returns the API whose path ends like `path`; if several match, the longest end decides.
    pub fn from_path(path: &str) -> Option<Api> {
        let fits = |api: &Api| path.ends_with(api.row().end);
        Api::ALL
            .into_iter()
            .filter(fits)
            .max_by_key(|api| api.row().end.len())
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
