//! A line of CSV (RFC 4180, with a line feed as the end of a line).

use crate::error::csv_field;
use std::io::{Result, Write};

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// There is no value.
    Empty,
    Count(u64),
    /// A number with as many digits as it takes to read the same number again.
    Number(f64),
    Flag(bool),
    /// A text, which may come from a server.
    Text(String),
}

impl Cell {
    pub fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    fn write(&self, out: &mut dyn Write) -> Result<()> {
        match self {
            Cell::Empty => Ok(()),
            Cell::Count(n) => write!(out, "{n}"),
            Cell::Number(x) => write!(out, "{x}"),
            Cell::Flag(is_so) => write!(out, "{is_so}"),
            Cell::Text(text) => out.write_all(csv_field(text).as_bytes()),
        }
    }
}

impl From<u64> for Cell {
    fn from(n: u64) -> Cell {
        Cell::Count(n)
    }
}

impl From<f64> for Cell {
    fn from(x: f64) -> Cell {
        Cell::Number(x)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Empty, Into::into)
    }
}

/// A column: its name, which ends in the unit, and its cell in a row.
pub(super) type Column<T> = (&'static str, fn(&T) -> Cell);

/// Writes the names of columns.
pub(super) fn head<'a>(names: impl IntoIterator<Item = &'a str>, out: &mut dyn Write) -> Result<()> {
    line(names.into_iter().map(Cell::text), out)
}

pub(super) fn line(cells: impl IntoIterator<Item = Cell>, out: &mut dyn Write) -> Result<()> {
    for (i, cell) in cells.into_iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        cell.write(out)?;
    }
    out.write_all(b"\n")
}
