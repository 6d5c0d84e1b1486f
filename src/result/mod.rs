//! The result of a run: numbers only, computed once, printed by `output`.

mod analysis;
mod build;
mod exit;
mod figures;
mod fitness;
mod timings;
mod warnings;

pub use analysis::{ANALYSIS_RULES, AnalysisRule, Finding, Grade, analyse};
pub use build::{
    Client, CoreFigures, Endpoint, Rates, Run, RunFacts, RunResult, SCHEMA, ServerCounts, ServerFigures,
    Shape, StampSource, StoppedBy, TlsFigures, Totals, Traffic,
};
pub use exit::ExitCode;
pub use figures::{MetricFigures, Ordered, token_source_name};
pub use fitness::{Fitness, LimitReason};
pub use timings::{ServerTimings, TwoClocks};
pub use warnings::{BUSY_PERCENT_MAX, RULES, Rule, Warning};
