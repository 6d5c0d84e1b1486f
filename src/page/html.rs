//! The pieces of HTML that every section is made of. All text goes through one escape function.

use crate::error::xml_escaped;
use serde_json::Value;

/// The most characters of a text from elsewhere.
const TEXT_CHARS_MAX: usize = 2_000;

macro_rules! put {
    ($text:expr, $($arg:tt)*) => {
        std::fmt::Write::write_fmt(&mut *$text, format_args!("{}\n", format_args!($($arg)*)))
            .expect("writing to a string does not fail")
    };
}
pub(super) use put;

/// Escapes a text for an element or an attribute in double quotes: on one line, without control characters.
pub(super) fn escaped(text: &str) -> String {
    xml_escaped(text, TEXT_CHARS_MAX)
}

/// Escapes a text of several lines for a `pre`.
pub(super) fn escaped_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| xml_escaped(line, usize::MAX)).collect();
    lines.join("\n")
}

/// A column of a table: its head, and its class.
pub(super) struct Column {
    pub head: String,
    pub class: &'static str,
}

impl Column {
    /// Makes a column of numbers.
    pub fn number(head: &str) -> Column {
        Column {
            head: escaped(head),
            class: "",
        }
    }

    /// Makes a column of words that stay on one line.
    pub fn word(head: &str) -> Column {
        Column {
            head: escaped(head),
            class: "l",
        }
    }

    /// Makes a column of sentences.
    pub fn sentence(head: &str) -> Column {
        Column {
            head: escaped(head),
            class: "w",
        }
    }
}

/// A cell: HTML, and a class of its own if it has one.
pub(super) struct Cell {
    pub html: String,
    pub class: &'static str,
}

impl From<String> for Cell {
    fn from(html: String) -> Cell {
        Cell { html, class: "" }
    }
}

/// Writes a table in a box that scrolls by itself, with the keyboard too. The first cell of a row is its head.
pub(super) fn table<R>(out: &mut String, caption: &str, columns: &[Column], rows: R)
where
    R: IntoIterator<Item = Vec<Cell>>,
{
    put!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead><tr>"
    );
    for (index, column) in columns.iter().enumerate() {
        let class = class(&[if index == 0 { "l" } else { column.class }]);
        out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", column.head));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (index, (cell, column)) in row.iter().zip(columns).enumerate() {
            match index {
                0 => out.push_str(&format!(
                    "<th scope=\"row\"{}>{}</th>",
                    class(&[column.class]),
                    cell.html
                )),
                _ => out.push_str(&format!(
                    "<td{}>{}</td>",
                    class(&[column.class, cell.class]),
                    cell.html
                )),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn class(names: &[&str]) -> String {
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" class=\"{}\"", names.join(" ")),
    }
}

/// Writes pairs of a term and its HTML as a list; those without a value are left out.
pub(super) fn facts(out: &mut String, pairs: &[(&str, Option<String>)]) {
    out.push_str("<dl class=\"facts\">\n");
    for (term, html) in pairs {
        if let Some(html) = html {
            put!(out, "<dt>{}</dt><dd>{html}</dd>", escaped(term));
        }
    }
    out.push_str("</dl>\n");
}

/// Escapes a key for a path of a document (RFC 6901).
pub(super) fn key(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Returns the items of a list, none if it is something else.
pub(super) fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the keys of an object, none if it is something else.
pub(super) fn keys(value: Option<&Value>) -> Vec<&str> {
    let object = value.and_then(Value::as_object);
    object.map_or(Vec::new(), |object| object.keys().map(String::as_str).collect())
}
