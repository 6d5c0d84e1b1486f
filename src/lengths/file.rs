//! Reads the file of an empirical distribution.

use std::fs::File;
use std::io::Read;

use crate::error::{Reason, quoted};

/// The largest file of counts: about two million lines.
const FILE_BYTES_MAX: usize = 16 << 20;

/// Reads a file of counts as text.
///
/// # Errors
/// Says why it cannot be read, is too large, or is no text.
pub fn read_counts_file(path: &str) -> Result<String, Reason> {
    let shown = quoted(path);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    if let Err(e) = read {
        let hint = "paths are relative to the directory that the program runs in";
        return Err(Reason::new(format!("{shown} cannot be read: {e}")).hint(hint));
    }
    if bytes.len() > FILE_BYTES_MAX {
        let what = format!("{shown} is larger than the limit of {FILE_BYTES_MAX} bytes");
        return Err(Reason::new(what).hint("write each count once, with its weight behind a comma"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Reason::new(format!("{shown} is not UTF-8 text: byte {at} is invalid"))
    })
}
