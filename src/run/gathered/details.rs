//! The requests of all ranks in one document, as `merge` copies those of documents.

use std::io::{BufRead, Cursor};
use std::path::{Path, PathBuf};

use crate::error::{Failure, Reason, shown_path};
use crate::json::JsonError;
use crate::merge::{DetailCheck, Part};
use crate::output::{DetailSpool, Spooled};
use crate::result::{Warning, each_detail};
use crate::run::ranks::{NO_DETAILS, Ranks, own_document};

/// Why the requests of a rank are not complete.
enum Missing {
    /// They could not be had.
    Unread(String),
    /// They could not be written here.
    Unwritten(Failure),
}

impl From<JsonError> for Missing {
    fn from(error: JsonError) -> Missing {
        Missing::Unread(error.to_string())
    }
}

impl From<Reason> for Missing {
    fn from(reason: Reason) -> Missing {
        Missing::Unread(reason.to_string())
    }
}

/// Copies the requests of all ranks to a spool at `place`, or to one without a name, rank after rank. `own` is the
/// document of rank 0. Returns the spool, and a warning if some are missing. The ranks keep theirs.
pub fn gather(
    ranks: &Ranks,
    own: Option<&Path>,
    place: Option<PathBuf>,
    parts: &[Part],
    say: &mut dyn FnMut(&str),
) -> Result<(Spooled, Option<Warning>), Failure> {
    let mut spool = match place {
        Some(path) => DetailSpool::create(&path, &[], 0)?,
        None => DetailSpool::unnamed(&[], 0)?,
    };
    if let Some(kept) = spool.kept() {
        say(&format!(
            "details of a run that was killed are kept: {}",
            shown_path(kept)
        ));
    }
    let mut missing = Vec::new();
    for part in parts {
        let copied = match part.shard.index() {
            0 => copy_own(&mut spool, part, own),
            rank => copy_rank(&mut spool, part, || ranks.next_details(rank, say)),
        };
        match copied {
            Ok(()) => {}
            Err(Missing::Unread(why)) => missing.push(format!("{}: {why}", part.name)),
            Err(Missing::Unwritten(failure)) => return Err(discarded(spool, failure)),
        }
    }
    if let Err(failure) = spool.flush_lines() {
        return Err(discarded(spool, failure));
    }
    let warning = (!missing.is_empty()).then(|| warning(&missing.join("; ")));
    Ok((spool.finish(), warning))
}

/// Returns the warning about requests that the document of the whole does not list.
pub fn warning(why: &str) -> Warning {
    Warning::new(
        "details_missing",
        format!("not all details could be gathered: {why}"),
        "the ranks keep theirs: `merge` joins their documents; all other figures include the requests of every rank",
    )
}

/// Removes what was gathered: it is not whole, and the ranks have it.
fn discarded(spool: DetailSpool, failure: Failure) -> Failure {
    match spool.finish().remove() {
        Ok(()) => failure.because("the details of all ranks could not be gathered"),
        Err(another) => another,
    }
}

fn copy_own(spool: &mut DetailSpool, part: &Part, own: Option<&Path>) -> Result<(), Missing> {
    let document = own_document(own).map_err(Missing::Unread)?;
    let mut check = DetailCheck::new(part);
    if !copy(spool, &mut check, document)? {
        return Err(Missing::Unread(NO_DETAILS.to_owned()));
    }
    check.finish().map_err(Missing::from)
}

fn copy_rank(
    spool: &mut DetailSpool,
    part: &Part,
    mut next: impl FnMut() -> Result<(String, bool), String>,
) -> Result<(), Missing> {
    let mut check = DetailCheck::new(part);
    loop {
        let (lines, is_last) = next().map_err(Missing::Unread)?;
        let elements: Vec<&str> = lines.lines().collect();
        let document = format!("{{\"details\":[{}]}}", elements.join(","));
        copy(spool, &mut check, Cursor::new(document.as_bytes()))?;
        if is_last {
            return check.finish().map_err(Missing::from);
        }
    }
}

/// Copies the requests that a document lists; returns false if it lists none at all.
fn copy(
    spool: &mut DetailSpool,
    check: &mut DetailCheck<'_>,
    document: impl BufRead,
) -> Result<bool, Missing> {
    let count = each_detail(document, |json, detail| {
        check.take(detail)?;
        spool.append_line(json).map_err(Missing::Unwritten)
    })?;
    Ok(count.is_some())
}
