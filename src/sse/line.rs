//! Classifies one line of a stream, without its line end.

/// The kind of a line. A value reaches from its offset to the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Blank,
    Comment,
    Data {
        value_at: usize,
    },
    Event {
        value_at: usize,
    },
    Retry(u64),
    /// A known field without effect here: `id`, or a `retry` that is not a number.
    Ignored,
    Unknown {
        name_bytes: usize,
        value_at: usize,
    },
}

/// Classifies `line`. Names must match exactly; one space after the colon belongs to the field.
#[inline]
pub(super) fn classify(line: &[u8]) -> Line {
    // Nearly all lines begin so, which saves a search for the colon.
    if let Some(value) = line.strip_prefix(b"data:") {
        return Line::Data {
            value_at: 5 + usize::from(value.first() == Some(&b' ')),
        };
    }
    if line.is_empty() {
        return Line::Blank;
    }
    classify_other(line)
}

fn classify_other(line: &[u8]) -> Line {
    let colon = memchr::memchr(b':', line);
    let name_bytes = colon.unwrap_or(line.len());
    let value_at = match colon {
        Some(at) if line.get(at + 1) == Some(&b' ') => at + 2,
        Some(at) => at + 1,
        None => line.len(),
    };
    match &line[..name_bytes] {
        b"" => Line::Comment,
        b"data" => Line::Data { value_at },
        b"event" => Line::Event { value_at },
        b"retry" => number(&line[value_at..]).map_or(Line::Ignored, Line::Retry),
        b"id" => Line::Ignored,
        _ => Line::Unknown { name_bytes, value_at },
    }
}

/// Reads a number of ASCII digits only; one that is too large for a u64 is refused.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}
