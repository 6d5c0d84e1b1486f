//! Values of options that are more than a number, each with its own parser and tests.

pub mod api;
pub mod coordinate;
pub mod dataset;
pub mod expectation;
pub mod faults;
pub mod listen;
pub mod number;
pub mod or_file;
pub mod shard;
pub mod share;
pub mod stages;
pub mod start_at;
