//! One process's document.

use crate::error::Reason;
use crate::json::{Fault, JsonError};
use crate::plan::Shard;
use crate::result::{PartFigures, RunResult, Schema, ShardFigures, read, schema_of};
use std::io::BufRead;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What to do about a document that is not as it was written.
pub(super) const WRITTEN_BY_OUTPUT: &str =
    "merge accepts only documents that --output FILE has written: was this one edited?";

/// One process's part of a run.
#[derive(Debug)]
pub struct Part {
    /// As errors and the merged document name it.
    pub name: String,
    pub shard: Shard,
    /// Nanoseconds since 1970.
    pub started_at: i128,
    pub document: RunResult,
}

impl Part {
    /// Reads the document that each call of `open` begins anew; its details are passed over.
    pub fn read<R: BufRead>(name: &str, open: impl Fn() -> Result<R, Reason>) -> Result<Part, Reason> {
        let unreadable = |e: JsonError| Part::unreadable(name, &e);
        match schema_of(open()?).map_err(unreadable)? {
            Some(schema) => {
                Schema::check(&schema).map_err(|reason| reason.within(format!("{name}: `schema`")))?
            }
            None => {
                let what = format!("{name}: not a result document: it has no schema");
                return Err(Reason::new(what).hint("merge accepts what --output FILE has written"));
            }
        }
        Part::of(name, read(open()?).map_err(unreadable)?)
    }

    fn of(name: &str, document: RunResult) -> Result<Part, Reason> {
        let wrong = |what: &str, hint: &'static str| Reason::new(format!("{name}: {what}")).hint(hint);
        if document.run.merged.is_some() {
            let hint = "merge all documents of the run at once";
            return Err(wrong("it is a merged document itself", hint));
        }
        let shard = document.run.shard.and_then(ShardFigures::shard).ok_or_else(|| {
            wrong(
                "the document of a whole run, not of a shard",
                "merge joins the parts of one run (--shard K/N); `compare` sets runs side by side",
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

    /// Why the document of that name cannot be read.
    pub fn unreadable(name: &str, error: &JsonError) -> Reason {
        let hint = match &error.fault {
            Fault::Cut(_) => "the file is cut off: copy it again, or repeat the run that wrote it",
            Fault::Io(_) => "check the disk and the file's permissions",
            Fault::Wrong(_) => WRITTEN_BY_OUTPUT,
        };
        Reason::new(format!("{name}: {error}")).hint(hint)
    }

    /// A figure of this document that cannot be.
    pub(super) fn wrong(&self, key: &str, what: &str) -> Reason {
        Reason::new(format!("{}: `{key}`: {what}", self.name)).hint(WRITTEN_BY_OUTPUT)
    }

    /// What belongs to this process alone.
    pub fn own(&self) -> PartFigures {
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
