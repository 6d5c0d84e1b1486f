//! Finds the metrics that a script creates (`new Trend('ttft', true)`) and what it adds to them, which give the meaning
//! of a threshold.

use super::module::Module;
use super::tokens::{Kind, Tokens};

/// The largest number of metrics of one script.
const METRICS_MAX: usize = 1_000;
/// The number of bytes of code that are kept of what is added to a metric.
const ADDED_BYTES_MAX: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
/// The type of a k6 metric.
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

    fn from_name(name: &str) -> Option<Type> {
        [Type::Trend, Type::Rate, Type::Counter, Type::Gauge]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

#[derive(Clone, Debug, PartialEq)]
/// A metric that a script creates.
pub struct Declared {
    pub name: String,
    pub of: Type,
    /// The code in each `add(...)`, without blanks.
    pub added: Vec<String>,
}

/// Returns the metrics that a script creates.
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
        let Some(of) = tokens.word(class).and_then(Type::from_name) else {
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

/// Returns the name that the value at token `at` is bound to: `ttft = new`, `ttft: Trend = new`, `{ ttft: new`.
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

/// Returns the code between these brackets, without blanks and strings.
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
