//! The names and exports at the top level of a script, the only place where k6 looks for `options`.

use super::parser::Parser;
use super::syntax::{Expression, Node};
use super::tokens::{Tokens, tokens};
use super::types::type_end;
use crate::error::Reason;
use std::collections::BTreeMap;

pub struct Module<'a> {
    pub source: &'a str,
    pub tokens: Tokens<'a>,
    pub bindings: Vec<Binding>,
    pub exports: Vec<Export>,
    /// The index in `bindings` of each name.
    names: BTreeMap<String, usize>,
    /// The bytes at which lines begin.
    lines: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Binding {
    pub name: String,
    /// The token of the name.
    pub token: usize,
    pub line: usize,
    pub bound: Bound,
}

#[derive(Clone, Debug)]
pub enum Bound {
    To(Node),
    /// No value yet: `let options;`.
    Nothing,
    Imported(String),
    /// A function or a class.
    Function,
    /// A part of another value: `const { a, b } = ...`.
    Destructured,
}

/// Something exported that may be the options.
#[derive(Clone, Debug)]
pub enum Export {
    /// A name at the top level, exported as `options`.
    Binding(String),
    /// An export from another file: `export { options } from '...'`.
    From(String),
    /// Everything that another file exports: `export * from '...'`.
    AllFrom(String),
    /// An assignment: `exports.options = ...`.
    Assigned(Node),
    /// An assignment of all exports: `module.exports = ...`.
    Whole(Node),
}

impl<'a> Module<'a> {
    /// Reads the top level of a script.
    ///
    /// # Errors
    /// Fails if [`tokens`] refuses the script.
    pub fn read(source: &'a str) -> Result<Module<'a>, Reason> {
        let breaks = source.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let mut module = Module {
            source,
            tokens: tokens(source)?,
            bindings: Vec::new(),
            exports: Vec::new(),
            names: BTreeMap::new(),
            lines: breaks.map(|(at, _)| at + 1).collect(),
        };
        let mut at = 0;
        while at < module.tokens.len() {
            at = module.statement(at).max(at + 1);
        }
        module.assigned_exports();
        module.late_values();
        Ok(module)
    }

    /// Returns the line of a byte, counted from 1.
    pub fn line(&self, byte: usize) -> usize {
        1 + self.lines.partition_point(|begin| *begin <= byte)
    }

    pub fn line_of_token(&self, at: usize) -> usize {
        self.line(self.tokens.get(at).map_or(0, |token| token.start))
    }

    pub fn excerpt(&self, node: &Node) -> &'a str {
        self.source.get(node.start..node.end).unwrap_or_default()
    }

    pub fn binding(&self, name: &str) -> Option<&Binding> {
        self.names.get(name).map(|at| &self.bindings[*at])
    }

    fn parser(&self, at: usize) -> Parser<'_, 'a> {
        Parser::new(&self.tokens, at, self.source.len())
    }

    /// Returns the value that begins at token `at`, and the token after it.
    pub fn value_at(&self, at: usize) -> (Node, usize) {
        let mut parser = self.parser(at);
        let node = parser.value();
        (node, parser.at)
    }

    fn bind(&mut self, token: usize, bound: Bound) {
        let Some(name) = self.tokens.word(token) else {
            return;
        };
        let line = self.line_of_token(token);
        // If a script wrongly has a name twice, the first counts.
        self.names.entry(name.to_owned()).or_insert(self.bindings.len());
        self.bindings.push(Binding {
            name: name.to_owned(),
            token,
            line,
            bound,
        });
    }

    /// Reads the statement that begins at token `at`; returns the token after it.
    fn statement(&mut self, at: usize) -> usize {
        let is_member = matches!(
            at.checked_sub(1).and_then(|i| self.tokens.sign(i)),
            Some("." | "?.")
        );
        if is_member {
            return at + 1;
        }
        match self.tokens.word(at) {
            // `const enum` is not a constant.
            Some("const") if self.tokens.is_word(at + 1, "enum") => at + 2,
            Some("const" | "let" | "var") => self.declarations(at + 1, false),
            // TypeScript's `declare` only says that something exists.
            Some("declare") if self.tokens.word(at + 1).is_some() => at + 2,
            Some("function" | "class") => {
                let name = at + 1 + usize::from(self.tokens.is_sign(at + 1, "*"));
                self.bind(name, Bound::Function);
                name
            }
            Some("import") => self.import(at + 1),
            Some("export") => self.export(at + 1),
            // A type is not a value: `type options = {...}`.
            Some("type" | "interface" | "namespace") if self.tokens.word(at + 1).is_some() => at + 2,
            _ => self.tokens.behind(at),
        }
    }

    /// Reads declarations such as `a = 1, b: Type = 2, { c } = d`.
    fn declarations(&mut self, mut at: usize, are_exported: bool) -> usize {
        loop {
            let name = at;
            let is_pattern = self.tokens.is_open(at);
            if !is_pattern && self.tokens.word(at).is_none() {
                return at;
            }
            at = self.tokens.behind(at);
            at += usize::from(self.tokens.is_sign(at, "!"));
            if self.tokens.is_sign(at, ":") {
                at = type_end(&self.tokens, at + 1);
            }
            let value = if self.tokens.is_sign(at, "=") {
                let (node, end) = self.value_at(at + 1);
                at = end;
                Some(node)
            } else {
                None
            };
            if is_pattern {
                self.bind_pattern(name, are_exported);
            } else {
                if are_exported && self.tokens.is_word(name, "options") {
                    self.exports.push(Export::Binding("options".into()));
                }
                self.bind(name, value.map_or(Bound::Nothing, Bound::To));
            }
            if !self.tokens.is_sign(at, ",") {
                return at;
            }
            at += 1;
        }
    }

    /// Binds every name in a pattern, including those of keys and defaults. None of them has a known value.
    fn bind_pattern(&mut self, open: usize, are_exported: bool) {
        for token in open..self.tokens.partner(open) {
            if are_exported && self.tokens.is_word(token, "options") {
                self.exports.push(Export::Binding("options".into()));
            }
            self.bind(token, Bound::Destructured);
        }
    }

    /// Reads imports such as `import a, { b as c } from 'file'` and `import * as d from 'file'`.
    fn import(&mut self, begin: usize) -> usize {
        let mut names = Vec::new();
        let mut at = begin;
        let mut braces_end = 0;
        while let Some(token) = self.tokens.get(at) {
            if let Some(file) = self.tokens.text(at) {
                let file = file.to_owned();
                names
                    .into_iter()
                    .for_each(|name| self.bind(name, Bound::Imported(file.clone())));
                return at + 1;
            }
            match self.tokens.sign(at) {
                Some("{") => braces_end = self.tokens.partner(at),
                Some("}" | "," | "*") => {}
                Some(_) => return at,
                // The last name before a comma is the one that is bound.
                None if matches!(self.tokens.sign(at + 1), Some("," | "}")) => names.push(at),
                None if at >= braces_end && self.tokens.is_word(at + 1, "from") => names.push(at),
                None if at > begin && token.after_newline && at >= braces_end => return at,
                None => {}
            }
            at += 1;
        }
        at
    }

    fn export(&mut self, at: usize) -> usize {
        match self.tokens.word(at) {
            Some("const") if self.tokens.is_word(at + 1, "enum") => return at + 2,
            Some("const" | "let" | "var") => return self.declarations(at + 1, true),
            Some("function" | "class") if self.tokens.is_word(at + 1, "options") => {
                self.exports.push(Export::Binding("options".into()));
                return at;
            }
            Some("type") if self.tokens.is_sign(at + 1, "{") => return self.tokens.behind(at + 1),
            _ => {}
        }
        match self.tokens.sign(at) {
            Some("{") => self.export_list(at),
            Some("*") => {
                let file = if self.tokens.is_word(at + 1, "from") {
                    at + 2
                } else {
                    at
                };
                if let Some(file) = self.tokens.text(file) {
                    self.exports.push(Export::AllFrom(file.to_owned()));
                }
                at + 1
            }
            // TypeScript's `export = {...}`.
            Some("=") => {
                let (node, end) = self.value_at(at + 1);
                self.exports.push(Export::Whole(node));
                end
            }
            _ => at,
        }
    }

    /// Reads a list of exports such as `{ a, b as options } from 'file'`.
    fn export_list(&mut self, open: usize) -> usize {
        let close = self.tokens.partner(open);
        let file = match self.tokens.is_word(close + 1, "from") {
            true => self.tokens.text(close + 2).map(str::to_owned),
            false => None,
        };
        for at in open + 1..close {
            let name = self.tokens.word(at).or_else(|| self.tokens.text(at));
            if name != Some("options") || !matches!(self.tokens.sign(at + 1), Some("," | "}")) {
                continue;
            }
            let local = if self.tokens.is_word(at - 1, "as") {
                at - 2
            } else {
                at
            };
            let export = match (&file, self.tokens.word(local)) {
                (Some(file), _) => Export::From(file.clone()),
                (None, Some(local)) => Export::Binding(local.to_owned()),
                (None, None) => continue,
            };
            self.exports.push(export);
        }
        close + 1
    }

    /// Returns the tokens at the top level, outside of all brackets.
    pub fn top_level(&self) -> impl Iterator<Item = usize> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let this = at;
            self.tokens.get(this)?;
            at = self.tokens.behind(this);
            Some(this)
        })
    }

    /// Finds `exports.options = ...` and `module.exports = ...`. The last of each counts, except for the `void 0` that
    /// compilers write first.
    fn assigned_exports(&mut self) {
        let tokens = &self.tokens;
        let mut found = Vec::new();
        for at in self.top_level() {
            let is_member = matches!(at.checked_sub(1).and_then(|i| tokens.sign(i)), Some("." | "?."));
            let exports = match tokens.word(at) {
                Some("exports") if !is_member => at,
                Some("module") if !is_member && tokens.is_word(at + 2, "exports") => at + 2,
                _ => continue,
            };
            let is_options = tokens.is_sign(exports + 1, ".") && tokens.is_word(exports + 2, "options");
            let is_quoted = tokens.is_sign(exports + 1, "[") && tokens.text(exports + 2) == Some("options");
            let equals = match (is_options, is_quoted) {
                (true, _) => exports + 3,
                (_, true) => tokens.behind(exports + 1),
                _ => exports + 1,
            };
            if !tokens.is_sign(equals, "=") || tokens.is_word(equals + 1, "void") {
                continue;
            }
            let (node, _) = self.value_at(equals + 1);
            found.push(match is_options || is_quoted {
                true => Export::Assigned(node),
                false => Export::Whole(node),
            });
        }
        self.exports.extend(found);
    }

    /// Binds values that are assigned later, as in `let options; options = {...};`, if there is only one assignment.
    fn late_values(&mut self) {
        let mut values: BTreeMap<usize, Vec<Node>> = BTreeMap::new();
        for at in self.top_level() {
            let before = at.checked_sub(1).and_then(|i| self.tokens.sign(i));
            if matches!(before, Some("." | "?.")) || !self.tokens.is_sign(at + 1, "=") {
                continue;
            }
            let binding = self.tokens.word(at).and_then(|name| self.names.get(name));
            if let Some(index) = binding.copied().filter(|index| {
                let binding = &self.bindings[*index];
                matches!(binding.bound, Bound::Nothing) && binding.token != at
            }) {
                let (node, _) = self.value_at(at + 2);
                values.entry(index).or_default().push(node);
            }
        }
        for (index, mut nodes) in values {
            if let (1, Some(node)) = (nodes.len(), nodes.pop()) {
                self.bindings[index].bound = Bound::To(node);
            }
        }
    }

    /// Returns the exported options, or the reason why k6 would not read any.
    pub fn options(&self) -> Result<Exported<'_>, Reason> {
        let mut named: Vec<&str> = Vec::new();
        for export in &self.exports {
            if let Export::Binding(name) = export
                && !named.contains(&name.as_str())
            {
                named.push(name);
            }
        }
        match named.as_slice() {
            [] => {}
            [name] => return Ok(Exported::Binding((*name).to_owned())),
            several => {
                let what = format!("`options` is exported {} times", several.len());
                return Err(Reason::new(what).hint("k6 refuses this as well: keep one"));
            }
        }
        let last = |pick: fn(&Export) -> bool| self.exports.iter().rev().find(|export| pick(export));
        let assigned = last(|e| matches!(e, Export::Assigned(_)));
        let whole = last(|e| matches!(e, Export::Whole(_)));
        match (assigned.or(whole), last(|e| matches!(e, Export::From(_)))) {
            (Some(Export::Assigned(node)), _) => return Ok(Exported::Node(node)),
            (Some(Export::Whole(node)), _) => return Ok(Exported::FieldOf(node)),
            (_, Some(Export::From(file))) => return Err(elsewhere(file)),
            _ => {}
        }
        Err(self.no_options())
    }

    fn no_options(&self) -> Reason {
        if let Some(binding) = self.binding("options") {
            let what = format!(
                "`options` (line {}) is not exported, so k6 does not read it",
                binding.line
            );
            return Reason::new(what).hint("write `export const options = {...}`");
        }
        let from = self.exports.iter().find_map(|export| match export {
            Export::AllFrom(file) => Some(file),
            _ => None,
        });
        match from {
            Some(file) => elsewhere(file),
            None => Reason::new("no k6 options: neither JSON nor a script that exports `options`")
                .hint("pass k6's options as JSON, or a script with `export const options = {...}`"),
        }
    }
}

/// The part of the module that is the options.
pub enum Exported<'m> {
    Binding(String),
    Node(&'m Node),
    /// The field `options` of this object.
    FieldOf(&'m Node),
}

pub fn elsewhere(file: &str) -> Reason {
    Reason::new(format!(
        "`options` come from `{file}`, but other files are not read"
    ))
    .hint("import what `k6 inspect` prints of this script, or that file if its options are written out")
}

/// The name at the root of `a`, `a.b`, `a['b']`.
pub fn root(node: &Node) -> Option<&str> {
    match &node.expression {
        Expression::Name(name) => Some(name),
        Expression::Member(of, _) => root(of),
        _ => None,
    }
}
