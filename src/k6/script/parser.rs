//! Parses expressions of a script into trees, as far as options are written with them. Anything else is skipped up to
//! its end.

use super::syntax::{Expression, Field, Item, Key, Node, OPERATORS, Part, TYPED};
use super::tokens::{Kind, Piece, Token, Tokens};
use super::types::{arguments_end, type_end};
use crate::k6::value::Value;

/// The largest depth of nested expressions.
const DEPTH_MAX: usize = 64;
/// The largest number of operators and members of one value, because each makes the tree deeper by one.
const LINKS_MAX: usize = 200;

const FUNCTION: &str = "functions are not run here";
const NEW: &str = "objects of classes are not created here";
const OTHER: &str = "this expression is not evaluated here";
const DEEP: &str = "it is nested too deeply";

pub struct Parser<'t, 'a> {
    tokens: &'t Tokens<'a>,
    pub at: usize,
    depth: usize,
    links: usize,
    /// The byte of the source at which these tokens end.
    end: usize,
}

impl<'t, 'a> Parser<'t, 'a> {
    /// Starts at token `at`. `end` is the byte of the source at which these tokens end.
    pub fn new(tokens: &'t Tokens<'a>, at: usize, end: usize) -> Parser<'t, 'a> {
        Parser {
            tokens,
            at,
            depth: 0,
            links: 0,
            end,
        }
    }

    fn token(&self) -> Option<&'t Token<'a>> {
        self.tokens.get(self.at)
    }

    fn sign(&self) -> Option<&'a str> {
        self.tokens.sign(self.at)
    }

    fn is(&self, sign: &str) -> bool {
        self.sign() == Some(sign)
    }

    fn start(&self) -> usize {
        self.token().map_or(self.end, |token| token.start)
    }

    fn node(&self, start: usize, expression: Expression) -> Node {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        Node {
            expression,
            start,
            end: last.map_or(start, |token| token.end).max(start),
        }
    }

    /// Parses one value, up to a comma or whatever else ends it.
    pub fn value(&mut self) -> Node {
        let start = self.start();
        if self.depth >= DEPTH_MAX {
            self.at = self.tokens.behind(self.at);
            return self.node(start, Expression::Opaque(DEEP));
        }
        self.depth += 1;
        let node = self.assignment();
        self.depth -= 1;
        node
    }

    /// Another level of the tree above `left`, which has this expression.
    fn link(&mut self, start: usize, expression: Expression) -> Node {
        self.links += 1;
        match self.links <= LINKS_MAX {
            true => self.node(start, expression),
            false => self.node(start, Expression::Opaque(DEEP)),
        }
    }

    fn assignment(&mut self) -> Node {
        let start = self.start();
        if let Some(behind_arrow) = self.behind_arrow() {
            self.at = behind_arrow;
            if self.is("{") {
                self.at = self.tokens.behind(self.at);
            } else {
                self.value();
            }
            return self.node(start, Expression::Opaque(FUNCTION));
        }
        let condition = self.binary(0);
        match self.sign() {
            Some("?") => {
                self.at += 1;
                let yes = self.value();
                if !self.is(":") {
                    return self.node(start, Expression::Opaque(OTHER));
                }
                self.at += 1;
                let no = self.value();
                let parts = [condition, yes, no].map(Box::new);
                let [condition, yes, no] = parts;
                self.node(start, Expression::Conditional(condition, yes, no))
            }
            // `var options = exports.options = {...}`: the value is the last one's.
            Some("=") => {
                self.at += 1;
                self.value()
            }
            Some(sign) if sign.len() > 1 && sign.ends_with('=') && !matches!(sign, "==" | "!=" | "<=") => {
                self.at += 1;
                self.value();
                self.node(start, Expression::Opaque(OTHER))
            }
            _ => condition,
        }
    }

    /// Returns the token after the `=>` of an arrow function that begins here.
    fn behind_arrow(&self) -> Option<usize> {
        let tokens = self.tokens;
        let mut at = self.at;
        if tokens.is_word(at, "async") && !tokens.is_sign(at + 1, "=>") {
            at += 1;
        }
        if tokens.is_sign(at, "<") {
            at = arguments_end(tokens, at)?;
        }
        if tokens.word(at).is_some() && tokens.is_sign(at + 1, "=>") {
            return Some(at + 2);
        }
        if !tokens.is_sign(at, "(") {
            return None;
        }
        let mut behind = tokens.behind(at);
        if tokens.is_sign(behind, ":") {
            behind = type_end(tokens, behind + 1);
        }
        tokens.is_sign(behind, "=>").then_some(behind + 1)
    }

    /// Returns the operator here, its length in tokens and its precedence.
    fn operator(&self) -> Option<(&'static str, usize, u8)> {
        let this = self.token()?;
        let sign = self.sign()?;
        let next = self.tokens.get(self.at + 1).filter(|next| this.end == next.start);
        let next = next.and_then(|_| self.tokens.sign(self.at + 1));
        let (name, length) = match (sign, next) {
            (">", Some("=")) => (">=", 2),
            (">", Some(">")) => (">>", 2),
            _ => (sign, 1),
        };
        let (known, strength) = OPERATORS.iter().find(|(known, _)| *known == name)?;
        Some((known, length, *strength))
    }

    fn binary(&mut self, at_least: u8) -> Node {
        let start = self.start();
        let mut left = self.unary();
        loop {
            let token = self.token();
            let is_typed = matches!(token.map(|t| &t.kind), Some(Kind::Word("as" | "satisfies")));
            if is_typed && token.is_some_and(|t| !t.after_newline) && TYPED >= at_least {
                self.at = type_end(self.tokens, self.at + 1);
                continue;
            }
            if matches!(token.map(|t| &t.kind), Some(Kind::Word("in" | "instanceof"))) && TYPED >= at_least {
                self.at += 1;
                self.binary(TYPED + 1);
                left = self.node(start, Expression::Opaque(OTHER));
                continue;
            }
            let Some((operator, length, strength)) = self.operator().filter(|(_, _, s)| *s >= at_least)
            else {
                return left;
            };
            self.at += length;
            if self.depth >= DEPTH_MAX {
                self.value();
                left = self.node(start, Expression::Opaque(DEEP));
                continue;
            }
            self.depth += 1;
            // `**` groups from the right.
            let right = self.binary(strength + u8::from(operator != "**"));
            self.depth -= 1;
            let expression = Expression::Binary(Box::new(left), operator, Box::new(right));
            left = self.link(start, expression);
        }
    }

    fn unary(&mut self) -> Node {
        let start = self.start();
        if self.depth >= DEPTH_MAX {
            return self.value();
        }
        self.depth += 1;
        let node = self.unary_here(start);
        self.depth -= 1;
        node
    }

    fn unary_here(&mut self, start: usize) -> Node {
        match self.token().map(|token| &token.kind) {
            Some(Kind::Sign("!")) => {
                self.at += 1;
                let operand = Box::new(self.unary());
                self.node(start, Expression::Not(operand))
            }
            Some(Kind::Sign(sign @ ("-" | "+"))) => {
                self.at += 1;
                let operand = Box::new(self.unary());
                let sign = if *sign == "-" { '-' } else { '+' };
                self.node(start, Expression::Sign(sign, operand))
            }
            Some(Kind::Sign("~" | "++" | "--")) => self.opaque_operand(start),
            Some(Kind::Word("typeof" | "void" | "delete" | "await" | "yield")) => self.opaque_operand(start),
            // `<Options>{...}`
            Some(Kind::Sign("<")) => match arguments_end(self.tokens, self.at) {
                Some(end) => {
                    self.at = end;
                    self.unary()
                }
                None => self.opaque_operand(start),
            },
            _ => self.postfix(),
        }
    }

    fn opaque_operand(&mut self, start: usize) -> Node {
        self.at += 1;
        self.unary();
        self.node(start, Expression::Opaque(OTHER))
    }

    fn postfix(&mut self) -> Node {
        let start = self.start();
        let mut node = self.primary();
        loop {
            let Some(token) = self.token() else { return node };
            let goes_on = !token.after_newline;
            match &token.kind {
                Kind::Sign("." | "?.") if self.tokens.word(self.at + 1).is_some() => {
                    let key = Key::Known(self.tokens.word(self.at + 1).unwrap_or_default().to_owned());
                    self.at += 2;
                    node = self.link(start, Expression::Member(Box::new(node), Box::new(key)));
                }
                Kind::Sign("?.") => self.at += 1,
                Kind::Sign("[") => {
                    let close = self.tokens.partner(self.at);
                    self.at += 1;
                    let key = self.key_up_to(close);
                    node = self.link(start, Expression::Member(Box::new(node), Box::new(key)));
                }
                Kind::Sign("(") => {
                    let items = self.items();
                    node = self.link(start, Expression::Call(Box::new(node), items));
                }
                // In TypeScript `!` says that a value is not null.
                Kind::Sign("!") if goes_on => self.at += 1,
                Kind::Sign("++" | "--") if goes_on => {
                    self.at += 1;
                    node = self.node(start, Expression::Opaque(OTHER));
                }
                Kind::Sign("<") => match arguments_end(self.tokens, self.at) {
                    Some(end) if self.tokens.is_sign(end, "(") => self.at = end,
                    _ => return node,
                },
                Kind::Template(_) => {
                    self.at += 1;
                    node = self.node(start, Expression::Opaque(FUNCTION));
                }
                _ => return node,
            }
        }
    }

    fn key_up_to(&mut self, close: usize) -> Key {
        let node = self.element(close);
        self.at = close + 1;
        match node.expression {
            Expression::Value(Value::Text(text)) => Key::Known(text),
            Expression::Value(Value::Number(n)) => Key::Known(n.to_string()),
            _ => Key::Computed(node),
        }
    }

    fn primary(&mut self) -> Node {
        let start = self.start();
        let Some(token) = self.token() else {
            return self.node(start, Expression::Opaque(OTHER));
        };
        match &token.kind {
            Kind::Number(n) => self.literal(Value::Number(*n)),
            Kind::Text(text) => self.literal(Value::Text(text.clone())),
            Kind::Template(pieces) => {
                self.at += 1;
                let parts = pieces.iter().map(|piece| self.part(piece, token)).collect();
                self.node(start, Expression::Template(parts))
            }
            Kind::Word("true") => self.literal(Value::Bool(true)),
            Kind::Word("false") => self.literal(Value::Bool(false)),
            Kind::Word("null") => self.literal(Value::Null),
            Kind::Word("function" | "class" | "new" | "async") => self.definition(start),
            Kind::Word(name) => {
                self.at += 1;
                self.node(start, Expression::Name((*name).to_owned()))
            }
            Kind::Sign("(") => {
                let close = self.tokens.partner(self.at);
                self.at += 1;
                let mut node = self.element(close);
                while self.is(",") && self.at < close {
                    self.at += 1;
                    node = self.element(close);
                }
                self.at = close + 1;
                node
            }
            Kind::Sign("[") => {
                let items = self.items();
                self.node(start, Expression::List(items))
            }
            Kind::Sign("{") => {
                let fields = self.fields();
                self.node(start, Expression::Object(fields))
            }
            // The sign belongs to the expression around this one.
            Kind::Sign(")" | "]" | "}" | "," | ";" | ":") => self.node(start, Expression::Opaque(OTHER)),
            Kind::Sign(_) | Kind::RegularExpression => {
                self.at += 1;
                self.node(start, Expression::Opaque(OTHER))
            }
        }
    }

    fn literal(&mut self, value: Value) -> Node {
        let start = self.start();
        self.at += 1;
        self.node(start, Expression::Value(value))
    }

    fn part(&self, piece: &Piece<'_>, template: &Token<'_>) -> Part {
        match piece {
            Piece::Text(text) => Part::Text(text.clone()),
            Piece::Code(tokens) => {
                let mut parser = Parser::new(tokens, 0, template.end);
                (parser.depth, parser.links) = (self.depth, self.links);
                Part::Code(parser.element(tokens.len()))
            }
        }
    }

    /// Skips a function, a class, or a new object of one.
    fn definition(&mut self, start: usize) -> Node {
        let is_new = self.tokens.is_word(self.at, "new");
        self.at += 1;
        if is_new {
            // The class and its arguments have the form of a call.
            self.unary();
            return self.node(start, Expression::Opaque(NEW));
        }
        // Skips the name, the parameters, a type or the base class; then the body.
        while let Some(token) = self.token() {
            match &token.kind {
                Kind::Sign("{") => break,
                Kind::Sign(":") => self.at = type_end(self.tokens, self.at + 1),
                Kind::Sign("<") => self.at = arguments_end(self.tokens, self.at).unwrap_or(self.at + 1),
                Kind::Sign("(" | "*" | "." | "[") | Kind::Word(_) => self.at = self.tokens.behind(self.at),
                _ => break,
            }
        }
        if self.is("{") {
            self.at = self.tokens.behind(self.at);
        }
        self.node(start, Expression::Opaque(FUNCTION))
    }

    /// Reads one value of a list. Anything else before the next comma belongs to it and makes it opaque.
    fn element(&mut self, close: usize) -> Node {
        let start = self.start();
        let node = self.value();
        if self.at >= close || self.is(",") {
            return node;
        }
        while self.at < close && !self.is(",") {
            self.at = self.tokens.behind(self.at);
        }
        self.node(start, Expression::Opaque(OTHER))
    }

    /// Reads the list in the brackets that begin here.
    fn items(&mut self) -> Vec<Item> {
        let close = self.tokens.partner(self.at);
        self.at += 1;
        let mut items = Vec::new();
        while self.at < close {
            let is_spread = self.is("...");
            self.at += usize::from(is_spread);
            if !self.is(",") {
                let node = self.element(close);
                items.push(Item { is_spread, node });
            }
            self.at += usize::from(self.is(","));
        }
        self.at = close + 1;
        items
    }

    fn fields(&mut self) -> Vec<Field> {
        let close = self.tokens.partner(self.at);
        self.at += 1;
        let mut fields = Vec::new();
        while self.at < close {
            if self.is("...") {
                self.at += 1;
                fields.push(Field::Spread(self.element(close)));
            } else if !self.is(",") {
                fields.push(self.field(close));
            }
            while self.at < close && !self.is(",") {
                self.at = self.tokens.behind(self.at);
            }
            self.at += usize::from(self.at < close);
        }
        self.at = close + 1;
        fields
    }

    fn field(&mut self, close: usize) -> Field {
        let start = self.start();
        // Skips the word or sign in `async name() {}`, `get name() {}` and `*name() {}`.
        while !matches!(
            self.tokens.sign(self.at + 1),
            Some("," | ":" | "(" | "}" | "<" | "=")
        ) && (self.is("*")
            || self
                .tokens
                .word(self.at)
                .is_some_and(|word| matches!(word, "async" | "get" | "set")))
        {
            self.at += 1;
        }
        let name = self.tokens.word(self.at);
        let key = match self.token().map(|token| &token.kind) {
            Some(Kind::Word(word)) => Some(Key::Known((*word).to_owned())),
            Some(Kind::Text(text)) => Some(Key::Known(text.clone())),
            Some(Kind::Number(n)) => Some(Key::Known(n.to_string())),
            Some(Kind::Sign("[")) => {
                let end = self.tokens.partner(self.at);
                self.at += 1;
                let key = self.key_up_to(end);
                self.at = end;
                Some(key)
            }
            _ => None,
        };
        let Some(key) = key else {
            let node = self.element(close);
            return Field::Spread(Node {
                expression: Expression::Opaque(OTHER),
                ..node
            });
        };
        self.at += 1;
        if self.is(":") {
            self.at += 1;
            return Field::Named(key, self.element(close));
        }
        let shorthand = name.filter(|_| self.at >= close || self.is(","));
        let expression = match shorthand {
            Some(name) => Expression::Name(name.to_owned()),
            None => Expression::Opaque(FUNCTION),
        };
        while self.at < close && !self.is(",") {
            self.at = self.tokens.behind(self.at);
        }
        Field::Named(key, self.node(start, expression))
    }
}
