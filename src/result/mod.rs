//! The result of a run: numbers only, computed once, printed by `output`.

mod build;
mod exit;
mod figures;
mod fitness;
mod warnings;

pub use build::{
    Client, CoreFigures, Endpoint, Rates, Run, RunFacts, RunResult, SCHEMA, ServerCounts, ServerFigures,
    StampSource, StoppedBy, TlsFigures, Totals, Traffic,
};
pub use exit::ExitCode;
pub use figures::{MetricFigures, Ordered, token_source_name};
pub use fitness::{Fitness, LimitReason};
pub use warnings::{BUSY_PERCENT_MAX, RULES, Rule, Warning};
