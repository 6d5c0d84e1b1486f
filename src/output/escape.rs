//! Text from elsewhere must not command the terminal (CWE-150).

use std::borrow::Cow;

/// Stands where a control character was.
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
}
