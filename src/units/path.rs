//! Paths as text in a document.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::error::lossless;

/// Serialises a path with any bytes, because a path that is not UTF-8 must not prevent a configuration from being
/// written.
pub fn optional_path_text<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    let text = path.as_ref().map(|path| lossless(path.as_os_str().as_bytes()));
    text.serialize(to)
}
