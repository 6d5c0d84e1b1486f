//! Finds the end of a value without parsing it.

use super::scan::DEPTH_MAX;

/// State of a walk over one value, which may come in any number of pieces.
#[derive(Default)]
pub(super) struct Walk {
    /// Brackets that are open, outermost first.
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// A number or a word has begun.
    in_scalar: bool,
}

/// The part of a piece that was walked over.
pub(super) struct Step {
    pub used: usize,
    pub outcome: Outcome,
}

pub(super) enum Outcome {
    /// The value continues after this piece.
    More,
    Done,
    /// The value is malformed; the words follow the place in a message.
    Bad(String),
}

impl Walk {
    pub fn step(&mut self, buffer: &[u8]) -> Step {
        let mut i = 0;
        while i < buffer.len() {
            if self.in_string {
                i += self.string(&buffer[i..]);
                if !self.in_string && self.open.is_empty() {
                    return Step::done(i);
                }
                continue;
            }
            let byte = buffer[i];
            let ends_scalar = is_blank(byte) || matches!(byte, b',' | b']' | b'}');
            if self.in_scalar && self.open.is_empty() && ends_scalar {
                return Step::done(i);
            }
            i += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' if self.open.len() >= DEPTH_MAX => {
                    return Step::bad(i, format!("is nested deeper than {DEPTH_MAX}"));
                }
                b'{' | b'[' => self.open.push(byte),
                b'}' | b']' => {
                    // `{` and `}` are two apart, as `[` and `]` are.
                    if self.open.pop().map(|b| b + 2) != Some(byte) {
                        return Step::bad(i, "closes a bracket that is not open");
                    }
                    if self.open.is_empty() {
                        return Step::done(i);
                    }
                }
                0..0x20 if !is_blank(byte) => return Step::bad(i, "holds a control character"),
                _ if self.open.is_empty() => self.in_scalar = true,
                _ => {}
            }
        }
        Step {
            used: i,
            outcome: Outcome::More,
        }
    }

    /// Returns how many bytes of `buffer` belong to the string that is open.
    fn string(&mut self, buffer: &[u8]) -> usize {
        if std::mem::take(&mut self.escaped) {
            return 1;
        }
        match memchr::memchr2(b'"', b'\\', buffer) {
            None => buffer.len(),
            Some(i) => {
                self.in_string = buffer[i] != b'"';
                self.escaped = buffer[i] == b'\\';
                i + 1
            }
        }
    }
}

impl Step {
    fn done(used: usize) -> Step {
        let outcome = Outcome::Done;
        Step { used, outcome }
    }

    fn bad(used: usize, what: impl Into<String>) -> Step {
        let outcome = Outcome::Bad(what.into());
        Step { used, outcome }
    }
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
