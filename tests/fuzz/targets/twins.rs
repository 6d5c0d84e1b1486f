//! Naive readings of whole inputs, which the program's own are compared with. They are written from the standards, take
//! the whole input at once, and know nothing of cuts, limits or speed.

/// What a stream of server-sent events says (WHATWG HTML, 9.2), in the words of `served::shown`. Comments, times and
/// unknown fields are named where their line ends, events where their blank line does.
pub fn events(bytes: &[u8]) -> Vec<String> {
    let mut items = Vec::new();
    let mut name = Vec::new();
    let mut data: Option<Vec<u8>> = None;
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = &rest[..end];
        let is_pair = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + 1 + usize::from(is_pair)..];
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" if colon.is_some() => items.push("Comment".to_owned()),
            b"" => {
                if let Some(data) = data.take() {
                    let name: &[u8] = if name.is_empty() { b"message" } else { &name };
                    items.push(format!("{}: {}", name.escape_ascii(), data.escape_ascii()));
                }
                name.clear();
            }
            b"data" => match &mut data {
                None => data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            b"event" => name = value.to_vec(),
            b"retry" => {
                let text = std::str::from_utf8(value).unwrap_or_default();
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if let Some(millis) = text.parse::<u64>().ok().filter(|_| is_number) {
                    items.push(format!("Retry({millis})"));
                }
            }
            b"id" => {}
            _ => items.push(format!("? {}: {}", field.escape_ascii(), value.escape_ascii())),
        }
    }
    items
}

/// The documents of a stream of lines.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // What stands behind the last line feed has not ended.
    lines.pop();
    let contents = lines
        .into_iter()
        .map(|line| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii());
    let contents = contents.filter(|content| !content.is_empty());
    contents
        .map(|content| format!("message: {}", content.escape_ascii()))
        .collect()
}

/// A chunked body (RFC 9112, 7.1).
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// The data, and the bytes from the first size to the last line feed.
    Whole(Vec<u8>, usize),
    /// It has not ended.
    Open,
    Wrong,
}

/// The next line without its CRLF, and what follows it.
fn line(rest: &[u8]) -> Result<(&[u8], &[u8]), Body> {
    let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Err(Body::Open);
    };
    match &rest[end..] {
        [b'\r', b'\n', after @ ..] => Ok((&rest[..end], after)),
        [b'\r'] => Err(Body::Open),
        _ => Err(Body::Wrong),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let (name, value) = line.split_at(colon);
    let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    !name.is_empty() && name.iter().all(|byte| is_token(*byte)) && value.iter().all(is_text)
}

/// The size that a line states: up to 16 digits, then blanks, then an extension.
fn size(line: &[u8]) -> Option<usize> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let rest = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    let is_right = digits.len() <= 16 && matches!(rest, None | Some(b';')) && size <= i64::MAX as u64;
    is_right.then_some(size as usize)
}

/// Reads a chunked body from its first size.
pub fn chunked(bytes: &[u8]) -> Body {
    fn read(bytes: &[u8]) -> Result<Body, Body> {
        let (mut rest, mut data) = (bytes, Vec::new());
        loop {
            let (first, after) = line(rest)?;
            let size = size(first).ok_or(Body::Wrong)?;
            if size == 0 {
                rest = after;
                break;
            }
            if after.len() < size {
                return Err(Body::Open);
            }
            data.extend_from_slice(&after[..size]);
            rest = match &after[size..] {
                [b'\r', b'\n', rest @ ..] => rest,
                [] | [b'\r'] => return Err(Body::Open),
                _ => return Err(Body::Wrong),
            };
        }
        loop {
            let (field, after) = line(rest)?;
            rest = after;
            match field {
                [] => return Ok(Body::Whole(data, bytes.len() - rest.len())),
                _ if is_field(field) => {}
                _ => return Err(Body::Wrong),
            }
        }
    }
    read(bytes).unwrap_or_else(|why| why)
}

/// The status of a head, if it is written as the standard wants it (RFC 9112, 4): `HTTP/1.1 200 OK`.
pub fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    match rest {
        [b'0' | b'1', b' ', a, b, c, b' ' | b'\r', ..]
            if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            Some(
                [a, b, c]
                    .iter()
                    .fold(0, |sum, digit| 10 * sum + u16::from(**digit - b'0')),
            )
        }
        _ => None,
    }
}
