//! The tree of an expression. An [`Expression::Opaque`] keeps the place of what is not understood, so that nothing is
//! dropped.

use crate::k6::value::Value;

/// An expression and the bytes of the source that it covers.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub expression: Expression,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Value(Value),
    Name(String),
    Template(Vec<Part>),
    List(Vec<Item>),
    Object(Vec<Field>),
    Member(Box<Node>, Box<Key>),
    Not(Box<Node>),
    /// A `-` or `+` in front of a value.
    Sign(char, Box<Node>),
    Binary(Box<Node>, &'static str, Box<Node>),
    Conditional(Box<Node>, Box<Node>, Box<Node>),
    Call(Box<Node>, Vec<Item>),
    /// An expression that cannot be evaluated here, with the reason.
    Opaque(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    Code(Node),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub is_spread: bool,
    pub node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    Named(Key, Node),
    Spread(Node),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    Known(String),
    Computed(Node),
}

/// The binary operators with their precedence, weakest first.
pub const OPERATORS: [(&str, u8); 22] = [
    ("??", 1),
    ("||", 1),
    ("&&", 2),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("===", 6),
    ("!==", 6),
    ("==", 6),
    ("!=", 6),
    ("<=", 7),
    (">=", 7),
    ("<", 7),
    (">", 7),
    (">>", 8),
    ("<<", 8),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
    ("**", 11),
];
/// The precedence of `as`, `satisfies`, `in` and `instanceof`.
pub const TYPED: u8 = 7;
