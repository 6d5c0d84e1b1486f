//! Files that are damaged, cut short, or not what they were called.

use super::sample_tests::{read_bytes, read_text};
use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

fn mistakes(format: &str, text: &str) -> Vec<String> {
    match read_text(format, text) {
        Err(mistakes) => mistakes,
        Ok(found) => panic!("{format}: {} rows of {text}", found.dataset.len()),
    }
}

/// Checks that the first mistake is at this line and contains these words.
#[track_caller]
fn wrong(format: &str, text: &str, line: usize, words: &str) {
    let all = mistakes(format, text);
    let place = if line == 0 {
        "error: f: ".to_owned()
    } else {
        format!("error: f:{line}: ")
    };
    assert!(all[0].starts_with(&place), "{all:?}");
    assert!(all[0].contains(words), "{all:?}");
}

#[test]
fn a_record_that_is_no_json_is_not_taken_for_the_value_that_it_begins_like() {
    for text in ["nonsense", "true-ish", "-", "12 apples", "[1", "\"open"] {
        let all = mistakes("custom", text);
        assert!(!all[0].contains("not an object"), "{text}: {all:?}");
    }
    for text in ["null", "true", "-1e3", "\"text\""] {
        wrong("custom", text, 1, ", not an object");
    }
}

#[test]
fn a_wrong_record_is_named_with_its_line_and_all_of_them_are() {
    let text = "{\"prompt\":\"a\"}\n{\"prompt\":\n\n{\"prompt\":3}\n[]\n{\"output_tokens\":4}\n{\"prompt\":\"b\",\"output_tokens\":-2}\n";
    assert_eq!(
        mistakes("custom", text),
        [
            "error: f:2: ends within a JSON value",
            "error: f:4: `prompt` is a number, not a string",
            "error: f:5: is a list, not an object",
            "error: f:6: has no `prompt`\nhint: there are output_tokens",
            "error: f:7: `output_tokens`: `-2` is below the minimum of 1\nhint: write a number from 1 to 10000000",
        ]
    );
}

#[test]
fn wrong_values_are_named_with_their_limits() {
    wrong(
        "custom",
        "{\"prompt\":\"a\",\"output_tokens\":1.5}",
        1,
        "`1.5` is not a whole number",
    );
    wrong(
        "custom",
        "{\"prompt\":\"a\",\"output_tokens\":1e3}",
        1,
        "`1e3` is not a whole number",
    );
    wrong(
        "custom",
        "{\"prompt\":\"a\",\"output_tokens\":NaN}",
        1,
        "is not JSON at column 31",
    );
    wrong(
        "custom",
        "{\"prompt\":\"a\",\"output_tokens\":\"16\"}",
        1,
        "is a string, not a number",
    );
    wrong(
        "custom",
        "{\"prompt\":\"a\",\"output_tokens\":99999999999999999999}",
        1,
        "above the limit of 10000000",
    );
    wrong("custom", "{\"prompt\":\"  \"}", 1, "`prompt` is blank");
    wrong(
        "custom",
        "{\"prompt\":\"a\",\"prompt\":\"b\"}",
        1,
        "has two members `prompt`",
    );
    wrong("custom", "{\"prompt\":\"a\"} x", 1, "is not JSON at column 16");
    wrong("custom", "{\"prompt\":\"\\ud800\"}", 1, "is not JSON");
}

#[test]
fn what_contradicts_itself_or_has_a_wrong_type_is_named() {
    wrong("openai", "{\"messages\":[]}", 1, "`messages` is empty");
    wrong(
        "openai",
        "{\"messages\":[{\"content\":\"a\"}]}",
        1,
        "`messages[0]` has no `role`",
    );
    wrong(
        "openai",
        "{\"messages\":\"hi\"}",
        1,
        "`messages` is a string, not a list",
    );
    wrong(
        "raw",
        "{\"payload\":\"x\"}",
        1,
        "`payload` is a string, not an object",
    );
    wrong("raw", "{\"foo\":1}", 1, "is no body");
    wrong(
        "multi_turn",
        "{\"turns\":[{\"text\":\"a\",\"timestamp\":1,\"delay\":2}]}",
        1,
        "`turns[0]` has both",
    );
}

#[test]
fn wrong_values_of_traces_are_named() {
    wrong(
        "mooncake",
        "{\"timestamp\":-1,\"input_length\":5}",
        1,
        "`timestamp`: `-1` is not between 0",
    );
    wrong(
        "mooncake",
        "{\"input_length\":5,\"text_input\":\"a\"}",
        1,
        "has 2 of",
    );
    wrong("mooncake", "{\"output_length\":5}", 1, "has none of");
    wrong(
        "mooncake",
        "{\"input_length\":5,\"hash_ids\":[-1]}",
        1,
        "`-1` is no whole number",
    );
    wrong(
        "mooncake",
        "{\"input_length\":513,\"hash_ids\":[1,2,3]}",
        1,
        "fill only 2 blocks of 512",
    );
    wrong(
        "timed_trace",
        "{\"input_length\":5,\"output_length\":1}",
        1,
        "has no `timestamp`",
    );
    wrong(
        "workload_trace",
        "{\"body\":\"{\"}",
        1,
        "`body` ends within a JSON value",
    );
    wrong(
        "workload_trace",
        "{\"body\":{},\"headers\":{\"a b\":\"c\"}}",
        1,
        "`a b` cannot be sent",
    );
    wrong(
        "workload_trace",
        "{\"body\":{},\"timestamp\":\"soon\"}",
        1,
        "is no date and time",
    );
    wrong(
        "sharegpt",
        "[{\"conversations\":[{\"from\":\"human\",\"value\":3}]}]",
        1,
        "`conversations[0]` has a `value`",
    );
}

#[test]
fn wrong_csv_is_named_with_its_line() {
    let head = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,374,44\n";
    wrong(
        "azure",
        &format!("{head}2023-11-16 18:15:47,5\n"),
        3,
        "has 2 columns, but the header has 3",
    );
    wrong(
        "azure",
        &format!("{head}2023-11-16 18:15:47,-5,3\n"),
        3,
        "`-5` is below the minimum",
    );
    wrong(
        "azure",
        &format!("{head}2023-11-16 18:15:47,NaN,3\n"),
        3,
        "`NaN` is not a whole number",
    );
    wrong(
        "azure",
        &format!("{head}yesterday,5,3\n"),
        3,
        "is no date and time",
    );
    wrong("azure", &format!("{head},5,3\n"), 3, "has no `TIMESTAMP`");
    wrong("azure", "TIMESTAMP,Tokens\n", 1, "has no column `ContextTokens`");
    wrong("azure", "", 0, "contains no rows");
    wrong(
        "azure",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        0,
        "contains no rows",
    );
    wrong(
        "azure",
        "TIMESTAMP,ContextTokens,GeneratedTokens,TIMESTAMP\n",
        1,
        "two columns `TIMESTAMP`",
    );
    wrong(
        "burstgpt",
        "Timestamp,Request tokens,Response tokens\ninf,3,4\n",
        2,
        "`inf` is not a number",
    );
    wrong(
        "guidellm",
        "prompt,output_tokens_count\n\"never closed,3\n",
        2,
        "",
    );
}

#[test]
fn ends_of_lines_marks_and_blanks_do_not_matter() {
    let plain = "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n";
    let rows = read_text("custom", plain).unwrap().dataset;
    for text in [
        plain.trim_end().to_owned(),
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{plain}"),
        format!("\n \r\n{}\n\n", plain.replace('\n', "\n\n  ")),
        "[{\"prompt\":\"a\"},{\"prompt\":\"b\"}]".to_owned(),
        "\u{feff}\n[\n{\"prompt\"\n:\"a\"},\n{\"prompt\":\"b\"}\n]\r\n"
            .replace("\"prompt\"\n:", "\"prompt\":"),
    ] {
        assert_eq!(read_text("custom", &text).unwrap().dataset, rows, "{text:?}");
    }
    assert!(mistakes("custom", " \n\n")[0].contains("contains no rows"));
}

#[test]
fn an_array_that_is_cut_or_followed_by_more_is_named_with_its_line() {
    let start = "[\n{\"prompt\":\"a\"},\n";
    wrong(
        "custom",
        &format!("{start}{{\"prompt\":\"b\""),
        3,
        "ends within the JSON array",
    );
    wrong(
        "custom",
        &format!("{start}{{\"prompt\":\"b\"}}\n"),
        4,
        "ends within the JSON array",
    );
    wrong(
        "custom",
        &format!("{start}{{\"prompt\":\"b\"}}] x"),
        3,
        "is no JSON array",
    );
    wrong(
        "custom",
        &format!("{start}{{\"prompt\":3}}]"),
        3,
        "is a number, not a string",
    );
    wrong(
        "custom",
        "[{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}]",
        2,
        "is no JSON array",
    );
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_line() {
    let options = ReadOptions::of(Format::from_name("custom").unwrap());
    let all = read_bytes(options, b"{\"prompt\":\"a\"}\n{\"prompt\":\"\xff\"}\n").unwrap_err();
    assert_eq!(all, ["error: f:2: is not UTF-8 text: byte 12 is invalid"]);
}

#[test]
fn a_line_beyond_the_limit_is_a_mistake_and_the_lines_behind_it_are_read() {
    let long = format!("{{\"prompt\":\"{}\"}}", "x".repeat(RECORD_BYTES_MAX));
    let all = mistakes(
        "custom",
        &format!("{{\"prompt\":\"a\"}}\n{long}\n{{\"prompt\":1}}\n"),
    );
    assert_eq!(all.len(), 2);
    assert!(
        all[0].starts_with("error: f:2: is longer than the limit of 16777216 bytes"),
        "{all:?}"
    );
    assert!(all[1].starts_with("error: f:3: "), "{all:?}");
}

#[test]
fn an_object_over_several_lines_is_one_mistake_that_says_what_to_do() {
    let all = mistakes("custom", "{\n  \"prompt\": \"a\"\n}\n");
    assert_eq!(all.len(), 1);
    assert!(all[0].contains("f:1: ends within a JSON value"), "{all:?}");
    assert!(all[0].contains("`jq -c . FILE`"), "{all:?}");
    wrong("inputs", "{\n\"other\": []\n}", 3, "the object has no `data`");
    wrong(
        "inputs",
        "{\"data\": [\n{\"payloads\": 3}]}",
        2,
        "`payloads` is a number",
    );
    wrong(
        "inputs",
        "{\"data\": [\n{\"payloads\": []}",
        2,
        "ends within the JSON array",
    );
}

#[test]
fn reading_ends_after_a_hundred_mistakes() {
    let all = mistakes("custom", &"{}\n".repeat(1_000));
    assert_eq!(all.len(), 101);
    assert!(
        all.last()
            .unwrap()
            .ends_with("f:100: reading ended after 100 mistakes")
    );
}

#[test]
fn a_file_of_another_format_says_so() {
    let all = mistakes(
        "custom",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n{}\n",
    );
    assert_eq!(all.len(), 1);
    assert!(
        all[0].contains("hint: the first record looks like `openai`, not like `custom`"),
        "{all:?}"
    );
}

fn gz(text: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(text).unwrap();
    gz.finish().unwrap()
}

#[test]
fn gzip_is_unpacked_in_all_its_members_and_never_taken_for_whole_when_cut() {
    let options = ReadOptions::of(Format::from_name("custom").unwrap());
    let lines: Vec<String> = (0..200)
        .map(|i| format!("{{\"prompt\":\"prompt {i}\"}}\n"))
        .collect();
    let (first, second) = lines.split_at(120);
    let plain = read_bytes(options, lines.concat().as_bytes()).unwrap().dataset;
    let packed = [gz(first.concat().as_bytes()), gz(second.concat().as_bytes())].concat();
    assert_eq!(read_bytes(options, &packed).unwrap().dataset, plain);
    let whole = gz(lines.concat().as_bytes());
    for cut in (3..whole.len()).step_by(7) {
        let all = read_bytes(options, &whole[..cut]).unwrap_err();
        let last = all.last().unwrap();
        assert!(last.contains("the gzip data ends too early"), "{cut}: {all:?}");
    }
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let all = read_bytes(options, &damaged).unwrap_err();
    assert!(!all.is_empty());
}

#[test]
fn no_cut_and_no_changed_byte_of_any_sample_is_a_panic() {
    let samples = [
        (
            "sharegpt",
            "[{\"id\":\"a\",\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":\"r\"}]}]",
        ),
        (
            "openai",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"u\"}],\"max_tokens\":64,\"tools\":[]}\n",
        ),
        (
            "mooncake",
            "{\"timestamp\":0,\"input_length\":600,\"output_length\":5,\"hash_ids\":[1,2]}\n",
        ),
        (
            "multi_turn",
            "{\"session_id\":\"s\",\"turns\":[{\"text\":\"a\",\"delay\":3},{\"texts\":[\"b\"]}]}\n",
        ),
        (
            "bailian",
            "{\"chat_id\":1,\"parent_chat_id\":-1,\"timestamp\":0.3,\"input_length\":4,\"output_length\":2}\n",
        ),
        (
            "workload_trace",
            "{\"timestamp\":\"2026-05-01T10:00:00Z\",\"body\":{\"a\":1},\"headers\":{\"x\":\"y\"}}\n",
        ),
        (
            "azure",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-12 00:00:01+00:00,10,3\n",
        ),
        ("guidellm", "prompt,output_tokens_count\n\"a,\"\"b\",3\n"),
    ];
    for (format, text) in samples {
        let options = ReadOptions::of(Format::from_name(format).unwrap());
        assert!(read_bytes(options, text.as_bytes()).is_ok(), "{format}");
        for at in 0..text.len() {
            let _ = read_bytes(options, &text.as_bytes()[..at]);
            for byte in [0, b'"', b'{', b'9', b'-', 0xff] {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let _ = read_bytes(options, &changed);
            }
        }
    }
}
