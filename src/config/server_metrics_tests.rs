use crate::cli::Cli;
use crate::config::{Config, MetricsChoice, load_plan};
use clap::Parser;

fn load(line: &str) -> Result<Config, String> {
    let words = std::iter::once("llmload-uring").chain(line.split(' '));
    let cli = Cli::try_parse_from(words).map_err(|e| format!("exit 2: {e}"))?;
    load_plan(&cli.run)
        .map(|(config, _)| config)
        .map_err(|e| e.to_string())
}

fn urls(line: &str) -> Vec<String> {
    let config = load(line).unwrap().server_metrics;
    config.urls.into_iter().map(|(url, _)| url).collect()
}

#[test]
fn servers_are_read_unless_none_is_asked_for() {
    let choice = |line: &str| load(line).unwrap().server_metrics.choice;
    for (line, expected) in [
        ("quick-smoke", MetricsChoice::Auto),
        ("quick-smoke --server-metrics", MetricsChoice::Asked),
        ("quick-smoke --server-metrics target", MetricsChoice::Asked),
        ("quick-smoke --server-metrics none", MetricsChoice::None),
        ("quick-smoke --no-server-metrics", MetricsChoice::None),
        (
            "quick-smoke --server-metrics-name process_cpu_seconds_total",
            MetricsChoice::Auto,
        ),
    ] {
        assert_eq!(choice(line), expected, "{line}");
    }
}

#[test]
fn a_url_needs_no_scheme_and_no_path() {
    for (given, expected) in [
        ("http://gpu:9400", "http://gpu:9400/metrics"),
        ("gpu:9400", "http://gpu:9400/metrics"),
        ("10.0.0.7", "http://10.0.0.7/metrics"),
        (
            "https://gpu/federate?match[]=up",
            "https://gpu/federate?match[]=up",
        ),
        ("http://gpu:9400/metrics/", "http://gpu:9400/metrics/"),
    ] {
        let line = format!("quick-smoke --server-metrics {given}");
        assert_eq!(urls(&line), [expected], "{given}");
    }
    let two = urls("quick-smoke --server-metrics a:1 b:2 --server-metrics a:1,c:3");
    assert_eq!(
        two,
        ["http://a:1/metrics", "http://b:2/metrics", "http://c:3/metrics"]
    );
}

#[test]
fn what_is_no_server_or_no_name_is_refused_before_anything_is_sent() {
    for (line, expected) in [
        ("--server-metrics quick-smoke", "exit 2"),
        (
            "quick-smoke --server-metrics maybe",
            "--server-metrics: `maybe` is no URL",
        ),
        (
            "quick-smoke --server-metrics ftp://a:1",
            "the scheme is not http or https",
        ),
        (
            "quick-smoke --server-metrics http://u:p@a:1",
            "user and password in the URL are not supported",
        ),
        (
            "quick-smoke --server-metrics none a:1",
            "`none` contradicts the other values",
        ),
        (
            "quick-smoke --no-server-metrics --server-metrics a:1",
            "--no-server-metrics: contradicts `--server-metrics`",
        ),
        (
            "quick-smoke --server-metrics none --server-metrics-name up",
            "--server-metrics-name: has no effect",
        ),
        (
            "quick-smoke --server-metrics-name up{job=\"x\"}",
            "is no name of a metric",
        ),
    ] {
        let refused = load(line).unwrap_err();
        assert!(refused.contains(expected), "{line}: {refused}");
        assert!(!refused.contains("u:p@"), "{refused}");
    }
}

fn of_document(text: &str) -> Result<Config, String> {
    let document = format!(
        "executor: constant-vus\nvus: 1\nduration: 1s\nrequests: [{{ name: a, prompts: [hi], max_tokens: 1 }}]\n\
         models: [m]\n{text}\n"
    );
    let read = crate::config::document::read_document("d", "d.yaml", &document);
    let (config, mistakes) = read.map_err(|e| e.to_string())?;
    match mistakes.first() {
        Some(_) => Err(crate::error::Mistakes::new(mistakes).to_string()),
        None => Ok(config),
    }
}

#[test]
fn a_document_says_the_same_and_its_configuration_reads_back() {
    for (text, choice, count) in [
        ("server_metrics: none", MetricsChoice::None, 0),
        ("server_metrics: false", MetricsChoice::None, 0),
        ("server_metrics: true", MetricsChoice::Asked, 0),
        ("server_metrics: gpu:9400", MetricsChoice::Asked, 1),
        (
            "server_metrics: [target, gpu:9400, 'http://b/m']",
            MetricsChoice::Asked,
            2,
        ),
        (
            "server_metrics: { urls: gpu:9400, names: [up, jobs_total] }",
            MetricsChoice::Asked,
            1,
        ),
        ("server_metrics: { names: up }", MetricsChoice::Asked, 0),
    ] {
        let config = of_document(text).unwrap().server_metrics;
        assert_eq!((config.choice, config.urls.len()), (choice, count), "{text}");
        let said = serde_json::to_string(&config).unwrap();
        let again = of_document(&format!("server_metrics: {said}"))
            .unwrap()
            .server_metrics;
        let urls = |config: &super::ServerMetricsConfig| -> Vec<String> {
            config.urls.iter().map(|(url, _)| url.clone()).collect()
        };
        assert_eq!(
            (again.choice, urls(&again)),
            (config.choice, urls(&config)),
            "{said}"
        );
        assert_eq!(again.names, config.names);
    }
    for (text, expected) in [
        ("server_metrics: [none, gpu:9400]", "`none` contradicts"),
        ("server_metrics: { url: gpu:9400 }", "url"),
        ("server_metrics: { names: 'a b' }", "is no name of a metric"),
    ] {
        let refused = of_document(text).unwrap_err();
        assert!(refused.contains(expected), "{text}: {refused}");
    }
}
