use crate::config::document::read_document;
use crate::config::to_plan;
use crate::config::{Config, PromptsFile};
use crate::error::Mistake;
use crate::workload::{Call, Chat, Prompts};

const WORKLOAD: &str = r#"server:
  base_url: "http://127.0.0.1:8080/completion"
  model_alias: "llama-2-7b-chat"
workload:
  users: 20
  duration_seconds: 120
  ramp_up_seconds: 10
  seed: 42
prompts:
  min_tokens: 50
  max_tokens: 200
  prefix: "Please summarize the following text: "
prometheus:
  enabled: false
"#;

fn read(text: &str) -> Config {
    let (config, mistakes) = read_document("p", "p.yaml", text).unwrap();
    assert_eq!(mistakes, [], "{text}");
    config
}

fn mistakes(text: &str) -> Vec<String> {
    let (config, mut mistakes) = read_document("p", "p.yaml", text).unwrap();
    mistakes.extend(to_plan(&config).err().unwrap_or_default());
    mistakes.sort_by_key(Mistake::line);
    mistakes.iter().map(Mistake::to_string).collect()
}

fn one(text: &str) -> String {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{text}\n{found:#?}");
    found[0].clone()
}

/// `WORKLOAD` with a part of it exchanged.
fn with(good: &str, bad: &str) -> String {
    assert!(WORKLOAD.contains(good), "{good}");
    WORKLOAD.replace(good, bad)
}

#[test]
fn prompts_come_from_a_file_with_their_prefix() {
    let name = format!("llmload-prompts-{}.txt", std::process::id());
    let path = std::env::temp_dir().join(name);
    let shown = path.display().to_string();
    let text = with("min_tokens: 50", &format!("file: {shown}"));
    let found = one(&text);
    assert!(
        found.starts_with("error: p.yaml:10: `prompts.file`: `"),
        "{found}"
    );
    assert!(found.contains("cannot be read: No such file"), "{found}");

    std::fs::write(&path, "One\nTwo words\n").unwrap();
    let config = read(&text);
    let prefix = "Please summarize the following text: ";
    let Call::Chat(Chat { prompts, .. }) = &config.requests[0].call else {
        panic!()
    };
    let expected = ["One", "Two words"].map(|text| format!("{prefix}{text}"));
    assert_eq!(*prompts, Prompts::List(expected.to_vec()));
    let file = PromptsFile {
        prefix: prefix.to_owned(),
        file: shown.clone(),
    };
    assert_eq!(config.requests[0].prompts_file, Some(file));
    // The file is named in the configuration, not copied into it.
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains(&shown) && !json.contains("Two words"), "{json}");
    let both = one(&with(
        "min_tokens: 50",
        &format!("min_tokens: 5\n  file: {shown}"),
    ));
    assert!(
        both.contains("`prompts.min_tokens` contradicts `file` of line 11"),
        "{both}"
    );

    std::fs::write(&path, "{\"prompt\": \"a\"}\n{\"prompt\": 5}\n").unwrap();
    let found = one(&text);
    assert!(found.starts_with(&format!("error: {shown}:2: ")), "{found}");
    std::fs::write(&path, b"\xff").unwrap();
    assert!(one(&text).contains("not UTF-8 text: byte 0 is invalid"));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn made_prompts_are_as_long_as_both_bounds_or_prompt_tokens_say() {
    let lengths = |keys: &str| {
        let config = read(&with("min_tokens: 50\n  max_tokens: 200", keys));
        let Call::Chat(Chat {
            prompts, max_tokens, ..
        }) = &config.requests[0].call
        else {
            panic!()
        };
        match prompts {
            Prompts::Made { tokens, .. } => (tokens.min(), tokens.max(), max_tokens.min(), max_tokens.max()),
            other => panic!("{other:?}"),
        }
    };
    let cases = [
        ("min_tokens: 50\n  max_tokens: 200", (50, 200, 200, 200)),
        ("min_tokens: 50\n  max_tokens: 50", (50, 50, 50, 50)),
        ("min_tokens: 50", (50, 50, 200, 200)),
        ("max_tokens: 20", (50, 50, 20, 20)),
        ("max_tokens: null\n  min_tokens: 30", (30, 30, 200, 200)),
        ("min_tokens: 50\n  max_tokens: 100-200", (50, 50, 100, 200)),
        ("prompt_tokens: 200\n  max_tokens: 20", (200, 200, 20, 20)),
        ("prompt_tokens: 100-400\n  max_tokens: 20", (100, 400, 20, 20)),
        (
            "min_tokens: 50\n  prompt_tokens: 100-400\n  max_tokens: 20",
            (100, 400, 20, 20),
        ),
    ];
    for (keys, expected) in cases {
        assert_eq!(lengths(keys), expected, "{keys}");
    }
}

#[test]
fn bounds_that_make_no_length_are_refused_with_the_key_that_says_them_apart() {
    let refused = |keys: &str| one(&with("min_tokens: 50\n  max_tokens: 200", keys));
    let turned = refused("min_tokens: 2000\n  max_tokens: 200");
    assert!(
        turned.contains(":11: `prompts.max_tokens`: `200` is less than `min_tokens`, 2000"),
        "{turned}"
    );
    assert!(turned.contains("write `prompt_tokens: 2000`"), "{turned}");
    let long = refused("min_tokens: 50\n  max_tokens: 1000001");
    assert!(
        long.contains("`1000001` tokens are longer than the limit of 1000000"),
        "{long}"
    );
    for (value, what) in [
        ("0", "`0` is below the minimum of 1"),
        ("400-100", "the first value is greater"),
        ("1-1000001", "`1000001` is above the limit of 1000000"),
        ("many", "not a whole number"),
    ] {
        let found = refused(&format!("prompt_tokens: {value}"));
        assert!(found.contains(what), "{value}: {found}");
    }
}

#[test]
fn the_limits_of_prompts_are_checked() {
    assert!(one(&with("min_tokens: 50", "min_tokens: 0")).contains("below the minimum of 1"));
    assert!(one(&with("min_tokens: 50", "min_tokens: 1000001")).contains("above the limit of 1000000"));
    assert!(one(&with("max_tokens: 200", "max_tokens: 0")).contains("below the minimum of 1"));
    assert!(one(&with("min_tokens: 50", "mintokens: 50")).contains("did you mean `min_tokens`?"));
    assert_eq!(
        mistakes(&with("\"Please summarize the following text: \"", "''")),
        [""; 0]
    );
    // Its limits are keys of the request.
    let text = format!("{WORKLOAD}requests: [{{name: a, prompts: {{max_tokens: 5}}}}]\n");
    assert!(one(&text).contains("unknown key `requests[0].prompts.max_tokens`"));
}

#[test]
fn lengths_are_numbers_ranges_and_distributions_as_text_or_mapping() {
    let counts = std::env::temp_dir().join(format!("llmload-lengths-{}.csv", std::process::id()));
    std::fs::write(&counts, "tokens,requests\n100,3\n300,1\n").unwrap();
    let file = counts.display();
    for (value, wanted) in [
        ("512", "512".to_owned()),
        ("50..200", "50-200".to_owned()),
        (
            "normal(mean=512,std=64)",
            "normal(mean=512,std=64,min=1,max=768)".to_owned(),
        ),
        (
            "{ distribution: normal, mean: 512, std: 64, min: 100, max: 1024 }",
            "normal(mean=512,std=64,min=100,max=1024)".to_owned(),
        ),
        ("{ distribution: fixed, value: 7 }", "7".to_owned()),
        (
            &format!("empirical(file={file})"),
            format!("empirical(file={file})"),
        ),
        (
            &format!("{{ distribution: empirical, file: {file} }}"),
            format!("empirical(file={file})"),
        ),
    ] {
        let config = read(&with(
            "min_tokens: 50\n  max_tokens: 200",
            &format!("prompt_tokens: {value}\n  max_tokens: {value}"),
        ));
        let Call::Chat(chat) = &config.requests[0].call else {
            panic!("{config:?}");
        };
        let Prompts::Made { tokens, .. } = &chat.prompts else {
            panic!("{chat:?}");
        };
        assert_eq!(
            (tokens.to_string(), chat.max_tokens.to_string()),
            (wanted.clone(), wanted)
        );
    }
    std::fs::remove_file(counts).unwrap();
}

#[test]
fn a_mistake_in_a_distribution_has_the_line_of_its_setting() {
    let refused = |value: &str| {
        one(&with(
            "min_tokens: 50\n  max_tokens: 200",
            &format!("prompt_tokens:{value}"),
        ))
    };
    for (value, wanted) in [
        (
            "\n    distribution: normal\n    mean: 512\n    std: x",
            ":13: `prompts.prompt_tokens.std`: `x` is not a number",
        ),
        (
            "\n    mean: 512",
            ":11: missing key `prompts.prompt_tokens.distribution`",
        ),
        (
            "\n    distribution: gaussian\n    mean: 512",
            ":10: `prompts.prompt_tokens`: `gaussian` is no distribution",
        ),
        (
            "\n    distribution: zipf\n    alpha: [1]",
            ":12: `prompts.prompt_tokens.alpha` is no number",
        ),
        (
            " normal(mean=512)",
            ":10: `prompts.prompt_tokens`: `normal` has no `std`",
        ),
        (
            " empirical(file=/nowhere.csv)",
            ":10: `prompts.prompt_tokens`: `file`: `/nowhere.csv` cannot be read",
        ),
        (
            " [5]",
            ":10: `prompts.prompt_tokens` is a list, not a whole number, a range or a distribution",
        ),
    ] {
        let found = refused(value);
        assert!(found.contains(wanted), "{value}: {found}");
    }
}

#[test]
fn prompts_of_ids_and_with_shared_prefixes_read_back_as_written() {
    let read_prompts = |keys: &str| {
        let text = with(
            "min_tokens: 50\n  max_tokens: 200\n  prefix: \"Please summarize the following text: \"",
            keys,
        );
        let config = read(&text);
        let Call::Chat(chat) = &config.requests[0].call else {
            panic!("{config:?}");
        };
        (
            serde_json::to_value(&config.requests[0]).unwrap()["prompts"].clone(),
            chat.prompts.clone(),
        )
    };
    for keys in [
        r#"{"prompt_tokens":"512","token_ids":"1000-30000"}"#,
        r#"{"prompt_tokens":"50-200","token_ids":"5-90"}"#,
        r#"{"prompt_tokens":"100","prefix_groups":32,"prefix_tokens":"2048"}"#,
        r#"{"prompt_tokens":"100","prompts_per_group":8,"token_ids":"1-9","prefix_groups":32,"prefix_tokens":"2-9","group_distribution":"zipf(alpha=1.5)"}"#,
        r#"{"prompt_tokens":"9","prefix_buckets":[{"weight":80,"prefix_groups":2,"prefix_tokens":"1000"},{"weight":20,"prefix_groups":5,"prefix_tokens":"500"}]}"#,
    ] {
        let inside: serde_json::Map<String, serde_json::Value> = serde_json::from_str(keys).unwrap();
        let lines: Vec<String> = inside
            .iter()
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        let (written, prompts) = read_prompts(&lines.join("\n  "));
        assert_eq!(written, serde_json::Value::Object(inside), "{keys}");
        assert!(!matches!(prompts, Prompts::Made { .. }));
    }
    assert_eq!(
        read_prompts("prompt_tokens: 5\n  token_ids: true").0["token_ids"],
        "1000-30000"
    );
    // The words of every key that is true or false.
    for word in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"] {
        let made = read_prompts(&format!("token_ids: {word}")).1;
        assert!(matches!(made, Prompts::Made { .. }), "{word}: {made:?}");
    }
    for word in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"] {
        let ids = read_prompts(&format!("token_ids: {word}")).1;
        assert!(matches!(ids, Prompts::Ids { .. }), "{word}: {ids:?}");
    }
}

#[test]
fn names_of_other_programs_and_contradictions_are_answered() {
    for (keys, wanted) in [
        (
            "num_groups: 5",
            ":10: key `prompts.num_groups` has another name here; write `prefix_groups`",
        ),
        ("system_prompt_len: 5", "write `prefix_tokens`"),
        ("prefix_groups: 5", "missing key `prompts.prefix_tokens`"),
        (
            "token_ids: maybe",
            ":10: `prompts.token_ids`: `maybe` is not a whole number; write `true`, or the ids",
        ),
        ("token_ids: 9-5", "the first value is greater than the second"),
        (
            "prefix_groups: 5\n  prefix_tokens: 9\n  group_distribution: normal",
            ":12: `prompts.group_distribution`: `normal` is neither `uniform` nor `zipf(alpha=1.2)`",
        ),
        (
            "prefix_groups: 5\n  prefix_tokens: 999999\n  prompt_tokens: 5",
            "prefix and question are up to 1000004 tokens, more than the limit of 1000000",
        ),
        ("prefix_buckets: []", "has 0 items"),
        (
            "prefix_groups: 1\n  prefix_buckets: [{prefix_groups: 2, prefix_tokens: 5}]",
            "key `prompts.prefix_groups` contradicts `prefix_buckets`",
        ),
    ] {
        let all = "min_tokens: 50\n  max_tokens: 200\n  prefix: \"Please summarize the following text: \"";
        let found = mistakes(&with(all, keys)).join("\n").replace("\nhint: ", "; ");
        assert!(found.contains(wanted), "{keys}: {found}");
    }
    let found = one(&with("min_tokens: 50\n  max_tokens: 200", "token_ids: true"));
    assert!(
        found.contains("key `prompts.prefix` contradicts `token_ids`"),
        "{found}"
    );
}
