//! The APIs that servers speak: one table, one row for each.
//!
//! Whatever the program has to know about an API is a column here, so no other module tells APIs apart. A new API takes
//! a module of its own beside this one (its body and its readers), a row, and its words for the mock
//! (`mock/dialect`).

use serde::{Serialize, Serializer};

use super::{BodyFacts, EventFacts, Generation, Malformed, chat, completions, llamacpp};

/// Appends the JSON body of a request.
pub type WriteBody = fn(&mut Vec<u8>, &Generation);
/// Reads one event of a stream: its `event` field, then its joined `data` lines.
pub type ReadEvent = fn(&[u8], &[u8]) -> Result<EventFacts, Malformed>;
/// Reads the body of an answer that came in one piece.
pub type ReadBody = fn(&[u8]) -> Result<BodyFacts, Malformed>;

/// Reads the body of a 200 to a side question: what it says, or what is wrong with it.
pub type ReadSide = fn(&[u8]) -> Result<String, &'static str>;

/// What the program knows about one API.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As documents write it, `api: chat`, and as they are written.
    pub name: &'static str,
    /// What a person is told that a server speaks: "chat completions at /v1/chat/completions".
    pub title: &'static str,
    /// How its path ends. A URL whose path ends so means this API; one that names no API gets it appended.
    pub end: &'static str,
    /// Prefixes under which servers have it, the likeliest first. The one whose models list (`PREFIX/models`) answers
    /// is taken. Empty: it is right below the path of the URL, there is no models list, and whatever model a request
    /// names, the one that is loaded answers.
    pub prefixes: &'static [&'static str],
    pub write_body: WriteBody,
    /// `None`: the API does not stream. Looked up once per stream, called once per server-sent event.
    pub read_event: Option<ReadEvent>,
    pub read_body: ReadBody,
    /// What ends generated text, for an error that says it is missing.
    pub finish: &'static str,
    /// A good stream ends with the server's count of tokens; without it, validation fails.
    pub has_usage: bool,
    /// What validation asks besides a whole answer and a stream.
    pub side_question: Option<SideQuestion>,
}

/// A question that a server of an API may be able to answer, but need not.
#[derive(Clone, Copy, Debug)]
pub struct SideQuestion {
    /// How its path ends; what comes before is as in the API's own path.
    pub end: &'static str,
    pub write_body: WriteBody,
    pub read: ReadSide,
}

/// Declares the APIs with their rows, so that none can lack its row or be left out of `ALL`.
macro_rules! table {
    ($($(#[$doc:meta])* $api:ident => $row:expr;)*) => {
        /// What a server speaks; each target speaks one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Api {
            $($(#[$doc])* $api,)*
        }

        impl Api {
            /// Each once, in the order of the table. `ALL[api as usize]` is `api`.
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
        read_event: Some(chat::read_event),
        read_body: chat::read_body,
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
        // One grammar with chat: `text` in place of `delta` and `message`.
        read_event: Some(chat::read_event),
        read_body: chat::read_body,
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
        read_event: Some(llamacpp::read_event),
        read_body: llamacpp::read_body,
        finish: "`stop` that is true",
        has_usage: false,
        side_question: None,
    };
}

/// Ends of the paths of APIs that have no row: a URL with one of them is refused, rather than taken for a prefix.
pub const ENDS_WITHOUT_ROW: [&str; 3] = ["/responses", "/messages", "/generate"];

impl Api {
    /// What a server is taken to speak if neither its URL nor the document says.
    pub const DEFAULT: Api = Api::Chat;

    /// The API whose path ends as this path does; of several ends that fit, the longest decides.
    pub fn of_path(path: &str) -> Option<Api> {
        let fits = |api: &Api| path.ends_with(api.row().end);
        Api::ALL
            .into_iter()
            .filter(fits)
            .max_by_key(|api| api.row().end.len())
    }

    /// The API that documents call so.
    pub fn of_name(name: &str) -> Option<Api> {
        Api::ALL.into_iter().find(|api| api.row().name == name)
    }
}

/// By its name in documents.
impl Serialize for Api {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.row().name)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
