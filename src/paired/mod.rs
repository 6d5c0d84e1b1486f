//! Two servers compared request by request: the differences within pairs of requests, added up in bounded memory, and
//! what they show. docs/PAIRED.md describes the method.
//!
//! ```text
//! Pair, Pair, ... -> PairTotals (distributions, and blocks of time) -> Difference, with its intervals
//! ```
//!
//! This room is pure: it has no clock, no socket, no thread.

mod blocks;
mod estimate;
mod findings;
mod points;
mod totals;

#[cfg(test)]
mod simulation_tests;

pub use blocks::{BLOCK_FIRST, BLOCKS_MAX, BlockRows, ErrorRow, TimeRow};
pub use estimate::{Difference, Estimate, PAIRS_MIN, Side};
pub use findings::PairFindings;
pub use points::{CONFIDENCE, INTERVALS};
pub use totals::{Orders, PairCounts, PairTotals};
