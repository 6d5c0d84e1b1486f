//! What is fuzzed, and what must hold for any bytes. A target panics where it does not.
//!
//! * What comes from a server is read the same at any cut, in a number of steps that grows with the bytes, and holds a
//!   bounded amount of memory.
//! * A fast reading says the same as a plain one.
//! * What a user gives is read or refused in words for a terminal; what is read can be written and read again.

mod given;
mod served;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 13] = [
    ("response", served::response),
    ("http", served::http),
    ("events", served::events),
    ("event", served::event),
    ("exposition", served::exposition),
    ("tls", served::tls),
    ("json", given::json),
    ("document", given::document),
    ("result", given::result),
    ("k6", given::k6),
    ("inference_perf", given::inference_perf),
    ("dataset", given::dataset),
    ("lengths", given::lengths),
];

/// Runs one target on some bytes.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no target is called {name}"));
    target(data);
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
