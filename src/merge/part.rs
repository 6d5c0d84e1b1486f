//! The document of one process, read and checked.

use crate::error::Reason;
use crate::json::{Fault, JsonError};
use crate::plan::Shard;
use crate::result::{PartFigures, RunResult, Schema, ShardFigures, read, schema_of};
use std::io::BufRead;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The hint for a document that is not as it was written.
pub(super) const WRITTEN_BY_OUTPUT: &str =
    "merge accepts only files written by --output FILE; was this one edited?";

/// The part of a run that one process made.
#[derive(Debug)]
pub struct Part {
    /// The document's name in errors and in the merged document.
    pub name: String,
    pub shard: Shard,
    /// When its load began, in nanoseconds since 1970.
    pub started_at: i128,
    pub document: RunResult,
}

impl Part {
    /// Reads a document twice, through two calls of `open`: first for its schema, then in full except for its details.
    pub fn read<R: BufRead>(name: &str, open: impl Fn() -> Result<R, Reason>) -> Result<Part, Reason> {
        let unreadable = |e: JsonError| Part::unreadable(name, &e);
        match schema_of(open()?).map_err(unreadable)? {
            Some(schema) => {
                Schema::check(&schema).map_err(|reason| reason.within(format!("{name}: `schema`")))?
            }
            None => {
                let what = format!("{name}: this is not a result document, because it has no `schema`");
                return Err(Reason::new(what).hint("merge accepts only files written by --output FILE"));
            }
        }
        Part::from_document(name, read(open()?).map_err(unreadable)?)
    }

    /// Checks that the document is of a shard and does not contradict itself.
    fn from_document(name: &str, document: RunResult) -> Result<Part, Reason> {
        let wrong = |what: &str, hint: &'static str| Reason::new(format!("{name}: {what}")).hint(hint);
        if document.run.merged.is_some() {
            let hint = "merge the documents of all shards in one step";
            return Err(wrong("this document has already been merged", hint));
        }
        let shard = document.run.shard.and_then(ShardFigures::shard).ok_or_else(|| {
            wrong(
                "this is the document of a whole run, not of a shard",
                "merge joins the parts of one run (--shard K/N); use `compare` to compare runs",
            )
        })?;
        document
            .check()
            .map_err(|e| wrong(&e.to_string(), WRITTEN_BY_OUTPUT))?;
        let started_at = &document.run.started_at;
        let started_at = OffsetDateTime::parse(started_at, &Rfc3339).map_err(|e| {
            wrong(
                &format!("`run.started_at`: `{started_at}`: {e}"),
                WRITTEN_BY_OUTPUT,
            )
        })?;
        Ok(Part {
            name: name.to_owned(),
            shard,
            started_at: started_at.unix_timestamp_nanos(),
            document,
        })
    }

    /// Returns the reason why the document of that name cannot be read.
    pub fn unreadable(name: &str, error: &JsonError) -> Reason {
        let hint = match &error.fault {
            Fault::Cut(_) => "the file is incomplete: copy it again, or repeat the run that wrote it",
            Fault::Io(_) => "check the disk and the file's permissions",
            Fault::Wrong(_) => WRITTEN_BY_OUTPUT,
        };
        Reason::new(format!("{name}: {error}")).hint(hint)
    }

    /// Returns the reason why a figure of this document cannot be right.
    pub(super) fn bad_figure(&self, key: &str, what: &str) -> Reason {
        Reason::new(format!("{}: `{key}`: {what}", self.name)).hint(WRITTEN_BY_OUTPUT)
    }

    /// Returns the figures that belong to this process alone.
    pub fn own_figures(&self) -> PartFigures {
        let d = &self.document;
        PartFigures {
            file: self.name.clone(),
            run: d.run.clone(),
            host: d.host.clone(),
            client: d.client.clone(),
            thresholds: d.thresholds.clone(),
            steps: d.steps.clone(),
            managed_server: d.managed_server,
            managed_server_timeline: d.managed_server_timeline.clone(),
            pushes: d.pushes.clone(),
            warnings: d.warnings.clone(),
        }
    }
}
