//! A block of lines that is drawn over itself on a terminal, with other lines printed above it.
//!
//! No alternate screen and no hidden cursor: what is printed stays in the scrollback, and a program that dies at
//! any moment leaves the terminal as it was.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{IsTerminal, Write};

/// What to write so that the next block stands where the last one stood. Pure: the terminal's size comes in.
#[derive(Debug, Default)]
pub struct Frames {
    /// Columns of each line that is on the screen now.
    shown: Vec<usize>,
}

impl Frames {
    /// Takes the block off the screen. A terminal that has become narrower since has wrapped its lines, so that
    /// they take more rows than they had.
    pub fn erase(&mut self, columns: usize) -> String {
        let columns = columns.max(1);
        let rows: usize = self.shown.drain(..).map(|n| n.div_ceil(columns).max(1)).sum();
        match rows {
            0 => String::new(),
            // Row by row, the one behind the block too, where a `^C` may stand. Clearing to the end of the screen
            // is less to write, but from the top row tmux takes it for a new screen and keeps the old one.
            rows => {
                let each = "\x1b[2K\x1b[B".repeat(rows);
                format!("\x1b[{rows}A\r{each}\x1b[2K\x1b[{rows}A")
            }
        }
    }

    /// The block in place of the last one. Lines for which the terminal is too low are left out: what has
    /// scrolled away cannot be taken off again.
    pub fn draw(&mut self, block: &[String], columns: usize, rows: usize) -> String {
        let mut text = self.erase(columns);
        let block = &block[..block.len().min(rows.saturating_sub(1))];
        if block.is_empty() {
            return text;
        }
        // Without wrapping, so that a terminal that shrinks at this moment cuts the lines.
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

/// Columns of a line of ASCII, colours not counted.
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
    state: RefCell<State>,
    pub colour: bool,
}

#[derive(Debug, Default)]
struct State {
    frames: Frames,
    block: Vec<String>,
}

impl Screen {
    /// `None` where standard error is no terminal, or one that cannot move its cursor.
    pub fn of_stderr() -> Option<Screen> {
        let term = std::env::var_os("TERM");
        if !std::io::stderr().is_terminal() || !moves_cursor(term.as_deref()) || size().is_none() {
            return None;
        }
        Some(Screen {
            state: RefCell::default(),
            colour: has_colour(std::env::var_os("NO_COLOR").as_deref()),
        })
    }

    /// Columns at this moment.
    pub fn width(&self) -> usize {
        size().map_or(0, |(columns, _)| columns)
    }

    /// Shows this block in place of the last one.
    pub fn draw(&self, block: Vec<String>) {
        let mut state = self.state.borrow_mut();
        state.block = block;
        state.redraw();
    }

    /// `print` may write lines of its own: they come out above the block.
    pub fn above(&self, print: impl FnOnce()) {
        let mut state = self.state.borrow_mut();
        state.erase();
        print();
        state.redraw();
    }

    /// Takes the block away for good.
    pub fn clear(&self) {
        let mut state = self.state.borrow_mut();
        state.block.clear();
        state.erase();
    }
}

impl State {
    fn erase(&mut self) {
        write(&self.frames.erase(size().map_or(1, |(columns, _)| columns)));
    }

    fn redraw(&mut self) {
        let (columns, rows) = size().unwrap_or((0, 0));
        write(&self.frames.draw(&self.block, columns, rows));
    }
}

/// In one call, so that the terminal shows no half of it.
fn write(text: &str) {
    // A terminal that has gone away is no reason to fail.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Columns and rows, if the terminal says.
fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && rows > 0).then_some((columns, rows))
}

fn moves_cursor(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// <https://no-color.org>: set to anything but nothing.
fn has_colour(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
