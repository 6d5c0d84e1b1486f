//! The result document of a run: its type ([`RunResult`]), how it is built from a run's figures, what these mean, and
//! how it is read back. Numbers are computed here once, and shown by `output`.

mod agreement;
mod analysis;
mod build;
mod check;
mod client;
mod contention;
mod counts;
mod details;
mod document;
mod errors;
mod failures;
mod figures;
mod groups;
mod ledger;
mod managed_server;
#[cfg(test)]
mod page_tests;
mod paired;
mod passes;
mod phases;
mod pushes;
mod read;
mod rows;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod server_metrics;
mod sessions;
mod sharded;
mod slots;
mod timings;
mod trace;
mod verdict;
mod warnings;

pub use analysis::{ANALYSIS_RULES, AnalysisRule, Finding, Grade, analyse};
pub use build::{Required, RunFacts, date_and_time, rfc3339};
pub use check::Contradiction;
pub use client::{Client, CoreFigures, GeneratorFacts, IoFigures, LimitReason, StampSource, TlsFigures};
pub use contention::{Contended, Contention};
pub use counts::{Totals, Traffic};
pub use details::Detail;
pub use document::{Host, Layout, PartFigures, Run, RunResult, StoppedBy};
pub use errors::{Budget, DifferenceFigures, ErrorBudget, ErrorFigures};
pub use failures::FailureFigures;
pub use figures::{MetricFigures, Ordered};
pub use groups::{GroupFigures, Grouping, Rates, TokenSources};
pub(crate) use groups::{metrics, rates, traffic};
pub use managed_server::{ManagedServerFigures, ServerCounts};
pub(crate) use paired::PairEvidence;
pub use paired::{ErrorBlock, Paired, PairedFigures, Shown, paired_name};
pub use passes::{PassFigures, Repeat, RepeatFacts, Spread, WarmUp, judged_together, spread};
pub use phases::{PhaseFigures, PhaseTimes, RampFigures, SteadyFigures, SteadyPeriod};
pub use pushes::Pushes;
pub use read::{each_detail, read, schema_of};
pub use rows::{ManagedServerRow, RowFigures, SpreadFigures, rows_of_document};
pub use schema::{SCHEMA, Schema};
pub use server_metrics::{
    AccountFacts, CounterFigures, GaugeFigures, HistogramFigures, ServerAccount, ServerRow,
};
pub use sessions::{GraphFigures, HistoryFigures, SessionFigures, TurnFigures};
pub use sharded::{MergedFigures, STARTED_LATE, ShardFigures, StartFigures};
pub use slots::{SHARDS as SLOTS_OF_SHARDS, SlotFreeFigures};
pub use timings::{ServerTimings, TwoClocks};
pub use trace::{PaceFigures, TraceFigures};
pub use warnings::{BUSY_PERCENT_MAX, RULES, Rule, Warning};
pub(crate) use warnings::{find as warnings_of, order as by_weight};
