use super::*;
use crate::json::JsonError;
use crate::result::{read, sample, schema_of};
use serde_json::json;
use std::io::Cursor;

fn text(document: &Value) -> Cursor<Vec<u8>> {
    Cursor::new(serde_json::to_vec(document).unwrap())
}

fn full() -> Value {
    serde_json::to_value(sample::full()).unwrap()
}

#[test]
fn a_document_reads_back_to_the_last_bit() {
    let written = serde_json::to_string_pretty(&sample::full()).unwrap();
    let document = read(Cursor::new(written.as_bytes())).unwrap();
    assert!(document == sample::full());
    assert!(serde_json::to_string_pretty(&document).unwrap() == written);
}

/// Returns pointers to all members; of members whose names a run decides, and of each list, to one element.
fn each_key(value: &Value, path: &str, found: &mut Vec<String>) {
    let is_of_names = ["/kinds", "/servers", "/metrics"]
        .iter()
        .any(|end| path.ends_with(end));
    let members_max = if is_of_names { 1 } else { usize::MAX };
    match value {
        Value::Object(members) => {
            for (key, value) in members.iter().take(members_max) {
                let pointer = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(pointer.clone());
                each_key(value, &pointer, found);
            }
        }
        Value::Array(elements) => {
            for (i, value) in elements.iter().enumerate().take(1) {
                each_key(value, &format!("{path}/{i}"), found);
            }
        }
        _ => {}
    }
}

/// Removes a member, or sets it to another value.
fn changed(document: &Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let mut document = document.clone();
    let members = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(key, value)),
        None => drop(members.remove(&key)),
    }
    document
}

#[test]
fn a_member_of_a_wrong_type_is_refused_with_its_key_anywhere() {
    let document = full();
    let mut pointers = Vec::new();
    each_key(&document, "", &mut pointers);
    assert!(pointers.len() > 300, "{}", pointers.len());
    let free = |pointer: &&String| !pointer.starts_with("/config");
    for pointer in pointers.iter().filter(free) {
        let error = read(text(&changed(&document, pointer, Some(json!([[{}]]))))).unwrap_err();
        let key = pointer.rsplit('/').next().unwrap().replace("~1", "/");
        assert!(error.place().contains(&key), "{pointer}: {error}");
    }
}

#[test]
fn a_missing_member_is_an_error_unless_it_is_optional() {
    let document = full();
    let mut pointers = Vec::new();
    each_key(&document, "", &mut pointers);
    let mut needed = 0;
    for pointer in &pointers {
        let without = read(text(&changed(&document, pointer, None)));
        let key = pointer.rsplit('/').next().unwrap();
        match without {
            Err(error) => {
                assert!(
                    error.to_string().ends_with(&format!("{key}`: is missing")),
                    "{pointer}: {error}"
                );
                needed += 1;
            }
            Ok(document) => drop(serde_json::to_value(document).unwrap()),
        }
    }
    assert!(needed > 250, "{needed}");
    for key in [
        "schema", "config", "host", "run", "totals", "rates", "metrics", "kinds", "timeline", "client",
    ] {
        assert!(
            read(text(&changed(&document, &format!("/{key}"), None))).is_err(),
            "{key}"
        );
    }
}

#[test]
fn keys_of_later_documents_are_ignored_and_details_are_only_counted() {
    let original = full();
    let mut document = original.clone();
    document["new"] = json!({"a": [1, {"b": "]"}]});
    document["run"]["new"] = json!(null);
    document["timeline"][0]["new"] = json!("x");
    document["details"] = json!([{"request_id": "v0-0", "error": "a } ] \" brace"}, 3, null]);
    let document = read(text(&document)).unwrap();
    assert_eq!(document.details, Some(3));
    assert!(serde_json::to_value(document).unwrap() == original);
}

#[test]
fn the_schema_is_found_wherever_it_is_and_others_are_refused_by_name() {
    let schema = |text: &str| schema_of(Cursor::new(text.as_bytes().to_vec())).unwrap();
    let ours = r#"{"a": [{"schema": 1}], "schema": "llmload-uring/1", "cut"#;
    assert_eq!(schema(ours).as_deref(), Some("llmload-uring/1"));
    assert_eq!(schema(r#"{"a": 1}"#), None);
    let earlier = Schema::check("llmload-uring/1").unwrap_err().to_string();
    assert!(
        earlier.contains("`llmload-uring/1`, of an earlier version"),
        "{earlier}"
    );
    assert!(earlier.contains("repeat the run"), "{earlier}");
    let later = Schema::check("llmload-uring/10").unwrap_err().what;
    assert!(later.contains("of a later version"), "{later}");
    assert!(Schema::check("llmload-uring/x").is_err() && Schema::check("other/2").is_err());
    let error: JsonError =
        read(text(&changed(&full(), "/schema", Some(json!("llmload-uring/1"))))).unwrap_err();
    assert!(
        error.to_string().contains("in `schema`: is `llmload-uring/1`"),
        "{error}"
    );
}

#[test]
fn merged_hosts_keep_only_common_facts() {
    let one = sample::full().host;
    assert_eq!(one.clone().in_common(&one), one);
    let other = Host {
        kernel: Some("6.1.0".to_owned()),
        worker_cpus: None,
        ..one.clone()
    };
    let common = Host {
        kernel: None,
        worker_cpus: None,
        ..one.clone()
    };
    assert_eq!(one.in_common(&other), common);
}
