//! What the bytes of an answer mean. Pure: slices in, facts out, no text is kept.

pub mod chat;
mod scan;
