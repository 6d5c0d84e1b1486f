//! Files of text that options and documents name.

use std::io;
use std::path::Path;

use super::input_file::read_input;
use crate::error::{Reason, quoted};

/// Reads a file of text of up to `bytes_max` bytes. `if_larger` is the next step for one that has more.
///
/// # Errors
/// Says why it cannot be read, that it is too large, or where it is no text.
pub fn read_text_file(path: &str, bytes_max: usize, if_larger: Option<&str>) -> Result<String, Reason> {
    let read = read_input(Path::new(path), bytes_max as u64).map_err(|e| cannot_be_read(path, &e))?;
    let shown = quoted(path);
    let bytes = read.ok_or_else(|| {
        let larger = Reason::new(format!("{shown} is larger than the limit of {bytes_max} bytes"));
        match if_larger {
            Some(hint) => larger.hint(hint),
            None => larger,
        }
    })?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Reason::new(format!("{shown} is not UTF-8 text: byte {at} is invalid"))
    })
}

/// Says that a file cannot be read.
pub fn cannot_be_read(path: &str, e: &io::Error) -> Reason {
    let hint = "paths are relative to the directory that the program runs in";
    Reason::new(format!("{} cannot be read: {e}", quoted(path))).hint(hint)
}
