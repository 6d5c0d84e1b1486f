//! Runs beside each other: read from whatever tool wrote them, matched by meaning, judged by statistics. Pure but
//! for the readers of files.

mod model;
pub mod stats;

pub use model::{Format, Moments, Run, RunFacts, Scalar, Slice, Stat, Trend, Values, Verdict};
