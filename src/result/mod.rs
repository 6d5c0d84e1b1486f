//! The result of a run: numbers only, computed once, printed by `output`.

mod build;
mod exit;
mod figures;
mod server;
mod sharded;
mod warnings;

pub use build::{
    Client, CoreFigures, Endpoint, Rates, Run, RunFacts, RunResult, SCHEMA, StampSource, StoppedBy,
    TlsFigures, Totals, Traffic, rfc3339,
};
pub(crate) use build::{endpoints, metrics, rates, traffic};
pub use exit::ExitCode;
pub use figures::{MetricFigures, Ordered, token_source_name};
pub use server::{ServerCounts, ServerFigures};
pub use sharded::{MergedFigures, ShardFigures, StartFigures};
pub(crate) use warnings::of as warnings_of;
pub use warnings::{BUSY_PERCENT_MAX, RULES, Rule, Warning};
