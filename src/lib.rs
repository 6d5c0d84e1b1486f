//! A load generator for LLM servers. Data flows one way: command line and document -> `config` -> `plan`
//! -> one `engine` per core over `net` -> `metrics` snapshots -> `report` -> `result` -> `output`.

pub mod api;
pub mod blocking_http;
pub mod calibrate;
pub mod calibration;
pub mod chart;
pub mod cli;
pub mod commands;
pub mod compare;
pub mod config;
pub mod coordination;
pub mod coordinator;
pub mod dataset;
pub mod discover;
#[cfg(test)]
mod documents_tests;
pub mod engine;
pub mod error;
pub mod export;
pub mod exposition;
pub mod host;
pub mod http1;
pub mod imports;
pub mod inference_perf;
pub mod json;
pub mod judge;
pub mod k6;
pub mod lengths;
pub mod limit;
pub mod merge;
pub mod metrics;
pub mod metrics_listen;
pub mod mock;
pub mod net;
pub mod output;
pub mod page;
pub mod paired;
pub mod plan;
pub mod profiles;
pub mod prometheus;
pub mod push;
pub mod rank;
pub mod report;
pub mod result;
pub mod run;
pub mod scrape;
pub mod server;
pub mod server_metrics;
pub mod sessions;
pub mod signals;
#[cfg(test)]
#[path = "../tests/common/skipped.rs"]
mod skipped;
pub mod sse;
pub mod stats;
pub mod tables;
pub mod tls;
pub mod tokenizer;
pub mod units;
pub mod workload;
