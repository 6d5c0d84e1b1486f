//! JavaScript's conversions, operators and functions without side effects, on plain values.

use crate::k6::value::Value;

/// Converts a value as `Number()` does.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => Some(*n),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Text(text) => match text.trim() {
            "" => Some(0.0),
            text if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Converts a value as a template does; returns `None` for values that are of no use in options.
pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Applies an operator; returns `None` if it is not supported for these values.
pub fn arithmetic(left: &Value, operator: &str, right: &Value) -> Option<Value> {
    if operator == "+" && (matches!(left, Value::Text(_)) || matches!(right, Value::Text(_))) {
        return Some(Value::Text(as_text(left)? + &as_text(right)?));
    }
    if let (Value::Text(_), Value::Text(_), "<" | ">" | "<=" | ">=") = (left, right, operator) {
        return None;
    }
    let (a, b) = (number(left)?, number(right)?);
    let result = match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "%" => a % b,
        "**" => a.powf(b),
        "<" => return Some(Value::Bool(a < b)),
        ">" => return Some(Value::Bool(a > b)),
        "<=" => return Some(Value::Bool(a <= b)),
        ">=" => return Some(Value::Bool(a >= b)),
        _ => return None,
    };
    result.is_finite().then_some(Value::Number(result))
}

/// Returns the value of a function without side effects; `None` for any other function.
pub fn function_value(name: &str, arguments: &[Value]) -> Option<Value> {
    let numbers = || arguments.iter().map(number).collect::<Option<Vec<f64>>>();
    let rounded = |round: fn(f64) -> f64| match numbers()?.as_slice() {
        [n] => Some(round(*n)),
        _ => None,
    };
    let result = match (name, arguments) {
        ("String", [value]) => return as_text(value).map(Value::Text),
        ("Boolean", [Value::Text(text)]) => return Some(Value::Bool(!text.is_empty())),
        ("Number", [value]) => number(value)?,
        ("parseInt" | "Number.parseInt", [value]) => leading_number(value, false)?,
        ("parseInt" | "Number.parseInt", [value, Value::Number(10.0)]) => leading_number(value, false)?,
        ("parseFloat" | "Number.parseFloat", [value]) => leading_number(value, true)?,
        ("Math.floor", _) => rounded(f64::floor)?,
        ("Math.ceil", _) => rounded(f64::ceil)?,
        ("Math.trunc", _) => rounded(f64::trunc)?,
        // JavaScript rounds a half up, Rust away from zero.
        ("Math.round", _) => rounded(|n| (n + 0.5).floor())?,
        ("Math.max", [_, ..]) => numbers()?.into_iter().fold(f64::NEG_INFINITY, f64::max),
        ("Math.min", [_, ..]) => numbers()?.into_iter().fold(f64::INFINITY, f64::min),
        _ => return None,
    };
    result.is_finite().then_some(Value::Number(result))
}

/// Returns the number that a text begins with: `parseInt('10s')` is 10.
fn leading_number(value: &Value, with_fraction: bool) -> Option<f64> {
    let text = as_text(value)?;
    let text = text.trim_start();
    let signed = usize::from(text.starts_with(['+', '-']));
    let digits = |from: usize| {
        let rest = &text[from..];
        from + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
    };
    let mut end = digits(signed);
    if with_fraction && text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    text[..end].parse().ok()
}
