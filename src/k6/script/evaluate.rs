//! Evaluates what is written in a script without running it: literals, constants of the same file, spreads, members,
//! arithmetic, templates and a few functions without side effects. Everything else is left unread, with the reason.

use super::builtins::{arithmetic, as_text, function_value, number};
use super::module::{Bound, Module};
use super::syntax::{Expression, Field, Item, Key, Node, Part};
use crate::k6::value::{Object, Unread, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The largest number of expressions that are evaluated. A constant counts each time it is used.
const STEPS_MAX: usize = 200_000;
/// The largest depth of nested expressions and names.
const DEPTH_MAX: usize = 100;

const CALL: &str = "functions are not run here";
const OTHER: &str = "this expression is not evaluated here";
const LARGE: &str = "it is too large to be evaluated";

pub struct Evaluator<'m, 'a> {
    module: &'m Module<'a>,
    env: &'m BTreeMap<String, String>,
    steps: usize,
    depth: usize,
    /// The names whose values are being evaluated.
    open: Vec<String>,
    /// The names whose values are in the result, with their lines.
    pub used: BTreeMap<String, usize>,
    /// The environment variables that were taken as not set.
    pub assumed: BTreeSet<String>,
}

/// A value during the evaluation.
#[derive(Clone, Debug, PartialEq)]
enum Worked {
    Value(Value),
    Undefined,
    /// The object `__ENV`.
    Environment,
    /// An environment variable that is not given.
    Unset(String),
}

impl From<Value> for Worked {
    fn from(value: Value) -> Worked {
        Worked::Value(value)
    }
}

impl<'m, 'a> Evaluator<'m, 'a> {
    pub fn new(module: &'m Module<'a>, env: &'m BTreeMap<String, String>) -> Evaluator<'m, 'a> {
        Evaluator {
            module,
            env,
            steps: 0,
            depth: 0,
            open: Vec::new(),
            used: BTreeMap::new(),
            assumed: BTreeSet::new(),
        }
    }

    /// Evaluates an expression.
    pub fn value(&mut self, node: &Node) -> Value {
        let worked = self.work(node);
        self.settled(worked, node)
    }

    /// Evaluates a name at the top level.
    pub fn value_of_name(&mut self, name: &str, node: &Node) -> Value {
        let worked = self.name(name, node);
        self.settled(worked, node)
    }

    fn unread_of(&self, node: &Node, why: impl Into<String>) -> Unread {
        Unread::new(self.module.excerpt(node), self.module.line(node.start), why)
    }

    fn unread(&self, node: &Node, why: impl Into<String>) -> Value {
        Value::Unread(self.unread_of(node, why))
    }

    /// Returns `node` as unread, because a part of it is.
    fn unread_whole(&self, node: &Node, inner: Unread) -> Worked {
        self.unread(node, inner.why).into()
    }

    fn settled(&self, worked: Worked, node: &Node) -> Value {
        match worked {
            Worked::Value(Value::Number(n)) if !n.is_finite() => self.unread(node, "it is not a number"),
            Worked::Value(value) => value,
            Worked::Undefined => Value::Null,
            Worked::Environment => self.unread(node, OTHER),
            Worked::Unset(name) => {
                let why = format!("only k6 knows `__ENV.{name}`; set it here with `-e {name}=VALUE`");
                self.unread(node, why)
            }
        }
    }

    fn work(&mut self, node: &Node) -> Worked {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.depth >= DEPTH_MAX {
            return self.unread(node, LARGE).into();
        }
        self.depth += 1;
        let worked = self.work_here(node);
        self.depth -= 1;
        worked
    }

    fn work_here(&mut self, node: &Node) -> Worked {
        match &node.expression {
            Expression::Value(value) => value.clone().into(),
            Expression::Name(name) => self.name(name, node),
            Expression::Template(parts) => self.template(parts, node),
            Expression::List(items) => Value::List(self.items(items)).into(),
            Expression::Object(fields) => self.object(fields).into(),
            Expression::Member(of, key) => self.member(of, key, node),
            Expression::Not(operand) => match self.truth(operand) {
                Ok(truth) => Value::Bool(!truth).into(),
                Err(inner) => self.unread_whole(node, inner),
            },
            Expression::Sign(sign, operand) => match self.value(operand) {
                Value::Unread(inner) => self.unread_whole(node, inner),
                value => match number(&value) {
                    Some(n) => Value::Number(if *sign == '-' { -n } else { n }).into(),
                    None => self.unread(node, OTHER).into(),
                },
            },
            Expression::Binary(left, operator, right) => self.binary(left, operator, right, node),
            Expression::Conditional(condition, yes, no) => match self.truth(condition) {
                Ok(true) => self.work(yes),
                Ok(false) => self.work(no),
                Err(inner) => self.unread_whole(node, inner),
            },
            Expression::Call(function, arguments) => self.call(function, arguments, node),
            Expression::Opaque(why) => self.unread(node, *why).into(),
        }
    }

    fn name(&mut self, name: &str, node: &Node) -> Worked {
        let module = self.module;
        let Some(binding) = module.binding(name) else {
            return match name {
                "undefined" => Worked::Undefined,
                "__ENV" => Worked::Environment,
                _ => self
                    .unread(node, format!("`{name}` is not set at the top level of this file"))
                    .into(),
            };
        };
        match &binding.bound {
            Bound::To(value) => {
                if self.open.iter().any(|open| open == name) {
                    return self.unread(node, "it refers to itself").into();
                }
                self.open.push(name.to_owned());
                let worked = self.work(value);
                self.open.pop();
                if let Worked::Value(Value::Unread(inner)) = worked {
                    return self.unread(node, format!("it is {inner}")).into();
                }
                self.used.insert(name.to_owned(), binding.line);
                worked
            }
            Bound::Imported(file) => {
                let why = format!("`{name}` comes from `{file}`, but other files are not read");
                self.unread(node, why).into()
            }
            Bound::Nothing => {
                let why = format!("`{name}` (line {}) gets its value when k6 runs", binding.line);
                self.unread(node, why).into()
            }
            Bound::Function => self.unread(node, CALL).into(),
            Bound::Destructured => {
                let why = format!(
                    "`{name}` (line {}) is destructured from another value",
                    binding.line
                );
                self.unread(node, why).into()
            }
        }
    }

    fn items(&mut self, items: &[Item]) -> Vec<Value> {
        let mut list = Vec::new();
        for item in items {
            match (self.value(&item.node), item.is_spread) {
                (Value::List(inner), true) => list.extend(inner),
                (Value::Unread(unread), true) => list.push(Value::Unread(spread(unread))),
                (_, true) => list.push(self.unread(&item.node, OTHER)),
                (value, false) => list.push(value),
            }
        }
        list
    }

    fn object(&mut self, fields: &[Field]) -> Value {
        let mut object = Object::default();
        for field in fields {
            match field {
                Field::Spread(node) => self.spread_into(&mut object, node),
                Field::Named(Key::Known(key), node) => {
                    let value = self.value(node);
                    object.set(key.clone(), value);
                }
                Field::Named(Key::Computed(key), node) => match self.value(key) {
                    Value::Unread(unread) => object.leave_unread(computed_key(unread)),
                    key => match as_text(&key) {
                        Some(key) => {
                            let value = self.value(node);
                            object.set(key, value);
                        }
                        None => object.leave_unread(self.unread_of(node, OTHER)),
                    },
                },
            }
        }
        Value::Object(object)
    }

    fn spread_into(&mut self, object: &mut Object, node: &Node) {
        match self.work(node) {
            Worked::Value(Value::Object(inner)) => object.extend(inner),
            // `...(condition && {...})` spreads nothing if the condition is false.
            Worked::Undefined | Worked::Value(Value::Null | Value::Bool(_)) => {}
            Worked::Unset(name) => {
                self.assumed.insert(name);
            }
            other => {
                let left = match self.settled(other, node) {
                    Value::Unread(unread) => unread,
                    _ => self.unread_of(node, OTHER),
                };
                object.leave_unread(spread(left));
            }
        }
    }

    fn member(&mut self, of: &Node, key: &Key, node: &Node) -> Worked {
        let key = match key {
            Key::Known(key) => key.clone(),
            Key::Computed(computed) => match self.value(computed) {
                Value::Unread(inner) => return self.unread_whole(node, inner),
                value => match as_text(&value) {
                    Some(key) => key,
                    None => return self.unread(node, OTHER).into(),
                },
            },
        };
        match self.work(of) {
            Worked::Environment => match self.env.get(&key) {
                Some(value) => Value::Text(value.clone()).into(),
                None => Worked::Unset(key),
            },
            Worked::Value(Value::Object(mut object)) => match object.take(&key) {
                Some(value) => value.into(),
                None => match object.unread().first() {
                    Some(inner) => self.unread(node, format!("it may be in {inner}")).into(),
                    None => Worked::Undefined,
                },
            },
            Worked::Value(Value::List(items)) if key == "length" => {
                match items.iter().any(|item| matches!(item, Value::Unread(_))) {
                    true => self.unread(node, OTHER).into(),
                    false => Value::Number(items.len() as f64).into(),
                }
            }
            Worked::Value(Value::List(items)) => match key.parse::<usize>().ok().and_then(|at| items.get(at))
            {
                Some(item) => item.clone().into(),
                None => self.unread(node, OTHER).into(),
            },
            Worked::Value(Value::Unread(inner)) => self.unread_whole(node, inner),
            _ => self.unread(node, OTHER).into(),
        }
    }

    /// Tells whether the value is true in JavaScript. The error says why this is unknown.
    fn truth(&mut self, node: &Node) -> Result<bool, Unread> {
        let worked = self.work(node);
        self.truth_of(&worked, node)
    }

    fn truth_of(&mut self, worked: &Worked, node: &Node) -> Result<bool, Unread> {
        match worked {
            Worked::Undefined => Ok(false),
            Worked::Environment => Ok(true),
            Worked::Unset(name) => {
                self.assumed.insert(name.clone());
                Ok(false)
            }
            Worked::Value(value) => match value {
                Value::Null => Ok(false),
                Value::Bool(truth) => Ok(*truth),
                Value::Number(n) if n.is_nan() => Err(self.unread_of(node, OTHER)),
                Value::Number(n) => Ok(*n != 0.0),
                Value::Text(text) => Ok(!text.is_empty()),
                Value::List(_) | Value::Object(_) => Ok(true),
                Value::Unread(unread) => Err(unread.clone()),
            },
        }
    }

    fn binary(&mut self, left: &Node, operator: &str, right: &Node, node: &Node) -> Worked {
        if matches!(operator, "||" | "&&" | "??") {
            let worked = self.work(left);
            let takes_left = match (operator, &worked) {
                ("??", Worked::Value(Value::Unread(unread))) => Err(unread.clone()),
                ("??", Worked::Value(Value::Null) | Worked::Undefined) => Ok(false),
                ("??", Worked::Unset(_)) => self.truth_of(&worked, left),
                ("??", _) => Ok(true),
                ("||", _) => self.truth_of(&worked, left),
                _ => self.truth_of(&worked, left).map(|truth| !truth),
            };
            return match takes_left {
                Ok(true) => worked,
                Ok(false) => self.work(right),
                Err(inner) => self.unread_whole(node, inner),
            };
        }
        let (left_worked, right_worked) = (self.work(left), self.work(right));
        if matches!(operator, "===" | "==" | "!==" | "!=") {
            let wants_equal = operator.starts_with('=');
            return match self.are_equal(left_worked, left, right_worked, right) {
                Ok(equal) => Value::Bool(equal == wants_equal).into(),
                Err(inner) => self.unread_whole(node, inner),
            };
        }
        let values = (self.settled(left_worked, left), self.settled(right_worked, right));
        if let (Value::Unread(unread), _) | (_, Value::Unread(unread)) = values {
            return self.unread_whole(node, unread);
        }
        match arithmetic(&values.0, operator, &values.1) {
            Some(value) => value.into(),
            None => self.unread(node, OTHER).into(),
        }
    }

    /// Compares strings, numbers and booleans. For other values equality is unclear.
    fn are_equal(&mut self, a: Worked, left: &Node, b: Worked, right: &Node) -> Result<bool, Unread> {
        let mut plain = |worked: Worked, node: &Node| match worked {
            Worked::Unset(name) => {
                self.assumed.insert(name);
                Ok(Value::Null)
            }
            other => match self.settled(other, node) {
                Value::Unread(unread) => Err(unread),
                Value::List(_) | Value::Object(_) => Err(self.unread_of(node, OTHER)),
                value => Ok(value),
            },
        };
        Ok(plain(a, left)? == plain(b, right)?)
    }

    fn template(&mut self, parts: &[Part], node: &Node) -> Worked {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Code(code) => match self.value(code) {
                    Value::Unread(inner) => return self.unread_whole(node, inner),
                    value => match as_text(&value) {
                        Some(part) => text.push_str(&part),
                        None => return self.unread(node, OTHER).into(),
                    },
                },
            }
        }
        Value::Text(text).into()
    }

    fn call(&mut self, function: &Node, arguments: &[Item], node: &Node) -> Worked {
        let name = match &function.expression {
            Expression::Name(name) if self.module.binding(name).is_none() => name.clone(),
            Expression::Member(of, key) => match (&of.expression, &**key) {
                (Expression::Name(of), Key::Known(key)) if self.module.binding(of).is_none() => {
                    format!("{of}.{key}")
                }
                _ => return self.unread(node, CALL).into(),
            },
            _ => return self.unread(node, CALL).into(),
        };
        match name.as_str() {
            "Object.assign" => {
                let mut object = Object::default();
                for argument in arguments.iter().filter(|argument| !argument.is_spread) {
                    self.spread_into(&mut object, &argument.node);
                }
                match arguments.iter().any(|argument| argument.is_spread) {
                    true => self.unread(node, OTHER).into(),
                    false => Value::Object(object).into(),
                }
            }
            "Object.freeze" | "Object.seal" => match arguments {
                [one] if !one.is_spread => self.work(&one.node),
                _ => self.unread(node, OTHER).into(),
            },
            _ => {
                let values = self.items(arguments);
                let unread = values.iter().find_map(|value| match value {
                    Value::Unread(unread) => Some(unread.clone()),
                    _ => None,
                });
                if let Some(inner) = unread {
                    return self.unread_whole(node, inner);
                }
                match function_value(&name, &values) {
                    Some(value) => value.into(),
                    None => self.unread(node, CALL).into(),
                }
            }
        }
    }
}

fn spread(unread: Unread) -> Unread {
    Unread {
        source: format!("...{}", unread.source),
        ..unread
    }
}

fn computed_key(unread: Unread) -> Unread {
    Unread {
        source: format!("[{}]", unread.source),
        ..unread
    }
}
