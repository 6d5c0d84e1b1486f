//! The result of a run: numbers only, computed once, printed by `output`.

mod build;
mod exit;
mod figures;
mod observe;
mod warnings;

pub use build::{
    Client, CoreFigures, Endpoint, Rates, Run, RunFacts, RunResult, SCHEMA, ServerFigures, StampSource,
    StoppedBy, ThresholdResult, TlsFigures, Totals, Traffic,
};
pub use exit::ExitCode;
pub use figures::{MetricFigures, Ordered, token_source_name};
pub use observe::Observed;
pub use warnings::{RULES, Rule, Warning};
