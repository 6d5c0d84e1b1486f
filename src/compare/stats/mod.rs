//! The statistics that tell how certain a difference is: pure functions of counts, values and rows per second.
//! docs/COMPARE.md describes the method.

mod change;
mod ecdf;
mod serial;

pub use change::{
    Change, Interval, RateSample, Serial, ShareSample, Side, Why, has_interval, mean_change, quantile_change,
    rate_change, share_change, welch_change, welch_difference,
};
pub use ecdf::Ecdf;
pub use serial::ROWS_MIN;
