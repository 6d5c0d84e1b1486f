//! Files with parts of a body: a system prompt, tools, further members.

use std::io::Read;

use crate::error::{Mistake, Place, Reason, quoted};
use crate::plan::WrongJson;

/// Reads a file of text, up to `bytes_max`.
pub fn read_body_file(path: &str, bytes_max: usize) -> Result<String, Reason> {
    let mut bytes = Vec::new();
    let shown = quoted(path);
    let read =
        std::fs::File::open(path).and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut bytes));
    if let Err(e) = read {
        let hint = "paths are relative to the directory that the program runs in";
        return Err(Reason::new(format!("{shown} cannot be read: {e}")).hint(hint));
    }
    if bytes.len() > bytes_max {
        let what = format!("{shown} is larger than the limit of {bytes_max} bytes");
        return Err(Reason::new(what));
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Reason::new(format!("{shown} is not UTF-8 text: byte {at} is invalid"))
    })
}

/// Reads JSON from a file with `read`. A mistake within it has the file's line; one about the file is at `place`.
pub fn read_json_file<T>(
    path: &str,
    bytes_max: usize,
    place: &Place,
    read: impl FnOnce(&str) -> Result<T, WrongJson>,
) -> Result<T, Mistake> {
    let text = read_body_file(path, bytes_max).map_err(|reason| place.mistake(reason))?;
    read(&text).map_err(|wrong| match wrong.line {
        Some(line) => wrong.reason.at(path, line),
        None => place.mistake(wrong.reason.within(quoted(path))),
    })
}
