//! The result of a run: numbers only, computed once, printed by `output`.

mod analysis;
mod build;
mod contention;
mod endpoints;
mod figures;
mod fitness;
mod ledger;
mod passes;
mod pushes;
mod server;
mod sharded;
mod timings;
mod warnings;

pub use analysis::{ANALYSIS_RULES, AnalysisRule, Finding, Grade, analyse};
pub use build::{
    Client, CoreFigures, Run, RunFacts, RunResult, SCHEMA, Shape, StampSource, StoppedBy, TlsFigures, Totals,
    rfc3339,
};
pub use contention::{Contended, Contention};
pub use endpoints::{Endpoint, Rates, Traffic, servers};
pub(crate) use endpoints::{Grouping, Rows, metrics, rates, traffic};
pub use figures::{MetricFigures, Ordered, token_source_name};
pub use fitness::{Fitness, LimitReason};
pub use passes::{PassFigures, Repeat, RepeatFacts, Spread, WarmUp, judged_together, spread};
pub use pushes::Pushes;
pub use server::{ServerCounts, ServerFigures};
pub use sharded::{MergedFigures, ShardFigures, StartFigures};
pub use timings::{ServerTimings, TwoClocks};
pub(crate) use warnings::of as warnings_of;
pub use warnings::{BUSY_PERCENT_MAX, RULES, Rule, Warning};
