//! One fuzzer: the target has the name of the binary.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzz::targets::run(env!("CARGO_BIN_NAME"), data);
});
