//! Runs beside each other: read from whatever tool wrote them, matched by meaning, judged by statistics. Pure but
//! for the readers of files, the folder of baselines and `command`.

pub mod baseline;
pub mod csv;
pub mod fail_on;
mod figures;
pub mod json;
pub mod markdown;
mod matching;
mod model;
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

pub use fail_on::{Judged, Rule, RuleVerdict, judge};
pub use figures::Statistic;
pub use matching::Difference;
pub use model::{
    Figure, Format, Moments, Other, RAW_VALUES_MAX, Run, RunFacts, Scalar, Slice, Stat, Trend, Values,
    Verdict,
};
pub use stats::{Change, Interval, Why};
pub use table::{Cell, Comparison, Head, Row, Word};
