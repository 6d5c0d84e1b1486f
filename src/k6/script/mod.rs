//! Reads the options of a k6 script in JavaScript or TypeScript without running it.

mod builtins;
mod changes;
mod declared;
mod evaluate;
mod module;
mod parser;
mod syntax;
mod tokens;
mod types;

pub use declared::{Declared, Type};

use super::value::{Object, Value};
use crate::error::Reason;
use changes::changes;
use declared::declared;
use evaluate::Evaluator;
use module::{Exported, Module, elsewhere};
use std::collections::BTreeMap;
use syntax::{Expression, Node};

/// The options and metrics of a script, with remarks on what was not taken as it is written.
#[derive(Debug)]
pub struct Script {
    pub options: Object,
    pub metrics: Vec<Declared>,
    /// Remarks on names that were replaced by their values, on variables that were taken as not set, and on changes
    /// that were not followed.
    pub remarks: Vec<String>,
}

const INSPECT: &str = "let k6 evaluate it with `k6 inspect FILE > options.json`, and import that file";

/// Reads a script. `env` holds environment variables, as with `k6 run -e`.
///
/// # Errors
/// Fails if the text is not a script, if k6 would not find its options, and if only k6 can evaluate them.
pub fn read(source: &str, env: &BTreeMap<String, String>) -> Result<Script, Reason> {
    let module = Module::read(source)?;
    let exported = module.options()?;
    // The name of the options is not a name that was replaced by its value.
    let own = match &exported {
        Exported::Binding(name) => name.clone(),
        Exported::Node(_) | Exported::FieldOf(_) => "options".to_owned(),
    };
    let mut evaluator = Evaluator::new(&module, env);
    let value = match exported {
        Exported::Binding(name) => binding_value(&module, &mut evaluator, &name)?,
        Exported::Node(node) => evaluator.value(node),
        Exported::FieldOf(node) => match evaluator.value(node) {
            Value::Object(mut object) => match (object.take("options"), object.unread().first()) {
                (Some(options), _) => options,
                (None, Some(unread)) => Value::Unread(unread.clone()),
                (None, None) => {
                    let hint = "write `module.exports.options = {...}`";
                    return Err(Reason::new("`module.exports` has no `options`").hint(hint));
                }
            },
            other => other,
        },
    };
    let options = match value {
        Value::Object(options) => options,
        Value::Unread(unread) => return Err(Reason::new(format!("`options`: {unread}")).hint(INSPECT)),
        other => {
            let what = format!("`options` is {other}, not an object");
            return Err(Reason::new(what).hint("write `export const options = { vus: 10, duration: '30s' }`"));
        }
    };
    let mut remarks: Vec<String> = Vec::new();
    for (name, line) in evaluator.used.iter().filter(|(name, _)| **name != own) {
        remarks.push(format!(
            "the name `{name}` (line {line}): it was replaced by its value"
        ));
    }
    for name in &evaluator.assumed {
        remarks.push(format!(
            "`__ENV.{name}`: taken as not set; set it with `-e {name}=VALUE`, as in k6"
        ));
    }
    for change in changes(&module, evaluator.used.keys().map(String::as_str)) {
        remarks.push(change.to_string());
    }
    Ok(Script {
        options,
        metrics: declared(&module),
        remarks,
    })
}

fn binding_value(
    module: &Module<'_>,
    evaluator: &mut Evaluator<'_, '_>,
    name: &str,
) -> Result<Value, Reason> {
    let Some(binding) = module.binding(name) else {
        return Err(Reason::new(format!("`options` is exported, but `{name}` is not set")).hint(INSPECT));
    };
    if let module::Bound::Imported(file) = &binding.bound {
        return Err(elsewhere(file));
    }
    let token = module.tokens.get(binding.token);
    let place = Node {
        expression: Expression::Name(name.to_owned()),
        start: token.map_or(0, |token| token.start),
        end: token.map_or(0, |token| token.end),
    };
    Ok(evaluator.value_of_name(name, &place))
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
