//! The rows of a dataset in memory that stays bounded: in compact form, in a file once there are many, with an index.

use super::graph::{Graph, SessionGraph};
use super::row::{Content, Row};
use super::sessions::{Sessions, SessionsBuilder};
use crate::units::{Fnv, Nanos};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// The most rows of a dataset. Its index takes 12 bytes a row, 4 more if prompts
/// are made, 8 more if rows have instants, 8 more if they have sessions.
pub const ROWS_MAX: usize = 10_000_000;
/// The most bytes of rows in compact form that stay in memory. More are in a file, of which the kernel keeps in memory
/// what there is room for.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;
/// The instant of a row that has none.
const UNTIMED: i64 = i64::MIN;
/// The bytes that are written to that file at once.
const WRITE_BYTES: usize = 1 << 20;

/// Makes the file for rows that do not fit into memory: new, empty and for this process alone.
pub type MakeFile<'f> = &'f mut dyn FnMut() -> io::Result<File>;

/// All rows of a dataset. Equal datasets have equal rows.
pub struct Dataset {
    /// Where each row begins; the last one is the end of all.
    offsets: Vec<u64>,
    /// The output length of each row; 0 if it has none.
    outputs: Vec<u32>,
    /// The number of tokens of each prompt that is made here; 0 if the row has its own. Empty if none is made.
    inputs: Vec<u32>,
    /// When each row is due, in nanoseconds since the trace's own beginning; empty if no row has an instant.
    instants: Vec<i64>,
    sessions: Sessions,
    /// How the rows wait for one another, if the format says it.
    graph: Option<Graph>,
    bytes: Bytes,
    /// A number that differs between datasets with different rows.
    digest: u64,
    first_messages: Option<u64>,
    first_blocks: Option<u64>,
    first_payload: Option<u64>,
}

enum Bytes {
    Memory(Vec<u8>),
    File(File),
}

/// The compact form of one row.
pub struct RowBytes<'d>(Cow<'d, [u8]>);

impl RowBytes<'_> {
    /// Returns the row.
    ///
    /// # Panics
    /// Panics if the file of rows was changed by someone else.
    pub fn row(&self) -> Row<'_> {
        Row::unpack(&self.0).expect("a row that was packed can be unpacked")
    }
}

impl Dataset {
    /// Returns the number of rows; not 0 once a plan has it.
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Returns the bytes of a row, which are read from a file if there are many rows.
    pub fn bytes(&self, index: u64) -> io::Result<RowBytes<'_>> {
        let index = index as usize;
        let (from, to) = (self.offsets[index], self.offsets[index + 1]);
        match &self.bytes {
            Bytes::Memory(bytes) => Ok(RowBytes(Cow::Borrowed(&bytes[from as usize..to as usize]))),
            Bytes::File(file) => {
                let mut bytes = vec![0; (to - from) as usize];
                file.read_exact_at(&mut bytes, from)?;
                Ok(RowBytes(Cow::Owned(bytes)))
            }
        }
    }

    /// Returns how many tokens a row asks for, if it says so.
    pub fn output_tokens(&self, index: u64) -> Option<u32> {
        Some(self.outputs[index as usize]).filter(|tokens| *tokens > 0)
    }

    /// Returns how many tokens a row's prompt has, if it is made here; 0 if the row has its own.
    pub fn input_tokens(&self, index: u64) -> u32 {
        self.inputs.get(index as usize).copied().unwrap_or(0)
    }

    /// Tells whether any row has an instant.
    pub fn is_timed(&self) -> bool {
        !self.instants.is_empty()
    }

    /// Returns when a row is due, since the trace's own beginning; `None` if the row has no instant.
    pub fn at(&self, index: u64) -> Option<Nanos> {
        let at = *self.instants.get(index as usize)?;
        (at != UNTIMED).then_some(at as Nanos)
    }

    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns how the rows of each session wait for one another, if the format says it.
    pub fn graph(&self) -> Option<&Graph> {
        self.graph.as_ref()
    }

    /// Returns the first row that is a list of chat messages, which not every API takes.
    pub fn first_messages(&self) -> Option<u64> {
        self.first_messages
    }

    /// Returns the first row that is a whole body, into which nothing is written but its model and its limit.
    pub fn first_payload(&self) -> Option<u64> {
        self.first_payload
    }

    /// Tells whether any row says only how long its prompt is, so that its tokens are made here.
    pub fn has_lengths(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Returns the first row that is made of blocks of tokens.
    pub fn first_blocks(&self) -> Option<u64> {
        self.first_blocks
    }

    /// Returns a dataset whose rows were not read, for a configuration of which only the keys matter.
    pub fn unread() -> Dataset {
        Builder::default().finish(Zero::Own)
    }
}

impl PartialEq for Dataset {
    fn eq(&self, other: &Dataset) -> bool {
        (self.len(), self.digest) == (other.len(), other.digest)
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({} rows, {:016x})", self.len(), self.digest)
    }
}

/// Where the instants of a trace count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// From the trace's own zero: they are counts.
    Own,
    /// From the earliest row: they are times of day, or counts since something that was before the trace.
    First,
}

/// Gathers rows.
#[derive(Default)]
pub struct Builder {
    offsets: Vec<u64>,
    outputs: Vec<u32>,
    inputs: Vec<u32>,
    instants: Vec<i64>,
    sessions: SessionsBuilder,
    graph: Option<Graph>,
    /// What is not in the file yet.
    pending: Vec<u8>,
    file: Option<File>,
    end: u64,
    digest: Fnv,
    first_messages: Option<u64>,
    first_blocks: Option<u64>,
    first_payload: Option<u64>,
}

impl Builder {
    pub fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Adds a row. `at` is its instant in nanoseconds.
    pub fn push(
        &mut self,
        row: &Row<'_>,
        output_tokens: Option<u32>,
        at: Option<i64>,
        make_file: MakeFile<'_>,
    ) -> io::Result<()> {
        let begin = self.pending.len();
        row.pack(&mut self.pending);
        let packed = &self.pending[begin..];
        self.offsets.push(self.end);
        self.end += packed.len() as u64;
        self.digest.add(packed);
        self.digest.add(&output_tokens.unwrap_or(0).to_le_bytes());
        self.digest.add(&at.unwrap_or(0).to_le_bytes());
        let first = match row.content {
            Content::Messages(_) => Some(&mut self.first_messages),
            Content::Blocks(_) => Some(&mut self.first_blocks),
            Content::Payload(_) => Some(&mut self.first_payload),
            Content::Text(_) => None,
        };
        if let Some(first) = first {
            first.get_or_insert(self.outputs.len() as u64);
        }
        self.outputs.push(output_tokens.unwrap_or(0));
        let made = match &row.content {
            Content::Blocks(blocks) => blocks.input_tokens,
            _ => 0,
        };
        if made > 0 || !self.inputs.is_empty() {
            self.inputs.resize(self.outputs.len() - 1, 0);
            self.inputs.push(made);
        }
        if at.is_some() || !self.instants.is_empty() {
            // No row before the first one with an instant has one.
            self.instants.resize(self.outputs.len() - 1, UNTIMED);
            self.instants.push(at.unwrap_or(UNTIMED));
        }
        self.sessions.push(row.session);
        let most = match self.file {
            Some(_) => WRITE_BYTES,
            None => MEMORY_BYTES_MAX,
        };
        if self.pending.len() > most {
            let mut file = match self.file.take() {
                Some(file) => file,
                None => make_file()?,
            };
            file.write_all(&self.pending)?;
            self.file = Some(file);
            self.pending = Vec::with_capacity(WRITE_BYTES + WRITE_BYTES / 8);
        }
        Ok(())
    }

    /// Adds how the rows since the last session wait for one another.
    pub fn push_session(&mut self, session: &SessionGraph) {
        for node in &session.nodes {
            self.digest.add(&node.delay.to_le_bytes());
            for after in &node.after {
                self.digest.add(&after.to_le_bytes());
            }
        }
        self.graph.get_or_insert_default().push(session);
    }

    /// Writes what is left to the file, if there is one.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.pending)?;
            self.pending = Vec::new();
        }
        Ok(())
    }

    /// Returns the dataset. What is in a file must have been flushed.
    pub fn finish(mut self, zero: Zero) -> Dataset {
        self.offsets.push(self.end);
        if zero == Zero::First {
            let timed = self.instants.iter().copied().filter(|at| *at != UNTIMED);
            let first = timed.min().unwrap_or(0);
            let timed = self.instants.iter_mut().filter(|at| **at != UNTIMED);
            timed.for_each(|at| *at -= first);
        }
        self.offsets.shrink_to_fit();
        self.outputs.shrink_to_fit();
        self.inputs.shrink_to_fit();
        self.instants.shrink_to_fit();
        Dataset {
            offsets: self.offsets,
            outputs: self.outputs,
            inputs: self.inputs,
            instants: self.instants,
            sessions: self.sessions.finish(),
            graph: self.graph,
            bytes: match self.file {
                Some(file) => Bytes::File(file),
                None => Bytes::Memory(self.pending),
            },
            digest: self.digest.value(),
            first_messages: self.first_messages,
            first_blocks: self.first_blocks,
            first_payload: self.first_payload,
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
