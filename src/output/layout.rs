//! The layout of the result document: indented, long lists with one element per line, and the details in their place.

use crate::error::safe_json;
use crate::output::Spooled;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::io::{Result, Write};

/// Lists with one element per line, because a long run has 86,400 rows.
const ROWS: [&str; 4] = ["timeline", "managed_server_timeline", "repeats", "parts"];
/// The member that the details follow, so that what is known last comes last.
const BEFORE_DETAILS: &str = "config";

/// A formatter for the serializer of [`crate::result::RunResult`]. It knows only these few keys.
pub(super) struct Layout<'a> {
    pretty: PrettyFormatter<'static>,
    /// Number of open objects and arrays.
    depth: usize,
    /// Last key at the top level of the document.
    key: Vec<u8>,
    in_key: bool,
    details: Option<&'a Spooled>,
}

impl<'a> Layout<'a> {
    pub fn new(details: Option<&'a Spooled>) -> Layout<'a> {
        Layout {
            pretty: PrettyFormatter::new(),
            depth: 0,
            key: Vec::new(),
            in_key: false,
            details,
        }
    }

    /// Returns true if depth `depth` is inside an element of a long list.
    fn is_row(&self, depth: usize) -> bool {
        depth > 2 && ROWS.iter().any(|name| name.as_bytes() == self.key)
    }

    fn copy_details<W: ?Sized + Write>(&self, out: &mut W) -> Result<()> {
        let Some(spooled) = self.details else {
            return Ok(());
        };
        out.write_all(b",\n  \"details\": [\n")?;
        spooled.copy_elements(out)?;
        out.write_all(b"\n  ]")
    }
}

/// Writes rows compactly and everything else indented.
macro_rules! by_depth {
    ($self:ident, $depth:expr, $method:ident, $($argument:expr),+) => {
        match $self.is_row($depth) {
            true => CompactFormatter.$method($($argument),+),
            false => $self.pretty.$method($($argument),+),
        }
    };
}

impl Formatter for Layout<'_> {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth += 1;
        by_depth!(self, self.depth, begin_array, out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth -= 1;
        by_depth!(self, self.depth + 1, end_array, out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        by_depth!(self, self.depth, begin_array_value, out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        by_depth!(self, self.depth, end_array_value, out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth += 1;
        by_depth!(self, self.depth, begin_object, out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        self.depth -= 1;
        by_depth!(self, self.depth + 1, end_object, out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> Result<()> {
        by_depth!(self, self.depth, begin_object_key, out, first)?;
        if self.depth == 1 {
            self.key.clear();
            self.in_key = true;
        }
        Ok(())
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _out: &mut W) -> Result<()> {
        self.in_key = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> Result<()> {
        if self.in_key {
            self.key.extend_from_slice(text.as_bytes());
        }
        // A document may be printed, so unsafe characters are escaped; the values stay the same.
        out.write_all(safe_json(text).as_bytes())
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        by_depth!(self, self.depth, begin_object_value, out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> Result<()> {
        by_depth!(self, self.depth, end_object_value, out)?;
        match self.depth == 1 && self.key == BEFORE_DETAILS.as_bytes() {
            true => self.copy_details(out),
            false => Ok(()),
        }
    }
}
