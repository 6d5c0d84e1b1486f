//! Checks a value against a JSON schema, as far as the schemas of the corpus need it.

use serde_json::Value;

/// Keywords that allow everything.
const SILENT: [&str; 9] = [
    "description",
    "default",
    "title",
    "$defs",
    "format",
    "discriminator",
    // It is no keyword of JSON schema: pydantic writes it for limits of a union, and nobody checks it.
    "ge",
    "properties",
    "additionalProperties",
];

/// Returns what is wrong with `value`, with its path.
pub fn mistakes(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let Some(rules) = schema.as_object() else {
        return;
    };
    let wrong = |what: String| format!("{path}: {what}");
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                check(root, root.pointer(pointer).unwrap(), value, path, found);
            }
            "type" if !is_of(rule.as_str().unwrap(), value) => found.push(wrong(format!("is not {rule}"))),
            "enum" if !rule.as_array().unwrap().contains(value) => {
                found.push(wrong(format!("{value} is not one of {rule}")));
            }
            "const" if rule != value => found.push(wrong(format!("{value} is not {rule}"))),
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                found.push(wrong(format!("{value} is below {rule}")));
            }
            "exclusiveMinimum" if value.as_f64() <= rule.as_f64() && value.is_number() => {
                found.push(wrong(format!("{value} is not above {rule}")));
            }
            "anyOf" | "oneOf" => {
                let all = rule.as_array().unwrap().iter();
                let each: Vec<Vec<String>> = all
                    .map(|one| {
                        let mut found = Vec::new();
                        check(root, one, value, path, &mut found);
                        found
                    })
                    .collect();
                if !each.iter().any(Vec::is_empty) {
                    found.extend(each.into_iter().flatten());
                }
            }
            "items" => {
                for (i, element) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, element, &format!("{path}/{i}"), found);
                }
            }
            "required" => {
                for key in rule.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(key).is_none() {
                        found.push(wrong(format!("`{key}` is missing")));
                    }
                }
            }
            "type" | "enum" | "const" | "minimum" | "exclusiveMinimum" => {}
            other => assert!(SILENT.contains(&other), "the keyword `{other}` is not known here"),
        }
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{key}");
        let named = schema
            .get("properties")
            .and_then(|properties| properties.get(key));
        match (named, schema.get("additionalProperties")) {
            (Some(rule), _) => check(root, rule, member, &path, found),
            (None, Some(Value::Bool(false))) => found.push(format!("{path}: is not in the schema")),
            (None, Some(rule)) => check(root, rule, member, &path, found),
            (None, None) => {}
        }
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the type `{other}` is not known here"),
    }
}
