//! A JSON scanner that gives up early. It accepts only what `serde_json` accepts as well, and answers `None`
//! ("not sure") to everything else, including valid but rare spellings. It neither allocates nor recurses.

/// The most levels of arrays and objects that `skip` walks through. `serde_json` refuses the 128th level;
/// the shapes read around a skipped value add fewer than ten.
const SKIP_DEPTH_MAX: u32 = 64;

/// The longest number that is accepted without converting it. With an exponent of at most two digits it stays below
/// 1e164, so it fits an f64; `serde_json` refuses numbers that do not.
const NUMBER_BYTES_MAX: usize = 64;

/// The most digits of an integer that is read rather than skipped, so that it is always below 2^32.
const COUNT_DIGITS_MAX: usize = 9;

/// The content of a string as it was sent.
#[derive(Clone, Copy)]
pub(in crate::api) struct Text<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
}

impl<'a> Text<'a> {
    /// Returns the content if it was sent without escapes, so that it can be compared as it is.
    #[inline(always)]
    pub fn unescaped(self) -> Option<&'a [u8]> {
        (!self.escaped).then_some(self.raw)
    }
}

pub(in crate::api) struct Scan<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Scan { data, at: 0 }
    }

    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    /// Returns the next byte that is not a blank, without consuming it.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                other => return Some(other),
            }
        }
    }

    /// Consumes `wanted` if it comes next.
    #[inline(always)]
    pub fn eat(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Succeeds if nothing but blanks is left.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Reads an object: `field` is called after each key's colon and consumes the value.
    /// It gives up on keys with an escape, and on keys with a `$`, by which `serde_json` marks values that it treats
    /// specially.
    #[inline(always)]
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.eat(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let key = self.key()?;
            field(self, key)?;
            if !self.more(b'}')? {
                return Some(());
            }
        }
    }

    /// Reads an array: `item` consumes each element.
    #[inline(always)]
    pub fn array(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.eat(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            item(self)?;
            if !self.more(b']')? {
                return Some(());
            }
        }
    }

    /// Returns `true` after a comma, `false` after `close`.
    #[inline(always)]
    fn more(&mut self, close: u8) -> Option<bool> {
        let next = self.peek()?;
        self.at += 1;
        match next {
            b',' => Some(true),
            other if other == close => Some(false),
            _ => None,
        }
    }

    /// Reads a key and its colon.
    #[inline(always)]
    fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.string()?;
        if key.escaped || key.raw.first() == Some(&b'$') {
            return None;
        }
        self.eat(b':')?;
        Some(key.raw)
    }

    pub fn null(&mut self) -> Option<()> {
        self.peek()?;
        self.literal(b"null")
    }

    #[inline(always)]
    fn literal(&mut self, word: &[u8]) -> Option<()> {
        let rest = self.data.get(self.at..)?;
        rest.starts_with(word).then(|| self.at += word.len())
    }

    #[inline(always)]
    pub fn string(&mut self) -> Option<Text<'a>> {
        self.eat(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = plain_run_end(self.data, self.at)?;
            match self.byte()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                // A control character is never valid inside a string.
                _ => return None,
            }
        }
        let raw = self.data.get(start..self.at)?;
        self.at += 1;
        Some(Text { raw, escaped })
    }

    /// Reads the rest of an escape after its backslash. Surrogates must come in pairs, high before low.
    fn escape(&mut self) -> Option<()> {
        let kind = self.byte()?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.hex4()? {
                0xD800..=0xDBFF => {
                    self.literal(b"\\u")?;
                    matches!(self.hex4()?, 0xDC00..=0xDFFF).then_some(())
                }
                0xDC00..=0xDFFF => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.data.get(self.at..)?.first_chunk::<4>()?;
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
    }

    /// Reads a whole number of at most nine digits, without sign, fraction or exponent.
    pub fn count(&mut self) -> Option<u32> {
        self.peek()?;
        let start = self.at;
        self.number()?;
        let digits = self.data.get(start..self.at)?;
        if digits.len() > COUNT_DIGITS_MAX {
            return None;
        }
        digits.iter().try_fold(0u32, |sum, &digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0'))
        })
    }

    /// Reads a number, rounded as `serde_json` does it, which allocates nothing for numbers.
    pub fn float(&mut self) -> Option<f64> {
        self.peek()?;
        let start = self.at;
        self.number()?;
        serde_json::from_slice(self.data.get(start..self.at)?).ok()
    }

    /// Reads `true` or `false`.
    #[inline(always)]
    pub fn boolean(&mut self) -> Option<bool> {
        match self.peek()? {
            b't' => self.literal(b"true").map(|()| true),
            _ => self.literal(b"false").map(|()| false),
        }
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.byte()? == b'-' {
            self.at += 1;
        }
        if self.byte()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte()?, b'+' | b'-') {
                self.at += 1;
            }
            if self.digits()? > 2 {
                return None;
            }
        }
        (self.at - start <= NUMBER_BYTES_MAX).then_some(())
    }

    /// Reads at least one digit and returns how many there were.
    #[inline(always)]
    fn digits(&mut self) -> Option<usize> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let count = self.at - start;
        (count > 0).then_some(count)
    }

    /// Checks any value and skips it.
    #[inline(always)]
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => self.skip_scalar(),
        }
    }

    fn skip_scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'n' => self.literal(b"null"),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            _ => self.number(),
        }
    }

    /// Skips an array or object. The open ones are kept as bits of a word, the innermost lowest, 1 for an object.
    fn skip_nested(&mut self) -> Option<()> {
        let mut open: u64 = 0;
        let mut depth = 0;
        loop {
            let first = self.peek()?;
            if matches!(first, b'{' | b'[') {
                if depth == SKIP_DEPTH_MAX {
                    return None;
                }
                self.at += 1;
                depth += 1;
                open = open << 1 | u64::from(first == b'{');
                // '}' and ']' come two places after their opening brackets in ASCII.
                if self.peek()? != first + 2 {
                    if first == b'{' {
                        self.key()?;
                    }
                    continue;
                }
                self.at += 1;
                depth -= 1;
                open >>= 1;
            } else {
                self.skip_scalar()?;
            }
            // A value is complete: close everything that ends with it, then go to the next value.
            loop {
                if depth == 0 {
                    return Some(());
                }
                let in_object = open & 1 == 1;
                if self.more(if in_object { b'}' } else { b']' })? {
                    if in_object {
                        self.key()?;
                    }
                    break;
                }
                depth -= 1;
                open >>= 1;
            }
        }
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// Returns the index of the first quote, backslash or control character at or after `at`; `None` if there is none.
/// It tests eight bytes at a time: "Determine if a word has a byte less than n" and "... a zero byte",
/// <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>. The lowest mark is exact.
/// Flipping bit 1 brings the quote (0x22) to 0x20, next to the control characters, which stay among themselves.
#[inline(always)]
pub(in crate::api) fn plain_run_end(data: &[u8], mut at: usize) -> Option<usize> {
    while let Some(word) = data.get(at..)?.first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let backslash = word ^ (ONES * b'\\' as u64);
        let marks = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21) | backslash.wrapping_sub(ONES);
        // Bytes from 0x80 on are none of these.
        let marks = marks & !word & HIGHS;
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let tail = data.get(at..)?;
    let stop = tail
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
    Some(at + stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_run_ends_at_the_first_quote_backslash_or_control_character() {
        let naive = |data: &[u8]| data.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\');
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                for (at, around) in [(0, b'a'), (3, 0x7f), (6, 0x80), (7, b' '), (9, 0xff)] {
                    let mut data = [around; 17];
                    data[at] = first;
                    data[at + 1] = second;
                    assert_eq!(plain_run_end(&data, 0), naive(&data), "{data:02x?}");
                }
            }
        }
    }
}
