//! Reads the text that servers show at `/metrics`: Prometheus' format 0.0.4 and OpenMetrics 1.0, line by line, without
//! keeping anything.
//!
//! ```text
//! bytes -> lines() -> Line::Type, Line::Sample { name, labels, value } -> the rooms that know what a name means
//! ```
//!
//! A line that cannot be read is told as such and costs only itself: a server with one odd line still shows the others.
//! This room is pure: it has no clock, no socket, no thread.

mod labels;
mod line;

pub use labels::Labels;
pub use line::{BadLine, FamilyKind, Line, Sample, lines};
