//! A row of the block: a label and cells. If they do not fit, the cells with the highest rank are left out first, so
//! that a narrow terminal shows fewer of them; no row is ever wider than the terminal.

use crate::error::one_line;

/// The width of a label, with the blank behind it.
pub(super) const LABEL: usize = 11;

pub(super) struct Cell {
    text: String,
    /// Rank: the cell with the highest is left out first, of several the last.
    rank: usize,
    fails: bool,
}

pub(super) fn cell(rank: usize, text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        rank,
        fails: false,
    }
}

impl Cell {
    /// Widens the cell, so that those below each other begin in the same column.
    pub fn padded(mut self, columns: usize) -> Cell {
        self.text = format!("{:<columns$}", self.text);
        self
    }

    pub fn ranked(self, rank: usize) -> Cell {
        Cell { rank, ..self }
    }

    /// Makes the cell red if `fails` is true.
    pub fn red_if(self, fails: bool) -> Cell {
        Cell { fails, ..self }
    }
}

pub(super) struct Row {
    label: String,
    label_columns: usize,
    cells: Vec<Cell>,
    /// Appends how many cells were left out.
    counts_rest: bool,
}

impl Row {
    pub fn new(label: &str, cells: Vec<Cell>) -> Row {
        Row::with_label(label, if label.is_empty() { 0 } else { LABEL }, cells)
    }

    /// Makes a row whose label has `label_columns`, with the blanks behind it.
    pub fn with_label(label: &str, label_columns: usize, cells: Vec<Cell>) -> Row {
        Row {
            label: label.to_owned(),
            label_columns,
            cells,
            counts_rest: false,
        }
    }

    pub fn counting_rest(self) -> Row {
        Row {
            counts_rest: true,
            ..self
        }
    }

    pub fn insert(&mut self, at: usize, cell: Cell) {
        self.cells.insert(at, cell);
    }

    /// Leaves out the cells of that rank.
    pub fn leave_out(&mut self, rank: usize) {
        self.cells.retain(|cell| cell.rank != rank);
    }

    /// Returns the width of the row, with two columns between cells.
    pub fn columns(&self) -> usize {
        let cells: usize = self.cells.iter().map(|c| c.text.len() + 2).sum();
        self.label_columns + cells.saturating_sub(2)
    }

    /// Leaves out and cuts what does not fit into `width` columns.
    pub fn fit(mut self, width: usize) -> Row {
        let mut gone = 0;
        loop {
            let rest = match self.counts_rest && gone > 0 {
                true => format!("+{gone} more"),
                false => String::new(),
            };
            let needed = match rest.len() {
                0 => 0,
                n => n + 2,
            };
            if self.columns() + needed <= width || self.cells.len() <= 1 {
                if needed > 0 {
                    self.cells.push(cell(0, rest));
                }
                break;
            }
            let ranks = self.cells.iter().enumerate().map(|(i, c)| (c.rank, i));
            let last = ranks.max().map_or(0, |(_, i)| i);
            self.cells.remove(last);
            gone += 1;
        }
        self.cut(width);
        self
    }

    /// Cuts the cell of a row that is too narrow for even one cell.
    fn cut(&mut self, width: usize) {
        let mut left = width.saturating_sub(self.label_columns);
        for (i, cell) in self.cells.iter_mut().enumerate() {
            left = left.saturating_sub(if i == 0 { 0 } else { 2 });
            if cell.text.len() > left {
                cell.text.truncate(left.saturating_sub(1));
                cell.text.push_str(if left > 0 { "~" } else { "" });
            }
            left -= cell.text.len();
        }
        self.cells.retain(|c| !c.text.is_empty());
    }

    pub fn text(&self, colour: bool) -> String {
        let columns = self.label_columns;
        let mut text = match columns {
            0 => String::new(),
            _ => format!("{:<columns$}", self.label),
        };
        for (i, cell) in self.cells.iter().enumerate() {
            if i > 0 {
                text.push_str("  ");
            }
            match cell.fails && colour {
                true => text.push_str(&format!("\x1b[31m{}\x1b[0m", cell.text)),
                false => text.push_str(&cell.text),
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Returns the text with each character in one column: a name may be a path with any character in it.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    one_line(text).chars().map(plain).collect()
}
