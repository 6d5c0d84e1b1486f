//! One fuzzer: the target has the name of the binary. It counts what the target allocates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fuzz_target!(
    // What is made once and kept is no input's.
    init: fuzz::targets::run(env!("CARGO_BIN_NAME"), b""),
    |data: &[u8]| {
        let target = fuzz::targets::named(env!("CARGO_BIN_NAME"));
        let region = Region::new(ALLOCATOR);
        (target.run)(data);
        target.assert_bounded(data.len(), region.change().bytes_allocated);
    }
);
