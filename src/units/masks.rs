//! Hides the secrets of a run in text from elsewhere: servers repeat a key that they refuse, and children log the
//! headers that they receive.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Shorter values are not secrets, and would blot out half of a message.
const SECRET_BYTES_MIN: usize = 6;
/// The shortest part of a secret that is hidden where the text was cut.
const EDGE_BYTES_MIN: usize = 4;
/// Dots by which a text says that something was cut before them.
const DOTS: [&[u8]; 2] = [b"...", "…".as_bytes()];
/// How often escapes are undone: JSON in a percent-encoded text in JSON is three.
const LAYERS_MAX: usize = 4;
/// The text that replaces a secret.
pub const HIDDEN: &str = "***";

/// The secrets of a run, in all forms in which they are recognised. Neither `Debug` nor any error shows them.
#[derive(Clone, Default)]
pub struct Masks {
    /// The secrets themselves, and in hexadecimal; found whatever their case.
    plain: Vec<Vec<u8>>,
    /// What base64 makes of each secret within a longer text, at each of three alignments.
    base64: Vec<Vec<u8>>,
}

/// Where a text is only a part of what there was, so that it may begin or end within a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub before: bool,
    pub after: bool,
}

impl Cut {
    /// Returns at most `chars` characters of the text's beginning, and whether there are more.
    pub fn to_chars(text: &str, chars: usize) -> (&str, Cut) {
        let end = text.char_indices().nth(chars).map(|(at, _)| at);
        let cut = Cut {
            before: false,
            after: end.is_some(),
        };
        (&text[..end.unwrap_or(text.len())], cut)
    }
}

impl Masks {
    pub fn new() -> Masks {
        Masks::default()
    }

    /// Returns masks for the values of these headers.
    pub fn of_headers(headers: &[(String, String)]) -> Masks {
        let mut masks = Masks::new();
        headers.iter().for_each(|(_, value)| masks.add_header(value));
        masks
    }

    /// Adds the value of a header. In `Bearer KEY` the key alone is a secret as well, and in `Basic …` the password.
    pub fn add_header(&mut self, value: &str) {
        self.add(value);
        let (scheme, credentials) = value.trim().rsplit_once(' ').unwrap_or(("", value));
        self.add(credentials);
        if scheme.eq_ignore_ascii_case("basic")
            && let Some(decoded) = STANDARD
                .decode(credentials)
                .ok()
                .and_then(|d| String::from_utf8(d).ok())
        {
            self.add(&decoded);
            self.add(decoded.split_once(':').map_or("", |(_, password)| password));
        }
    }

    /// Adds the user, the password and the values of the query of a URL or a path.
    pub fn add_url(&mut self, url: &str) {
        let (url, query) = url.split_once('?').unwrap_or((url, ""));
        let query = query.split('#').next().unwrap_or("");
        let values = query.split('&').filter_map(|pair| pair.split_once('='));
        values.for_each(|(_, value)| self.add(value));
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or("");
        if let Some((user, _)) = authority.rsplit_once('@') {
            self.add(user);
            user.split(':').for_each(|part| self.add(part));
        }
    }

    /// Adds a secret, unless it is too short to be one.
    pub fn add(&mut self, secret: &str) {
        let decoded = Layer::of(secret).decoded().bytes;
        for secret in [secret.trim().as_bytes(), decoded.trim_ascii()] {
            if secret.len() < SECRET_BYTES_MIN || self.plain.iter().any(|known| known == secret) {
                continue;
            }
            self.plain.push(secret.to_vec());
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            self.plain.push(hex.into_bytes());
            for code in (0..3).map(|before| base64_within(secret, before)) {
                let for_urls: Vec<u8> = code.iter().map(|byte| for_url(*byte)).collect();
                if for_urls != code {
                    self.base64.push(for_urls);
                }
                self.base64.push(code);
            }
        }
    }

    /// Adds all secrets of `other`.
    pub fn append(&mut self, other: &Masks) {
        self.plain.extend(other.plain.iter().cloned());
        self.base64.extend(other.base64.iter().cloned());
    }

    /// Returns the text with each secret replaced by `***`, whether it appears plainly, in base64, in hexadecimal,
    /// percent-encoded, or with escapes of JSON or HTML.
    pub fn hide(&self, text: &str) -> String {
        self.hide_in_part(text, Cut::default())
    }

    /// Does the same for a part of a text, and hides parts of secrets at its ends as well.
    pub fn hide_in_part(&self, text: &str, cut: Cut) -> String {
        if self.plain.is_empty() {
            return text.to_owned();
        }
        let mut hidden = vec![false; text.len()];
        let mut layer = Layer::of(text);
        for _ in 0..LAYERS_MAX {
            self.mark(&layer, cut, &mut hidden);
            let next = layer.decoded();
            if next.bytes.len() == layer.bytes.len() {
                break;
            }
            layer = next;
        }
        let mut shown = String::with_capacity(text.len());
        let mut within = false;
        for (at, c) in text.char_indices() {
            let is_hidden = hidden[at..at + c.len_utf8()].contains(&true);
            match is_hidden {
                true if !within => shown.push_str(HIDDEN),
                true => {}
                false => shown.push(c),
            }
            within = is_hidden;
        }
        shown
    }

    fn mark(&self, layer: &Layer, cut: Cut, hidden: &mut [bool]) {
        let folded = layer.bytes.to_ascii_lowercase();
        for secret in &self.plain {
            let secret = secret.to_ascii_lowercase();
            for (from, to) in places(&folded, &secret, cut) {
                layer.mark(from, to, hidden);
            }
        }
        for code in &self.base64 {
            for (from, to) in places(&layer.bytes, code, cut) {
                // The characters around belong to the secret in part.
                let before = layer.bytes[..from].iter().rev();
                let before = before.take_while(|byte| is_base64(**byte)).count();
                let after = layer.bytes[to..]
                    .iter()
                    .take_while(|byte| is_base64(**byte))
                    .count();
                layer.mark(from - before, to + after, hidden);
            }
        }
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks")
    }
}

/// Finds the places of `secret` in `text`, and of its ends at the ends of a text that was cut.
fn places(text: &[u8], secret: &[u8], cut: Cut) -> Vec<(usize, usize)> {
    let finder = memchr::memmem::Finder::new(secret);
    let mut found: Vec<(usize, usize)> = finder.find_iter(text).map(|at| (at, at + secret.len())).collect();
    let lengths = |min: usize| (min..secret.len().min(text.len() + 1)).rev();
    let begins_before = |end: usize, min: usize| {
        let n = lengths(min).find(|n| text[..end].ends_with(&secret[..*n]))?;
        Some((end - n, end))
    };
    if cut.after {
        found.extend(begins_before(text.len(), EDGE_BYTES_MIN));
    }
    for dots in DOTS {
        let ends = memchr::memmem::find_iter(text, dots);
        found.extend(ends.filter_map(|end| begins_before(end, SECRET_BYTES_MIN)));
    }
    if cut.before
        && let Some(n) = lengths(EDGE_BYTES_MIN).find(|n| text.starts_with(&secret[secret.len() - n..]))
    {
        found.push((0, n));
    }
    found
}

/// Returns the characters of base64 that `secret` determines alone where `before` bytes, modulo three, come before it.
fn base64_within(secret: &[u8], before: usize) -> Vec<u8> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret);
    let code = STANDARD_NO_PAD.encode(&bytes).into_bytes();
    code[(before * 8).div_ceil(6)..bytes.len() * 8 / 6].to_vec()
}

fn for_url(byte: u8) -> u8 {
    match byte {
        b'+' => b'-',
        b'/' => b'_',
        byte => byte,
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// A text after some escapes were decoded. Each byte knows which bytes of the original text it comes from.
struct Layer {
    bytes: Vec<u8>,
    spans: Vec<(usize, usize)>,
}

impl Layer {
    fn of(text: &str) -> Layer {
        Layer {
            bytes: text.as_bytes().to_vec(),
            spans: (0..text.len()).map(|at| (at, at + 1)).collect(),
        }
    }

    /// Marks the original bytes that `from..to` comes from.
    fn mark(&self, from: usize, to: usize, hidden: &mut [bool]) {
        if let (Some((first, _)), Some((_, last))) =
            (self.spans.get(from), self.spans.get(to.wrapping_sub(1)))
        {
            hidden[*first..*last].fill(true);
        }
    }

    /// Undoes one layer of escapes. One that is cut off by the end of the text is dropped.
    fn decoded(&self) -> Layer {
        let mut next = Layer {
            bytes: Vec::with_capacity(self.bytes.len()),
            spans: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            let (c, taken) = match escape(rest) {
                Escape::None => {
                    next.bytes.push(rest[0]);
                    next.spans.push(self.spans[at]);
                    at += 1;
                    continue;
                }
                Escape::CutOff => break,
                Escape::Byte(byte, taken) => (Err(byte), taken),
                Escape::Char(c, taken) => (Ok(c), taken),
            };
            let span = (self.spans[at].0, self.spans[at + taken - 1].1);
            let mut utf8 = [0; 4];
            let bytes = match c {
                Ok(c) => c.encode_utf8(&mut utf8).as_bytes(),
                Err(byte) => {
                    utf8[0] = byte;
                    &utf8[..1]
                }
            };
            next.bytes.extend_from_slice(bytes);
            next.spans.extend(std::iter::repeat_n(span, bytes.len()));
            at += taken;
        }
        next
    }
}

/// The meaning of an escape, and its length.
enum Escape {
    None,
    CutOff,
    Byte(u8, usize),
    Char(char, usize),
}

/// Reads an escape at the beginning of `text`: `%2F`, `\u002f`, `\x2f`, `\/`, `&#47;`, `&#x2f;`, `&amp;`.
fn escape(text: &[u8]) -> Escape {
    match text {
        [b'%' | b'\\' | b'&'] | [b'\\', b'x'] => Escape::CutOff,
        [b'%', ..] => hex(&text[1..], 2).map_or_else(none_or, |n| Escape::Byte(n as u8, 3)),
        [b'\\', b'x', ..] => hex(&text[2..], 2).map_or_else(none_or, |n| Escape::Byte(n as u8, 4)),
        [b'\\', b'u', ..] => match hex(&text[2..], 4) {
            Ok(n) => char::from_u32(n).map_or(Escape::None, |c| Escape::Char(c, 6)),
            Err(cut) => none_or(cut),
        },
        [b'\\', c @ (b'/' | b'\\' | b'"' | b'\''), ..] => Escape::Byte(*c, 2),
        [b'&', ..] => entity(text),
        _ => Escape::None,
    }
}

fn none_or(is_cut_off: bool) -> Escape {
    match is_cut_off {
        true => Escape::CutOff,
        false => Escape::None,
    }
}

/// Reads `digits` hexadecimal digits. The error says whether the text ended before it was known that there are none.
fn hex(text: &[u8], digits: usize) -> Result<u32, bool> {
    let found = &text[..text.len().min(digits)];
    if !found.iter().all(u8::is_ascii_hexdigit) {
        return Err(false);
    }
    if found.len() < digits {
        return Err(true);
    }
    let found = std::str::from_utf8(found).unwrap_or_default();
    u32::from_str_radix(found, 16).map_err(|_| false)
}

/// The longest entity that is read, with its semicolon.
const ENTITY_BYTES_MAX: usize = 9;

fn entity(text: &[u8]) -> Escape {
    let begin = &text[..text.len().min(ENTITY_BYTES_MAX)];
    let Some(end) = memchr::memchr(b';', begin) else {
        return Escape::None;
    };
    let name = std::str::from_utf8(&begin[1..end]).unwrap_or_default();
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        },
        None => [
            ("amp", '&'),
            ("lt", '<'),
            ("gt", '>'),
            ("quot", '"'),
            ("apos", '\''),
        ]
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, c)| u32::from(*c)),
    };
    match number.and_then(char::from_u32) {
        Some(c) => Escape::Char(c, end + 1),
        None => Escape::None,
    }
}

#[cfg(test)]
#[path = "masks_tests.rs"]
mod tests;
