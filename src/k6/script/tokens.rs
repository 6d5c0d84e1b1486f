//! Splits JavaScript and TypeScript into tokens, so that comments, strings, templates and regular expressions are not
//! taken for code, and pairs brackets. [ECMA-262,
//! 12](https://tc39.es/ecma262/#sec-ecmascript-language-lexical-grammar).

use crate::error::Reason;

/// The largest depth of templates within templates.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq)]
pub enum Kind<'a> {
    /// A name or a keyword.
    Word(&'a str),
    Number(f64),
    /// A string, with its escapes replaced.
    Text(String),
    Template(Vec<Piece<'a>>),
    RegularExpression,
    /// A bracket or an operator. `>` is always a token of its own, because it also closes the arguments of a type.
    Sign(&'a str),
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece<'a> {
    Text(String),
    /// The code in `${}`.
    Code(Tokens<'a>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Token<'a> {
    pub kind: Kind<'a>,
    /// The first byte in the source.
    pub start: usize,
    pub end: usize,
    pub after_newline: bool,
}

/// The tokens of a script, or of the code in `${}`. Every bracket has its partner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tokens<'a> {
    list: Vec<Token<'a>>,
    partners: Vec<usize>,
}

impl<'a> Tokens<'a> {
    pub fn get(&self, at: usize) -> Option<&Token<'a>> {
        self.list.get(at)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn word(&self, at: usize) -> Option<&'a str> {
        match self.get(at)?.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub fn sign(&self, at: usize) -> Option<&'a str> {
        match self.get(at)?.kind {
            Kind::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    pub fn text(&self, at: usize) -> Option<&str> {
        match &self.get(at)?.kind {
            Kind::Text(text) => Some(text),
            Kind::Template(pieces) => match pieces.as_slice() {
                [] => Some(""),
                [Piece::Text(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn is_sign(&self, at: usize, sign: &str) -> bool {
        self.sign(at) == Some(sign)
    }

    pub fn is_word(&self, at: usize, word: &str) -> bool {
        self.word(at) == Some(word)
    }

    /// Returns the bracket that belongs to the one at `at`; for other tokens, the token itself.
    pub fn partner(&self, at: usize) -> usize {
        self.partners.get(at).copied().unwrap_or(at)
    }

    pub fn is_open(&self, at: usize) -> bool {
        matches!(self.sign(at), Some("(" | "[" | "{"))
    }

    /// Returns the token after the one at `at`, or after the bracket that closes it.
    pub fn behind(&self, at: usize) -> usize {
        match self.is_open(at) {
            true => self.partner(at) + 1,
            false => at + 1,
        }
    }
}

/// Returns the line of a byte, counted from 1.
pub fn line_of(source: &str, byte: usize) -> usize {
    let before = &source.as_bytes()[..byte.min(source.len())];
    1 + before.iter().filter(|b| **b == b'\n').count()
}

/// Splits a script into tokens.
///
/// # Errors
/// Fails if a string, template or comment has no end, or a bracket no partner.
pub fn tokens(source: &str) -> Result<Tokens<'_>, Reason> {
    let begin = match source.starts_with("#!") {
        true => source.find('\n').unwrap_or(source.len()),
        false => 0,
    };
    let mut cursor = Cursor { source, at: begin };
    cursor.tokens(0)
}

struct Cursor<'a> {
    source: &'a str,
    at: usize,
}

/// The operators and brackets, longer ones first.
const SIGNS: [&str; 39] = [
    "...", "===", "!==", "**=", "<<=", "&&=", "||=", "??=", "=>", "==", "!=", "<=", "++", "--", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "&&", "||", "??", "?.", "**", "<<", "(", ")", "[", "]", "{", "}",
    ";", ",", "<", ">", "=",
];
/// The words after which a slash begins a regular expression.
const BEFORE_VALUES: [&str; 16] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "else",
    "do",
    "instanceof",
    "yield",
    "await",
    "default",
    "extends",
];

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn wrong(&self, byte: usize, what: &str) -> Reason {
        Reason::new(format!("line {}: {what}", line_of(self.source, byte)))
            .hint("check that `k6 inspect` can read this file")
    }

    /// Reads tokens up to the end or, within a template, up to the brace that ends its `${`.
    fn tokens(&mut self, depth: usize) -> Result<Tokens<'a>, Reason> {
        let mut list: Vec<Token<'a>> = Vec::new();
        let mut partners: Vec<usize> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            let after_newline = self.blanks()?;
            let start = self.at;
            let Some(first) = self.rest().chars().next() else {
                break;
            };
            if first == '}' && open.is_empty() && depth > 0 {
                return Ok(Tokens { list, partners });
            }
            let may_be_regular = begins_value(&list, &partners);
            let kind = self.token(first, may_be_regular, depth)?;
            let index = list.len();
            partners.push(index);
            match &kind {
                Kind::Sign("(" | "[" | "{") => open.push(index),
                Kind::Sign(sign @ (")" | "]" | "}")) => {
                    let opening = open.pop().filter(|at| closes(&list[*at].kind, sign));
                    let wrong = || self.wrong(start, &format!("`{sign}` closes nothing"));
                    let opening = opening.ok_or_else(wrong)?;
                    partners[opening] = index;
                    partners[index] = opening;
                }
                _ => {}
            }
            list.push(Token {
                kind,
                start,
                end: self.at,
                after_newline,
            });
        }
        match open.last() {
            Some(at) => {
                let token = &list[*at];
                let sign = &self.source[token.start..token.end];
                Err(self.wrong(token.start, &format!("`{sign}` is never closed")))
            }
            None if depth > 0 => Err(self.wrong(self.at, "a template has no end")),
            None => Ok(Tokens { list, partners }),
        }
    }

    /// Skips blanks and comments; returns whether a line ended among them.
    fn blanks(&mut self) -> Result<bool, Reason> {
        let begin = self.at;
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed
                    .find(['\n', '\r', '\u{2028}', '\u{2029}'])
                    .unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let end = trimmed.find("*/");
                self.at += end.ok_or_else(|| self.wrong(self.at, "a comment has no end"))? + 2;
            } else {
                return Ok(self.source[begin..self.at].contains(['\n', '\r']));
            }
        }
    }

    fn token(&mut self, first: char, may_be_regular: bool, depth: usize) -> Result<Kind<'a>, Reason> {
        let rest = self.rest();
        if is_name(first) {
            let end = rest
                .find(|c: char| !is_name(c) && !c.is_ascii_digit())
                .unwrap_or(rest.len());
            self.at += end;
            return Ok(Kind::Word(&rest[..end]));
        }
        let digit_follows = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        if first.is_ascii_digit() || first == '.' && digit_follows {
            return Ok(self.number());
        }
        match first {
            '"' | '\'' => return self.text(first),
            '`' => return self.template(depth),
            '/' if may_be_regular => {
                if let Some(end) = regular_expression_end(rest) {
                    self.at += end;
                    return Ok(Kind::RegularExpression);
                }
            }
            _ => {}
        }
        let known = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        // `a?.5:b` is a conditional, not optional chaining.
        let is_condition = rest.starts_with("?.") && rest[2..].starts_with(|c: char| c.is_ascii_digit());
        let length = match known {
            Some(sign) if !is_condition => sign.len(),
            _ => first.len_utf8(),
        };
        self.at += length;
        Ok(Kind::Sign(&rest[..length]))
    }

    fn number(&mut self) -> Kind<'a> {
        let rest = self.rest();
        let (mut end, mut before, mut has_point) = (0, ' ', false);
        for c in rest.chars() {
            let signed_exponent =
                matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !rest.starts_with("0x");
            let is_point = c == '.' && !has_point;
            if !(c.is_ascii_alphanumeric() || c == '_' || is_point || signed_exponent) {
                break;
            }
            has_point |= is_point;
            end += c.len_utf8();
            before = c;
        }
        self.at += end;
        let digits = rest[..end].replace('_', "").to_ascii_lowercase();
        let radix = |prefix: &str, radix| {
            let digits = digits.strip_prefix(prefix)?;
            u64::from_str_radix(digits, radix).ok().map(|n| n as f64)
        };
        let value = radix("0x", 16)
            .or_else(|| radix("0o", 8))
            .or_else(|| radix("0b", 2))
            .or_else(|| digits.parse().ok());
        Kind::Number(value.unwrap_or(f64::NAN))
    }

    fn text(&mut self, quote: char) -> Result<Kind<'a>, Reason> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.rest().chars().next() {
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(Kind::Text(text));
                }
                Some('\\') => self.escape(&mut text),
                None | Some('\n') => return Err(self.wrong(start, "a string has no end")),
                Some(c) => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn template(&mut self, depth: usize) -> Result<Kind<'a>, Reason> {
        let start = self.at;
        if depth >= DEPTH_MAX {
            return Err(self.wrong(start, &format!("more than {DEPTH_MAX} nested templates")));
        }
        self.at += 1;
        let (mut pieces, mut text) = (Vec::new(), String::new());
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                return Err(self.wrong(start, "a template has no end"));
            };
            if rest.starts_with("${") {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                self.at += 2;
                pieces.push(Piece::Code(self.tokens(depth + 1)?));
                self.at += 1;
            } else if first == '`' {
                self.at += 1;
                if !text.is_empty() {
                    pieces.push(Piece::Text(text));
                }
                return Ok(Kind::Template(pieces));
            } else if first == '\\' {
                self.escape(&mut text);
            } else {
                text.push(first);
                self.at += first.len_utf8();
            }
        }
    }

    /// Reads a backslash and the rest of its escape.
    fn escape(&mut self, text: &mut String) {
        let rest = &self.rest()[1..];
        let Some(c) = rest.chars().next() else {
            self.at += 1;
            return;
        };
        let hex = |digits: Option<&str>| {
            let code = u32::from_str_radix(digits?, 16).ok()?;
            char::from_u32(code)
        };
        let (replaced, length) = match c {
            'n' => (Some('\n'), 1),
            't' => (Some('\t'), 1),
            'r' => (Some('\r'), 1),
            '0' => (Some('\0'), 1),
            'x' => (hex(rest.get(1..3)), 3),
            'u' if rest[1..].starts_with('{') => {
                let end = rest.find('}').unwrap_or(1);
                (hex(rest.get(2..end)), end + 1)
            }
            'u' => (hex(rest.get(1..5)), 5),
            // A backslash at the end of a line continues the string.
            '\r' if rest.starts_with("\r\n") => (None, 2),
            '\n' | '\r' => (None, 1),
            _ => (Some(c), c.len_utf8()),
        };
        text.extend(replaced);
        // An invalid escape drops only the backslash and its letter.
        let is_broken = replaced.is_none() && matches!(c, 'x' | 'u');
        self.at += 1 + if is_broken { 1 } else { length };
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphabetic() || !c.is_ascii() && c.is_alphanumeric()
}

fn closes(opening: &Kind<'_>, sign: &str) -> bool {
    matches!(
        (opening, sign),
        (Kind::Sign("("), ")") | (Kind::Sign("["), "]") | (Kind::Sign("{"), "}")
    )
}

/// Tells whether a value may follow, so that a slash is not a division.
fn begins_value(list: &[Token<'_>], partners: &[usize]) -> bool {
    let Some(last) = list.last() else { return true };
    match &last.kind {
        Kind::Word(word) => BEFORE_VALUES.contains(word),
        // `if (a) /b/.test(c)`
        Kind::Sign(")") => {
            let opening = partners[list.len() - 1];
            let before = opening.checked_sub(1).map(|at| &list[at].kind);
            matches!(before, Some(Kind::Word("if" | "while" | "for" | "with")))
        }
        Kind::Sign(sign) => !matches!(*sign, "]" | "}" | "++" | "--"),
        _ => false,
    }
}

/// Returns the end of a regular expression with its flags; `None` if the line ends first, which makes it a division.
fn regular_expression_end(text: &str) -> Option<usize> {
    let mut in_class = false;
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' | '\r' => return None,
            '\\' => {
                chars.next();
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => {
                let flags = text[at + 1..].find(|c: char| !c.is_ascii_alphabetic());
                return Some(flags.map_or(text.len(), |length| at + 1 + length));
            }
            _ => {}
        }
    }
    None
}
