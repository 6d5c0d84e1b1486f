//! Reads streams with one JSON document per line (NDJSON) from slices, cut anywhere.

use super::{BOM, Item, SseError, UNNAMED, clear};

/// Reads one stream of lines. A line that is complete in the input is returned from the input itself; only one that is
/// cut is copied.
#[derive(Debug, Default)]
pub struct LineParser {
    /// The beginning of a line that was cut.
    gathered: Vec<u8>,
    /// The last call lent the buffer to its caller. The next call drops what is in it.
    is_lent: bool,
}

impl LineParser {
    /// Prepares for another stream.
    pub fn reset(&mut self) {
        clear(&mut self.gathered);
        self.is_lent = false;
    }

    /// Returns the memory that the parser holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.gathered.capacity()
    }

    /// Takes a prefix of `input`. Returns its length, and the event that its last byte completes: a line that is not
    /// blank. Without an event, all input was taken.
    pub fn step<'a>(
        &'a mut self,
        input: &'a [u8],
        event_bytes_max: usize,
    ) -> Result<(usize, Option<Item<'a>>), SseError> {
        if self.is_lent {
            self.reset();
        }
        let too_large = SseError::EventTooLarge { event_bytes_max };
        let mut at = 0;
        while let Some(line_bytes) = memchr::memchr(b'\n', &input[at..]) {
            let line = &input[at..at + line_bytes];
            at += line_bytes + 1;
            if self.gathered.len() + line.len() > event_bytes_max {
                return Err(too_large);
            }
            if self.gathered.is_empty() {
                match content(line) {
                    [] => continue,
                    data => return Ok((at, Some(event(data)))),
                }
            }
            self.gathered.extend_from_slice(line);
            if content(&self.gathered).is_empty() {
                self.gathered.clear();
                continue;
            }
            self.is_lent = true;
            return Ok((at, Some(event(content(&self.gathered)))));
        }
        if self.gathered.len() + input.len() - at > event_bytes_max {
            return Err(too_large);
        }
        self.gathered.extend_from_slice(&input[at..]);
        Ok((input.len(), None))
    }

    /// Returns what has arrived of a line whose end has not come; empty if there is nothing but blanks. The last line
    /// of a stream need not have an end.
    pub fn pending(&self) -> &[u8] {
        match self.is_lent {
            true => &[],
            false => content(&self.gathered),
        }
    }
}

fn event(data: &[u8]) -> Item<'_> {
    Item::Event { name: UNNAMED, data }
}

/// Returns a line without blanks around it, and without the byte order mark that the first one may have.
fn content(line: &[u8]) -> &[u8] {
    line.strip_prefix(BOM).unwrap_or(line).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `input` in these pieces: the data of each event with the byte that completed it, and what is left.
    fn read(pieces: &[&[u8]]) -> (Vec<(usize, String)>, String) {
        let mut parser = LineParser::default();
        let (mut events, mut before) = (Vec::new(), 0);
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (taken, item) = parser.step(rest, 1000).unwrap();
                before += taken;
                if let Some(Item::Event { name, data }) = item {
                    assert_eq!(name, b"message");
                    events.push((before, String::from_utf8_lossy(data).into_owned()));
                }
                rest = &rest[taken..];
            }
        }
        let pending = String::from_utf8_lossy(parser.pending()).into_owned();
        (events, pending)
    }

    #[test]
    fn each_line_is_an_event_at_its_line_feed_however_it_is_cut() {
        let input = b"\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}";
        let whole = read(&[input]);
        let expected = vec![(12, "{\"a\":1}".to_owned()), (24, "{\"b\":2}".to_owned())];
        assert_eq!(whole, (expected, "{\"c\":3}".to_owned()));
        for cut in 0..=input.len() {
            assert_eq!(read(&[&input[..cut], &input[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn a_line_beyond_the_limit_is_an_error_and_large_buffers_are_freed() {
        for pieces in [vec![&[b'x'; 1001][..]], vec![&[b'x'; 600][..], &[b'x'; 401][..]]] {
            let mut parser = LineParser::default();
            assert!(pieces.iter().any(|piece| parser.step(piece, 1000).is_err()));
        }
        let mut parser = LineParser::default();
        parser.step(&[b'x'; 100_000], 1 << 20).unwrap();
        assert!(parser.step(b"\n", 1 << 20).unwrap().1.is_some());
        parser.step(b"", 1 << 20).unwrap();
        assert_eq!(parser.held_bytes(), 0);
    }
}
