//! Tests that count what belongs to the whole process (allocations, descriptors), so that nothing else may run in it:
//! not the other tests, and of these only one at a time.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // As in tests: clippy.toml means the functions marked as one.

mod allocations;
mod descriptors;
#[path = "../common/load.rs"]
mod load;
mod net;
mod net_in_trouble;
#[allow(dead_code)] // Shared with the suite, which skips more.
#[path = "../common/skipped.rs"]
mod skipped;

use std::sync::{Mutex, MutexGuard, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Each test here holds this until it ends.
fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}
