use super::*;
use serde_json::json;

/// Writes an object of ours with these changes.
fn written(changes: &str) -> String {
    let changes = Members::parse(changes).unwrap();
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out, &changes);
    object.member("model", |out| write_string(out, "m"));
    object.member("max_tokens", |out| out.extend_from_slice(b"5"));
    object.fixed("stream", |out| out.extend_from_slice(b"true"));
    object.object("stream_options", |options| {
        options.member("include_usage", |out| out.extend_from_slice(b"true"));
    });
    object.end();
    String::from_utf8(out).unwrap()
}

#[test]
fn changes_add_replace_merge_and_remove_members() {
    for (changes, expected) in [
        (
            "{}",
            r#"{"model":"m","max_tokens":5,"stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"priority": 1.50, "x": {"a": [1, null], "b": null}}"#,
            r#"{"model":"m","max_tokens":5,"stream":true,"stream_options":{"include_usage":true},"priority":1.50,"x":{"a":[1,null]}}"#,
        ),
        (
            r#"{"model": "other", "max_tokens": null, "stream_options": null, "absent": null}"#,
            r#"{"model":"other","stream":true}"#,
        ),
        (
            r#"{"stream_options": {"include_usage": false, "more": {}}, "stream": false}"#,
            r#"{"model":"m","max_tokens":5,"stream":true,"stream_options":{"include_usage":false,"more":{}}}"#,
        ),
        (
            r#"{"model": {"of": "the day"}, "stream_options": 7}"#,
            r#"{"model":{"of":"the day"},"max_tokens":5,"stream":true,"stream_options":7}"#,
        ),
    ] {
        assert_eq!(written(changes), expected, "{changes}");
    }
}

#[test]
fn an_object_whose_first_member_is_removed_begins_without_a_comma() {
    let text = written(r#"{"model": null, "stream_options": {"include_usage": null}}"#);
    assert_eq!(text, r#"{"max_tokens":5,"stream":true,"stream_options":{}}"#);
}

#[test]
fn of_two_changes_of_the_same_the_upper_one_decides() {
    let below = Members::parse(r#"{"a":{"x":1,"y":2},"b":1,"c":null,"d":1}"#).unwrap();
    let above = Members::parse(r#"{"a":{"y":null,"z":3},"b":{"q":1},"c":2,"e":5}"#).unwrap();
    let merged = serde_json::to_value(below.with(&above)).unwrap();
    assert_eq!(
        merged,
        json!({"a": {"x": 1, "y": null, "z": 3}, "b": {"q": 1}, "c": 2, "d": 1, "e": 5})
    );
    assert_eq!(below.with(&Members::NONE), below);
    assert_eq!(Members::NONE.with(&above), above);
}

#[test]
fn a_path_sets_a_member_of_an_inner_object() {
    let mut members = Members::parse(r#"{"options":{"top_p":0.5},"b":1}"#).unwrap();
    members.set("options.seed", "7");
    members.set("b.c", "true");
    members.set("d", r#"[1,  "a \" \\", 2]"#);
    members.set("options.top_p", "1.0");
    assert_eq!(
        serde_json::to_string(&members).unwrap(),
        r#"{"options":{"top_p":1.0,"seed":7},"b":{"c":true},"d":[1,"a \" \\",2]}"#
    );
}

#[test]
fn a_whole_body_is_changed_where_there_are_changes_and_else_as_it_was() {
    let body = r#"{ "a": {"x": 1.0}, "b": null }"#;
    let over = |changes: &str| {
        let mut out = Vec::new();
        Members::parse(changes).unwrap().write_over(&mut out, body);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(over("{}"), body);
    assert_eq!(over(r#"{"a":{"y":2},"c":3}"#), r#"{"a":{"x":1.0,"y":2},"c":3}"#);
}

#[test]
fn what_is_not_an_object_is_refused_with_the_reason() {
    for (text, expected) in [
        ("", "not JSON at line 1 column 0: EOF while parsing a value"),
        (
            "{\"a\": 1,\n \"b\" 2}",
            "not JSON at line 2 column 6: expected `:`",
        ),
        ("{'a': 1}", "not JSON at line 1 column 2: key must be a string"),
        ("[1]", "a list, not a JSON object"),
        ("7", "a number, not a JSON object"),
        ("null", "null, not a JSON object"),
        (r#"{"a":1,"a":2}"#, "the member `a` is there twice"),
        (r#"{"a":{"b":1,"b":2}}"#, "the member `a.b` is there twice"),
        ("{} {}", "not JSON at line 1 column 4: trailing characters"),
    ] {
        assert_eq!(Members::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn nothing_is_allocated_for_changes_but_the_bytes() {
    let changes = Members::parse(r#"{"a":1,"b":{"c":[1]},"stream_options":{"x":1}}"#).unwrap();
    let mut out = Vec::with_capacity(1_024);
    let before = out.as_ptr();
    let mut object = Object::begin(&mut out, &changes);
    object.object("stream_options", |_| ());
    object.end();
    assert_eq!(out.as_ptr(), before);
    assert_eq!(out, br#"{"stream_options":{"x":1},"a":1,"b":{"c":[1]}}"#);
}
