//! The bytes of a file, unpacked, and their format.

use super::error::{FORMATS, Result, excerpt, io, wrong};
use crate::error::Reason;
use crate::units::open_input;
use flate2::bufread::MultiGzDecoder;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;

/// The longest line of raw points, or record of CSV; k6's are under 2 KB. Packed files have no size limit (a day's
/// points are many GB), so this is what limits memory: only one line is held.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The number of bytes that are examined to recognize the format.
const HEAD_BYTES: usize = 64 * 1024;

pub type Bytes = Box<dyn BufRead>;

pub enum Content {
    /// A single JSON object.
    Object(Bytes),
    /// The JSON objects of k6's `--out json`, one per line.
    Points(Bytes),
    /// The records of k6's `--out csv`.
    Csv(Bytes),
    /// The records of `vegeta encode -to csv`, which have no header.
    VegetaCsv(Bytes),
}

/// Opens a file and recognizes its format by content alone. It reads forwards only, so a pipe works as well.
pub fn open(path: &Path) -> Result<Content> {
    let file = open_input(path).map_err(|e| {
        if e.kind() == ErrorKind::IsADirectory {
            return Reason::new("is a directory").hint(format!("choose a file in it; {FORMATS}"));
        }
        let hint = match e.kind() {
            ErrorKind::NotFound => "check the name; a baseline is written as @NAME",
            ErrorKind::PermissionDenied => "make the file readable for this user",
            _ => "choose another file",
        };
        Reason::new(format!("cannot be opened: {e}")).hint(hint)
    })?;
    content(Box::new(BufReader::with_capacity(HEAD_BYTES, file)))
}

/// Opens the same file from its beginning again, which does not work for a pipe.
pub fn open_again(path: &Path) -> Result<Content> {
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() => open(path),
        _ => Err(
            Reason::new("comes too late in the document to be read from a pipe")
                .hint("pass the name of a regular file")
                .within("`schema`"),
        ),
    }
}

/// Unpacks the content if necessary, and recognizes its format.
pub fn content(from: Bytes) -> Result<Content> {
    let (head, rest) = split_head(plain(from)?)?;
    recognize(head, rest)
}

/// Unpacks the content if necessary.
pub fn plain(from: Bytes) -> Result<Bytes> {
    let (head, rest) = split_head(from)?;
    let is_packed = head.starts_with(&[0x1f, 0x8b]);
    let all = Cursor::new(head).chain(rest);
    Ok(match is_packed {
        true => Box::new(BufReader::with_capacity(HEAD_BYTES, MultiGzDecoder::new(all))),
        false => Box::new(all),
    })
}

/// Splits off the first bytes.
fn split_head(mut from: Bytes) -> Result<(Vec<u8>, Bytes)> {
    let mut head = Vec::new();
    from.by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .map_err(|e| io(&e, format!("byte {}", head.len())))?;
    Ok((head, from))
}

fn recognize(mut head: Vec<u8>, rest: Bytes) -> Result<Content> {
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
    let is_vegeta = is_vegeta_csv(first_line);
    if !is_object && !is_csv && !is_vegeta {
        return Err(foreign(text));
    }
    let all: Bytes = Box::new(Cursor::new(head).chain(rest));
    Ok(match (is_csv, is_point) {
        (true, _) => Content::Csv(all),
        (_, true) => Content::Points(all),
        _ if is_vegeta => Content::VegetaCsv(all),
        _ => Content::Object(all),
    })
}

/// Recognizes `{"type":"Metric",...}` or `{"metric":"...","type":"Point",...}` on one line. A line that is cut off
/// counts as well, so that the reader of points can name it.
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

/// Recognizes a record of `vegeta encode -to csv`: an instant in nanoseconds, a status, a latency, bytes out and in.
/// The body may be long, so only the first columns are looked at.
fn is_vegeta_csv(line: &[u8]) -> bool {
    let columns: Vec<&[u8]> = line.split(|b| *b == b',').take(7).collect();
    let is_number = |text: &&[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    columns.len() == 7 && columns[0].len() == 19 && columns[..5].iter().all(is_number)
}

/// Returns the reason for a file that is neither a JSON object nor k6's CSV, and names its format if that is easy.
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
    let is_vegeta = [&b"Timestamp"[..], b"BytesOut", b"BytesIn"];
    let head = &text[..text.len().min(4096)];
    if is_binary
        && is_vegeta
            .iter()
            .all(|mark| memchr::memmem::find(head, mark).is_some())
    {
        return Reason::new(format!("is vegeta's own format, {expected}"))
            .hint("convert it: `vegeta encode -to json < FILE > FILE.jsonl`, or `vegeta report -type=json FILE`")
            .within("byte 0");
    }
    if is_binary || std::str::from_utf8(&text[..text.len().min(64)]).is_err_and(|e| e.error_len().is_some()) {
        return wrong(format!("is binary, {expected}")).within("byte 0");
    }
    let what = format!("begins with {}, {expected}", excerpt(text));
    let begins_with = |mark: &[u8]| text.starts_with(mark);
    let holds = |mark: &[u8]| memchr::memmem::find(&text[..text.len().min(4096)], mark).is_some();
    let known = if begins_with(b"request-start,") {
        Some("this is oha's CSV; run oha with --output-format json instead")
    } else if begins_with(b"Metric,avg") {
        Some(
            "this is AIPerf's CSV; pass profile_export_aiperf.json or profile_export.jsonl from the same folder",
        )
    } else if begins_with(b"[") && holds(b"\"start_time\"") && holds(b"\"request\"") {
        Some(
            "this is inference-perf's list of requests; pass summary_lifecycle_metrics.json or a stage's from the same \
             folder",
        )
    } else {
        None
    };
    match known {
        Some(hint) => Reason::new(what).hint(hint).within("line 1"),
        None => wrong(what).within("line 1"),
    }
}

/// Reads the next line into `line`, without its end; returns false at the end of the file.
pub fn next_line(from: &mut Bytes, line: &mut Vec<u8>, number: u64) -> Result<bool> {
    line.clear();
    let mut limited = from.take(LINE_BYTES_MAX as u64 + 1);
    let n = limited
        .read_until(b'\n', line)
        .map_err(|e| io(&e, format!("line {number}")))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if n > LINE_BYTES_MAX {
        let what = format!("is longer than the limit of {LINE_BYTES_MAX} bytes");
        return Err(wrong(what).within(format!("line {number}")));
    }
    Ok(n > 0)
}
