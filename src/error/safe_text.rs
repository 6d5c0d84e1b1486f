//! The only filter for foreign text. Text from a server, a file, a path, a name or the environment goes through here
//! before it is shown on a terminal, in a log line or in a text file (CWE-150).
//!
//! There is one set of unsafe characters and one way to show them, Rust's: `\u{1b}`, `\n`. Filtered text contains no
//! character of the set, so filtering it again changes nothing. Bytes that are not UTF-8 are shown as `\xff`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The number of characters of a foreign value that an error repeats.
const QUOTED_CHARS_MAX: usize = 60;

/// Returns true if a terminal would obey this character, or a reader would not see it as it is. These are controls,
/// line and paragraph separators, and Unicode's format characters (category Cf) except those that are visible signs.
/// Format characters turn the direction of writing, join what looks separate, or are invisible; whole texts can hide
/// in tags.
pub fn is_unsafe(c: char) -> bool {
    match c {
        // C0, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
        '\u{ad}' | '\u{61c}' | '\u{180e}' => true,
        // Zero width and direction marks; separators, embeddings and overrides; joiners, isolates and shapes.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        // Byte order mark, annotations.
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        // Controls of shorthand and of musical notation, tags.
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

fn filtered(text: &str, is_kept: fn(char) -> bool) -> Cow<'_, str> {
    let hidden = |c: char| is_unsafe(c) && !is_kept(c);
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match hidden(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Returns the text on one line: line feeds and tabs are escaped as well, so that it cannot pretend to be two lines.
pub fn one_line(text: &str) -> Cow<'_, str> {
    filtered(text, |_| false)
}

/// Filters a text of several lines, and keeps line feeds and tabs as its structure. Names in such a text have to be
/// filtered by [`one_line`] before they are put into it.
pub fn escape(text: &str) -> Cow<'_, str> {
    filtered(text, |c| matches!(c, '\n' | '\t'))
}

/// Returns at most `chars` characters of `text`, filtered by [`one_line`]; an ellipsis says that there was more.
pub fn printable(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}…", one_line(&text[..at])),
        None => one_line(text).into_owned(),
    }
}

/// Returns a foreign value in backquotes, shortened if it is long.
pub fn quoted(value: &str) -> String {
    format!("`{}`", printable(value, QUOTED_CHARS_MAX))
}

/// Decodes text that should be UTF-8 but may not be. Other bytes become `\xff`; the rest still has to be filtered.
pub fn lossless(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(text)
}

/// Returns a path or a word of the command line, complete and on one line.
pub fn shown_path(path: impl AsRef<OsStr>) -> String {
    one_line(&lossless(path.as_ref().as_bytes())).into_owned()
}

/// Returns the same JSON with every unsafe character written as an escape like `\u202e`. A program reads the same
/// values from it, and a person can print the file safely.
pub fn safe_json(json: &str) -> Cow<'_, str> {
    // Line feeds and tabs are layout here; inside strings JSON has escaped them already.
    let hidden = |c: char| is_unsafe(c) && !matches!(c, '\n' | '\t');
    if !json.contains(hidden) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match hidden(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    safe.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Returns a text from elsewhere within a line or a cell of GitHub's Markdown, filtered by [`one_line`], so that it is
/// shown as it is: no markup, no HTML, no end of a cell, and neither a mention, nor a reference, nor a link.
pub fn markdown_escaped(text: &str) -> String {
    let text = one_line(text);
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '|' | '!' | '#' | '$' => out.extend(['\\', c]),
            _ => out.push(c),
        }
        // GitHub looks for these in the text that is shown, where a comment cannot be seen and parts it.
        let after = rest.as_str();
        let is_taken = match c {
            '@' => true,
            '#' => after.starts_with(|next: char| next.is_ascii_digit()),
            ':' => after.starts_with("//"),
            'w' | 'W' => after.starts_with('.') && ends_with_www(&out),
            _ => false,
        };
        if is_taken {
            out.push_str("<!-- -->");
        }
    }
    out
}

fn ends_with_www(text: &str) -> bool {
    let last = text.len().checked_sub(3).map(|at| &text.as_bytes()[at..]);
    last.is_some_and(|last| last.eq_ignore_ascii_case(b"www"))
}

/// Returns a text from elsewhere as a field of CSV (RFC 4180), filtered by [`one_line`] and quoted if necessary. One
/// that begins like a formula gets an apostrophe, because a spreadsheet would evaluate it.
pub fn csv_field(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{}", one_line(text)),
        _ => one_line(text).into_owned(),
    };
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// Returns at most `chars` characters of `text`, filtered by [`one_line`], as the content of an XML element or
/// attribute; an ellipsis says that there was more.
pub fn xml_escaped(text: &str, chars: usize) -> String {
    let clean = one_line(text);
    let mut safe = String::new();
    for c in clean.chars().take(chars) {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            // XML 1.0 does not allow these characters.
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    if clean.chars().count() > chars {
        safe.push('…');
    }
    safe
}

/// Returns the content of a double-quoted YAML scalar: backslashes, quotes and every unsafe character are escaped.
/// YAML reads back the original text.
pub fn yaml_escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            '"' | '\\' => safe.extend(['\\', c]),
            c if is_unsafe(c) && u32::from(c) > 0xffff => safe.push_str(&format!("\\U{:08x}", u32::from(c))),
            c if is_unsafe(c) => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

/// A text with one character of each kind that is filtered, for tests of what may reach a terminal.
#[cfg(test)]
pub const HOSTILE: &str =
    "a\x1b[2J\x07\r\x08\x7f\u{9b}\u{61c}\u{200b}\u{200e}\u{202e}\u{2028}\u{2060}\u{2066}\u{feff}\u{e0041}z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_and_invisible_characters_are_escaped() {
        for (dirty, clean) in [
            ("plain, größer, 日本 👍🏽\n\tend", "plain, größer, 日本 👍🏽\n\tend"),
            ("\x1b[2Jgone", "\\u{1b}[2Jgone"),
            ("\x1b]52;c;aGk=\x07", "\\u{1b}]52;c;aGk=\\u{7}"),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
            ("over\rwrite\x08\x7f", "over\\rwrite\\u{8}\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            ("a\u{200b}\u{feff}\u{2060}", "a\\u{200b}\\u{feff}\\u{2060}"),
            ("a\u{2028}b\u{2029}\u{61c}", "a\\u{2028}b\\u{2029}\\u{61c}"),
            ("tag\u{e0061}\u{e007f}", "tag\\u{e0061}\\u{e007f}"),
        ] {
            assert_eq!(escape(dirty), clean);
            assert_eq!(escape(clean), clean, "once is enough");
        }
        assert_eq!(one_line("a\n\tb"), "a\\n\\tb");
    }

    /// Returns every character, or under Miri some of all.
    fn characters() -> impl Iterator<Item = char> {
        let step = if cfg!(miri) { 1_009 } else { 1 };
        (0..=u32::from(char::MAX))
            .step_by(step)
            .filter_map(char::from_u32)
    }

    #[test]
    fn every_character_of_the_set_is_escaped_by_every_form() {
        for c in characters().filter(|c| is_unsafe(*c)) {
            let text = format!("x{c}y");
            assert!(!one_line(&text).contains(c), "{c:?}");
            assert!(
                !printable(&text, 9).contains(c) && !quoted(&text).contains(c),
                "{c:?}"
            );
            assert_eq!(escape(&text).contains(c), matches!(c, '\n' | '\t'), "{c:?}");
            let json = serde_json::to_string(&text).expect("text is JSON");
            let safe = safe_json(&json);
            assert!(!safe.contains(is_unsafe), "{safe}");
            assert_eq!(serde_json::from_str::<String>(&safe).expect("still JSON"), text);
            assert!(!yaml_escaped(&text).contains(is_unsafe), "{c:?}");
        }
    }

    #[test]
    fn no_escaped_character_is_a_letter_in_unicode() {
        let letters: Vec<char> = characters()
            .filter(|c| is_unsafe(*c) && c.is_alphanumeric())
            .collect();
        assert_eq!(letters, [] as [char; 0]);
        assert!(characters().filter(|c| c.is_control()).all(is_unsafe));
    }

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(escape("clean"), Cow::Borrowed(_)));
        assert!(matches!(one_line("clean"), Cow::Borrowed(_)));
        assert!(matches!(safe_json("{\n\t\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn shortened_text_ends_in_an_ellipsis() {
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}\r\u{202e}ä", 80),
            "a\\u{1b}[2J\\u{9b}\\r\\u{202e}ä"
        );
    }

    #[test]
    fn quoted_values_are_short_and_safe_for_a_terminal() {
        assert_eq!(quoted("a\x1b[31mb\n"), "`a\\u{1b}[31mb\\n`");
        assert_eq!(quoted("a\u{202e}b"), "`a\\u{202e}b`");
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), 63);
        assert_eq!(quoted("é"), "`é`");
    }

    #[test]
    fn bytes_that_are_not_text_are_shown_one_by_one() {
        assert_eq!(lossless("größer".as_bytes()), "größer");
        assert_eq!(lossless(b"a\xffb\xe2\x82"), "a\\xffb\\xe2\\x82");
        let path = std::path::PathBuf::from(OsStr::from_bytes(b"dir/\x1b[2J\xff.json"));
        assert_eq!(shown_path(&path), "dir/\\u{1b}[2J\\xff.json");
    }

    #[test]
    fn the_hostile_text_has_one_of_each_kind() {
        assert!(HOSTILE.chars().filter(|c| is_unsafe(*c)).count() >= 14);
        assert!(!one_line(HOSTILE).contains(is_unsafe));
    }
}
