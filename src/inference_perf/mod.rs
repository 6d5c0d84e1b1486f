//! Turns a configuration of inference-perf into a profile of ours, or says what of it has no counterpart. This room
//! does no input or output; the command reads and writes the files.
//!
//! The keys and their defaults are those of inference-perf's `config/`; what they do is taken from its code, where its
//! names say otherwise (<https://github.com/kubernetes-sigs/inference-perf>, October 2026).

mod api;
mod data;
mod draft;
mod lengths;
mod load;
mod report;
mod server;
mod sessions;
mod write;

pub use write::import;

#[cfg(test)]
#[path = "inference_perf_tests.rs"]
mod tests;

#[cfg(test)]
mod refused_tests;
