//! The page that a summary is written on: lines of at most its width, filtered, and coloured if a terminal shows them.

use crate::error::one_line;

/// The columns of the labels at the left.
pub(super) const LABEL: usize = 11;
/// The narrowest page. Below it a terminal wraps lines by itself.
pub(super) const WIDTH_MIN: usize = 40;
/// The columns between two cells of a row.
const GAP: usize = 3;
const INDENT: usize = 2;
const ELLIPSIS: &str = "...";

/// The colour of a word. Colours repeat what the word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Red,
    Green,
    Yellow,
}

impl Ink {
    fn code(self) -> Option<&'static str> {
        match self {
            Ink::Plain => None,
            Ink::Red => Some("31"),
            Ink::Green => Some("32"),
            Ink::Yellow => Some("33"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Page {
    text: String,
    pub width: usize,
    colour: bool,
}

impl Page {
    pub fn new(width: usize, colour: bool) -> Page {
        Page {
            text: String::new(),
            width: width.max(WIDTH_MIN),
            colour,
        }
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Removes empty lines, the last ones first, until there are at most `lines_max` lines or no more of them.
    pub fn without_blanks(mut self, lines_max: usize) -> Page {
        let mut excess = self.lines().saturating_sub(lines_max);
        while let Some(at) = self.text.rfind("\n\n").filter(|_| excess > 0) {
            self.text.remove(at);
            excess -= 1;
        }
        self
    }

    /// Appends a line, filtered so that it stays one line and is safe for a terminal.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(one_line(line).trim_end());
        self.text.push('\n');
    }

    /// Appends an empty line, unless the last one is empty.
    pub fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Appends a line that begins with an indent and a coloured word.
    pub fn marked(&mut self, indent: usize, (ink, word): (Ink, &str), rest: &str) {
        self.text.push_str(&" ".repeat(indent));
        let word = one_line(word);
        match ink.code().filter(|_| self.colour) {
            Some(code) => self.text.push_str(&format!("\x1b[{code}m{word}\x1b[0m")),
            None => self.text.push_str(&word),
        }
        self.line(rest);
    }

    /// Appends a label and cells with a gap between them. Cells that do not fit go to the next line, below the first.
    pub fn row(&mut self, label: &str, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|cell| one_line(cell).into_owned()).collect();
        let lines = filled(
            cells.iter().map(String::as_str),
            self.width.saturating_sub(LABEL),
            GAP,
        );
        self.under(label, lines);
    }

    /// Appends a label and a text, whose words are wrapped below its beginning.
    pub fn prose(&mut self, label: &str, text: &str) {
        let lines = wrapped(text, self.width.saturating_sub(LABEL));
        self.under(label, lines);
    }

    /// Appends a foreign text in the same way, cut after `lines_max` lines.
    pub fn excerpt(&mut self, label: &str, text: &str, lines_max: usize) {
        let mut lines = wrapped(text, self.width.saturating_sub(LABEL));
        if lines.len() > lines_max {
            lines.truncate(lines_max);
            if let Some(last) = lines.last_mut() {
                let kept = last
                    .chars()
                    .take(self.width - LABEL - ELLIPSIS.len())
                    .collect::<String>();
                *last = kept.trim_end().to_owned() + ELLIPSIS;
            }
        }
        self.under(label, lines);
    }

    fn under(&mut self, label: &str, lines: Vec<String>) {
        for (i, line) in lines.iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            self.line(&format!("{label:<LABEL$}{line}"));
        }
    }

    /// Appends a text over the whole width, with an indent after the first line.
    pub fn paragraph(&mut self, text: &str) {
        for (i, line) in wrapped(text, self.width - INDENT).iter().enumerate() {
            let indent = if i == 0 { 0 } else { INDENT };
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// Appends cells below each other or side by side, as they fit, all after an indent.
    pub fn indented(&mut self, indent: usize, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|cell| one_line(cell).into_owned()).collect();
        let cells = cells.iter().map(String::as_str).filter(|cell| !cell.is_empty());
        for line in filled(cells, self.width.saturating_sub(indent), GAP) {
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// Appends items that stay whole, without a label.
    pub fn items(&mut self, items: &[String]) {
        let items: Vec<String> = items.iter().map(|item| one_line(item).into_owned()).collect();
        for line in filled(items.iter().map(String::as_str), self.width, INDENT) {
            self.line(&line);
        }
    }
}

/// Breaks a text into lines of at most `width` columns, between words where that is possible.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let text = one_line(text);
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(number) if is_number(number) && is_unit(word) => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    filled(words.iter().flat_map(|word| pieces(word, width.max(1))), width, 1)
}

/// A figure and its unit stay on one line.
fn is_unit(word: &str) -> bool {
    let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
    ["%", "us", "ms", "s", "req/s", "tok/s", "tokens/s"].contains(&bare)
}

fn is_number(word: &str) -> bool {
    let bare = word.trim_start_matches(['(', '-']);
    bare.starts_with(|c: char| c.is_ascii_digit()) && !bare.contains(' ')
}

/// Cuts a word that is longer than a line.
fn pieces(word: &str, width: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(word);
    std::iter::from_fn(move || {
        let word = rest.take()?;
        let at = word.char_indices().nth(width).map(|(at, _)| at);
        let (piece, more) = word.split_at(at.unwrap_or(word.len()));
        rest = Some(more).filter(|more| !more.is_empty());
        Some(piece)
    })
}

fn filled<'a>(items: impl Iterator<Item = &'a str>, width: usize, gap: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut columns = 0;
    for item in items {
        let needs = item.chars().count();
        match lines.last_mut() {
            Some(line) if columns + gap + needs <= width => {
                line.push_str(&" ".repeat(gap));
                line.push_str(item);
                columns += gap + needs;
            }
            _ => {
                lines.push(item.to_owned());
                columns = needs;
            }
        }
    }
    lines
}

/// A table whose columns are as wide as their cells. On a narrow page the least important columns are left out.
#[derive(Debug)]
pub(super) struct Table {
    title: String,
    columns: Vec<Column>,
    column_min: usize,
    rows: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub title: &'static str,
    /// The column with the highest rank is left out first.
    pub rank: u8,
}

/// The narrowest column with the gap before it.
const COLUMN_MIN: usize = 8;
/// The same where many columns have to fit: times have at most six characters.
const COLUMN_MIN_TIGHT: usize = 7;
const ROW_LABEL_MIN: usize = 13;
/// Longer labels are cut: they are names, and the document has them.
const ROW_LABEL_MAX: usize = 24;

impl Table {
    pub fn new(title: &str, columns: &[(&'static str, u8)]) -> Table {
        Table {
            title: title.to_owned(),
            columns: columns
                .iter()
                .map(|(title, rank)| Column { title, rank: *rank })
                .collect(),
            column_min: COLUMN_MIN,
            rows: Vec::new(),
        }
    }

    /// Returns the same table with columns close together.
    pub fn tight(self) -> Table {
        Table {
            column_min: COLUMN_MIN_TIGHT,
            ..self
        }
    }

    pub fn row(&mut self, label: &str, cells: Vec<String>) {
        self.rows.push((one_line(label).into_owned(), cells));
    }

    pub fn write(&self, page: &mut Page) {
        let labels = self.rows.iter().map(|(label, _)| label.chars().count());
        let label = labels.max().unwrap_or(0).max(self.title.len()) + 1;
        let label = label.clamp(ROW_LABEL_MIN, ROW_LABEL_MAX);
        let width_of = |index: usize| {
            let cells = self.rows.iter().map(|(_, cells)| cells[index].chars().count());
            let most = cells.max().unwrap_or(0).max(self.columns[index].title.len());
            (most + 1).max(self.column_min)
        };
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len()).map(|i| (i, width_of(i))).collect();
        while label + shown.iter().map(|(_, width)| width).sum::<usize>() > page.width && shown.len() > 1 {
            let least = shown
                .iter()
                .enumerate()
                .max_by_key(|(at, (i, _))| (self.columns[*i].rank, *at));
            let least = least.map_or(0, |(at, _)| at);
            shown.remove(least);
        }
        let line = |name: &str, cell: &dyn Fn(usize) -> String| {
            let name = crate::output::numbers::cut(name, label - 1);
            let cells: String = shown
                .iter()
                .map(|(i, width)| format!("{:>width$}", cell(*i)))
                .collect();
            format!("{name:<label$}{cells}")
        };
        page.line(&line(&self.title, &|i| self.columns[i].title.to_owned()));
        for (name, cells) in &self.rows {
            page.line(&line(name, &|i| cells[i].clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_words_go_to_the_next_line_below_the_first() {
        let mut page = Page::new(40, false);
        page.row(
            "label",
            &[
                "0123456789".to_owned(),
                "0123456789".to_owned(),
                "more".to_owned(),
            ],
        );
        page.prose("warning", "these words are wrapped and stand below the first");
        let text = page.into_text();
        assert_eq!(
            text,
            "label      0123456789   0123456789\n           more\n\
             warning    these words are wrapped and\n           stand below the first\n"
        );
    }

    #[test]
    fn a_figure_and_its_unit_stay_on_one_line() {
        let text = "the limit of a core is 80 %: (limit 0.25 s) and so on";
        assert_eq!(
            wrapped(text, 26),
            ["the limit of a core is", "80 %: (limit 0.25 s) and", "so on"]
        );
    }

    #[test]
    fn a_foreign_text_is_cut_after_its_lines_even_without_blanks() {
        let text = |said: &str| {
            let mut page = Page::new(40, false);
            page.excerpt("why", said, 2);
            page.into_text()
        };
        assert_eq!(text("short"), "why        short\n");
        let long = text(&"x".repeat(1_000));
        let (first, second) = long.split_once('\n').unwrap();
        assert_eq!(first, format!("why        {}", "x".repeat(29)));
        assert_eq!(second, format!("           {}...\n", "x".repeat(26)));
    }

    #[test]
    fn a_mark_is_coloured_only_if_asked_for_and_a_text_colours_nothing() {
        let text = |colour| {
            let mut page = Page::new(80, colour);
            page.marked(2, (Ink::Red, "FAIL"), "  \x1b[32mname");
            page.into_text()
        };
        assert_eq!(text(true), "  \x1b[31mFAIL\x1b[0m  \\u{1b}[32mname\n");
        assert_eq!(text(false), "  FAIL  \\u{1b}[32mname\n");
    }

    #[test]
    fn a_narrow_table_leaves_out_the_columns_of_the_highest_rank() {
        let mut table = Table::new("by", &[("p50", 0), ("p90", 2), ("p99", 1), ("max", 2)]);
        table.row(
            "a name that is too long for it",
            ["1", "2", "3", "4"].map(str::to_owned).to_vec(),
        );
        let text = |width| {
            let mut page = Page::new(width, false);
            table.write(&mut page);
            page.into_text()
        };
        assert_eq!(
            text(80),
            "by                           p50     p90     p99     max\n\
             a name that is too lon~        1       2       3       4\n"
        );
        assert_eq!(
            text(41),
            "by                           p50     p99\na name that is too lon~        1       3\n"
        );
    }
}
