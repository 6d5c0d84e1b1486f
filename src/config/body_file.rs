//! Files with parts of a body: tools, further members.

use crate::error::{Mistake, Place, quoted};
use crate::plan::{MEMBERS_BYTES_MAX, WrongJson};
use crate::units::read_text_file;

/// Reads JSON from a file with `read`. A mistake within it has the file's line; one about the file is at `place`.
pub fn read_json_file<T>(
    path: &str,
    place: &Place,
    read: impl FnOnce(&str) -> Result<T, WrongJson>,
) -> Result<T, Mistake> {
    let text = read_text_file(path, MEMBERS_BYTES_MAX, None).map_err(|reason| place.mistake(reason))?;
    read(&text).map_err(|wrong| match wrong.line {
        Some(line) => wrong.reason.at(path, line),
        None => place.mistake(wrong.reason.within(quoted(path))),
    })
}
