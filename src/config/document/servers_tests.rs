use super::*;
use crate::config::Config;
use crate::config::document::read_document;
use crate::lengths::Lengths;
use crate::workload::{Call, Chat, Prompts};

fn read(text: &str) -> Config {
    let (config, mistakes) = read_document("p", "p.yaml", text).unwrap();
    assert_eq!(mistakes, []);
    config
}

fn mistakes(servers: &str) -> Vec<String> {
    let text = format!("workload: {{users: 1, duration_seconds: 1}}\n{servers}");
    let (_, mistakes) = read_document("p", "p.yaml", &text).unwrap();
    mistakes.iter().map(ToString::to_string).collect()
}

fn one(servers: &str) -> String {
    let found = mistakes(servers);
    assert_eq!(found.len(), 1, "{servers}: {found:?}");
    found[0].clone()
}

#[test]
fn a_weight_is_a_positive_number_kept_in_millionths() {
    for (text, millionths) in [
        ("0.3", 300_000),
        ("1", 1_000_000),
        ("70", 70_000_000),
        ("0.333333333", 333_333),
        ("0.000001", 1),
        ("1000", 1_000_000_000),
        ("1e-3", 1_000),
    ] {
        assert_eq!(weight(text), Ok(millionths), "{text}");
    }
    for (text, why) in [
        ("0", "is not above 0"),
        ("-0.5", "is not above 0"),
        (".nan", "is not a number"),
        ("NaN", "is not a number"),
        ("inf", "is not a number"),
        ("half", "is not a number"),
        ("0.0000001", "below the minimum of 0.000001"),
        ("1001", "above the limit of 1000"),
    ] {
        assert!(weight(text).unwrap_err().what.contains(why), "{text}");
    }
}

#[test]
fn a_document_with_a_server_needs_only_users_and_time() {
    let config =
        read("server: {base_url: 'http://h:1/v1', api: chat}\nworkload: {users: 2, duration_seconds: 3}");
    assert_eq!(config.servers()[0].api, Some(Api::Chat));
    assert_eq!(
        (config.servers()[0].weight, &config.servers()[0].name),
        (ServerEntry::WEIGHT_DEFAULT, &None)
    );
    let request = &config.requests[0];
    assert_eq!((config.requests.len(), request.name.as_str()), (1, "stream"));
    let expected = Call::Chat(Chat {
        stream: true,
        max_tokens: Lengths::fixed(200),
        models: vec!["default".to_owned()],
        prompts: Prompts::Made {
            prefix: String::new(),
            tokens: Lengths::fixed(50),
        },
        ..Chat::default()
    });
    assert_eq!(request.call, expected);
}

#[test]
fn the_servers_of_a_document_need_different_names() {
    let two = |a: &str, b: &str| {
        format!("servers:\n  - {{{a}, base_url: 'http://h:1'}}\n  - {{{b}, base_url: 'http://h:1'}}")
    };
    assert_eq!(mistakes(&two("name: A", "name: B 70b (old)")), [""; 0]);
    assert_eq!(
        one(&two("name: A", "name: A")),
        "error: p.yaml:4: servers[1]: the name `A` is already in use\nhint: line 3 uses it"
    );
    let found = one(&two("name: A", "weight: 2"));
    assert!(
        found.starts_with("error: p.yaml:4: missing key `servers[1].name`"),
        "{found}"
    );
    for name in ["'{a}'", "'a,b'", "' a'", "\"a\\tb\"", "'a:b'", "a/b"] {
        assert!(
            one(&two("name: A", &format!("name: {name}"))).contains("is not a valid name"),
            "{name}"
        );
    }
}

#[test]
fn a_document_has_one_server_or_a_list_but_not_both() {
    let found = one("server: {base_url: 'http://h:1'}\nservers: [{name: a, base_url: 'http://h:2'}]");
    assert!(
        found.starts_with("error: p.yaml:3: key `servers` contradicts `server` of line 2"),
        "{found}"
    );
    assert!(one("servers: []").contains("`servers` has 0 items, not between 1 and 16"));
    let many = vec!["{name: a, base_url: 'http://h:1'}"; 17].join(", ");
    assert!(one(&format!("servers: [{many}]")).contains("`servers` has 17 items, not between 1 and 16"));
}

#[test]
fn the_error_for_an_invalid_url_contains_no_secrets() {
    for (url, why) in [
        ("h:8080/completion", "http:// or https:// is missing"),
        ("ftp://h", "the scheme is not http or https"),
        ("http://h:99999/", "the port is not between 1 and 65535"),
        ("http://", "not a host name"),
        (
            "http://u:CANARY@h/",
            "user and password in the URL are not supported",
        ),
        ("http://h:x/?key=CANARY", "the port is not between"),
    ] {
        let found = one(&format!("server: {{base_url: '{url}'}}"));
        assert!(
            found.starts_with("error: p.yaml:2: `server.base_url`: `"),
            "{found}"
        );
        assert!(found.contains(why) && !found.contains("CANARY"), "{found}");
    }
    assert!(one("server: {base_url: [1]}").contains("`server.base_url` is a list, not a URL"));
    assert!(one("server: http://h:1").contains("`server` is `http://h:1`, not a mapping"));
    assert!(one("server: {model_alias: m}").contains("missing key `server.base_url`"));
    assert!(one("server: {base_url: 'http://h', api: llama}").contains("unknown value `llama`"));
}

#[test]
fn the_simulator_is_refused_together_with_a_server() {
    let found = one("server: {base_url: 'http://h:1'}\nsimulator: {latency: instant}");
    assert!(
        found.starts_with("error: p.yaml:3: key `simulator` has no effect"),
        "{found}"
    );
    assert!(found.contains("line 2 names one"), "{found}");
}

#[test]
fn the_manual_lists_each_api_with_its_path() {
    let manual = include_str!("../../../docs/PROFILES.md");
    let row_of = |key: &str| {
        let begin = format!("| `{key}` |");
        manual.lines().find(|line| line.starts_with(&begin)).unwrap()
    };
    for api in Api::ALL {
        let row = api.row();
        assert!(row_of("api").contains(&format!("`{}`", row.name)), "{row:?}");
        assert!(row_of("base_url").contains(&format!("{}`", row.end)), "{row:?}");
    }
}

#[test]
fn a_servers_own_key_and_headers_are_read_and_no_error_repeats_them() {
    let config = read(
        "servers:\n  - {name: a, base_url: 'http://h/v1', api_key_env: A_KEY}\n  \
         - {name: b, base_url: 'http://h/v1', headers: {X-Key: 'k ${B_KEY}', X-Team: red}}\n\
         workload: {users: 1, duration_seconds: 1}",
    );
    let [a, b] = config.servers() else {
        panic!("{config:?}")
    };
    assert_eq!(a.api_key_env.as_deref(), Some("A_KEY"));
    let headers: Vec<_> = b
        .headers
        .iter()
        .map(|h| (h.name.as_str(), h.value.expose()))
        .collect();
    assert_eq!(headers, [("X-Key", "k ${B_KEY}"), ("X-Team", "red")]);
    let stored = serde_json::to_string(&config).unwrap();
    assert!(stored.contains("A_KEY") && !stored.contains("red\""), "{stored}");
    for (keys, why) in [
        (
            "api_key_env: sk-s3cret",
            "not the name of an environment variable",
        ),
        ("headers: {'bad name': s3cret}", "is not a valid header name"),
        ("headers: {Host: s3cret}", "is set by the program"),
        (
            "headers: {Authorization: s3cret}, api_key_env: K",
            "contradicts `server.api_key_env`",
        ),
    ] {
        let found = one(&format!("server: {{base_url: 'http://h/v1', {keys}}}"));
        assert!(found.contains(why) && !found.contains("s3cret"), "{found}");
    }
}

#[test]
fn a_server_without_an_alias_is_not_asked_for_that_of_another() {
    let config = read(
        "servers:\n  - {name: a, base_url: 'http://h/v1', model_alias: m}\n  - {name: b, base_url: 'http://h/v1'}\n\
         workload: {users: 1, duration_seconds: 1}",
    );
    let Call::Chat(Chat { models, .. }) = &config.requests[0].call else {
        panic!("{config:?}")
    };
    assert_eq!(models, &["default"]);
}

#[test]
fn a_path_close_to_an_api_path_is_refused_unless_the_api_is_given() {
    let found = one("server: {base_url: 'http://h/v1/chat/completion'}");
    assert!(found.contains("close to `/v1/chat/completions`"), "{found}");
    assert_eq!(
        mistakes("server: {base_url: 'http://h/v1/completion', api: llamacpp}"),
        Vec::<String>::new()
    );
}

#[test]
fn a_request_overrides_the_wording_of_the_document() {
    let config = read(
        "server: {base_url: 'http://h/v1'}\nmax_tokens_key: max_completion_tokens\nstream_options: false\n\
         requests: [{name: a, max_tokens: 5}, {name: b, max_tokens: 5, max_tokens_key: max_tokens}]\n\
         workload: {users: 1, duration_seconds: 1}",
    );
    let wording = |call: &Call| match call {
        Call::Chat(Chat { wording, .. }) => (wording.token_limit_key().name(), wording.asks_usage()),
        other => panic!("{other:?}"),
    };
    let wordings: Vec<_> = config
        .requests
        .iter()
        .map(|request| wording(&request.call))
        .collect();
    assert_eq!(
        wordings,
        [("max_completion_tokens", false), ("max_tokens", false)]
    );
}
