//! What every chart needs: axes with round numbers, an axis of percentiles, lines that keep their peaks, and colours.
//! Everything here is a function of numbers; what is drawn with it is decided above.

mod line;
mod percentiles;
mod scale;

pub use line::{path, thinned};
pub use percentiles::{nines, percentile_place, percentile_ticks, quantile_line};
pub use scale::{Scale, clock, log_ticks, round_ends, time_ticks, time_with_unit};

/// Okabe and Ito's colours, which people with any colour vision can tell apart.
pub const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
