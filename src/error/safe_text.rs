//! Text from elsewhere must not command the terminal (CWE-150).

use std::borrow::Cow;

/// Stands where a control character was.
/// Characters of a foreign value that an error repeats.
const QUOTED_CHARS_MAX: usize = 60;

const REPLACEMENT: char = '\u{fffd}';

/// C0 but line feed and tab, DEL, C1 and the bidirectional controls become U+FFFD. A carriage return goes too:
/// it lets later text overwrite earlier text.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let clean = |c| if is_control(c) { REPLACEMENT } else { c };
    Cow::Owned(text.chars().map(clean).collect())
}

fn is_control(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        // Marks, embeddings, overrides and isolates; also the two separators that some terminals take for
        // line ends.
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

/// Text from elsewhere, safe for a terminal: control characters and those that turn the writing direction
/// are escaped, and it ends after `chars` characters.
pub fn printable(text: &str, chars: usize) -> String {
    let mut safe = String::new();
    for c in text.chars().take(chars) {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A foreign value in backquotes, cut short and without anything a terminal would obey.
pub fn quoted(value: &str) -> String {
    let mut out = String::from("`");
    for c in value.chars().take(QUOTED_CHARS_MAX) {
        // Besides controls: marks that turn the direction of writing can disguise what a line says.
        let unsafe_mark = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || unsafe_mark {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if value.chars().nth(QUOTED_CHARS_MAX).is_some() {
        out.push('…');
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_replaced_and_nothing_else_is() {
        for (dirty, clean) in [
            ("plain, größer, 日本\n\tend", "plain, größer, 日本\n\tend"),
            ("\x1b[2Jgone", "\u{fffd}[2Jgone"),
            ("\x1b]52;c;aGk=\x07", "\u{fffd}]52;c;aGk=\u{fffd}"),
            ("c1 \u{9b}31m", "c1 \u{fffd}31m"),
            ("over\rwrite\x08\x7f", "over\u{fffd}write\u{fffd}\u{fffd}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\u{fffd}b\u{fffd}c\u{fffd}"),
        ] {
            assert_eq!(escape(dirty), clean);
        }
    }

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(escape("clean"), Cow::Borrowed(_)));
    }

    #[test]
    fn escape_sequences_and_direction_marks_do_not_reach_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\u{9b}\r\u{202e}ä", 80),
            "a\\u{1b}[2J\\u{9b}\\r\\u{202e}ä"
        );
        assert_eq!(printable("abcdef", 3), "abc");
    }

    #[test]
    fn quoted_values_are_short_and_safe_for_a_terminal() {
        assert_eq!(quoted("a\x1b[31mb\n"), "`a\\u{1b}[31mb\\n`");
        assert_eq!(quoted("a\u{202e}b"), "`a\\u{202e}b`");
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), 63);
        assert_eq!(quoted("é"), "`é`");
    }
}
