//! JSON of any size, read forwards and once: only the wanted members are parsed, the rest is skipped.
//!
//! serde_json reads a document as a whole, gives its errors a line and a column, and may read a number with its last
//! bit wrong. Files of runs have hundreds of megabytes of which a few are needed, an error has to name the key, and
//! numbers have to be written again as they were read. So this room walks the bytes itself ([`Scanner`]) and drives
//! serde from there ([`Scanner::parse`]). It opens no file.

mod error;
mod scan;
mod value;
mod walk;

pub use error::{Fault, JsonError};
pub use scan::{DEPTH_MAX, Scanner};

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
