//! Tests that count what belongs to the whole process (allocations, descriptors), so that nothing else may run in it:
//! not the other tests, and of these only one at a time.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // As in tests: clippy.toml means the functions marked as one.

#[path = "../suite/agreement.rs"]
#[allow(dead_code)] // The suite uses the rest.
mod agreement;
mod allocations;
mod descriptors;
#[path = "../fuzz/targets/mod.rs"]
#[allow(dead_code)] // The suite and the fuzzers use the rest.
mod fuzz_targets;
mod fuzzed;
#[path = "../common/load.rs"]
mod load;
mod net;
mod net_in_trouble;
#[path = "../suite/reading.rs"]
#[allow(dead_code)] // The suite uses the rest.
mod reading;
#[allow(dead_code)] // Shared with the suite, which skips more.
#[path = "../common/skipped.rs"]
mod skipped;

use std::sync::{Mutex, MutexGuard, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Each test here holds this until it ends.
fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}
