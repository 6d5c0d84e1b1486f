//! Prompts, request mix, think time, request bodies: what request n of VU k is, and its bytes.

mod draw;
mod encode;
pub mod prompts;
pub(crate) mod random;
mod turns;
mod types;

pub use encode::{encode_chat_body, encode_request};
pub use turns::{Shares, Turns, TurnsAt};
pub use types::{
    Api, Call, Draw, Endpoint, LightPath, NamedPaths, Prompts, RequestKind, Span, Target, Timeouts, Workload,
};
