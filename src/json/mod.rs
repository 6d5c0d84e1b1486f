//! JSON of any size, read forwards and once: what is wanted is parsed, what is not goes by unseen.
//!
//! serde_json reads a document as a whole, gives its errors a line and a column, and reads numbers to within a
//! bit. Files of runs have hundreds of megabytes of which a few are wanted, an error has to name the key, and what
//! was read has to be written again as it was. So this room walks the bytes itself ([`Scanner`]) and drives serde
//! from there ([`Scanner::parse`]). It opens no file.

mod error;
mod scan;
mod value;
mod walk;

pub use error::{Fault, JsonError};
pub use scan::{DEPTH_MAX, Scanner};

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
