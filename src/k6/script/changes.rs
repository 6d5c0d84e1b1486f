//! Finds statements that change a value after it was written: `options.thresholds.checks = [...]`. They are not
//! followed, but each is named.

use super::module::{Bound, Module, root};
use super::tokens::Tokens;
use super::types::type_end;
use crate::k6::value::Unread;
use std::collections::{BTreeMap, BTreeSet};

const WHY: &str = "a change of a value after it was written is not followed";
const HANDED_OVER: &str = "what a function does with a value is not followed";

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
/// The objects whose functions do not change their arguments.
const HARMLESS: [&str; 8] = [
    "console", "JSON", "Object", "Math", "Number", "String", "Array", "Boolean",
];

/// The largest number of tokens of the type that a function returns.
const TYPE_TOKENS_MAX: usize = 50;
/// The largest number of tokens between an arrow and a call.
const ARROW_TOKENS_MAX: usize = 50;
/// The largest number of statements that are examined. A script with more is not read to the end.
const STATEMENTS_MAX: usize = 500;

/// Returns the statements that change one of `names`, or a name that is an alias of a part of one.
pub fn changes<'n>(module: &Module<'_>, names: impl Iterator<Item = &'n str>) -> Vec<Unread> {
    let mut names: BTreeSet<String> = names.map(str::to_owned).collect();
    add_aliases(module, &mut names);
    let mut scopes = Scopes::new(&module.tokens);
    let mut found: Vec<Unread> = Vec::new();
    let mut examined = 0;
    for at in 0..module.tokens.len() {
        let Some(name) = module.tokens.word(at).filter(|name| names.contains(*name)) else {
            continue;
        };
        let Some(change) = change_at(module, &scopes, at) else {
            continue;
        };
        examined += 1;
        if examined > STATEMENTS_MAX {
            let why = format!("more than {STATEMENTS_MAX} statements change something; the rest is not read");
            found.push(change.unread(module, &why));
            break;
        }
        if !scopes.is_local(&module.tokens, at, name) {
            found.push(change.unread(module, change.why));
        }
    }
    found
}

struct Change {
    /// The first and the last token of the statement.
    first: usize,
    last: usize,
    why: &'static str,
}

impl Change {
    fn unread(&self, module: &Module<'_>, why: &str) -> Unread {
        let start = module.tokens.get(self.first).map_or(0, |token| token.start);
        let end = module.tokens.get(self.last).map_or(start, |token| token.end);
        Unread::new(&module.source[start..end], module.line(start), why)
    }
}

/// Adds aliases such as `const limits = options.thresholds;`.
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

/// Returns the statement that changes the value of the name at `at`, if it is one.
fn change_at(module: &Module<'_>, scopes: &Scopes, at: usize) -> Option<Change> {
    let tokens = &module.tokens;
    let before = at.checked_sub(1);
    let before_sign = before.and_then(|i| tokens.sign(i));
    let before_word = before.and_then(|i| tokens.word(i));
    if matches!(before_sign, Some("." | "?." | "#")) || is_definition(module, at) {
        return None;
    }
    if matches!(
        before_word,
        Some("const" | "let" | "var" | "function" | "class" | "type")
    ) {
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
    let change = |last| {
        let (first, why) = (at, WHY);
        Some(Change { first, last, why })
    };
    let next = tokens.sign(end + 1);
    if next.is_some_and(|sign| ASSIGNMENTS.contains(&sign)) {
        // The statement includes the value that is assigned, if there is one.
        return change(match next {
            Some("=") => module.value_at(end + 2).1 - 1,
            _ => end + 1,
        });
    }
    if before_word == Some("delete") || matches!(before_sign, Some("++" | "--")) {
        return change(end);
    }
    if next == Some("(") && method.is_some_and(|method| CHANGING_METHODS.contains(&method)) {
        return change(tokens.partner(end + 1));
    }
    call_with(tokens, scopes, at, end)
}

/// Returns the call that the value is passed to, if it may change it: `Object.assign(options, ...)` anywhere, or
/// `tune(options)` at the top level.
fn call_with(tokens: &Tokens<'_>, scopes: &Scopes, at: usize, end: usize) -> Option<Change> {
    let open = scopes.inside(at).filter(|open| tokens.is_sign(*open, "("))?;
    let last = tokens.partner(open);
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
    let first = open - if object.is_some() { 3 } else { 1 };
    let is_changing = matches!(object, Some("Object" | "Reflect")) && CHANGING_FUNCTIONS.contains(&function);
    if is_changing && before == Some("(") {
        let why = WHY;
        return Some(Change { first, last, why });
    }
    let is_harmless = HARMLESS.contains(&object.unwrap_or(function)) || KEYWORDS.contains(&function);
    let is_function = matches!(tokens.sign(last + 1), Some("{" | "=>" | ":"));
    let is_inside = scopes.brace_around(tokens, at).is_some() || is_in_arrow(tokens, first);
    let why = HANDED_OVER;
    (!is_harmless && !is_function && !is_inside).then_some(Change { first, last, why })
}

/// Tells whether the call at `at` is the body of an arrow function: `(options) => http.get(url, options)`.
fn is_in_arrow(tokens: &Tokens<'_>, at: usize) -> bool {
    let before = (0..at).rev().take(ARROW_TOKENS_MAX);
    before
        .take_while(|i| !tokens.is_sign(*i, ";"))
        .any(|i| tokens.is_sign(i, "=>"))
}

/// Tells whether the name at `at` is in its declaration or only assignment, which gives it its known value.
fn is_definition(module: &Module<'_>, at: usize) -> bool {
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

/// The brackets around each token, and the names that they declare.
struct Scopes {
    inside: Vec<Option<usize>>,
    /// Whether brackets declare a name, for the pairs that were asked for so far.
    own: BTreeMap<(usize, String), bool>,
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
        let own = BTreeMap::new();
        Scopes { inside, own }
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

    /// Tells whether a function, a class or a block around the token declares the same name.
    fn is_local(&mut self, tokens: &Tokens<'_>, at: usize, name: &str) -> bool {
        if self.inside(at).is_some_and(|open| is_class_body(tokens, open)) {
            return true;
        }
        let mut around = self.inside(at);
        while let Some(open) = around {
            let key = (open, name.to_owned());
            let is_own = match self.own.get(&key) {
                Some(known) => *known,
                None => {
                    let is_own = self.is_own(tokens, open, name);
                    self.own.insert(key, is_own);
                    is_own
                }
            };
            if is_own {
                return true;
            }
            around = self.inside(open);
        }
        false
    }

    /// Tells whether the function or block that these brackets belong to declares the name.
    fn is_own(&self, tokens: &Tokens<'_>, open: usize, name: &str) -> bool {
        match tokens.sign(open) {
            Some("{") => self.declares(tokens, open, name) || has_parameter(tokens, open, name),
            Some("(") => {
                let is_list = matches!(tokens.sign(tokens.partner(open) + 1), Some("{" | "=>" | ":"));
                is_list && has_word(tokens, open, name)
            }
            _ => false,
        }
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

/// Tells whether the brace at `open` begins the body of a function with this parameter, or of a loop with this
/// variable.
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
    let end = before + 1;
    if !tokens.is_sign(before, ")") {
        // `(options: Options): Result {`
        let of_type = (0..before).rev().take(TYPE_TOKENS_MAX).find(|at| {
            tokens.is_sign(*at, ")") && tokens.is_sign(at + 1, ":") && type_end(tokens, at + 2) == end
        });
        match of_type {
            Some(at) => before = at,
            None => return false,
        }
    }
    has_word(tokens, tokens.partner(before), name)
}

/// Tells whether the brackets that begin at `open` are a list of parameters, or the head of a loop, with this name.
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

/// Tells whether the brace begins a class or an enum: `class Name extends Other {`, `enum Name {`.
fn is_class_body(tokens: &Tokens<'_>, open: usize) -> bool {
    tokens.is_sign(open, "{")
        && (1..=4).any(|back| {
            open.checked_sub(back)
                .is_some_and(|at| matches!(tokens.word(at), Some("class" | "enum")))
        })
}
