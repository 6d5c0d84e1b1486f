use super::*;
use crate::cli::Cli;
use crate::config::document::read_document;
use crate::documents_tests::{document, quoted_words, rows};
use clap::{CommandFactory, Parser};

const LOAD: &str = "\
executor: constant-vus
duration: 10s
models: [m]
prompts: [Hi]
requests:
  - { name: chat, max_tokens: 5 }
";

/// What a document with `more` and these options mean.
fn read(more: &str, words: &[&str]) -> (Option<PushConfig>, Vec<String>) {
    let (config, mut mistakes) = read_document("p", "p.yaml", &format!("{LOAD}{more}")).unwrap();
    let words = ["llmload-uring", "p"].into_iter().chain(words.iter().copied());
    let args = Cli::try_parse_from(words).unwrap().run.push;
    let mut push = config.push;
    overlay_push(&mut push, &args, &mut mistakes);
    (push, mistakes.iter().map(Mistake::to_string).collect())
}

fn good(more: &str, words: &[&str]) -> Option<PushConfig> {
    let (push, mistakes) = read(more, words);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    push
}

#[test]
fn url_interval_and_user_are_read_from_a_document() {
    let full = "prometheus:\n  enabled: true\n  pushgateway_url: gw.lan:9091/prefix/\n  job_name: nightly\n  \
                instance_name: \"\"\n  push_interval_seconds: 2.5\n  username: bob\n  password: CANARY\n";
    let push = good(full, &[]).unwrap();
    assert_eq!(push.url, "http://gw.lan:9091/prefix");
    assert_eq!(
        (push.job.as_str(), push.instance.as_deref()),
        ("nightly", Some(""))
    );
    assert_eq!(push.interval, 2_500_000_000);
    assert_eq!(push.username.as_deref(), Some("bob"));
    assert_eq!(push.password.as_ref().unwrap().expose(), "CANARY");
    let shown = serde_json::to_string(&push).unwrap() + &format!("{push:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
}

#[test]
fn absent_keys_have_defaults_and_an_absent_or_disabled_mapping_pushes_nothing() {
    assert_eq!(good("", &[]), None);
    assert_eq!(good("prometheus:\n  enabled: false\n", &[]), None);
    let off = "prometheus: { enabled: false, pushgateway_url: gw, job_name: j }\n";
    assert_eq!(good(off, &[]), None);
    let push = good("prometheus: { pushgateway_url: \"https://gw\" }\n", &[]).unwrap();
    let expected = PushConfig {
        enabled: true,
        url: "https://gw".to_owned(),
        ..PushConfig::default()
    };
    assert_eq!(push, expected);
    assert_eq!((push.job.as_str(), push.interval), ("llmload", 10 * SECOND));
    // The option turns on what the document describes.
    let push = good(off, &["--pushgateway", "127.0.0.1:1"]).unwrap();
    assert_eq!(
        (push.url.as_str(), push.job.as_str()),
        ("http://127.0.0.1:1", "j")
    );
    assert_eq!(
        good("", &["--pushgateway", "[::1]:9091", "--push-required"])
            .unwrap()
            .url,
        "http://[::1]:9091"
    );
}

#[test]
fn user_and_password_of_the_environment_override_the_document() {
    let document = "prometheus: { pushgateway_url: gw, username: doc, password: CANARY1 }\n";
    let environment = [
        "--pushgateway-username",
        "env",
        "--pushgateway-password",
        "CANARY2",
    ];
    let push = good(document, &environment).unwrap();
    assert_eq!(push.username.as_deref(), Some("env"));
    assert_eq!(push.password.unwrap().expose(), "CANARY2");
    // Set for other runs: a run that pushes nothing does not mind.
    assert_eq!(good("", &environment), None);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let (_, mistakes) = read(
        "prometheus:\n  enabled: perhaps\n  pushgateway_url: ftp://gw\n  job_nam: x\n  push_interval_seconds: 0.5\n  \
         username: \"a:b\"\n  instance_name: [x]\n",
        &[],
    );
    let all = mistakes.join("\n");
    for part in [
        "p.yaml:8: `prometheus.enabled`: `perhaps` is neither true nor false",
        "p.yaml:9: `prometheus.pushgateway_url`: `ftp://gw`: the scheme is not http or https",
        "p.yaml:10: unknown key `prometheus.job_nam`",
        "did you mean `job_name`?",
        "p.yaml:11: `prometheus.push_interval_seconds`: `500ms` is shorter than the minimum of 1s",
        "p.yaml:12: `prometheus.username`: `a:b` is not a user name",
        "p.yaml:13: `prometheus.instance_name` is a list, not a string",
    ] {
        assert!(all.contains(part), "`{part}` is not in:\n{all}");
    }
    assert_eq!(mistakes.len(), 6, "{all}");
}

#[test]
fn no_error_contains_a_secret() {
    for (document, words, part) in [
        (
            "prometheus: { enabled: true }\n",
            &[][..],
            "p.yaml:7: missing key `prometheus.pushgateway_url`",
        ),
        (
            "prometheus: { pushgateway_url: gw, password: CANARY }\n",
            &[],
            "p.yaml:7: `prometheus.password` is given without `prometheus.username`",
        ),
        (
            "prometheus: { pushgateway_url: \"http://u:CANARY@gw\" }\n",
            &[],
            "do not belong in the URL",
        ),
        (
            "prometheus: { pushgateway_url: \"gw/?k=CANARY\" }\n",
            &[],
            "has no query",
        ),
        (
            "prometheus: { pushgateway_url: \"gw:9091/metrics\" }\n",
            &[],
            "end the URL before `/metrics`",
        ),
        (
            "prometheus: { pushgateway_url: \"gw/metrics/job/x\" }\n",
            &[],
            "end the URL before `/metrics`",
        ),
        (
            "",
            &["--pushgateway", "gw:x"],
            "--pushgateway: `http://gw:x`: the port is not between",
        ),
        (
            "",
            &["--pushgateway", ""],
            "--pushgateway: `http://`: not a host name",
        ),
        (
            "",
            &["--push-required"],
            "--push-required: no Pushgateway is given",
        ),
        (
            "",
            &["--pushgateway", "gw", "--pushgateway-password", "CANARY"],
            "LLMLOAD_PUSHGATEWAY_PASSWORD: a password is given without a user",
        ),
    ] {
        let (_, mistakes) = read(document, words);
        assert_eq!(mistakes.len(), 1, "{document}{words:?}: {mistakes:?}");
        assert!(mistakes[0].contains(part), "`{part}` is not in: {}", mistakes[0]);
        assert!(!mistakes[0].contains("CANARY"), "{}", mistakes[0]);
    }
}

#[test]
fn the_manual_lists_every_key_and_every_option_with_its_variable() {
    let manual = document("docs/PROMETHEUS.md");
    let rows = rows(&manual, "## Pushed to a Pushgateway");
    let (options, keys): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row[1].starts_with("`LLMLOAD_"));
    let mut listed: Vec<String> = keys.iter().flat_map(|row| quoted_words(&row[0])).collect();
    let mut known = KEYS.map(str::to_owned);
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
    let command = Cli::command();
    let pushing = command
        .get_arguments()
        .filter(|arg| arg.get_id().as_str().starts_with("push"));
    let known: Vec<(Option<String>, String)> = pushing
        .map(|arg| {
            // An option that is hidden exists for its variable.
            let long = arg.get_long().filter(|_| !arg.is_hide_set());
            let variable = arg.get_env().expect("a variable").to_str().unwrap();
            (long.map(|long| format!("--{long}")), variable.to_owned())
        })
        .collect();
    let listed: Vec<(Option<String>, String)> = options
        .iter()
        .map(|row| {
            let option = quoted_words(&row[0]).first().cloned();
            let long = option.map(|written| written.split(' ').next().unwrap_or_default().to_owned());
            (long, quoted_words(&row[1]).swap_remove(0))
        })
        .collect();
    assert_eq!(listed, known);
}
