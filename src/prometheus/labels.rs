//! The labels of a sample.

use std::borrow::Cow;

/// What stands between the braces of a sample, already checked; it is read again when somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels<'a>(&'a str);

/// What braces contain.
pub(super) struct Braces<'a> {
    pub labels: Labels<'a>,
    /// The name of the metric, where it stands in quotes within the braces.
    pub name: Option<&'a str>,
    /// What follows the brace that closes.
    pub rest: &'a str,
}

/// One entry between commas.
enum Entry<'a> {
    /// A name without a value, in quotes: that of the metric.
    Name(&'a str),
    Label(&'a str, &'a str),
}

impl<'a> Labels<'a> {
    /// Returns all names and values, in their order. Escapes of a value are resolved.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                // It was checked when the line was read, so nothing is wrong here.
                let (entry, after) = entry(rest).ok()??;
                rest = after;
                if let Entry::Label(name, value) = entry {
                    return Some((name, unescaped(value)));
                }
            }
        })
    }

    /// Returns the value of a label; `None` without it.
    pub fn get(self, name: &str) -> Option<Cow<'a, str>> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

/// Reads what follows an opening brace, up to the one that closes.
pub(super) fn read(inside: &str) -> Result<Braces<'_>, &'static str> {
    let (mut rest, mut name) = (inside, None);
    loop {
        match entry(rest)? {
            None => {
                let end = inside.len() - rest.trim_start_matches(BLANK).len();
                let after = inside[end..]
                    .strip_prefix('}')
                    .ok_or("has labels without an end")?;
                return Ok(Braces {
                    labels: Labels(&inside[..end]),
                    name,
                    rest: after,
                });
            }
            Some((Entry::Name(quoted), after)) if name.is_none() && rest.len() == inside.len() => {
                (name, rest) = (Some(quoted), after);
            }
            Some((Entry::Name(_), _)) => return Err("has a label without a value"),
            Some((Entry::Label(..), after)) => rest = after,
        }
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// Reads one entry and the comma after it, if there is one. `None` at the end, which is a brace or, where the brace was
/// cut off, nothing.
fn entry(text: &str) -> Result<Option<(Entry<'_>, &str)>, &'static str> {
    let text = text.trim_start_matches(BLANK);
    if text.is_empty() || text.starts_with('}') {
        return Ok(None);
    }
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (name, rest) = closed(quoted)?;
            if name.contains('\\') {
                return Err("has an escape in a name");
            }
            (name, rest)
        }
        None => {
            let end = text.find(|c: char| !is_of_label(c)).unwrap_or(text.len());
            text.split_at(end)
        }
    };
    if name.is_empty() {
        return Err("has a label without a name");
    }
    let rest = rest.trim_start_matches(BLANK);
    let (entry, rest) = match rest.strip_prefix('=') {
        None if text.starts_with('"') => (Entry::Name(name), rest),
        None => return Err("has a label without a value"),
        Some(value) => {
            let value = value.trim_start_matches(BLANK).strip_prefix('"');
            let (value, rest) = closed(value.ok_or("has a label without quotes")?)?;
            (Entry::Label(name, value), rest)
        }
    };
    let rest = rest.trim_start_matches(BLANK);
    match rest.strip_prefix(',') {
        Some(after) => Ok(Some((entry, after))),
        None if rest.is_empty() || rest.starts_with('}') => Ok(Some((entry, rest))),
        None => Err("has labels without a comma between them"),
    }
}

fn is_of_label(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

/// Splits at the quote that closes, which no backslash precedes.
fn closed(text: &str) -> Result<(&str, &str), &'static str> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    Err("has quotes that do not close")
}

/// Resolves `\\`, `\"` and `\n`. Any other backslash stays, as Prometheus reads it.
fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some(same @ ('\\' | '"'))) => out.push(same),
            (c, _) => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    Cow::Owned(out)
}
