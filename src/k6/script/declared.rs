//! Metrics that a script makes (`new Trend('ttft', true)`) and what it puts into them: what a threshold's name and
//! figure mean.

use super::module::Module;
use super::tokens::{Kind, Tokens};

/// Metrics of one script.
const METRICS_MAX: usize = 1_000;
/// Bytes of what is added to one.
const ADDED_BYTES_MAX: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Trend,
    Rate,
    Counter,
    Gauge,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::Trend => "Trend",
            Type::Rate => "Rate",
            Type::Counter => "Counter",
            Type::Gauge => "Gauge",
        }
    }

    fn named(name: &str) -> Option<Type> {
        [Type::Trend, Type::Rate, Type::Counter, Type::Gauge]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    pub name: String,
    pub of: Type,
    /// What is put into it, without blanks: the code in each `add(...)`.
    pub added: Vec<String>,
}

pub fn declared(module: &Module<'_>) -> Vec<Declared> {
    let tokens = &module.tokens;
    let mut found: Vec<(Option<&str>, Declared)> = Vec::new();
    for at in 0..tokens.len() {
        if !tokens.is_word(at, "new") || found.len() >= METRICS_MAX {
            continue;
        }
        // `new metrics.Trend(`
        let class = if tokens.is_sign(at + 2, ".") {
            at + 3
        } else {
            at + 1
        };
        let Some(of) = tokens.word(class).and_then(Type::named) else {
            continue;
        };
        if let Some(name) = tokens.text(class + 2).filter(|_| tokens.is_sign(class + 1, "(")) {
            let name = name.to_owned();
            let added = Vec::new();
            found.push((variable(tokens, at), Declared { name, of, added }));
        }
    }
    for at in 0..tokens.len() {
        let Some(variable) = tokens.word(at) else { continue };
        if !(tokens.is_sign(at + 1, ".") && tokens.is_word(at + 2, "add") && tokens.is_sign(at + 3, "(")) {
            continue;
        }
        let owner = found.iter_mut().find(|(known, _)| *known == Some(variable));
        if let Some((_, declared)) = owner {
            declared.added.push(code(module, at + 3));
        }
    }
    found.into_iter().map(|(_, declared)| declared).collect()
}

/// The name that is bound to what begins at the token `at`: `ttft = new`, `ttft: Trend = new`, `{ ttft: new`.
fn variable<'a>(tokens: &Tokens<'a>, at: usize) -> Option<&'a str> {
    let before = at.checked_sub(1)?;
    let name = at.checked_sub(2)?;
    match tokens.sign(before)? {
        ":" => tokens.word(name),
        "=" if tokens.is_sign(name.checked_sub(1)?, ":") => tokens.word(name.checked_sub(2)?),
        "=" => tokens.word(name),
        _ => None,
    }
}

/// The tokens between these brackets, one after the other.
fn code(module: &Module<'_>, open: usize) -> String {
    let mut text = String::new();
    for at in open + 1..module.tokens.partner(open) {
        let Some(token) = module.tokens.get(at) else { break };
        if text.len() > ADDED_BYTES_MAX {
            break;
        }
        if !matches!(token.kind, Kind::Text(_)) {
            text.push_str(&module.source[token.start..token.end]);
        }
    }
    text
}
