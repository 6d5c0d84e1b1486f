use super::*;

/// A terminal as far as the frames need it: rows of text that wrap, or are cut while wrapping is off.
struct Terminal {
    columns: usize,
    rows: Vec<String>,
    at: (usize, usize),
    wraps: bool,
}

impl Terminal {
    fn new(columns: usize) -> Terminal {
        Terminal {
            columns,
            rows: vec![String::new()],
            at: (0, 0),
            wraps: true,
        }
    }

    fn feed(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\n' => self.down(),
                '\r' => self.at.1 = 0,
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut argument = String::new();
                    let end = loop {
                        match chars.next().unwrap() {
                            c if c.is_ascii_alphabetic() => break c,
                            c => argument.push(c),
                        }
                    };
                    self.escape(&argument, end);
                }
                c => self.put(c),
            }
        }
    }

    fn escape(&mut self, argument: &str, end: char) {
        match (argument, end) {
            ("?7", 'l') => self.wraps = false,
            ("?7", 'h') => self.wraps = true,
            (rows, 'A') => self.at.0 -= rows.parse::<usize>().unwrap(),
            ("", 'B') => self.at.0 = (self.at.0 + 1).min(self.rows.len() - 1),
            ("2", 'K') => self.rows[self.at.0].clear(),
            (_, 'm') => {}
            other => panic!("{other:?}"),
        }
    }

    fn down(&mut self) {
        self.at = (self.at.0 + 1, 0);
        if self.rows.len() == self.at.0 {
            self.rows.push(String::new());
        }
    }

    fn put(&mut self, c: char) {
        if self.at.1 == self.columns {
            if !self.wraps {
                return;
            }
            self.down();
        }
        let row = &mut self.rows[self.at.0];
        row.truncate(self.at.1);
        row.push(c);
        self.at.1 += 1;
    }

    /// Resizes as most terminals do: longer rows are wrapped.
    fn shrink(&mut self, columns: usize) {
        let rows = std::mem::take(&mut self.rows);
        for row in &rows {
            let chars: Vec<char> = row.chars().collect();
            match chars.is_empty() {
                true => self.rows.push(String::new()),
                false => self
                    .rows
                    .extend(chars.chunks(columns).map(|c| c.iter().collect::<String>())),
            }
        }
        self.columns = columns;
        self.at = (self.rows.len() - 1, 0);
    }

    fn text(&self) -> String {
        self.rows.join("\n").trim_end_matches('\n').to_owned() + "\n"
    }
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| t.to_string()).collect()
}

#[test]
fn a_block_replaces_the_last_one_completely() {
    let mut terminal = Terminal::new(20);
    let mut frames = Frames::default();
    terminal.feed("note\n");
    terminal.feed(&frames.draw(&lines(&["one", "a longer line", "three"]), 20, 24));
    assert_eq!(terminal.text(), "note\none\na longer line\nthree\n");
    terminal.feed(&frames.draw(&lines(&["1", "2"]), 20, 24));
    assert_eq!(terminal.text(), "note\n1\n2\n");
    terminal.feed(&frames.erase(20));
    assert_eq!(terminal.text(), "note\n");
    assert_eq!(frames.erase(20), "");
}

#[test]
fn a_line_is_printed_above_the_block_and_an_echoed_key_is_removed() {
    let mut terminal = Terminal::new(20);
    let mut frames = Frames::default();
    let block = lines(&["one", "two"]);
    terminal.feed(&frames.draw(&block, 20, 24));
    terminal.feed("^C");
    terminal.feed(&frames.erase(20));
    terminal.feed("stopping\n");
    terminal.feed(&frames.draw(&block, 20, 24));
    assert_eq!(terminal.text(), "stopping\none\ntwo\n");
}

#[test]
fn a_block_that_a_narrower_terminal_has_wrapped_is_removed_completely() {
    let mut terminal = Terminal::new(20);
    let mut frames = Frames::default();
    terminal.feed("kept\n");
    terminal.feed(&frames.draw(
        &lines(&["12345678901234567890", "\x1b[31m123456\x1b[0m", ""]),
        20,
        24,
    ));
    terminal.shrink(7);
    terminal.feed(&frames.draw(&lines(&["1234567", "2"]), 7, 24));
    assert_eq!(terminal.text(), "kept\n1234567\n2\n");
}

#[test]
fn lines_that_are_too_wide_are_cut_and_a_low_terminal_gets_fewer() {
    let mut terminal = Terminal::new(5);
    let mut frames = Frames::default();
    terminal.feed(&frames.draw(&lines(&["1234567", "b", "c", "d"]), 5, 3));
    assert_eq!(terminal.text(), "12345\nb\n");
    assert!(terminal.wraps, "wrapping is on again");
    assert_eq!(Frames::default().draw(&lines(&["a"]), 5, 1), "");
}

#[test]
fn a_dumb_terminal_gets_no_block_and_no_color_is_honoured() {
    let text = |t: &'static str| Some(OsStr::new(t));
    assert!(moves_cursor(text("xterm-256color")));
    assert!(!moves_cursor(text("dumb")) && !moves_cursor(text("")) && !moves_cursor(None));
    assert!(has_colour(None) && has_colour(text("")));
    assert!(!has_colour(text("1")));
}
