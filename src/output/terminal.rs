//! Redraws a block of lines in place on a terminal, and prints other lines above it.
//!
//! There is no alternate screen and no hidden cursor: printed lines stay in the scrollback, and a program that is
//! killed at any moment leaves the terminal as it was.

use crate::output::Console;
use std::ffi::OsStr;
use std::io::{IsTerminal, Write};

/// Computes what to write so that the next block replaces the last one. It is pure: the terminal's size is an argument.
#[derive(Debug, Default)]
pub struct Frames {
    /// Width of each line that is on the screen now.
    shown: Vec<usize>,
}

impl Frames {
    /// Removes the block from the screen. A terminal that has become narrower since has wrapped its lines, so that
    /// they occupy more rows than before.
    pub fn erase(&mut self, columns: usize) -> String {
        let columns = columns.max(1);
        let rows: usize = self.shown.drain(..).map(|n| n.div_ceil(columns).max(1)).sum();
        match rows {
            0 => String::new(),
            // Each row is cleared on its own, and also the one below the block, where a `^C` may be. Clearing to the
            // end of the screen is less to write, but from the top row tmux takes it for a new screen and keeps the old
            // one.
            rows => {
                let each = "\x1b[2K\x1b[B".repeat(rows);
                format!("\x1b[{rows}A\r{each}\x1b[2K\x1b[{rows}A")
            }
        }
    }

    /// Draws the block instead of the last one. Lines that exceed the terminal's height are left out, because lines
    /// that have scrolled away cannot be removed again.
    pub fn draw(&mut self, block: &[String], columns: usize, rows: usize) -> String {
        let mut text = self.erase(columns);
        let block = &block[..block.len().min(rows.saturating_sub(1))];
        if block.is_empty() {
            return text;
        }
        // Wrapping is off, so that a terminal that shrinks at this moment cuts the lines.
        text.push_str("\x1b[?7l");
        for line in block {
            text.push_str(line);
            text.push('\n');
            self.shown.push(visible(line));
        }
        text.push_str("\x1b[?7h");
        text
    }
}

/// Returns the width of a line of ASCII, without the colours.
fn visible(line: &str) -> usize {
    let mut columns = 0;
    let mut in_escape = false;
    for c in line.chars() {
        match c {
            '\x1b' => in_escape = true,
            'm' if in_escape => in_escape = false,
            _ if in_escape => {}
            _ => columns += 1,
        }
    }
    columns
}

/// The terminal behind standard error.
#[derive(Debug)]
pub struct Screen {
    console: Console,
    pub colour: bool,
}

impl Screen {
    /// Returns the screen; `None` if standard error is not a terminal, or one that cannot move its cursor.
    pub(super) fn on_console(console: Console) -> Option<Screen> {
        let term = std::env::var_os("TERM");
        if !std::io::stderr().is_terminal() || !moves_cursor(term.as_deref()) || size().is_none() {
            return None;
        }
        Some(Screen {
            console,
            colour: has_colour(std::env::var_os("NO_COLOR").as_deref()),
        })
    }

    /// Returns the current number of columns, and of rows for a block: one is left for the cursor.
    pub fn size(&self) -> (usize, usize) {
        size().map_or((0, 0), |(columns, rows)| (columns, rows.saturating_sub(1)))
    }

    /// Shows this block instead of the last one.
    pub fn draw(&self, block: Vec<String>) {
        self.console.draw(block);
    }

    /// Removes the block for good.
    pub fn clear(&self) {
        self.console.draw(Vec::new());
    }
}

/// Writes a text in one call, so that the terminal never shows half of it.
pub(super) fn write(text: &str) {
    // A terminal that was closed is not a reason to fail.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Returns columns and rows, if the terminal gives them.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && rows > 0).then_some((columns, rows))
}

/// Returns the columns and rows of standard output, or of standard error, if it is a terminal, and whether it shows
/// colours.
pub fn terminal_of(stdout: bool) -> (Option<(usize, usize)>, bool) {
    let size = match stdout {
        true => rustix::termios::tcgetwinsize(std::io::stdout()),
        false => rustix::termios::tcgetwinsize(std::io::stderr()),
    };
    let size = size
        .ok()
        .map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    let size = size.filter(|(columns, rows)| *columns > 0 && *rows > 0);
    let shows = moves_cursor(std::env::var_os("TERM").as_deref());
    let colour = stdout && shows && has_colour(std::env::var_os("NO_COLOR").as_deref());
    (size, size.is_some() && colour)
}

fn moves_cursor(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Returns true unless `NO_COLOR` is set to something other than the empty string (<https://no-color.org>).
fn has_colour(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
