use super::*;
use crate::api::Api;
use crate::config::document::read_document;
use crate::config::{Config, reread, to_plan};
use crate::documents_tests::{document, first_column, quoted_words, rows};
use crate::workload::Call;
use std::collections::BTreeSet;

fn text(keys: &str, request: &str) -> String {
    format!(
        "executor: constant-vus\nduration: 1s\nmodels: [m]\nprompts: [Hi]\n{keys}requests:\n  - name: a\n    \
         max_tokens: 20\n{request}"
    )
}

fn valid(keys: &str, request: &str) -> Config {
    let (config, mistakes) = read_document("p", "p.yaml", &text(keys, request)).unwrap();
    assert_eq!(mistakes, []);
    config
}

fn refused(keys: &str, request: &str) -> String {
    let (config, mut mistakes) = read_document("p", "p.yaml", &text(keys, request)).unwrap();
    mistakes.extend(to_plan(&config).err().unwrap_or_default());
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].to_string()
}

fn settings(config: &Config) -> &BodySettings {
    match &config.requests[0].call {
        Call::Chat(chat) => &chat.settings,
        other => panic!("{other:?}"),
    }
}

fn said(config: &Config, api: Api) -> String {
    serde_json::to_string(settings(config).members(api)).unwrap()
}

const EVERY_KEY: &str = "    ignore_eos: true
    min_tokens: 20
    temperature: 0.70
    top_p: 0.9
    top_k: 40
    sampling_seed: 7
    stop: [END, \"\\n\"]
    n: 2
    system: Be brief.
    tools:
      - { type: function, function: { name: look, parameters: { type: object, properties: {} } } }
    extra_body:
      priority: 3
      nested: { list: [1, 2.50, yes, null], gone: null }
";

#[test]
fn every_key_of_a_kind_reaches_the_body() {
    let config = valid("", EVERY_KEY);
    let said = said(&config, Api::Chat);
    let expected = r#"{"ignore_eos":true,"min_tokens":20,"temperature":0.70,"top_p":0.9,"top_k":40,"seed":7,"stop":["END","\n"],"n":2,"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{}}}}],"priority":3,"nested":{"list":[1,2.50,"yes",null],"gone":null}}"#;
    assert_eq!(said, expected);
    assert_eq!(settings(&config).system().unwrap().text.as_ref(), "Be brief.");
    assert_eq!(settings(&config).value(Setting::Temperature), Some("0.70"));
}

#[test]
fn a_kind_inherits_what_it_does_not_say() {
    let outer = "temperature: 0\nstop: END\nsystem: Outer.\nextra_body: { a: { x: 1 }, b: 2 }\n";
    let config = valid(
        outer,
        "    temperature: 1\n    extra_body: { a: { y: 3 }, b: null }\n",
    );
    assert_eq!(
        said(&config, Api::Completions),
        r#"{"temperature":1,"stop":["END"],"a":{"x":1,"y":3},"b":null}"#
    );
    assert_eq!(settings(&config).system().unwrap().text.as_ref(), "Outer.");
}

#[test]
fn a_configuration_reads_back_as_itself() {
    let config = valid("temperature: 0.5\n", EVERY_KEY);
    let json = serde_json::to_value(&config).unwrap();
    let (again, plan) = reread(&json, "r.json").unwrap();
    let value =
        |config: &Config| serde_json::from_str::<serde_json::Value>(&said(config, Api::Chat)).unwrap();
    assert_eq!(value(&again), value(&config));
    assert_eq!(settings(&again).system(), settings(&config).system());
    assert_eq!(plan.workload.kinds.len(), 1);
}

#[test]
fn files_are_read_and_named_in_the_configuration() {
    let folder = std::env::temp_dir().join(format!("body-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (system, tools) = (folder.join("system.txt"), folder.join("tools.json"));
    std::fs::write(&system, "You are terse.\n").unwrap();
    std::fs::write(&tools, "[{\"type\": \"function\"}]\n").unwrap();
    let keys = format!(
        "    system: {{ file: {} }}\n    tools: {{ file: {} }}\n",
        system.display(),
        tools.display()
    );
    let config = valid("", &keys);
    assert_eq!(
        settings(&config).system().unwrap().text.as_ref(),
        "You are terse.\n"
    );
    assert_eq!(said(&config, Api::Chat), r#"{"tools":[{"type":"function"}]}"#);
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!(json["requests"][0]["tools"]["file"], tools.display().to_string());
    assert_eq!(
        json["requests"][0]["system"]["file"],
        system.display().to_string()
    );

    std::fs::write(&tools, "[{\"type\":\n \"function\"]\n").unwrap();
    let found = refused("", &keys);
    let place = format!("error: {}:2: not JSON at line 2 column 12", tools.display());
    assert!(found.starts_with(&place), "{found}");
    std::fs::remove_dir_all(&folder).unwrap();
    let (_, mistakes) = read_document("p", "p.yaml", &text("", &keys)).unwrap();
    let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert!(
        found.iter().all(|e| e.contains("cannot be read: No such file")),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
}

/// Lines of a kind, and how the mistake in each begins.
const WRONG: &[(&str, &str)] = &[
    (
        "temperature: warm",
        "error: p.yaml:8: `requests[0].temperature`: `warm` is not a number",
    ),
    (
        "temperature: -1",
        "error: p.yaml:8: `requests[0].temperature`: `-1` is below the minimum of 0",
    ),
    (
        "top_p: 0",
        "error: p.yaml:8: `requests[0].top_p`: `0` is not above 0",
    ),
    (
        "top_k: 1.5",
        "error: p.yaml:8: `requests[0].top_k`: `1.5` is not a whole number",
    ),
    (
        "n: 0",
        "error: p.yaml:8: `requests[0].n`: `0` is below the minimum of 1",
    ),
    (
        "ignore_eos: maybe",
        "error: p.yaml:8: `requests[0].ignore_eos`: `maybe` is neither true nor false",
    ),
    (
        "stop: ['']",
        "error: p.yaml:8: `requests[0].stop`: the text is empty",
    ),
    (
        "stop: { a: b }",
        "error: p.yaml:8: `requests[0].stop` is a mapping, not a list",
    ),
    (
        "system: ' '",
        "error: p.yaml:8: `requests[0].system`: the text is blank",
    ),
    (
        "system: [a]",
        "error: p.yaml:8: `requests[0].system` is a list, not a text or `{ file: PATH }`",
    ),
    (
        "system: { fiel: a }",
        "error: p.yaml:8: unknown key `requests[0].system.fiel`\nhint: did you mean `file`?",
    ),
    (
        "tools: []",
        "error: p.yaml:8: `requests[0].tools`: the list of tools is empty",
    ),
    (
        "tools: [look]",
        "error: p.yaml:8: `requests[0].tools`: tool 1 of the list is not an object",
    ),
    (
        "extra_body: [a]",
        "error: p.yaml:8: `requests[0].extra_body` is a list, not a mapping of keys and values",
    ),
    (
        "extra_body: { a: .nan }",
        "error: p.yaml:8: `requests[0].extra_body.a`: `.nan` is a number that JSON does not",
    ),
    (
        "extra_body:\n      a: 1\n      stream: true",
        "error: p.yaml:10: `requests[0].extra_body`: `stream` cannot be",
    ),
    (
        "extra_bdoy: {}",
        "error: p.yaml:8: unknown key `requests[0].extra_bdoy`\nhint: did you mean `extra_body`?",
    ),
    (
        "min_tokens: 21",
        "error: p.yaml:6: request `a`: `min_tokens`, 21, is above the lowest `max_tokens`, 20",
    ),
];

#[test]
fn wrong_values_are_reported_at_their_line_with_what_to_write() {
    for (line, expected) in WRONG {
        let found = refused("", &format!("    {line}\n"));
        assert!(found.starts_with(*expected), "{line}\n{found}\nnot\n{expected}");
    }
}

#[test]
fn what_the_api_has_no_word_for_is_refused_where_the_document_names_it() {
    let server = |end: &str| format!("server: {{ base_url: 'http://h:1{end}' }}\n");
    for (end, line, expected) in [
        (
            "/completion",
            "min_tokens: 5",
            "request `a`: `min_tokens` has no place in llama.cpp's own completions",
        ),
        (
            "/v1/completions",
            "tools: [{}]",
            "request `a`: `tools` has no place in completions",
        ),
    ] {
        let found = refused(&server(end), &format!("    {line}\n"));
        assert!(
            found.starts_with(&format!("error: p.yaml:7: {expected}\nhint: ")),
            "{found}"
        );
    }
    valid(
        &server("/v1/chat/completions"),
        "    tools: [{}]\n    min_tokens: 5\n",
    );
}

#[test]
fn a_light_request_has_no_body() {
    let text = "executor: constant-vus\nduration: 1s\nrequests: [{ name: a, kind: light, temperature: 0 }]\n";
    let (_, mistakes) = read_document("p", "p.yaml", text).unwrap();
    let found = mistakes[0].to_string();
    assert!(
        found.contains("key `requests[0].temperature` has no effect with kind `light`"),
        "{found}"
    );
}

#[test]
fn the_page_on_bodies_lists_exactly_the_keys_with_their_options() {
    let page = document("docs/BODIES.md");
    let known: BTreeSet<String> = BODY_KEYS.map(str::to_owned).into();
    assert_eq!(first_column(&page, "## Settings"), known);
    let rows = rows(&page, "## Settings");
    for setting in Setting::ALL {
        let row = rows
            .iter()
            .find(|row| row[0] == format!("`{}`", setting.key()))
            .unwrap();
        let option = quoted_words(&row[1]).swap_remove(0);
        assert_eq!(
            option.split(' ').next(),
            Some(format!("--{}", setting.option()).as_str())
        );
    }
}

#[test]
fn the_page_on_bodies_has_the_words_of_each_api() {
    let page = document("docs/BODIES.md");
    let rows = rows(&page, "### In the words of each API");
    for api in Api::ALL {
        let row = rows
            .iter()
            .find(|row| quoted_words(&row[0]).contains(&api.row().name.to_owned()));
        let row = row.unwrap_or_else(|| panic!("no row for {}", api.row().name));
        let given = Setting::ALL.into_iter();
        let words: Vec<&str> = given.filter_map(|setting| api.row().word_for(setting)).collect();
        assert_eq!(quoted_words(&row[1]), words, "{api:?}");
    }
}

#[test]
fn the_documents_of_the_page_on_bodies_are_valid() {
    let page = document("docs/BODIES.md");
    let blocks = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let whole: Vec<&str> = blocks.filter(|block| block.contains("requests:")).collect();
    assert_eq!(whole.len(), 2);
    for block in whole {
        let shape = match block.contains("duration:") {
            true => "",
            false => "executor: constant-vus\nduration: 1s\nprompts: [Hi]\n",
        };
        let (config, mistakes) = read_document("p", "p.yaml", &format!("{shape}{block}")).unwrap();
        assert_eq!(mistakes, [], "{block}");
        to_plan(&config).unwrap();
    }
}

#[test]
fn a_system_prompt_is_sent_once_or_refused() {
    let both = "    system: Outer\n    conversation: { turns: 2, system: Inner }\n";
    let found = refused("", both);
    assert!(
        found.contains("of its own and one of its conversation"),
        "{found}"
    );
    valid("", "    system: Outer\n    conversation: { turns: 2 }\n");
    let ids = "    system: Outer\n    prompts: { prompt_tokens: 20, token_ids: true }\n";
    let found = refused("", ids);
    assert!(found.contains("sends token ids"), "{found}");
}
