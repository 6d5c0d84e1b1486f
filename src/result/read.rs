//! Reads a result document forwards, without its details, so that their number does not matter for the memory it
//! takes.

use crate::json::{JsonError, Scanner};
use crate::result::{Detail, RunResult};
use std::io::BufRead;

/// The most bytes that are kept of a document. The rows of a day take 26 MB; a kind of request has up to 5 MB of
/// histograms.
const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;

type Result<T> = std::result::Result<T, JsonError>;

/// Reads a document of this program's schema ([`crate::result::Schema`]). Unknown keys are ignored; a key that is
/// missing or has the wrong type is an error with its place. It does not check that the figures are consistent.
pub fn read(input: impl BufRead) -> Result<RunResult> {
    let mut scanner = Scanner::within(input, KEPT_BYTES_MAX);
    let result = scanner.parse()?;
    scanner.end()?;
    Ok(result)
}

/// Returns the schema that a document states, `None` if it states none. Reads no further than that.
pub fn schema_of(input: impl BufRead) -> Result<Option<String>> {
    let mut scanner = Scanner::new(input);
    let found = scanner.find("schema")?;
    found.then(|| scanner.parse()).transpose()
}

/// Calls `take` with each element of the document's details in order, until it fails: with its bytes in the file, and
/// parsed. Returns how many there were; `None` if the document has no such list.
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
