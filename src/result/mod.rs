//! The result of a run: numbers only, computed once, printed by `output`.

mod analysis;
mod build;
mod contention;
mod exit;
mod figures;
mod fitness;
mod passes;
mod timings;
mod warnings;

pub use analysis::{ANALYSIS_RULES, AnalysisRule, Finding, Grade, analyse};
pub use build::{
    Client, CoreFigures, Endpoint, Rates, Run, RunFacts, RunResult, SCHEMA, ServerCounts, ServerFigures,
    Shape, StampSource, StoppedBy, TlsFigures, Totals, Traffic, servers,
};
pub use contention::{Contended, Contention};
pub use exit::ExitCode;
pub use figures::{MetricFigures, Ordered, token_source_name};
pub use fitness::{Fitness, LimitReason};
pub use passes::{PassFigures, Repeat, RepeatFacts, Spread, WarmUp, judged_together, spread};
pub use timings::{ServerTimings, TwoClocks};
pub use warnings::{BUSY_PERCENT_MAX, RULES, Rule, Warning};
