//! Runs beside each other: read from whatever tool wrote them, matched by meaning, judged by statistics. Pure but
//! for the readers of files.

mod model;
pub mod read;
mod values;

pub use model::{
    Figure, Format, Moments, Other, RAW_VALUES_MAX, Run, RunFacts, Scalar, Slice, Stat, Trend, Values, Verdict,
};
