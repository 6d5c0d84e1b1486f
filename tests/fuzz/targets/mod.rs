//! What is fuzzed, and what must hold for any bytes. A target panics where it does not.
//!
//! * What comes from a server is read the same at any cut, in a number of steps that grows with the bytes, and holds a
//!   bounded amount of memory.
//! * A fast reading says the same as a plain one, and a reading in pieces the same as a naive one of the whole.
//! * What a user gives is read or refused in words for a terminal; what is read can be written and read again, and
//!   shown in every form without being obeyed there.
//! * What a target allocates grows with the bytes and no faster (`tests/alone/fuzzed.rs`, and the fuzzers themselves).

mod files;
mod given;
mod pieces;
mod plain;
mod ranks;
mod served;
mod twins;
mod words;

/// A target, and what it may allocate: so many bytes for each byte of its input, beside what any input may take. Its
/// own checks are among them, so that the numbers say no more than that memory grows with the bytes and no faster.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub bytes_per_byte: usize,
    /// Buffers, and tables whose length has a limit of its own.
    pub bytes_min: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), bytes_per_byte: usize) -> Target {
    Target {
        name,
        run,
        bytes_per_byte,
        bytes_min: 4 << 20,
    }
}

/// A file of two samples that are years apart has as many rows of time as there may be, each time that it is read, and
/// one line can ask for lengths up to a million.
const fn with_tables(name: &'static str, run: fn(&[u8]), bytes_per_byte: usize) -> Target {
    Target {
        bytes_min: 192 << 20,
        ..target(name, run, bytes_per_byte)
    }
}

/// Every reader of foreign bytes.
pub const TARGETS: &[Target] = &[
    target("response", served::response, 400),
    target("http", served::http, 400),
    target("chunks", served::chunks, 400),
    target("events", served::events, 400),
    target("event", served::event, 400),
    target("exposition", served::exposition, 400),
    target("tls", served::tls, 400),
    target("frames", ranks::frames, 4_000),
    target("json", given::json, 400),
    target("document", given::document, 4_000),
    target("k6", given::k6, 4_000),
    target("inference_perf", given::inference_perf, 4_000),
    target("dataset", given::dataset, 4_000),
    with_tables("lengths", given::lengths, 4_000),
    target("result", files::result, 4_000),
    target("merged", files::merged, 4_000),
    target("calibration", files::calibration, 4_000),
    with_tables("compare", files::compare, 4_000),
    target("threshold", words::threshold, 400),
    target("url", words::url, 400),
    target("value", words::value, 400),
    target("text", words::text, 2_000),
];

/// Returns the target of a name.
pub fn named(name: &str) -> &'static Target {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("no target is called {name}"))
}

/// Runs one target on some bytes.
pub fn run(name: &str, data: &[u8]) {
    (named(name).run)(data);
}

impl Target {
    /// Asserts that a run on `input` bytes allocated no more than it may: `allocated` bytes in all, whether they were
    /// freed or not. What is held at one time is less, and work that allocates is counted with it.
    pub fn assert_bounded(&self, input: usize, allocated: usize) {
        let most = self.bytes_min + self.bytes_per_byte * input;
        assert!(
            allocated <= most,
            "{}: {allocated} bytes are allocated for {input}, {most} may be",
            self.name
        );
    }
}

/// Takes the first byte, which chooses among variants of a target.
fn chosen(data: &[u8]) -> (usize, &[u8]) {
    match data.split_first() {
        Some((first, rest)) => (usize::from(*first), rest),
        None => (0, data),
    }
}

/// Returns where `bytes` are cut, which its own bytes decide: ascending, neither at 0 nor at the end.
fn cuts(bytes: &[u8]) -> Vec<usize> {
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut cuts = Vec::new();
    let mut at = 0;
    loop {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Mostly small pieces, and now and then one of a usual read.
        at += match state >> 61 {
            0 => 1_448,
            size => 1 + (state >> 33) as usize % (size as usize * 7),
        };
        if at >= bytes.len() {
            return cuts;
        }
        cuts.push(at);
    }
}

/// Returns the pieces between the cuts.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let mut from = 0;
    let mut pieces = Vec::new();
    for to in ends {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces
}
