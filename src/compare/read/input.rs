//! The bytes of a file, unpacked, and what they look like.

use super::error::{Result, TAKES, excerpt, io, wrong};
use crate::error::Reason;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

/// A line of raw points, or a record of the CSV. k6's are under 2 KB. What unpacks to more is not read on: packed
/// files have no size limit (a day's points are many GB), but nothing of them is held but one line.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// So much is looked at to tell what a file is.
const HEAD_BYTES: usize = 64 * 1024;

pub type Bytes = Box<dyn BufRead>;

pub enum Content {
    /// One JSON object.
    Object(Bytes),
    /// JSON objects of k6's `--out json`, one a line.
    Points(Bytes),
    /// k6's `--out csv`.
    Csv(Bytes),
}

/// Decides by content alone. Reads forward only, so a pipe will do.
pub fn open(path: &Path) -> Result<Content> {
    let file = File::open(path).map_err(|e| {
        let hint = match e.kind() {
            ErrorKind::NotFound => "check the name; baselines are written @NAME",
            ErrorKind::PermissionDenied => "the file must be readable for this user",
            _ => "name another file",
        };
        Reason::new(format!("cannot be opened: {e}")).hint(hint)
    })?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Reason::new("is a directory").hint(format!("name a file in it; {TAKES}")));
    }
    content(Box::new(BufReader::with_capacity(HEAD_BYTES, file)))
}

/// The same file from its beginning, which a pipe has lost.
pub fn open_again(path: &Path) -> Result<Content> {
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() => open(path),
        _ => Err(Reason::new("does not come early enough to be read from a pipe")
            .hint("pass the name of a file")
            .within("`schema`")),
    }
}

pub fn content(plain: Bytes) -> Result<Content> {
    let (head, rest) = split_head(plain)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = MultiGzDecoder::new(Cursor::new(head).chain(rest));
        let (head, rest) = split_head(Box::new(BufReader::with_capacity(HEAD_BYTES, unpacked)))?;
        return tell(head, rest);
    }
    tell(head, rest)
}

/// The first bytes, and what follows them.
fn split_head(mut from: Bytes) -> Result<(Vec<u8>, Bytes)> {
    let mut head = Vec::new();
    from.by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|e| io(&e, format!("byte {}", head.len())))?;
    Ok((head, from))
}

fn tell(mut head: Vec<u8>, rest: Bytes) -> Result<Content> {
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    let text = head.trim_ascii_start();
    let Some(first) = text.first() else {
        return Err(wrong("is empty"));
    };
    let first_line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let (is_object, is_point) = (*first == b'{', is_point(first_line));
    let is_csv = text.starts_with(b"metric_name,timestamp,metric_value");
    if !is_object && !is_csv {
        return Err(foreign(text));
    }
    let all: Bytes = Box::new(Cursor::new(head).chain(rest));
    Ok(match (is_csv, is_point) {
        (true, _) => Content::Csv(all),
        (_, true) => Content::Points(all),
        _ => Content::Object(all),
    })
}

/// `{"type":"Metric",...}` or `{"metric":"...","type":"Point",...}` on one line. Cut short it still counts, so that
/// the reader of points names the line.
fn is_point(line: &[u8]) -> bool {
    let compact: Vec<u8> = line
        .iter()
        .take(400)
        .filter(|b| !b.is_ascii_whitespace())
        .copied()
        .collect();
    let has = |what: &[u8]| memchr::memmem::find(&compact, what).is_some();
    let begins = [&b"{\"type\":\""[..], b"{\"metric\":\"", b"{\"data\":{"];
    begins.iter().any(|b| compact.starts_with(b))
        && (has(b"\"type\":\"Metric\"") || has(b"\"type\":\"Point\""))
}

/// Neither JSON object nor k6's CSV: says what it is where that is easy.
fn foreign(text: &[u8]) -> Reason {
    const PACKED: [(&[u8], &str); 4] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ", "xz data"),
    ];
    let expected = "expected a JSON object or k6's CSV header";
    if let Some((_, what)) = PACKED.iter().find(|(magic, _)| text.starts_with(magic)) {
        return Reason::new(format!("is {what}, {expected}"))
            .hint("unpack it first")
            .within("byte 0");
    }
    let is_binary = text
        .iter()
        .take(1024)
        .any(|b| *b < 0x20 && !b.is_ascii_whitespace());
    if is_binary || std::str::from_utf8(&text[..text.len().min(64)]).is_err_and(|e| e.error_len().is_some()) {
        return wrong(format!("is binary, {expected}")).within("byte 0");
    }
    let what = format!("begins with {}, {expected}", excerpt(text));
    if text.starts_with(b"request-start,") {
        return Reason::new(what)
            .hint("this is oha's CSV: run oha with --output-format json")
            .within("line 1");
    }
    wrong(what).within("line 1")
}

/// The next line without its end, in `line`; false at the end of the file.
pub fn next_line(from: &mut Bytes, line: &mut Vec<u8>, number: u64) -> Result<bool> {
    line.clear();
    let mut limited = from.take(LINE_BYTES_MAX as u64 + 1);
    let n = limited
        .read_until(b'\n', line)
        .map_err(|e| io(&e, format!("line {number}")))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if n > LINE_BYTES_MAX {
        let what = format!("is longer than the maximum, {LINE_BYTES_MAX} bytes");
        return Err(wrong(what).within(format!("line {number}")));
    }
    Ok(n > 0)
}
