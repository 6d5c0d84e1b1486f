//! Every integration test that can share a process with the others. One program links the crate and what it
//! depends on once; a file is a module here, so `cargo test --test suite tls::` runs the tests of `tls.rs`.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // As in tests: clippy.toml means the functions marked as one.

#[path = "../common/mod.rs"]
mod common;

mod accounting;
mod agents;
mod api_differential;
mod api_vectors;
mod apis;
mod bodies;
mod cache_bust;
mod calibrate;
mod cancel;
mod cancel_turns;
mod chaos;
mod cli;
mod combinations;
mod compare;
mod completions;
mod connections;
mod contents;
mod corpus;
mod datasets;
mod disk;
mod documents;
mod endpoints;
mod engine;
mod exit_codes;
mod failures;
mod files;
mod find_limit;
mod fitness;
mod goodput;
mod hostile;
mod hosts;
mod http_vectors;
mod import_inference_perf;
mod import_k6;
mod intervals;
mod kinds;
mod lengths;
mod live;
mod managed;
#[allow(clippy::too_many_lines)] // Whole scenarios, told in one piece.
mod merge;
mod open_loop;
mod output_golden;
mod paired;
mod passes;
mod phases;
mod profiles;
mod push;
mod reading;
mod real_servers;
mod report_page;
mod row_sessions;
mod secrets;
mod sessions;
mod shells;
mod show;
mod signals;
mod simulator;
mod skips;
mod slot_free;
mod sse_vectors;
mod standard_streams;
mod summary;
mod tls;
mod tokenizers;
mod traces;
mod usage;
mod validation;
mod wire_samples;
mod workloads;
mod wrong_uses;
