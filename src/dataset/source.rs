//! The records of a file: lines of JSON, the elements of a JSON array, or rows of CSV, packed with gzip or not.

use super::members::write_string;
use crate::error::{Reason, quoted};
use crate::json::{Fault, JsonError, Scanner};
use csv_core::{ReadRecordResult, Reader};
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::rc::Rc;

/// The longest record: four million tokens as text.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// How much of a longer record is read over before the file is given up as one that has no records.
const SKIPPED_BYTES_MAX: usize = 1 << 30;
/// The most columns of a CSV file.
const COLUMNS_MAX: usize = 1_024;
const BUFFER_BYTES: usize = 128 << 10;

/// What the records of a format are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Objects, one a line, or in one array.
    Json,
    /// Objects in the array that is this member of one object.
    Member(&'static str),
    /// Rows below a line with the names of the columns.
    Csv,
    /// What the first character says.
    JsonOrCsv,
}

/// Takes the next record: the number of its line, and the JSON object or what is wrong with it. It returns false if it
/// wants no more.
pub type Take<'t> = &'t mut dyn FnMut(usize, Result<&str, Reason>) -> bool;

/// A mistake after which nothing more can be read, with its line.
pub type Fatal = (usize, Reason);

/// Reads all records in their order. `columns` are those that CSV must have.
pub fn read_records(
    input: Box<dyn BufRead + '_>,
    container: Container,
    columns: &[&str],
    take: Take<'_>,
) -> Result<(), Fatal> {
    let (input, is_packed) = unpacked(input).map_err(|e| (1, unreadable(&e, true)))?;
    let line = Rc::new(Cell::new(1));
    let mut input = Counted {
        input,
        line: line.clone(),
    };
    let unreadable = |e: io::Error, line: &Cell<usize>| (line.get(), unreadable(&e, is_packed));
    let first = skip_blanks(&mut input).map_err(|e| unreadable(e, &line))?;
    let is_json = match container {
        Container::Json | Container::Member(_) => true,
        Container::Csv => false,
        Container::JsonOrCsv => matches!(first, Some(b'{' | b'[')),
    };
    let member = match container {
        Container::Member(key) => Some(key),
        Container::Json | Container::Csv | Container::JsonOrCsv => None,
    };
    match (first, is_json) {
        (None, _) => Ok(()),
        (Some(byte), _) if byte.is_ascii_control() => Err((line.get(), binary(byte))),
        (Some(b'{'), true) if member.is_some() => read_array(input, member, (&line, is_packed), take),
        (Some(b'['), true) => read_array(input, None, (&line, is_packed), take),
        (Some(_), true) => read_lines(&mut input, &line, take).map_err(|e| unreadable(e, &line)),
        (Some(_), false) => read_csv(&mut input, columns, is_packed, take),
    }
}

/// Counts the lines that were consumed.
struct Counted<'r> {
    input: Box<dyn BufRead + 'r>,
    /// The number of the line that the next byte is on.
    line: Rc<Cell<usize>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What is consumed is in the buffer, so this reads nothing.
        if let Ok(buffer) = self.input.fill_buf() {
            let lines = memchr::memchr_iter(b'\n', &buffer[..n.min(buffer.len())]).count();
            self.line.set(self.line.get() + lines);
        }
        self.input.consume(n);
    }
}

/// Unpacks gzip, by its first bytes, and leaves out a byte order mark, which Windows puts in front of UTF-8. Tells
/// whether the bytes were packed.
fn unpacked<'r>(mut input: Box<dyn BufRead + 'r>) -> io::Result<(Box<dyn BufRead + 'r>, bool)> {
    let head = head_of(&mut input)?;
    let is_packed = head.starts_with(&[0x1f, 0x8b]);
    let mut all: Box<dyn BufRead + 'r> = Box::new(Cursor::new(head).chain(input));
    if is_packed {
        all = Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(all)));
    }
    let mut mark = head_of(&mut all)?;
    if mark == b"\xef\xbb\xbf" {
        mark.clear();
    }
    Ok((Box::new(Cursor::new(mark).chain(all)), is_packed))
}

/// Takes the first three bytes, as far as there are any.
fn head_of(input: &mut Box<dyn BufRead + '_>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.by_ref().take(3).read_to_end(&mut head)?;
    Ok(head)
}

/// Says that a file is no text. Nothing of it is read further: a device of zeros has no end.
fn binary(byte: u8) -> Reason {
    Reason::new(format!("is binary: byte {byte:#04x} where a record begins"))
        .hint("name a file of JSON or CSV, as it is or packed with gzip")
}

/// Says why bytes could not be read.
fn unreadable(e: &io::Error, is_packed: bool) -> Reason {
    match (e.kind(), is_packed) {
        (ErrorKind::UnexpectedEof, true) => {
            Reason::new("the gzip data ends too early").hint("the file is incomplete: copy it again")
        }
        (ErrorKind::InvalidInput | ErrorKind::InvalidData, true) => {
            Reason::new("the gzip data is damaged").hint("check it with `gzip -t`, and copy it again")
        }
        _ => Reason::new(format!("cannot be read: {e}")),
    }
}

/// Consumes white space, and returns the byte behind it.
fn skip_blanks(input: &mut Counted<'_>) -> io::Result<Option<u8>> {
    loop {
        let buffer = match input.fill_buf() {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        let blanks = buffer
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let (next, is_end) = (buffer.get(blanks).copied(), buffer.is_empty());
        input.consume(blanks);
        if next.is_some() || is_end {
            return Ok(next);
        }
    }
}

fn as_text(bytes: &[u8]) -> Result<&str, Reason> {
    std::str::from_utf8(bytes).map_err(|e| {
        Reason::new(format!(
            "is not UTF-8 text: byte {} is invalid",
            e.valid_up_to() + 1
        ))
    })
}

fn too_long() -> Reason {
    Reason::new(format!("is longer than the limit of {RECORD_BYTES_MAX} bytes"))
}

fn read_lines(input: &mut Counted<'_>, line: &Cell<usize>, take: Take<'_>) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let number = line.get();
        let n = input
            .by_ref()
            .take(RECORD_BYTES_MAX as u64 + 1)
            .read_until(b'\n', &mut bytes)?;
        if n == 0 {
            return Ok(());
        }
        if bytes.last() != Some(&b'\n') && n > RECORD_BYTES_MAX {
            if !skip_line(input)? {
                let what = format!("a record of more than {SKIPPED_BYTES_MAX} bytes");
                return Err(io::Error::other(what));
            }
            if !take(number, Err(too_long())) {
                return Ok(());
            }
            continue;
        }
        let record = bytes.trim_ascii();
        if !record.is_empty() && !take(number, as_text(record)) {
            return Ok(());
        }
    }
}

/// Consumes the rest of a line without keeping it. Returns false if it is longer than anything is skipped.
fn skip_line(input: &mut Counted<'_>) -> io::Result<bool> {
    let mut skipped = 0;
    while skipped < SKIPPED_BYTES_MAX {
        let buffer = input.fill_buf()?;
        let end = memchr::memchr(b'\n', buffer);
        let (n, is_over) = (
            end.map_or(buffer.len(), |end| end + 1),
            end.is_some() || buffer.is_empty(),
        );
        input.consume(n);
        skipped += n;
        if is_over {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why the walk over an array ends.
enum Stop {
    Enough,
    Wrong(JsonError),
}

impl From<JsonError> for Stop {
    fn from(e: JsonError) -> Stop {
        Stop::Wrong(e)
    }
}

/// Reads the elements of an array: the file itself, or the member `key` of the object that it is.
fn read_array(
    input: Counted<'_>,
    key: Option<&str>,
    (line, is_packed): (&Cell<usize>, bool),
    take: Take<'_>,
) -> Result<(), Fatal> {
    let mut scanner = Scanner::new(input);
    let ended = read_elements(&mut scanner, key, line, take).or_else(|stop| match stop {
        Stop::Enough => Ok(()),
        Stop::Wrong(e) => Err(e),
    });
    ended.map_err(|e| {
        let reason = match &e.fault {
            Fault::Io(cause) => unreadable(cause, is_packed),
            Fault::Cut(_) => Reason::new("the file ends within the JSON array")
                .hint("the file is incomplete: copy it again"),
            Fault::Wrong(what) => Reason::new(format!("is no JSON array: {what}")),
        };
        (line.get(), reason)
    })
}

fn read_elements(
    scanner: &mut Scanner<'_>,
    key: Option<&str>,
    line: &Cell<usize>,
    take: Take<'_>,
) -> Result<(), Stop> {
    let mut bytes = Vec::new();
    let mut element = |scanner: &mut Scanner<'_>| {
        scanner.peek()?;
        let number = line.get();
        bytes.clear();
        scanner.copy(&mut bytes)?;
        match take(number, as_text(&bytes)) {
            true => Ok(()),
            false => Err(Stop::Enough),
        }
    };
    let Some(key) = key else {
        scanner.array(&mut element)?;
        return Ok(scanner.end()?);
    };
    let mut is_there = false;
    scanner.object(|scanner, found| {
        if found != key {
            return Ok(scanner.skip()?);
        }
        is_there = true;
        scanner.array(&mut element)
    })?;
    match is_there {
        true => Ok(scanner.end()?),
        false => Err(scanner.error(format!("the object has no `{key}`")).into()),
    }
}

/// Reads CSV, and hands each row over as a JSON object of texts.
fn read_csv(input: &mut Counted<'_>, columns: &[&str], is_packed: bool, take: Take<'_>) -> Result<(), Fatal> {
    let mut rows = CsvRows::new(input, is_packed);
    if !rows.next()? {
        return Ok(());
    }
    let header: Vec<String> = (0..rows.columns)
        .map(|i| String::from_utf8_lossy(rows.field(i)).trim().to_owned())
        .collect();
    check_header(&header, columns).map_err(|reason| (rows.line, reason))?;
    let mut json = Vec::new();
    while rows.next()? {
        if rows.columns == 1 && rows.field(0).trim_ascii().is_empty() {
            continue;
        }
        let record = match rows.columns == header.len() {
            true => rows
                .write_object(&header, &mut json)
                .and_then(|()| as_text(&json)),
            false => Err(Reason::new(format!(
                "has {} columns, but the header has {}",
                rows.columns,
                header.len()
            ))),
        };
        if !take(rows.line, record) {
            break;
        }
    }
    Ok(())
}

fn check_header(header: &[String], columns: &[&str]) -> Result<(), Reason> {
    let shown = || {
        let names: Vec<String> = header.iter().take(12).map(|name| quoted(name)).collect();
        format!("the first line names {}", names.join(", "))
    };
    if let Some(missing) = columns
        .iter()
        .find(|name| !header.iter().any(|column| column == *name))
    {
        return Err(Reason::new(format!("has no column `{missing}`")).hint(shown()));
    }
    for (i, name) in header.iter().enumerate() {
        if header[..i].contains(name) {
            return Err(Reason::new(format!("has two columns {}", quoted(name))));
        }
    }
    Ok(())
}

/// Reads one row of CSV at a time, in memory that grows only with the longest.
struct CsvRows<'a, 'r> {
    input: &'a mut Counted<'r>,
    is_packed: bool,
    reader: Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    columns: usize,
    line: usize,
}

impl<'a, 'r> CsvRows<'a, 'r> {
    fn new(input: &'a mut Counted<'r>, is_packed: bool) -> CsvRows<'a, 'r> {
        CsvRows {
            input,
            is_packed,
            reader: Reader::new(),
            fields: vec![0; 4096],
            ends: vec![0; COLUMNS_MAX],
            columns: 0,
            line: 0,
        }
    }

    fn next(&mut self) -> Result<bool, Fatal> {
        let (mut written, mut ended) = (0, 0);
        // The reader counts lines from where it began, and white space before that was skipped.
        self.line = self.input.line.get();
        loop {
            let buffer = match self.input.fill_buf() {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err((self.line, unreadable(&e, self.is_packed))),
                Ok(buffer) => buffer,
            };
            let (result, used, bytes, ends) =
                self.reader
                    .read_record(buffer, &mut self.fields[written..], &mut self.ends[ended..]);
            self.input.consume(used);
            (written, ended) = (written + bytes, ended + ends);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.fields.len() < RECORD_BYTES_MAX => {
                    self.fields.resize(2 * self.fields.len(), 0);
                }
                ReadRecordResult::OutputFull => {
                    let hint = "a quote may not be closed";
                    return Err((self.line, too_long().hint(hint)));
                }
                ReadRecordResult::OutputEndsFull => {
                    let what = format!("has more columns than the limit of {COLUMNS_MAX}");
                    return Err((self.line, Reason::new(what)));
                }
                ReadRecordResult::Record => {
                    self.columns = ended;
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    fn field(&self, i: usize) -> &[u8] {
        let begin = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.fields[begin..self.ends[i]]
    }

    fn write_object(&self, header: &[String], out: &mut Vec<u8>) -> Result<(), Reason> {
        out.clear();
        for (i, name) in header.iter().enumerate() {
            out.push(if i == 0 { b'{' } else { b',' });
            write_string(out, name);
            out.push(b':');
            write_string(out, as_text(self.field(i))?);
        }
        out.push(b'}');
        Ok(())
    }
}

/// Returns the first record of a file for a look at its form: a JSON object, or the names of columns.
pub fn first_record(input: Box<dyn BufRead + '_>) -> Option<String> {
    let mut first = None;
    let mut take = |_, record: Result<&str, Reason>| {
        first = record.ok().map(str::to_owned);
        false
    };
    let (mut input, _) = unpacked(input).ok()?;
    let mut head = Vec::new();
    input
        .by_ref()
        .take(RECORD_BYTES_MAX as u64)
        .read_until(b'\n', &mut head)
        .ok()?;
    let is_json = matches!(head.trim_ascii_start().first(), None | Some(b'{' | b'['));
    if !is_json {
        return String::from_utf8(head).ok();
    }
    let all: Box<dyn BufRead + '_> = Box::new(Cursor::new(head).chain(input));
    read_records(all, Container::Json, &[], &mut take).ok()?;
    first
}
