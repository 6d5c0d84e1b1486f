//! Decodes the bytes of a file: UTF-8 with or without its mark, and UTF-16 in both byte orders, as Windows PowerShell's
//! `>` and editors write them.

use crate::error::Reason;

const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const UTF16_LITTLE_MARK: [u8; 2] = [0xff, 0xfe];
const UTF16_BIG_MARK: [u8; 2] = [0xfe, 0xff];
const HINT: &str = "save it as UTF-8 or UTF-16";

/// Returns the text without its byte order mark. UTF-16 without a mark is recognized by the zero byte next to its first
/// character, which is a brace or a letter in every script and every JSON document.
///
/// # Errors
/// Names the first byte that is not valid in the encoding of the file.
pub fn decode(bytes: &[u8]) -> Result<String, Reason> {
    if let Some(rest) = bytes.strip_prefix(&UTF8_MARK) {
        return utf8(rest, UTF8_MARK.len());
    }
    if let Some(rest) = bytes.strip_prefix(&UTF16_LITTLE_MARK) {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(&UTF16_BIG_MARK) {
        return utf16(rest, u16::from_be_bytes);
    }
    match bytes {
        [0, 1..=255, ..] => utf16(bytes, u16::from_be_bytes),
        [1..=255, 0, ..] => utf16(bytes, u16::from_le_bytes),
        _ => utf8(bytes, 0),
    }
}

/// Decodes UTF-8; `mark` is the number of bytes before these in the file.
fn utf8(bytes: &[u8], mark: usize) -> Result<String, Reason> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(e) => {
            let at = mark + e.valid_up_to() + 1;
            Err(Reason::new(format!("byte {at} is not UTF-8 text")).hint(HINT))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Reason> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let wrong = || Reason::new("invalid UTF-16: half a character").hint(HINT);
    if !odd.is_empty() {
        return Err(wrong());
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<String, _>>()
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"tags\": {\"a\": \"größer 日本 👍\"}}\r\n";

    fn utf16_of(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn the_same_text_is_read_in_each_encoding_with_and_without_its_mark() {
        let marked = format!("\u{feff}{TEXT}");
        for text in [TEXT, &marked] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Ok(TEXT));
            assert_eq!(decode(&utf16_of(text, u16::to_le_bytes)).as_deref(), Ok(TEXT));
            assert_eq!(decode(&utf16_of(text, u16::to_be_bytes)).as_deref(), Ok(TEXT));
        }
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }

    #[test]
    fn invalid_text_is_refused_with_its_place() {
        let refused = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert!(refused(b"ab\xffc").contains("byte 3 is not UTF-8"));
        assert!(refused(b"\xef\xbb\xbfab\xff").contains("byte 6 is not UTF-8"));
        assert!(refused(b"\xff\xfe{\0}").contains("half a character"));
        assert!(refused(b"\xfe\xff\0{\xd8\0").contains("half a character"));
    }
}
