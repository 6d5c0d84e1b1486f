//! Runs beside each other: read from whatever tool wrote them, matched by meaning, judged by statistics. Pure but
//! for the readers of files.

mod figures;
mod matching;
mod model;
pub mod stats;
mod table;

pub use model::{Format, Moments, Run, RunFacts, Scalar, Slice, Stat, Trend, Values, Verdict};
pub use figures::Statistic;
pub use matching::Difference;
pub use table::{Cell, Comparison, Head, Row, Word};
