//! Calibrations of a host: the document of one, what it says in words, and what it means for a run on that host.

mod budget;
mod document;
mod words;

pub use budget::{budget, difference};
pub use document::{CALIBRATION_SCHEMA, CalibratedHost, Calibration, Capacity, Condition, read};
pub use words::{TRUSTED_MS, meaning, text};

use crate::host::cpus::cpu_list;

#[cfg(test)]
#[path = "calibration_tests.rs"]
mod tests;
