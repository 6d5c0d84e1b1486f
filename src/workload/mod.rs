//! Prompts, request mix, think time, request bodies: what request n of VU k is, and its bytes.

mod draw;
mod encode;
mod prompts;
pub(crate) mod random;
mod turns;
mod types;
mod words;

pub use encode::encode_request;
pub use prompts::{PROMPT_BYTES_MAX, PROMPTS_BYTES_MAX, PROMPTS_MAX, parse_prompts};
pub use turns::{Shares, Turns, TurnsAt};
pub use types::{
    Call, Draw, Endpoint, LightPath, NamedPaths, Prompts, RequestKind, Target, Timeouts, Workload,
};
