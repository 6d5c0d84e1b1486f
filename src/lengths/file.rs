//! Reads the file of an empirical distribution.

use crate::error::Reason;
use crate::units::read_text_file;

/// The largest file of counts: about two million lines.
const FILE_BYTES_MAX: usize = 16 << 20;

/// Reads a file of counts as text.
///
/// # Errors
/// Says why it cannot be read, is too large, or is no text.
pub fn read_counts_file(path: &str) -> Result<String, Reason> {
    let if_larger = "write each count once, with its weight behind a comma";
    read_text_file(path, FILE_BYTES_MAX, Some(if_larger))
}
