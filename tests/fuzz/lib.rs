//! The fuzz targets, which `cargo test` also runs on their seeds and on what was found (tests/suite/fuzzed.rs).

#[path = "../suite/agreement.rs"]
pub mod agreement;
#[path = "../suite/reading.rs"]
pub mod reading;
pub mod targets;
