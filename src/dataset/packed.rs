//! Numbers and texts in few bytes: seven bits of a number in a byte, the lowest first (LEB128).

/// Appends a number: one byte below 128, at most ten.
pub(super) fn push_count(out: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        out.push(count as u8 | 0x80);
        count >>= 7;
    }
    out.push(count as u8);
}

/// Appends a text behind its length.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_count(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what was appended, in the same order. `None` if there is no such thing.
#[derive(Clone)]
pub(super) struct Unpacker<'a> {
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    pub fn new(bytes: &'a [u8]) -> Unpacker<'a> {
        Unpacker { rest: bytes }
    }

    pub fn next_count(&mut self) -> Option<u64> {
        let mut count = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            count |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(count);
            }
        }
        None
    }

    /// Returns the bytes behind a length.
    pub fn next_bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.next_count()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    pub fn next_text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.next_bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_texts_come_back_in_their_order(counts in proptest::collection::vec(any::<u64>(), 0..20)) {
            let mut bytes = Vec::new();
            for count in &counts {
                push_count(&mut bytes, *count);
                push_text(&mut bytes, &count.to_string());
            }
            let mut from = Unpacker::new(&bytes);
            for count in &counts {
                prop_assert_eq!(from.next_count(), Some(*count));
                let text = count.to_string();
                prop_assert_eq!(from.next_text(), Some(text.as_str()));
            }
            prop_assert_eq!(from.next_count(), None);
        }
    }
}
