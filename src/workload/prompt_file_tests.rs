use super::*;

#[test]
fn json_lines_are_objects_or_strings() {
    let text = "\n{\"prompt\": \"a\\nb\"}\r\n{\"text\":\"c\",\"id\":1}\n\n  \"d\"\n{\"prompt\":\"e\",\"text\":\"f\"}";
    assert_eq!(parse_prompts(text).unwrap(), ["a\nb", "c", "d", "e"]);
}

#[test]
fn other_files_are_plain_text_with_one_prompt_per_line() {
    let text = "\u{feff}Tell me\r\n\n  about [it]\n{not json\n";
    assert_eq!(
        parse_prompts(text).unwrap(),
        ["Tell me", "  about [it]", "{not json"]
    );
    assert_eq!(
        parse_prompts("\"To be\" said Hamlet\n\"x\"").unwrap(),
        ["\"To be\" said Hamlet", "\"x\""]
    );
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    let line_of = |text: &str| parse_prompts(text).unwrap_err();
    assert_eq!(
        parse_prompts(
            " 

"
        ),
        Ok(Vec::new())
    );
    assert_eq!(
        line_of("{\"prompt\":\"a\"}\n\n{\"prompt\":"),
        (3, "not JSON at column 10".to_owned())
    );
    assert_eq!(
        line_of("\"a\"\n[1]"),
        (
            2,
            "a list, neither a string nor an object with `prompt` or `text`".to_owned()
        )
    );
    assert_eq!(
        line_of("{\"prompt\":3}"),
        (1, "the prompt is a number, not a string".to_owned())
    );
    assert_eq!(line_of("{\"text\":\" \"}"), (1, "an empty prompt".to_owned()));
    assert_eq!(line_of("{\"x\":\"a\"}").0, 1);
    let long = "x".repeat(PROMPT_BYTES_MAX);
    assert_eq!(parse_prompts(&long).unwrap().len(), 1);
    let (line, what) = line_of(&format!("a\n{long}y"));
    assert!(
        line == 2 && what.contains("exceeds the limit of 262144"),
        "{what}"
    );
    let many = "x\n".repeat(PROMPTS_MAX);
    assert_eq!(parse_prompts(&many).unwrap().len(), PROMPTS_MAX);
    assert_eq!(line_of(&(many + "x")).0, PROMPTS_MAX + 1);
}

#[test]
fn a_json_list_is_its_entries_however_it_is_laid_out() {
    let forms = [
        r#"["a", {"prompt": "b"}, {"text": "c", "id": 7}]"#,
        "[\n  \"a\",\n  {\"prompt\": \"b\"},\n  {\"text\": \"c\"}\n]\n",
        "\u{feff}\r\n[\r\n\"a\",\r\n\r\n{\r\n\"prompt\":\"b\"\r\n},{\"text\":\"c\",\"prompt\":null}]\r\n",
    ];
    for text in forms {
        assert_eq!(parse_prompts(text).unwrap(), ["a", "b", "c"], "{text}");
    }
    assert_eq!(parse_prompts("[]"), Ok(Vec::new()));
    assert_eq!(parse_prompts(" [\n ]\n"), Ok(Vec::new()));
    assert_eq!(parse_prompts("[\"[a]\\n{b}\"]").unwrap(), ["[a]\n{b}"]);
    // One object over several lines is one prompt.
    assert_eq!(parse_prompts("{\n  \"prompt\": \"a\"\n}\n").unwrap(), ["a"]);
}

#[test]
fn what_is_no_prompt_in_a_list_is_named_by_its_entry_and_line() {
    let cases = [
        ("[\n\"a\",\n3]", 3, "entry 2: a number, neither"),
        ("[\"a\", null]", 1, "entry 2: null, neither"),
        ("[[\"a\", \"b\"]]", 1, "entry 1: a list, neither"),
        (
            "[\n [{\"role\": \"user\", \"content\": \"a\"}]\n]",
            2,
            "entry 1: a list",
        ),
        ("[{\"messages\": []}]", 1, "entry 1: a conversation (`messages`)"),
        (
            "[{\"conversations\": []}]",
            1,
            "entry 1: a conversation (`conversations`)",
        ),
        ("[\n{\"prompt\": [1, 2]}]", 2, "entry 1: the prompt is a list"),
        ("[\"a\",\n\n\" \"]", 3, "an empty prompt"),
        ("[1, 2]", 1, "entry 1: a number"),
        ("[{\"question\": \"a\"}]", 1, "entry 1: an object without"),
        ("{\"prompts\": [\"a\"]}", 1, "an object without"),
        ("{\"messages\": []}", 1, "a conversation (`messages`)"),
    ];
    for (text, line, what) in cases {
        let wrong = parse_prompts(text).unwrap_err();
        assert!(wrong.0 == line && wrong.1.starts_with(what), "{text}: {wrong:?}");
    }
}

#[test]
fn json_that_would_be_sent_with_its_brackets_is_refused_with_its_line() {
    let cases = [
        ("[\n\"a\",\n\"b\",\n]", 4),
        ("[\n\"a\"\n", 2),
        ("[\"a\"]\n[\"b\"]", 2),
        ("['a', 'b']", 1),
        ("[", 1),
        ("# prompts\n[\n\"a\"\n]", 2),
        ("prompts = [\nHi\n]", 3),
        ("Hi\n{\"prompt\": \"a\"}", 2),
        ("{\n\"prompt\": \"a\",\n}", 1),
    ];
    for (text, line) in cases {
        let wrong = parse_prompts(text).unwrap_err();
        assert_eq!(wrong.0, line, "{text}: {wrong:?}");
    }
    // Brackets that are part of what is asked stay.
    for text in [
        "[INST] Hi [/INST]",
        "[1] and [2]: which?",
        "[[INST]] Hi",
        "a]",
        "Sum up: {\"a\": 1}",
    ] {
        assert_eq!(parse_prompts(text).unwrap(), [text]);
    }
}
