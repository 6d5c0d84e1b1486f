//! Compares runs: reads them from the files of several tools, matches figures by meaning, and judges changes by
//! statistics. Only the readers of files and the folder of baselines do input and output.

pub mod baseline;
pub mod csv;
pub mod fail_on;
mod figures;
pub mod json;
pub mod markdown;
mod matching;
mod model;
mod pairs;
pub mod plot;
pub mod read;
#[cfg(test)]
mod rendering_tests;
#[cfg(test)]
mod simulation_tests;
pub mod stats;
mod table;
#[cfg(test)]
mod testing_tests;
pub mod text;
mod values;
pub mod verdict;

pub use fail_on::{Judged, Rule, RuleVerdict, judge};
pub use figures::Statistic;
pub use matching::{Difference, letter};
pub use model::{
    Figure, Format, Other, PairedFigure, PairedRun, RAW_VALUES_MAX, Run, RunFacts, Scalar, Slice, Stat, Tool,
    Trend, Values, Verdict,
};
pub use stats::{Change, Interval, Why};
pub use table::{Cell, Comparison, Head, Row, Word};
