//! Answers scrapers (`--metrics-listen`): the figures of the run in progress, at `/metrics`.
//!
//! ```text
//! reporter: FiguresView -- figures(), every second --> Shared --> one thread: poll, text, answer
//! ```
//!
//! One thread serves all scrapers with sockets that never block, on the reporter's CPU. Whoever is slow or says
//! nothing costs one of a few places for a few seconds, and nobody else waits for it.

mod listener;
mod request;
mod server;
mod settings;

pub use listener::MetricsListener;
pub use settings::{LINGER, ListenConfig};
