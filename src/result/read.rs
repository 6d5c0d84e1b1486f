//! A result document, read forwards: all of it but its details, whose number does not matter for the memory that
//! takes.

use crate::json::{JsonError, Scanner};
use crate::result::{Detail, RunResult};
use std::io::BufRead;

/// What is kept of a document. A day of seconds is 26 MB of rows; a kind of request has up to 5 MB of histograms.
const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;

type Result<T> = std::result::Result<T, JsonError>;

/// Reads a document of this program's schema ([`crate::result::Schema`]). Keys that it does not know are ignored; one
/// that is missing or of another type is an error with its place. Whether the figures go together is not looked at.
pub fn read(input: impl BufRead) -> Result<RunResult> {
    let mut scanner = Scanner::within(input, KEPT_BYTES_MAX);
    let result = scanner.parse()?;
    scanner.end()?;
    Ok(result)
}

/// The schema that a document says it has; reads no further than that. `None`: it says none.
pub fn schema_of(input: impl BufRead) -> Result<Option<String>> {
    let mut scanner = Scanner::new(input);
    let found = scanner.find("schema")?;
    found.then(|| scanner.parse()).transpose()
}

/// Calls `take` with each element of the document's details in order, until it fails: as it is in the file, and read.
/// How many there were; `None`: the document has no list of them.
pub fn each_detail<E: From<JsonError>>(
    input: impl BufRead,
    mut take: impl FnMut(&[u8], &Detail) -> std::result::Result<(), E>,
) -> std::result::Result<Option<u64>, E> {
    let mut scanner = Scanner::new(input);
    if !scanner.find("details")? {
        return Ok(None);
    }
    let (mut count, mut bytes) = (0, Vec::new());
    scanner.array(|scanner| {
        bytes.clear();
        scanner.copy(&mut bytes)?;
        let detail = Scanner::new(bytes.as_slice())
            .parse()
            .map_err(|e: JsonError| scanner.error(format!("{}: {}", e.path(), e.what())))?;
        count += 1;
        take(&bytes, &detail)
    })?;
    Ok(Some(count))
}
