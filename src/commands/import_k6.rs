//! `llmload-uring import-k6`: reads the options, writes the profile.

use crate::cli::ImportK6Args;
use crate::error::{Failure, Reason, lossless, one_line, quoted, shown_path};
use crate::k6::import;
use crate::output::unwritten;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A script and its options; k6's own archives are larger and none of ours.
const BYTES_MAX: u64 = 4 << 20;

/// What was imported.
#[derive(Debug)]
pub struct Imported {
    /// For standard output; empty where a file was written.
    pub profile: String,
    /// For standard error.
    pub notes: Vec<String>,
}

pub fn run(args: &ImportK6Args) -> Result<Imported, Failure> {
    let name = lossless(args.options.as_os_str().as_bytes());
    let text = read(&args.options).map_err(|what| Reason::new(what).at(&*name, 0))?;
    let (profile, left_out) = import(&text, &name, &args.mix).map_err(|mistakes| mistakes.within(&name))?;
    let mut notes: Vec<String> = left_out
        .iter()
        .map(|what| format!("not carried: {}", one_line(what)))
        .collect();
    notes.push(format!(
        "the requests are those of the profile {}: k6's options have none",
        quoted(&args.mix)
    ));
    let Some(path) = &args.output else {
        return Ok(Imported { profile, notes });
    };
    std::fs::write(path, profile).map_err(|e| unwritten(path, "write", &e))?;
    notes.push(format!("run it: llmload-uring {}", as_argument(path)));
    Ok(Imported {
        profile: String::new(),
        notes,
    })
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    file.take(BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|e| format!("cannot be read: {e}"))?;
    match text.len() as u64 > BYTES_MAX {
        true => Err(format!("larger than the limit, {BYTES_MAX} bytes")),
        false => Ok(text),
    }
}

/// A word without a slash is taken for a built-in profile unless it ends as a file does.
fn as_argument(path: &Path) -> String {
    let text = shown_path(path);
    let is_path = text.contains('/') || text.ends_with(".yaml") || text.ends_with(".yml");
    if is_path { text } else { format!("./{text}") }
}
