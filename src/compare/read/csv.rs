//! Reads k6's `--out csv`: a header, then one record for each sample.

use super::error::{Result, io, wrong};
use super::input::{Bytes, LINE_BYTES_MAX};
use super::points::{origin, rfc3339};
use super::samples::{Samples, UnixNanos};
use crate::compare::{Format, Run};
use crate::error::Reason;
use csv_core::{ReadRecordResult, Reader};
use std::io::BufRead;

/// The largest number of columns; k6 writes about twenty.
const COLUMNS_MAX: usize = 256;
const NAME: usize = 0;
const TIME: usize = 1;
const VALUE: usize = 2;

/// The value of `K6_CSV_TIME_FORMAT`, inferred from the first record: its units differ by factors of a thousand, and
/// 1e11 seconds would be the year 5138.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    /// A count of units since 1970, each of this many nanoseconds.
    Unix(i128),
    Rfc3339,
}

/// Reads one record at a time, in memory that does not grow.
pub(super) struct Records {
    from: Bytes,
    reader: Reader,
    fields: Vec<u8>,
    ends: Vec<usize>,
    columns: usize,
    line: u64,
}

impl Records {
    pub fn new(from: Bytes) -> Records {
        Records {
            from,
            reader: Reader::new(),
            fields: vec![0; LINE_BYTES_MAX],
            ends: vec![0; COLUMNS_MAX],
            columns: 0,
            line: 0,
        }
    }

    /// Reads the next record; returns false at the end of the file.
    pub fn next(&mut self) -> Result<bool> {
        let (mut written, mut ended) = (0, 0);
        self.line = self.reader.line();
        loop {
            let place = || format!("line {}", self.line);
            let input = self.from.fill_buf().map_err(|e| io(&e, place()))?;
            let (result, used, bytes, ends) =
                self.reader
                    .read_record(input, &mut self.fields[written..], &mut self.ends[ended..]);
            self.from.consume(used);
            (written, ended) = (written + bytes, ended + ends);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    let what = format!("is longer than the limit of {LINE_BYTES_MAX} bytes");
                    return Err(Reason::new(what)
                        .hint("a quote may not be closed: repeat the run that wrote the file")
                        .within(place()));
                }
                ReadRecordResult::OutputEndsFull => {
                    let what = format!("has more columns than the limit of {COLUMNS_MAX}");
                    return Err(wrong(what).within(place()));
                }
                ReadRecordResult::Record => {
                    self.columns = ended;
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn field(&self, i: usize) -> &str {
        let begin = if i == 0 { 0 } else { self.ends[i - 1] };
        std::str::from_utf8(&self.fields[begin..self.ends[i]]).unwrap_or("\u{fffd}")
    }
}

/// Reads a run from k6's CSV.
pub fn run(from: Bytes, label: &str) -> Result<Run> {
    let mut records = Records::new(from);
    records.next()?;
    let columns = records.columns;
    let column = |name: &str| (0..columns).find(|i| records.field(*i) == name);
    let (group, url) = (column("group"), column("url"));
    let mut samples = Samples::default();
    let mut format = None;
    while records.next()? {
        let place = format!("line {}", records.line);
        if records.columns != columns {
            let what = format!("has {} columns, but the header has {columns}", records.columns);
            let hint = "the file is incomplete: copy it again, or remove its last line if the run was killed";
            return Err(Reason::new(what).hint(hint).within(place));
        }
        let time = records.field(TIME);
        let format = match format {
            Some(format) => format,
            None => *format.insert(time_format(time).map_err(|e| e.within(place.clone()))?),
        };
        let at = moment(time, format).map_err(|e| e.within(place.clone()))?;
        let value = records.field(VALUE);
        let Some(value) = value.parse().ok().filter(|v: &f64| v.is_finite()) else {
            let text: String = value.chars().take(40).collect();
            return Err(wrong(format!("value `{text}` is not a number")).within(place));
        };
        let name = records.field(NAME);
        if name == "http_reqs" {
            let tag = |column: Option<usize>| column.map(|i| records.field(i)).unwrap_or_default();
            if matches!(tag(group), "::setup" | "::teardown") {
                samples.add_around();
            }
            if samples.target.is_none() {
                samples.target = origin(tag(url));
            }
        }
        if let Some(i) = samples.series(name, None, "") {
            samples.add(i, at, value);
        }
    }
    let Some(format) = format else {
        return Err(wrong("has no samples, only the header"));
    };
    finish(samples, format, label)
}

fn finish(samples: Samples, format: Time, label: &str) -> Result<Run> {
    let is_coarse = format == Time::Unix(1_000_000_000);
    let differs = match is_coarse {
        true => "over a duration known to one second; K6_CSV_TIME_FORMAT=unix_nano is more exact",
        false => "over the time from the start of the first sample to the last sample",
    };
    let mut run = samples.into_run(Some(differs));
    run.notes.push(
        "k6's CSV does not give the types of metrics, so a script's own metrics are read as trends"
            .to_string(),
    );
    if is_coarse {
        run.notes.push(
            "time stamps are whole seconds, so the duration may be off by up to one second".to_string(),
        );
    }
    run.into_run(label, Format::K6Csv)
}

fn time_format(text: &str) -> Result<Time> {
    if text.contains('T') {
        return rfc3339(text).map(|_| Time::Rfc3339);
    }
    let n = whole_number(text)?.unsigned_abs();
    let unit = match n {
        0..=99_999_999_999 => 1_000_000_000,
        100_000_000_000..=99_999_999_999_999 => 1_000_000,
        100_000_000_000_000..=99_999_999_999_999_999 => 1_000,
        _ => 1,
    };
    Ok(Time::Unix(unit))
}

fn moment(text: &str, format: Time) -> Result<UnixNanos> {
    match format {
        Time::Rfc3339 => rfc3339(text),
        // An i64 of seconds fits into an i128 of nanoseconds.
        Time::Unix(unit) => Ok(i128::from(whole_number(text)?) * unit),
    }
}

fn whole_number(text: &str) -> Result<i64> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(40).collect();
        let what = format!(
            "time stamp `{text}` is not in a format of k6: Unix time in s, ms, us or ns, or RFC 3339"
        );
        wrong(what)
    })
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
