//! Writes results as text for people and as JSON for programs. Nothing here computes a figure.

mod claim;
mod console;
mod details;
mod error;
mod exports;
mod files;
mod json;
mod layout;
mod live;
mod numbers;
mod place;
mod spool_file;
mod summary;
mod terminal;

pub use console::Console;
pub use details::{DetailSpool, SPOOL_LINE_BYTES_MAX, Spooled};
pub(crate) use error::unwritten;
pub use exports::ExportFiles;
pub use files::OutputFiles;
pub use json::OutputFile;
pub use live::block;
pub(crate) use place::{create_temporary, unnamed, write_whole};
pub(crate) use spool_file::check as check_spool;
pub use summary::{NOTICED, SUMMARY_LINES_MAX, ThresholdWords, View, summary};
pub use terminal::Screen;
