//! What is gathered while a configuration is read: mistakes, losses, and where the values of the profile come from.

use crate::config::document::reader::{Fields, Node, Reader};
use crate::error::{Mistake, Mistakes, Reason};

/// What stands for all keys of the profile whose origin is not known: most follow from the load.
pub const ANYTHING: &str = "";

/// A key of the profile, and the key of the configuration that its value comes from.
struct Origin {
    ours: &'static str,
    theirs: String,
    line: usize,
}

pub struct Draft<'f> {
    pub reader: Reader<'f>,
    file: &'f str,
    /// What is not carried over, each with its key.
    pub left_out: Vec<String>,
    /// What has another name here, or nearly the same meaning.
    pub renamed: Vec<String>,
    /// What has no effect on the load.
    pub ignored: Vec<String>,
    origins: Vec<Origin>,
}

impl<'f> Draft<'f> {
    pub fn new(file: &'f str) -> Draft<'f> {
        Draft {
            reader: Reader::new(file),
            file,
            left_out: Vec::new(),
            renamed: Vec::new(),
            ignored: Vec::new(),
            origins: Vec::new(),
        }
    }

    /// Reads a mapping within another one; `None` if it is absent or none.
    pub fn section<'t>(&mut self, fields: &Fields<'t>, key: &str, known: &[&str]) -> Option<Fields<'t>> {
        let node: &'t Node<'t> = fields.node(key)?;
        self.reader.mapping(&format!("{}{key}", fields.path), node, known)
    }

    /// Notes that a key is not carried over, if it is there.
    pub fn lost(&mut self, fields: &Fields<'_>, key: &str, why: &str) {
        if fields.has(key) {
            self.left_out.push(format!("`{}{key}`: {why}", fields.path));
        }
    }

    /// Notes what a key means here.
    pub fn renamed(&mut self, fields: &Fields<'_>, key: &str, how: &str) {
        self.renamed.push(format!("`{}{key}` {how}", fields.path));
    }

    /// Notes those of the keys that are there, and have no effect on the load.
    pub fn ignored(&mut self, fields: &Fields<'_>, keys: &[&str], why: &str) {
        let there: Vec<String> = keys
            .iter()
            .filter(|key| fields.has(key))
            .map(|key| format!("`{}{key}`", fields.path))
            .collect();
        if !there.is_empty() {
            self.ignored.push(format!("ignored: {}: {why}", there.join(", ")));
        }
    }

    /// Refuses a key whose meaning has no counterpart.
    pub fn refuse(&mut self, fields: &Fields<'_>, key: &str, what: &str, hint: &str) {
        let what = format!("`{}{key}` {what}", fields.path);
        self.reader
            .mistake(fields.line_of(key), Reason::new(what).hint(hint));
    }

    /// Remembers that the value of `ours` comes from a key, so that a mistake in it gets its place.
    pub fn comes_from(&mut self, ours: &'static str, fields: &Fields<'_>, key: &str) {
        self.origins.push(Origin {
            ours,
            theirs: format!("{}{key}", fields.path),
            line: fields.line_of(key),
        });
    }

    /// Returns mistakes of the finished profile at the places that their values come from.
    pub fn at_origins(&self, found: &Mistakes) -> Mistakes {
        let placed = found.iter().map(|mistake| {
            let reason = mistake.reason.clone();
            let known = self.origins.iter().filter(|origin| origin.ours != ANYTHING);
            let origin = known.into_iter().find(|origin| {
                let key = origin.ours;
                reason.what.contains(&format!("{key}`")) || reason.what.contains(&format!("{key}."))
            });
            let origin = origin.or_else(|| self.origins.iter().find(|origin| origin.ours == ANYTHING));
            let (line, within) = match origin {
                Some(origin) => (origin.line, format!("`{}`", origin.theirs)),
                None => (0, "the profile is beyond the limits of this program".to_owned()),
            };
            let hint = reason.hint.clone();
            let reason = reason.within(within);
            match hint {
                Some(_) => reason,
                None => reason.hint("see the limits in docs/PROFILES.md"),
            }
            .at(self.file, line)
        });
        Mistakes::new(placed.collect::<Vec<Mistake>>())
    }
}
