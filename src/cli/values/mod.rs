//! Values of options that are more than a number: each with its own reader and tests.

pub mod cpus;
pub mod faults;
pub mod stages;
