//! What the fuzz targets allocate: it grows with the bytes and no faster. The fuzzers count the same of what they find.

use crate::allocations::allocated_bytes;
use crate::alone;
use crate::fuzz_targets::{TARGETS, Target};
use std::fs;
use std::path::{Path, PathBuf};

/// What is repeated to make long inputs of: the pieces of every grammar that is read.
const PIECES: [&str; 30] = [
    "[",
    "{\"a\":",
    "{\"a\":1,",
    "\"\\u0041",
    "1,",
    "1e9",
    "- ",
    "a: ",
    "a: [",
    "&a ",
    "*a ",
    "- &a [*a, *a]\n",
    "? ",
    "| ",
    "x",
    "\n",
    " ",
    "\r\n",
    "data: x\n\n",
    "data: x\n",
    ": \n",
    "1\r\nx\r\n",
    "1;x\r\n",
    "HTTP/1.1 100 \r\n\r\n",
    "a: b\r\n",
    "a{b=\"c\"} 1\n",
    "(",
    "/*",
    "`${",
    "{tag:",
];
/// The lengths between which growth is looked at.
const SHORT: usize = 4 << 10;
const LONG: usize = 16 << 10;

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target.name);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// `piece` again and again behind the byte that some targets choose by.
fn repeated(first: u8, piece: &[u8], bytes: usize) -> Vec<u8> {
    let rest = piece.iter().cycle().take(bytes).copied();
    [first].into_iter().chain(rest).collect()
}

#[test]
fn what_a_reader_of_foreign_bytes_allocates_grows_no_faster_than_they_do() {
    let _alone = alone();
    for target in TARGETS {
        (target.run)(b"");
        let mut most = 0.0_f64;
        let mut measure = |input: &[u8]| {
            let allocated = allocated_bytes(|| (target.run)(input));
            target.assert_bounded(input.len(), allocated);
            most = most.max(allocated.saturating_sub(BASE) as f64 / input.len().max(1) as f64);
            allocated
        };
        let seeds = seeds(target);
        for seed in &seeds {
            measure(seed);
        }
        let pieces = PIECES.iter().map(|piece| piece.as_bytes());
        for piece in pieces.chain(seeds.iter().map(Vec::as_slice)) {
            for first in [b'0', b'1', b'2'] {
                let short = measure(&repeated(first, piece, SHORT));
                let long = measure(&repeated(first, piece, LONG));
                let grown = (LONG / SHORT + 2) * short.max(1 << 20);
                assert!(
                    long <= grown,
                    "{}: {short} bytes for {SHORT}, {long} for {LONG} of {}",
                    target.name,
                    piece[..piece.len().min(40)].escape_ascii()
                );
            }
        }
        println!("{:<16} at most {most:.0} bytes for each byte", target.name);
    }
}

/// What is taken out of the printed figure: the tables and buffers of a fixed size.
const BASE: usize = 1 << 20;
