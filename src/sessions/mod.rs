//! The figures of conversations: by the number of the turn, and by session, in memory that does not grow with the run.
//!
//! ```text
//! TurnEnded, SessionEnded, ... -> SessionTotals (counts and distributions) -> Growth, how TTFT grows with the turn
//! ```
//!
//! This room is pure: it has no clock, no socket, no thread.

mod growth;
mod totals;

pub use growth::{Growth, GrowthPoint, growth};
pub use totals::{GraphTotals, SessionCounts, SessionTotals, TURN_ROWS_MAX, TurnTotals};
