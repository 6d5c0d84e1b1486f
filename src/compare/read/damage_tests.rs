//! Cut, damaged and foreign files: a run or one clear error, never a panic, never more memory than stated.

use super::captured_tests::all_captured;
use super::run_of_bytes;
use crate::compare::Run;
use std::io::{Read, Write};

fn try_read(bytes: &[u8]) -> Result<Run, crate::error::Reason> {
    run_of_bytes(bytes, "damaged")
}

/// An error says something, and what to do.
fn clear(result: Result<Run, crate::error::Reason>) -> Option<String> {
    let error = result.err()?;
    assert!(error.hint.is_some());
    let text = error.to_string();
    assert!(
        text.len() >= 10 && text.len() < 600 && !text.contains('\n'),
        "{text}"
    );
    Some(text)
}

#[test]
fn any_prefix_of_a_captured_file_is_a_run_or_a_clear_error() {
    for path in all_captured("any_prefix_of_a_captured_file_is_a_run_or_a_clear_error") {
        let bytes = std::fs::read(&path).unwrap();
        let points = path.extension().is_some_and(|e| e == "ndjson");
        let mut cut = 0;
        for end in (0..bytes.len()).step_by(bytes.len() / 300 + 1) {
            let error = clear(try_read(&bytes[..end]));
            cut += usize::from(error.is_some());
            // An object that is not closed is never a run; of points the lines before the cut may be.
            let whole = bytes[end..].trim_ascii().is_empty();
            assert!(
                points || whole || error.is_some(),
                "{}: {end} bytes",
                path.display()
            );
        }
        assert!(cut > 100, "{}: {cut}", path.display());
    }
}

#[test]
fn any_flipped_byte_of_a_captured_file_is_a_run_or_a_clear_error() {
    for path in all_captured("any_flipped_byte_of_a_captured_file_is_a_run_or_a_clear_error") {
        let bytes = std::fs::read(&path).unwrap();
        for (n, at) in (0..bytes.len()).step_by(bytes.len() / 300 + 1).enumerate() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (n % 8);
            clear(try_read(&damaged));
        }
    }
}

#[test]
fn each_kind_of_wrong_file_is_recognized() {
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b" \n\n", "is empty"),
        (b"PK\x03\x04....", "is a zip archive"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "is binary"),
        (b"\xff\xfe{\x00", "is binary"),
        (b"hello", "begins with `hello`"),
        (b"[1, 2]", "begins with `[1, 2]`"),
        (b"{}", "has no members"),
        (b"{\"a\": 1, \"b\": [2, {\"c\": 3}]}", "has the members a, b"),
        (b"{\"a\": 1} {", "follows the object"),
        (b"{\"a\": [1}", "closes a bracket that is not open"),
        (
            b"{\"metrics\": {\"x\": tru}}",
            "in `metrics.x`: found `tru`, expected a value",
        ),
        (b"{\"metrics\": {\"x\"", "the file ends here"),
        (b"{\"metrics\" 1}", "expected `:`"),
        (
            b"{\"type\":\"Point\",\"metric\":\"vus\",\"data\":{\"time\":\"2026\"",
            "line 1: ends within",
        ),
        (
            b"{\"type\":\"Point\",\"metric\":\"vus\",\"data\":{\"time\":\"noon\",\"value\":1}}",
            "line 1: time `noon`",
        ),
        (
            b"{\"type\":\"Metric\",\"metric\":\"vus\",\"data\":{\"type\":\"gauge\"}}",
            "has no samples",
        ),
        (b"request-start,DNS,DNS+dialup\n", "begins with `request-start"),
    ] {
        let text = clear(try_read(bytes)).unwrap();
        assert!(text.contains(expected), "{text}, expected {expected}");
    }
}

#[test]
fn a_packed_line_without_end_is_given_up_at_the_limit() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"{\"type\":\"Metric\",\"metric\":\"").unwrap();
    std::io::copy(&mut std::io::repeat(b'x').take(64 << 20), &mut packed).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    let text = clear(try_read(&packed)).unwrap();
    assert!(text.contains("is longer than the limit"), "{text}");
}

#[test]
fn deep_nesting_is_refused_before_the_stack_overflows() {
    let deep = format!("{{\"details\": {}", "[".repeat(100_000));
    assert!(
        clear(try_read(deep.as_bytes()))
            .unwrap()
            .contains("nested deeper")
    );
}
