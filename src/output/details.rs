//! The spool of details: one JSON line per request, written to disk during the run.

use crate::error::{Failure, safe_json, shown_path};
use crate::metrics::{Outcome, RequestId, Sample};
use crate::output::error::unwritten;
use crate::output::place::{is_at, unnamed};
use crate::output::spool_file;
use crate::plan::Numbering;
use crate::units::{MICROSECOND, Nanos, SECOND, seconds};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The longest line without gaps. Without the endpoint's name it is under 700 bytes, and the configuration bounds the
/// name. Gaps take 9 bytes each.
pub const SPOOL_LINE_BYTES_MAX: usize = 4096;
/// The bytes written at once, about 200 lines. It makes the memory for a batch independent of the batch's length.
const CHUNK_BYTES: usize = 64 * 1024;

/// The file `<output>.details.jsonl`. After a kill -9 it is readable up to the last second; an orderly end moves its
/// lines into the document and removes it. Appending never panics and stops at the first failure; requests after it
/// are counted in [`Spooled::lost`].
#[derive(Debug)]
pub struct DetailSpool {
    path: PathBuf,
    file: File,
    /// See [`Self::kept`].
    kept: Option<PathBuf>,
    /// Name of each endpoint as a JSON string.
    names: Vec<String>,
    /// Prefix of each request's id.
    prefix: String,
    /// What ids are made from; see [`Self::with_ids`].
    numbering: Numbering,
    kinds: u16,
    /// What the ids in headers begin with, before `prefix`.
    tag: String,
    /// For each series, whether its requests carry their ids in a header.
    sent: Vec<bool>,
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC at the start of the run. Times of day are labels only.
    realtime_offset: i128,
    /// Number of bytes of complete lines that are known to be written.
    good: u64,
    lost: u64,
    broken: bool,
    /// Number of lines of `append_line` in the buffer.
    unflushed: u64,
    buffer: Vec<u8>,
}

/// A finished spool. It is read through the file that was written, whatever has its name by now.
#[derive(Debug)]
pub struct Spooled {
    path: PathBuf,
    file: File,
    good: u64,
    pub lost: u64,
}

impl DetailSpool {
    /// Creates the file, for this process alone. A file that a killed run has left under the name is kept under another
    /// one, see [`Self::kept`].
    pub fn create(
        path: &Path,
        series_names: &[String],
        realtime_offset: i128,
    ) -> Result<DetailSpool, Failure> {
        let (file, kept) = spool_file::create(path)?;
        let spool = DetailSpool::in_file(file, path, series_names, realtime_offset);
        Ok(DetailSpool { kept, ..spool })
    }

    /// Spools into a file without a name, for a document that goes to a device or a pipe and has no place beside it.
    pub fn unnamed(series_names: &[String], realtime_offset: i128) -> Result<DetailSpool, Failure> {
        let folder = std::env::temp_dir();
        let file = unnamed().map_err(|e| unwritten(&folder, "create a file in it", &e))?;
        Ok(DetailSpool::in_file(file, &folder, series_names, realtime_offset))
    }

    /// Spools into a file that is open and empty; `path` is its name.
    pub fn in_file(file: File, path: &Path, series_names: &[String], realtime_offset: i128) -> DetailSpool {
        let names = series_names
            .iter()
            .map(|name| safe_json(&serde_json::Value::from(name.as_str()).to_string()).into_owned())
            .collect();
        DetailSpool {
            path: path.to_path_buf(),
            file,
            kept: None,
            names,
            prefix: String::new(),
            numbering: Numbering::ByVu,
            kinds: 1,
            tag: String::new(),
            sent: Vec::new(),
            realtime_offset,
            good: 0,
            lost: 0,
            broken: false,
            unflushed: 0,
            buffer: Vec::with_capacity(CHUNK_BYTES + SPOOL_LINE_BYTES_MAX),
        }
    }

    /// Returns the place of the details of an earlier run that was killed.
    pub fn kept(&self) -> Option<&Path> {
        self.kept.as_deref()
    }

    /// Begins the next pass of the same run: ids begin with `prefix`, and times of day use the offset measured then.
    pub fn begin_pass(&mut self, prefix: String, realtime_offset: i128) {
        self.prefix = prefix;
        self.realtime_offset = realtime_offset;
    }

    /// Chooses how ids are made: from what numbers the requests, so that a second run with the same seed has the same
    /// ids for the same requests. `kinds` is the number of kinds in the mix.
    pub fn with_ids(self, numbering: Numbering, kinds: u16) -> DetailSpool {
        DetailSpool {
            numbering,
            kinds,
            ..self
        }
    }

    /// Writes the ids that requests carried in a header: `tag`, the pass's prefix, and the id. `sent` says for each
    /// series whether its requests did.
    pub fn with_sent_ids(self, tag: String, sent: Vec<bool>) -> DetailSpool {
        DetailSpool { tag, sent, ..self }
    }

    /// Appends requests. `gaps` are those between the tokens of all of them, one request after the other; empty if they
    /// are not kept. An error is returned once; afterwards requests are only counted as lost.
    pub fn append(&mut self, samples: &[Sample], mut gaps: &[Nanos]) -> Result<(), Failure> {
        let mut unwritten = 0;
        for (i, sample) in samples.iter().enumerate() {
            if self.broken {
                self.lost += (samples.len() - i) as u64;
                return Ok(());
            }
            let of_request = match gaps.is_empty() {
                true => gaps,
                false => gaps.split_off(..sample.gaps as usize).unwrap_or_default(),
            };
            self.line(sample, of_request);
            unwritten += 1;
            if self.buffer.len() >= CHUNK_BYTES {
                self.flush(std::mem::take(&mut unwritten))
                    .inspect_err(|_| self.lost += (samples.len() - i - 1) as u64)?;
            }
        }
        self.flush(unwritten)
    }

    pub fn finish(self) -> Spooled {
        Spooled {
            path: self.path,
            file: self.file,
            good: self.good,
            lost: self.lost,
        }
    }

    fn flush(&mut self, lines: u64) -> Result<(), Failure> {
        let outcome = self.file.write_all(&self.buffer);
        let bytes = self.buffer.len() as u64;
        self.buffer.clear();
        match outcome {
            Ok(()) => {
                self.good += bytes;
                Ok(())
            }
            Err(e) => {
                self.broken = true;
                self.lost += lines;
                // This is a best effort: half a line at the end is ignored by its position anyway.
                let _ = self.file.set_len(self.good);
                Err(unwritten(&self.path, "write", &e))
            }
        }
    }

    /// Writes a request in the form that users' scripts read: seconds, and tokens per second of latency.
    fn line(&mut self, s: &Sample, gaps: &[Nanos]) {
        let latency = s.done.saturating_sub(s.due);
        let out = &mut self.buffer;
        let prefix = &self.prefix;
        let id = RequestId::of(s, self.numbering.of(s.vu, s.series % self.kinds));
        put(out, format_args!("{{\"request_id\":\"{prefix}"));
        id.append(out);
        put(out, format_args!("\""));
        let group = match (s.half, s.turn) {
            (None, 0) => None,
            (None, _) => Some("session"),
            (Some(_), _) => Some("pair"),
        };
        if let Some(group) = group {
            put(out, format_args!(",\"{group}\":\"{prefix}"));
            id.append_group(out);
            put(out, format_args!("\""));
        }
        if group == Some("session") {
            put(out, format_args!(",\"turn\":{}", s.turn));
        }
        if self.sent.get(usize::from(s.series)) == Some(&true) {
            put(out, format_args!(",\"x_request_id\":\"{}{prefix}", self.tag));
            id.append(out);
            put(out, format_args!("\""));
        }
        put(
            out,
            format_args!(",\"endpoint\":{}", self.names[usize::from(s.series)]),
        );
        put_wall(out, "start_ts", s.due, self.realtime_offset);
        put_wall(out, "end_ts", s.done, self.realtime_offset);
        put_times(out, s, gaps);
        put_seconds(out, "latency", latency);
        put_tokens(out, s);
        let tps = if latency == 0 {
            0.0
        } else {
            f64::from(s.output_tokens) / seconds(latency)
        };
        put(out, format_args!(",\"tps\":{tps:.3}"));
        match s.outcome {
            Outcome::Ok => put(out, format_args!(",\"error\":null")),
            other => put(out, format_args!(",\"error\":\"{}\"", other.name())),
        }
        if let Some(good) = s.good {
            put(out, format_args!(",\"good\":{good}"));
        }
        if let Some(cause) = s.answer.cause {
            put(out, format_args!(",\"cause\":\"{}\"", cause.name()));
        }
        put(out, format_args!("}}\n"));
    }
}

impl DetailSpool {
    /// Appends a request as another document has it: its own JSON, on one line.
    pub fn append_line(&mut self, json: &[u8]) -> Result<(), Failure> {
        if self.broken {
            self.lost += 1;
            return Ok(());
        }
        // Line ends are only between tokens, because JSON escapes them in strings.
        let line: Vec<u8> = json
            .iter()
            .copied()
            .filter(|b| !matches!(b, b'\n' | b'\r'))
            .collect();
        self.buffer
            .extend_from_slice(safe_json(&String::from_utf8_lossy(&line)).as_bytes());
        self.buffer.push(b'\n');
        self.unflushed += 1;
        match self.buffer.len() >= CHUNK_BYTES {
            true => self.flush_lines(),
            false => Ok(()),
        }
    }

    /// Writes the lines that `append_line` has gathered.
    pub fn flush_lines(&mut self) -> Result<(), Failure> {
        let lines = std::mem::take(&mut self.unflushed);
        self.flush(lines)
    }
}

/// Reads the lines of a spool from its beginning, and no further than they are known to be written.
struct Lines<'a> {
    spooled: &'a Spooled,
    at: u64,
}

impl Read for Lines<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.spooled.good - self.at).unwrap_or(usize::MAX);
        let most = into.len().min(left);
        let n = self.spooled.file.read_at(&mut into[..most], self.at)?;
        if n == 0 && most > 0 {
            let what = format!(
                "{} was truncated by another process",
                shown_path(&self.spooled.path)
            );
            return Err(std::io::Error::new(ErrorKind::UnexpectedEof, what));
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Spooled {
    /// Copies the lines to `out` as elements of a JSON array.
    pub(super) fn copy_elements<W: Write + ?Sized>(&self, out: &mut W) -> std::io::Result<()> {
        let mut at = 0;
        let mut chunk = vec![0; CHUNK_BYTES];
        // A line feed inside a JSON line is always escaped, so each one ends an element. The comma is written only
        // when another element follows.
        let mut comma_due = false;
        while at < self.good {
            let most = chunk
                .len()
                .min(usize::try_from(self.good - at).unwrap_or(usize::MAX));
            let n = self.file.read_at(&mut chunk[..most], at)?;
            if n == 0 {
                let what = format!("{} was truncated by another process", shown_path(&self.path));
                return Err(std::io::Error::new(ErrorKind::UnexpectedEof, what));
            }
            at += n as u64;
            for piece in chunk[..n].split_inclusive(|b| *b == b'\n') {
                if std::mem::take(&mut comma_due) {
                    out.write_all(b",\n")?;
                }
                comma_due = piece.ends_with(b"\n");
                out.write_all(&piece[..piece.len() - usize::from(comma_due)])?;
            }
        }
        Ok(())
    }

    /// Calls `take` with each line, until it fails.
    pub fn each_line(&self, mut take: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut input = BufReader::with_capacity(CHUNK_BYTES, Lines { spooled: self, at: 0 });
        let mut line = Vec::with_capacity(SPOOL_LINE_BYTES_MAX);
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            take(&line)?;
        }
    }

    /// The file's name, under which it is found if it stays.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file after the document is in place. One that has been renamed or removed meanwhile is no longer
    /// ours to remove.
    pub fn remove(&self) -> Result<(), Failure> {
        match is_at(&self.file, &self.path) {
            true => std::fs::remove_file(&self.path).map_err(|e| unwritten(&self.path, "remove", &e)),
            false => Ok(()),
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

/// Writes the instants of a request after it was due, and the gaps between its tokens.
fn put_times(out: &mut Vec<u8>, s: &Sample, gaps: &[Nanos]) {
    if s.status > 0 {
        put(out, format_args!(",\"status\":{}", s.status));
    }
    let since_due = |t: Option<Nanos>| t.map(|t| t.saturating_sub(s.due));
    let connecting = Some(s.connecting).filter(|time| *time > 0);
    for (key, time, is_always_there) in [
        ("sent", since_due(s.sent), false),
        ("connecting", connecting, false),
        ("first_byte", since_due(s.first_byte), false),
        ("ttft", since_due(s.first_token), true),
        ("ttfa", since_due(s.first_answer), true),
        ("last_token", since_due(s.last_token), false),
    ] {
        match time {
            Some(time) => put_seconds(out, key, time),
            None if is_always_there => put(out, format_args!(",\"{key}\":null")),
            None => {}
        }
    }
    for (i, gap) in gaps.iter().enumerate() {
        put(out, format_args!("{}", if i == 0 { ",\"gaps\":[" } else { "," }));
        put_number(out, *gap);
    }
    if !gaps.is_empty() {
        put(out, format_args!("]"));
    }
}

/// Writes the tokens: those that were asked for where that is known, those that the server states, and the output.
fn put_tokens(out: &mut Vec<u8>, s: &Sample) {
    let asked = |tokens: u32| Some(tokens).filter(|tokens| *tokens > 0);
    for (key, tokens) in [
        ("asked_prompt_tokens", asked(s.asked.prompt)),
        ("prompt_tokens", s.prompt_tokens),
        ("cached_tokens", s.cached_tokens),
        ("asked_output_tokens", asked(s.asked.output)),
        ("output_tokens", Some(s.output_tokens)),
        ("reasoning_tokens", s.reasoning_tokens),
    ] {
        if let Some(tokens) = tokens {
            put(out, format_args!(",\"{key}\":{tokens}"));
        }
    }
}

fn put_seconds(out: &mut Vec<u8>, key: &str, ns: Nanos) {
    put(out, format_args!(",\"{key}\":"));
    put_number(out, ns);
}

/// Writes seconds with six digits after the point.
fn put_number(out: &mut Vec<u8>, ns: Nanos) {
    let us = (ns + MICROSECOND / 2) / MICROSECOND;
    let per_second = SECOND / MICROSECOND;
    put(out, format_args!("{}.{:06}", us / per_second, us % per_second));
}

/// Writes a time of day with integer arithmetic: a double holds it only to 0.2 us.
fn put_wall(out: &mut Vec<u8>, key: &str, monotonic: Nanos, offset: i128) {
    let wall = (i128::from(monotonic) + offset).max(0);
    put_seconds(out, key, u64::try_from(wall).unwrap_or(u64::MAX / 2));
}
