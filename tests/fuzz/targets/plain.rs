//! What every text that leaves the program has to be, by rules of its own: it knows nothing of how they are made.

use std::fmt::Display;

/// A terminal would obey it, or a reader would not see it.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{feff}')
}

/// Asserts that a text of several lines can stand on a terminal.
pub fn assert_plain(text: &impl Display) {
    let text = text.to_string();
    let odd = text.chars().find(|c| is_odd(*c) && *c != '\n');
    assert_eq!(odd, None, "{text:?}");
}

/// Asserts that a text stays on its line.
pub fn assert_line(text: &impl Display) {
    let text = text.to_string();
    assert_eq!(text.chars().find(|c| is_odd(*c)), None, "{text:?}");
}

/// Asserts that an error says something, on one line and not at any length.
pub fn assert_clear(error: &impl Display) {
    let text = error.to_string();
    assert_line(&text);
    assert!((10..2_000).contains(&text.len()), "{text:?}");
}

/// The fields of each record of CSV (RFC 4180), read by a few rules; `None` if it is none.
pub fn csv(text: &str) -> Option<Vec<Vec<String>>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if field.is_empty() => loop {
                match chars.next()? {
                    '"' if chars.peek() == Some(&'"') => field.push(chars.next()?),
                    '"' => break,
                    inner => field.push(inner),
                }
            },
            '"' => return None,
            ',' => record.push(std::mem::take(&mut field)),
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    (record.is_empty() && field.is_empty()).then_some(records)
}

/// Asserts that a table is one: every record is as long as its head.
pub fn assert_table(text: &str) {
    let records = csv(text).unwrap_or_else(|| panic!("no CSV: {text:?}"));
    let columns = records.first().map_or(0, Vec::len);
    for record in &records {
        assert_eq!(record.len(), columns, "{record:?}\n{text}");
        for field in record {
            assert_line(field);
        }
    }
}

/// The elements that the pages and the pictures of this program have.
const ELEMENTS: &str = "a abbr article aside b body br caption circle clippath code col colgroup data dd defs desc \
    details div dl dt em figcaption figure footer g h1 h2 h3 h4 head header hr html i li line \
    main meta nav ol p path polygon polyline pre rect section small span strong style sub \
    summary sup svg table tbody td text th thead title tr tspan ul";

/// Asserts that a page or a picture has no elements but those of the program, closes each, and has no text that would
/// be obeyed: what was read has not become markup.
pub fn assert_markup(text: &str) {
    assert_plain(&text);
    let mut open: Vec<String> = Vec::new();
    for part in text.split('<').skip(1) {
        if part.starts_with('!') {
            continue;
        }
        let is_end = part.starts_with('/');
        let name: String = part
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        let known = ELEMENTS.split(' ').any(|element| element == name);
        assert!(known, "<{}", &part[..part.len().min(60)]);
        let (tag, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("<{part} has no end"));
        if is_end {
            assert_eq!(open.pop().as_ref(), Some(&name), "</{name}> closes another");
        } else if !tag.ends_with('/') && !["meta", "br", "col", "hr"].contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} have no end");
}
