//! Reads a dataset: every record of a file into rows, or all its mistakes.

use super::format::{Format, alike_in_words, looks_like};
use super::graph::SessionGraph;
use super::members::Members;
use super::row::Row;
use super::source::{Container, read_records};
use super::store::{Builder, Dataset, MakeFile, ROWS_MAX};
use crate::error::{Mistake, Reason, quoted};
use serde::Serialize;
use std::io::{self, BufRead};

/// The most mistakes that are reported of a file; reading ends with the last of them.
pub const MISTAKES_MAX: usize = 100;
/// The most output tokens of a row.
pub const OUTPUT_TOKENS_MAX: u64 = 10_000_000;
/// The most input tokens of a row.
pub const INPUT_TOKENS_MAX: u64 = 10_000_000;
/// The most tokens that a hash id stands for.
pub const BLOCK_MAX: u32 = 1_000_000;
/// The most names of members that a note lists.
const UNUSED_MAX: usize = 12;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadOptions {
    pub format: Format,
    /// The number of tokens that a hash id stands for, instead of the format's.
    pub block: Option<u32>,
    pub filter: Filter,
    pub turns: Turns,
}

impl ReadOptions {
    /// Reads a format as it is usual.
    pub fn of(format: Format) -> ReadOptions {
        ReadOptions {
            format,
            block: None,
            filter: Filter::None,
            turns: Turns::First,
        }
    }
}

/// Which rows are left out by their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    None,
    /// Those that `vllm bench serve` leaves out of ShareGPT: a prompt or an answer below 4 tokens, a prompt above 1024,
    /// both together above 2048.
    Vllm,
}

/// What is made of a conversation of several turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// Its first question, as in `vllm bench serve`.
    First,
    /// A row for each question, all of one session, with the answer that the file has if `answers` says so.
    All { answers: bool },
}

/// A dataset that was read.
#[derive(Debug)]
pub struct Found {
    pub dataset: Dataset,
    /// What the file has and the rows do not, each with its count.
    pub left_out: Vec<String>,
}

/// Takes the rows that a format makes of its records.
pub struct Sink<'f> {
    pub options: ReadOptions,
    builder: Builder,
    make_file: MakeFile<'f>,
    left_out: Vec<(String, u64)>,
    failed: Option<io::Error>,
    too_many: bool,
    /// The line of the record.
    pub line: usize,
    /// The first chat of the chain of each chat, in formats that link a chat to the one before it.
    pub chats: std::collections::HashMap<u64, u64>,
}

impl Sink<'_> {
    /// Returns the number of tokens that a hash id stands for.
    pub fn block(&self) -> u32 {
        self.options.block.unwrap_or(self.options.format.row().block)
    }

    /// Tells whether a conversation becomes a row for each question.
    pub fn takes_all_turns(&self) -> bool {
        matches!(self.options.turns, Turns::All { .. })
    }

    /// Tells whether rows keep the answers that the file has.
    pub fn keeps_answers(&self) -> bool {
        self.options.turns == Turns::All { answers: true }
    }

    /// Adds a row. `at` is its instant in nanoseconds.
    pub fn push(&mut self, row: Row<'_>, output_tokens: Option<u32>, at: Option<i64>) {
        if self.builder.len() >= ROWS_MAX {
            self.too_many = true;
            return;
        }
        if let Err(e) = self.builder.push(&row, output_tokens, at, self.make_file) {
            self.failed = Some(e);
        }
    }

    /// Adds how the rows of a session wait for one another, once they were added.
    pub fn push_session(&mut self, session: &SessionGraph) {
        self.builder.push_session(session);
    }

    /// Counts something that the file has and the rows will not have.
    pub fn leave_out(&mut self, what: &str) {
        match self.left_out.iter_mut().find(|(name, _)| name == what) {
            Some((_, count)) => *count += 1,
            None => self.left_out.push((what.to_owned(), 1)),
        }
    }

    /// Returns a name that no other record of the file has, for a session that has none.
    pub fn own_session(&self) -> String {
        format!("#{}", self.builder.len())
    }
}

/// Reads a dataset. `name` is what errors call the file.
///
/// # Errors
/// Returns all mistakes that were found, up to a hundred.
pub fn read(
    input: Box<dyn BufRead + '_>,
    name: &str,
    options: ReadOptions,
    make_file: MakeFile<'_>,
) -> Result<Found, Vec<Mistake>> {
    let format = options.format.row();
    let mut sink = Sink {
        options,
        builder: Builder::default(),
        make_file,
        left_out: Vec::new(),
        failed: None,
        too_many: false,
        line: 1,
        chats: Default::default(),
    };
    let mut mistakes: Vec<Mistake> = Vec::new();
    let mut unused: Vec<(String, u64)> = Vec::new();
    let mut first = None;
    let mut take = |line: usize, record: Result<&str, Reason>| {
        sink.line = line;
        let made = record.and_then(|record| {
            if first.is_none() {
                first = Some(record.to_owned());
            }
            let members = Members::read(record)?;
            let members = match format.container {
                Container::Json | Container::Member(_) => members,
                Container::Csv | Container::JsonOrCsv => members.loose(),
            };
            (format.read)(&members, &mut sink)?;
            note_unused(&members, &mut unused);
            Ok(())
        });
        if let Err(reason) = made {
            mistakes.push(reason.at(name, line));
            // Every record of a file of another format is wrong: one of them says so.
            let is_first = sink.builder.len() == 0 && mistakes.len() == 1;
            if is_first
                && (is_over_lines(first.as_deref())
                    || !other_formats(options.format, first.as_deref()).is_empty())
            {
                return false;
            }
        }
        mistakes.len() < MISTAKES_MAX && sink.failed.is_none() && !sink.too_many
    };
    let ended = read_records(input, format.container, format.columns, &mut take);
    if let Err((line, reason)) = ended {
        mistakes.push(reason.at(name, line));
    }
    finish(sink, mistakes, unused, (name, first.as_deref()))
}

/// Counts the members that nothing was made of.
fn note_unused(members: &Members<'_>, unused: &mut Vec<(String, u64)>) {
    for name in members.unused() {
        let known = unused.len();
        match unused.iter_mut().find(|(other, _)| other == name) {
            Some((_, count)) => *count += 1,
            None if known < UNUSED_MAX => unused.push((name.to_owned(), 1)),
            None => {}
        }
    }
}

fn finish(
    mut sink: Sink<'_>,
    mut mistakes: Vec<Mistake>,
    unused: Vec<(String, u64)>,
    (name, first): (&str, Option<&str>),
) -> Result<Found, Vec<Mistake>> {
    let format = sink.options.format;
    let mut left_out: Vec<String> = sink
        .left_out
        .iter()
        .map(|(what, count)| format!("{what}: {count}"))
        .collect();
    if mistakes.len() >= MISTAKES_MAX {
        let what = format!("reading ended after {MISTAKES_MAX} mistakes");
        mistakes.push(Reason::new(what).at(name, sink.line));
    }
    let flushed = sink.builder.flush();
    if let Some(e) = sink.failed.or(flushed.err()) {
        let folder = std::env::temp_dir();
        let what = format!(
            "the rows do not fit into memory and cannot be kept in a file in {}: {e}",
            folder.display()
        );
        mistakes.push(
            Reason::new(what)
                .hint("set TMPDIR to a directory with room")
                .at(name, sink.line),
        );
    }
    if sink.too_many {
        let what = format!("has more rows than the limit of {ROWS_MAX}");
        mistakes.push(
            Reason::new(what)
                .hint("cut the file into several")
                .at(name, sink.line),
        );
    }
    if mistakes.is_empty() && sink.builder.len() == 0 {
        let what = match left_out.is_empty() {
            true => "contains no rows".to_owned(),
            false => format!("contains no rows that can be sent ({})", left_out.join("; ")),
        };
        mistakes.push(Reason::new(what).at(name, 0));
    }
    if !mistakes.is_empty() {
        hint_at_the_format(&mut mistakes, format, first);
        return Err(mistakes);
    }
    if !unused.is_empty() {
        let list: Vec<String> = unused
            .iter()
            .map(|(name, count)| format!("{} of {count}", quoted(name)))
            .collect();
        left_out.push(format!("members that nothing is made of: {}", list.join(", ")));
    }
    Ok(Found {
        dataset: sink.builder.finish(format.row().zero),
        left_out,
    })
}

/// Tells whether a record is only the beginning of an object, which may go on in the next line.
fn is_over_lines(first: Option<&str>) -> bool {
    let read = first.map(serde_json::from_str::<serde::de::IgnoredAny>);
    matches!(read, Some(Err(e)) if e.is_eof())
}

/// Returns the formats that a record looks like; none if it looks like this one.
fn other_formats(format: Format, first: Option<&str>) -> Vec<&'static str> {
    let alike = first.map(looks_like).unwrap_or_default();
    match alike.contains(&format.name()) {
        true => Vec::new(),
        false => alike,
    }
}

/// Says at the first mistake which other format the file looks like, if it does not look like the one that was named.
fn hint_at_the_format(mistakes: &mut [Mistake], format: Format, first: Option<&str>) {
    if let (Some(mistake), true) = (mistakes.first_mut(), is_over_lines(first)) {
        let hint = "write one object a line, or one array of objects: `jq -c . FILE` does the first";
        mistake.reason.hint.get_or_insert(hint.to_owned());
    }
    let others = other_formats(format, first);
    if let (Some(mistake), false) = (mistakes.first_mut(), others.is_empty()) {
        let hint = format!("{}, not like `{}`", alike_in_words(&others), format.name());
        mistake.reason.hint = Some(hint);
    }
}
