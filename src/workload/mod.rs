//! The workload decides what request n of VU k is, and encodes its bytes: prompts, request mix, think time, bodies.

mod batch;
mod bust;
mod cancel;
mod content;
mod conversation;
mod costs;
mod dialogue;
mod draw;
mod encode;
mod graph;
mod ids;
mod pauses;
mod prompt_file;
mod prompts;
pub(crate) mod random;
mod row_dialogue;
mod row_sessions;
mod rows;
mod shared;
mod turns;
mod types;
mod words;

pub use batch::BATCH_MAX;
pub use bust::CacheBust;
pub use cancel::{Cancel, CancelAt, Chooser, Cut, Share};
pub use conversation::{
    ALL_TURNS, Conversation, HistoryMode, OnCancel, OnFailure, PlannedHistories, SessionKey, TURNS_MAX, Tools,
};
pub use costs::WordCosts;
pub use dialogue::{History, Turn};
pub use encode::{SentId, body_of, encode_request, made_text};
pub use graph::{Progress, Ready, Replaying};
pub use ids::VOCABULARY_DEFAULT;
pub use pauses::Pauses;
pub use prompt_file::{PROMPT_BYTES_MAX, PROMPTS_BYTES_MAX, PROMPTS_MAX, parse_prompts};
pub use row_sessions::Follows;
pub use rows::{Rows, Sampling, Tokens};
pub use shared::{PrefixBucket, SharedPrefixes};
pub use turns::{Shares, Turns, TurnsAt};
pub use types::{
    Call, Chat, Draw, LightPath, NamedPaths, Prompts, RequestKind, Server, Target, Timeouts, Workload,
};
pub use words::WORDS;
