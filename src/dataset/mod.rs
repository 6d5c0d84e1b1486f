//! Datasets: files of prompts, conversations and traces in the formats of other tools, read once before the run.
//!
//! The room knows how each format is written and what it means; it is given the bytes, and opens no file. A file is
//! read record by record, however large it is. What is kept of it is compact, is in memory up to a limit, and beyond it
//! in a file that the caller makes. All mistakes of a file are found, up to a limit, each with its line.

mod format;
mod formats;
mod graph;
mod members;
mod packed;
mod read;
mod row;
mod sessions;
mod source;
mod store;
mod time_of_day;

pub use format::Format;
pub use formats::{begins_with_system, limit_of};
pub use graph::{Graph, Node, SessionGraph};
pub use members::{MemberList, json_string, members_of, write_members};
pub use read::{BLOCK_MAX, Filter, Found, ReadOptions, Turns, read};
pub use row::{Blocks, Content, Ids, Row};
pub use sessions::Sessions;
pub use source::{RECORD_BYTES_MAX, first_record};
pub use store::{Dataset, MEMORY_BYTES_MAX, MakeFile, ROWS_MAX, RowBytes};

#[cfg(test)]
mod agent_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod sample_tests;
