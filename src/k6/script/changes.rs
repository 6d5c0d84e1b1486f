//! Statements that change a value after it was written: `options.thresholds.checks = [...]`. They are not followed,
//! and each is named.

use super::module::{Bound, Module, root};
use super::tokens::Tokens;
use crate::k6::value::Unread;
use std::collections::BTreeSet;

const WHY: &str = "what changes a value after it was written is not followed";
const HANDED_OVER: &str = "what a function does with it is not followed";

const ASSIGNMENTS: [&str; 15] = [
    "=", "+=", "-=", "*=", "/=", "%=", "**=", "&=", "|=", "^=", "&&=", "||=", "??=", "++", "--",
];
const CHANGING_METHODS: [&str; 13] = [
    "push",
    "unshift",
    "splice",
    "pop",
    "shift",
    "sort",
    "reverse",
    "fill",
    "copyWithin",
    "set",
    "add",
    "delete",
    "clear",
];
const CHANGING_FUNCTIONS: [&str; 5] = [
    "assign",
    "defineProperty",
    "defineProperties",
    "setPrototypeOf",
    "set",
];
const KEYWORDS: [&str; 8] = [
    "if",
    "for",
    "while",
    "switch",
    "catch",
    "return",
    "parseInt",
    "parseFloat",
];
/// Objects whose functions change nothing that they are given.
const HARMLESS: [&str; 8] = [
    "console", "JSON", "Object", "Math", "Number", "String", "Array", "Boolean",
];

/// Statements that are looked at; a script with more is not read to the end.
const STATEMENTS_MAX: usize = 500;

/// What changes one of `names`, or a name that stands for a part of one.
pub fn changes<'n>(module: &Module<'_>, names: impl Iterator<Item = &'n str>) -> Vec<Unread> {
    let mut names: BTreeSet<String> = names.map(str::to_owned).collect();
    add_aliases(module, &mut names);
    let scopes = Scopes::new(&module.tokens);
    let mut found: Vec<Unread> = Vec::new();
    let mut looked_at = 0;
    for at in 0..module.tokens.len() {
        let Some(name) = module.tokens.word(at).filter(|name| names.contains(*name)) else {
            continue;
        };
        let Some((end, why)) = change_at(module, &scopes, at) else {
            continue;
        };
        looked_at += 1;
        let (Some(first), Some(last)) = (module.tokens.get(at), module.tokens.get(end)) else {
            continue;
        };
        let source = &module.source[first.start..last.end];
        if looked_at > STATEMENTS_MAX {
            let why = format!("more than {STATEMENTS_MAX} statements change something; the rest is not read");
            found.push(Unread::new(source, module.line_of_token(at), why));
            break;
        }
        if !scopes.is_local(&module.tokens, at, name) {
            found.push(Unread::new(source, module.line_of_token(at), why));
        }
    }
    found
}

/// `const limits = options.thresholds;`
fn add_aliases(module: &Module<'_>, names: &mut BTreeSet<String>) {
    let aliases: Vec<(&str, &str)> = module
        .bindings
        .iter()
        .filter_map(|binding| match &binding.bound {
            Bound::To(node) => Some((binding.name.as_str(), root(node)?)),
            _ => None,
        })
        .collect();
    loop {
        let before = names.len();
        for (name, of) in &aliases {
            if names.contains(*of) {
                names.insert((*name).to_owned());
            }
        }
        if names.len() == before {
            return;
        }
    }
}

/// The last token of what changes the value that the name at `at` stands for, and what is said of it.
fn change_at(module: &Module<'_>, scopes: &Scopes, at: usize) -> Option<(usize, &'static str)> {
    let tokens = &module.tokens;
    let before = at.checked_sub(1);
    let before_sign = before.and_then(|i| tokens.sign(i));
    let before_word = before.and_then(|i| tokens.word(i));
    if matches!(before_sign, Some("." | "?.")) || is_value_of(module, at) {
        return None;
    }
    if matches!(before_word, Some("const" | "let" | "var" | "function" | "class")) {
        return None;
    }
    // `a.b['c']`
    let mut end = at;
    let mut method = None;
    loop {
        match tokens.sign(end + 1) {
            Some("." | "?.") if tokens.word(end + 2).is_some() => {
                end += 2;
                method = tokens.word(end);
            }
            Some("?.") => end += 1,
            Some("[") => end = tokens.partner(end + 1),
            Some("!") if !tokens.is_sign(end + 2, "=") => end += 1,
            _ => break,
        }
    }
    let next = tokens.sign(end + 1);
    if next.is_some_and(|sign| ASSIGNMENTS.contains(&sign)) {
        return Some((end + 1, WHY));
    }
    if before_word == Some("delete") || matches!(before_sign, Some("++" | "--")) {
        return Some((end, WHY));
    }
    if next == Some("(") && method.is_some_and(|method| CHANGING_METHODS.contains(&method)) {
        return Some((tokens.partner(end + 1), WHY));
    }
    handed_over(tokens, scopes, at, end)
}

/// `Object.assign(options, ...)` anywhere, `tune(options)` at the top level.
fn handed_over(tokens: &Tokens<'_>, scopes: &Scopes, at: usize, end: usize) -> Option<(usize, &'static str)> {
    let open = scopes.inside(at).filter(|open| tokens.is_sign(*open, "("))?;
    let is_whole = matches!(tokens.sign(end + 1), Some("," | ")"));
    let before = tokens.sign(at.checked_sub(1)?);
    if !is_whole || !matches!(before, Some("(" | ",")) {
        return None;
    }
    let function = tokens.word(open.checked_sub(1)?)?;
    let object = match open.checked_sub(3) {
        Some(object) if tokens.is_sign(open - 2, ".") => tokens.word(object),
        _ => None,
    };
    let is_changing = matches!(object, Some("Object" | "Reflect")) && CHANGING_FUNCTIONS.contains(&function);
    if is_changing && before == Some("(") {
        return Some((tokens.partner(open), WHY));
    }
    let is_harmless = HARMLESS.contains(&object.unwrap_or(function)) || KEYWORDS.contains(&function);
    let is_definition = matches!(tokens.sign(tokens.partner(open) + 1), Some("{" | "=>" | ":"));
    let is_inside = scopes.brace_around(tokens, at).is_some();
    (!is_harmless && !is_definition && !is_inside).then(|| (tokens.partner(open), HANDED_OVER))
}

/// Whether the name at `at` is the one whose value is known: its declaration, or its only assignment.
fn is_value_of(module: &Module<'_>, at: usize) -> bool {
    let tokens = &module.tokens;
    let Some(binding) = tokens.word(at).and_then(|name| module.binding(name)) else {
        return false;
    };
    let starts_at = |start: usize| tokens.get(at + 2).is_some_and(|value| value.start == start);
    let is_late_value = match &binding.bound {
        Bound::To(value) => tokens.is_sign(at + 1, "=") && starts_at(value.start),
        _ => false,
    };
    binding.token == at || is_late_value
}

/// Which brackets are around each token, and what they declare.
struct Scopes {
    inside: Vec<Option<usize>>,
}

impl Scopes {
    fn new(tokens: &Tokens<'_>) -> Scopes {
        let mut open: Vec<usize> = Vec::new();
        let mut inside = Vec::with_capacity(tokens.len());
        for at in 0..tokens.len() {
            if tokens.partner(at) < at {
                open.pop();
            }
            inside.push(open.last().copied());
            if tokens.is_open(at) {
                open.push(at);
            }
        }
        Scopes { inside }
    }

    fn inside(&self, at: usize) -> Option<usize> {
        self.inside.get(at).copied().flatten()
    }

    fn brace_around(&self, tokens: &Tokens<'_>, at: usize) -> Option<usize> {
        let mut around = self.inside(at);
        while let Some(open) = around {
            if tokens.is_sign(open, "{") {
                return Some(open);
            }
            around = self.inside(open);
        }
        None
    }

    /// Whether a function, a class or a block around the token has a name of its own that is written the same.
    fn is_local(&self, tokens: &Tokens<'_>, at: usize, name: &str) -> bool {
        if self.inside(at).is_some_and(|open| is_class_body(tokens, open)) {
            return true;
        }
        let mut around = self.inside(at);
        while let Some(open) = around {
            let is_own = match tokens.sign(open) {
                Some("{") => self.declares(tokens, open, name) || has_parameter(tokens, open, name),
                Some("(") => {
                    matches!(tokens.sign(tokens.partner(open) + 1), Some("{" | "=>" | ":"))
                        && has_word(tokens, open, name)
                }
                _ => false,
            };
            if is_own {
                return true;
            }
            around = self.inside(open);
        }
        false
    }

    fn declares(&self, tokens: &Tokens<'_>, open: usize, name: &str) -> bool {
        (open + 1..tokens.partner(open)).any(|at| {
            if !matches!(
                tokens.word(at),
                Some("const" | "let" | "var" | "function" | "class")
            ) || self.inside(at) != Some(open)
            {
                return false;
            }
            let pattern = at + 1;
            (pattern..tokens.behind(pattern)).any(|i| tokens.is_word(i, name))
        })
    }
}

/// Whether the brace at `open` begins the body of a function with this parameter, or of a loop with this variable.
fn has_parameter(tokens: &Tokens<'_>, open: usize, name: &str) -> bool {
    let Some(mut before) = open.checked_sub(1) else {
        return false;
    };
    if tokens.is_sign(before, "=>") {
        before = before.saturating_sub(1);
        if tokens.is_word(before, name) {
            return true;
        }
    }
    tokens.is_sign(before, ")") && has_word(tokens, tokens.partner(before), name)
}

/// Whether the brackets that begin at `open` are a list of parameters, or the head of a loop, with this name.
fn has_word(tokens: &Tokens<'_>, open: usize, name: &str) -> bool {
    let mut names = open..tokens.partner(open);
    match open.checked_sub(1).and_then(|at| tokens.word(at)) {
        Some("if" | "while" | "switch" | "with") => false,
        Some("for") => names.any(|at| {
            matches!(tokens.word(at), Some("const" | "let" | "var")) && tokens.is_word(at + 1, name)
        }),
        _ => names.any(|at| tokens.is_word(at, name)),
    }
}

/// `class Name extends Other {`
fn is_class_body(tokens: &Tokens<'_>, open: usize) -> bool {
    tokens.is_sign(open, "{")
        && (1..=4).any(|back| {
            open.checked_sub(back)
                .is_some_and(|at| tokens.is_word(at, "class"))
        })
}
