//! The schema of result documents, and the versions of it that this program reads.

use crate::error::{Reason, quoted};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

/// The schema that documents of this version state.
pub const SCHEMA: &str = "llmload-uring/2";
/// The beginning of the schemas of all versions.
const FAMILY: &str = "llmload-uring/";

/// The schema of this version, as a member of the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schema;

impl Schema {
    /// Returns true if a document that states `schema` is a result document of any version.
    pub fn is_ours(schema: &str) -> bool {
        schema.starts_with(FAMILY)
    }

    /// Refuses a document that states `schema`, unless it is the schema of this version.
    pub fn check(schema: &str) -> Result<(), Reason> {
        let number = |schema: &str| schema.strip_prefix(FAMILY)?.parse::<u32>().ok();
        match (number(schema), number(SCHEMA)) {
            _ if schema == SCHEMA => Ok(()),
            (Some(theirs), Some(ours)) if theirs < ours => Err(Reason::new(format!(
                "is {}, of an earlier version; this program reads `{SCHEMA}`",
                quoted(schema)
            ))
            .hint(
                "repeat the run with this version, or use the version that wrote the document; \
                 docs/RESULT.md lists what has changed",
            )),
            (Some(_), _) => Err(Reason::new(format!(
                "is {}, of a later version; this program reads `{SCHEMA}`",
                quoted(schema)
            ))
            .hint("use the version that wrote the document, or a later one")),
            (None, _) => Err(Reason::new(format!("is {}, expected `{SCHEMA}`", quoted(schema)))
                .hint("name a document that was written by --output FILE")),
        }
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(SCHEMA)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Schema, D::Error> {
        let schema = String::deserialize(from)?;
        Schema::check(&schema)
            .map(|()| Schema)
            .map_err(|reason| D::Error::custom(reason.what))
    }
}
