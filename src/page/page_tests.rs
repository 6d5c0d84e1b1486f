//! The page of a document: every figure on it is the document's, and nothing on it comes from elsewhere.

use super::{Loaded, page};
use crate::error::HOSTILE;
use crate::report::Row;
use crate::result::sample::full;
use crate::result::{RowFigures, RunResult, SpreadFigures};
use serde_json::Value;

/// A figure on a page: the path of its document, its full value, and its text.
struct Figure {
    path: String,
    value: f64,
    text: String,
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let from = tag.find(&format!("{name}=\""))? + name.len() + 2;
    let text = &tag[from..from + tag[from..].find('"')?];
    Some(unescaped(text))
}

fn unescaped(text: &str) -> String {
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&amp;", "&")
}

fn figures(html: &str) -> Vec<Figure> {
    let parts = html.split("<data ").skip(1);
    let found = parts.filter_map(|part| {
        let (tag, rest) = part.split_once('>')?;
        Some(Figure {
            path: attribute(tag, "data-path")?,
            value: attribute(tag, "value")?.parse().unwrap(),
            text: unescaped(rest.split_once("</data>")?.0),
        })
    });
    found.collect()
}

/// Reads a shown figure back: `1,234`, `12.3 ms`, `4.5 %`, `1.5 MiB`, `12.0/s`.
fn read_back(figure: &Figure) -> f64 {
    let text = figure.text.replace(',', "");
    let (number, unit) = match text.split_once(' ') {
        Some((number, unit)) => (number, unit),
        None => text.split_once('/').unwrap_or((text.as_str(), "")),
    };
    let number: f64 = number
        .parse()
        .unwrap_or_else(|_| panic!("{}: {}", figure.path, figure.text));
    let is_seconds = figure.path.ends_with("_seconds");
    number
        * match unit {
            "" | "ms" => 1.0,
            "s" if figure.path.starts_with("/totals") || is_seconds => 1.0,
            "s" => match figure.text.contains("/s") {
                true => 1.0,
                false => 1e3,
            },
            "us" => 1e-3,
            "%" if figure.path.ends_with("percent") || figure.path.contains("cpu_percent") => 1.0,
            "%" => 0.01,
            "B" => 1.0,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            "TiB" => 1024.0f64.powi(4),
            other => panic!("{}: the unit {other}", figure.path),
        }
}

fn check(html: &str, document: &Value) -> usize {
    let figures = figures(html);
    for figure in &figures {
        let value = document.pointer(&figure.path).and_then(Value::as_f64);
        assert_eq!(value, Some(figure.value), "{}", figure.path);
        let back = read_back(figure);
        let near =
            (back - figure.value).abs() <= figure.value.abs() * 0.006 + 0.006_f64.min(figure.value.abs());
        let rounded =
            figure.path.ends_with("_seconds") || figure.text.ends_with("/s") || figure.text.ends_with('%');
        let near = near || rounded && (back - figure.value).abs() <= 0.5;
        assert!(near, "{}: {} is not {}", figure.path, figure.text, figure.value);
    }
    figures.len()
}

fn value_of(result: &RunResult) -> Value {
    serde_json::to_value(result).unwrap()
}

#[test]
fn every_figure_on_the_page_is_the_document_s() {
    let result = full();
    let html = page(&[Loaded::of_run("full.json", &result)], None);
    let count = check(&html, &value_of(&result));
    assert!(count > 150, "{count} figures");
    let config = html.split_once("data-json=\"/config\">").unwrap().1;
    let config = unescaped(config.split_once("</pre>").unwrap().0);
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config, value_of(&result)["config"]);
}

/// Returns a number below `modulus` that has nothing to do with that of the row before.
fn scatter(row: u32, modulus: u32) -> f64 {
    f64::from(row.wrapping_mul(2_654_435_761).rotate_left(7) % modulus)
}

/// A run of an hour with a row per second.
fn an_hour() -> RunResult {
    let mut result = full();
    let spread = |i: u32, base: f64| SpreadFigures {
        count: 40,
        sum: base * 40.0,
        p50: Some(base + scatter(i, 101) / 7.0),
        p90: Some(base * 2.0 + scatter(i, 211) / 3.0),
        p99: Some(base * 3.0 + scatter(i, 997) / 1.7),
        max: Some(base * 4.0 + scatter(i, 2_003)),
    };
    let row = |i: u32| -> RowFigures {
        Row {
            elapsed: f64::from(i + 1),
            vus_planned: u64::from(i / 36),
            vus_running: u64::from(i / 36),
            connections: u64::from(i / 36),
            requests: scatter(i, 97) as u64,
            errors: u64::from(i % 5),
            output_tokens: scatter(i, 9_973) as u64,
            latency: spread(i, 300.0),
            ttft: spread(i, 30.0),
            tbt: spread(i, 8.0),
            ..Row::default()
        }
    };
    result.timeline = (0..3_600).map(row).collect();
    result
}

#[test]
fn the_page_of_an_hour_is_small_and_loads_nothing_from_elsewhere() {
    let result = an_hour();
    let html = page(&[Loaded::of_run("hour.json", &result)], None);
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    check(&html, &value_of(&result));
    for wanted in [
        "<script",
        "<link",
        "src=",
        "url(",
        "@import",
        "href=\"http",
        "<iframe",
        "<object",
    ] {
        assert!(!html.contains(wanted), "{wanted}");
    }
    // The highest of all is still there.
    let highest = result
        .timeline
        .iter()
        .filter_map(|row| row.latency.p99)
        .fold(0.0, f64::max);
    assert!(figures(&html).iter().any(|figure| figure.value == highest));
}

#[test]
fn names_and_texts_from_elsewhere_stay_texts() {
    let attack = format!("<script>alert(1)</script>\"'&{HOSTILE}");
    let mut value = value_of(&full());
    let texts = [
        "/run/profile",
        "/run/target",
        "/config/description",
        "/run/started_at",
    ];
    for path in texts {
        if let Some(text) = value.pointer_mut(path) {
            *text = attack.clone().into();
        }
    }
    value["config"]["requests"] = serde_json::json!([{ "model": attack, (attack.as_str()): attack }]);
    let spare = value["kinds"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .clone();
    value["kinds"][&attack] = spare;
    for (list, key) in [
        ("warnings", "message"),
        ("failures", "body"),
        ("thresholds", "metric"),
    ] {
        if let Some(first) = value[list].get_mut(0) {
            first[key] = attack.clone().into();
        }
    }
    let result: RunResult = serde_json::from_value(value).unwrap();
    let html = page(
        &[Loaded::of_run(&attack, &result), Loaded::of_run(&attack, &result)],
        None,
    );
    assert!(!html.contains("<script"), "a text became a tag");
    assert!(
        !html.contains('\u{1b}') && !html.contains('\u{202e}'),
        "a control character came through"
    );
    balanced(&html);
}

/// Checks that each tag that is opened is closed, in order, and that no id is there twice.
fn balanced(html: &str) {
    const VOID: [&str; 5] = ["meta", "br", "rect", "path", "!DOCTYPE"];
    let body = html.split_once("</style>").unwrap().1;
    let mut open: Vec<&str> = vec!["head"];
    let mut ids = std::collections::HashSet::new();
    for part in body.split('<').skip(1) {
        let (tag, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("not closed: {part}"));
        let name = tag
            .split([' ', '/'])
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        if let Some(id) = attribute(tag, " id") {
            assert!(ids.insert(id.clone()), "the id {id} is there twice");
        }
        match tag.strip_prefix('/') {
            Some("html") => assert!(open.is_empty(), "{open:?}"),
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{tag}"),
            None if VOID.contains(&name) => {}
            None => open.push(name),
        }
    }
    for part in html.split("href=\"#").skip(1) {
        let id = part.split_once('"').unwrap().0;
        assert!(ids.contains(id), "no place has the id {id}");
    }
}

#[test]
fn the_page_is_well_formed_and_its_charts_and_tables_have_names() {
    let result = full();
    let two = [
        Loaded::of_run("a.json", &result),
        Loaded::of_run("b.json", &an_hour()),
    ];
    for html in [page(&two[..1], None), page(&two, None)] {
        balanced(&html);
        let count = |what: &str| html.matches(what).count();
        assert_eq!(count("<table"), count("<caption>"));
        assert_eq!(count("role=\"img\""), count("<title id="));
        assert_eq!(count("role=\"img\""), count("<desc id="));
        assert_eq!(count("<h1"), 1);
        assert!(count("role=\"img\"") >= 6);
    }
}

#[test]
fn a_run_of_which_nothing_is_known_has_a_page() {
    let mut result = full();
    result.timeline.clear();
    result.thresholds.clear();
    result.failures.clear();
    let html = page(&[Loaded::of_run("empty.json", &result)], None);
    balanced(&html);
    assert!(html.contains("The document has no timeline"));
    assert!(html.contains("The run had no thresholds"));
}

#[test]
fn a_search_has_its_answer_and_its_probes() {
    let probe = |level: f64, decision: &str| {
        serde_json::json!({
            "level": level, "decision": decision, "requests": 100, "failed": 0, "counted_seconds": 5.0,
            "ok_per_second": level * 3.0, "output_tokens_per_second": level * 90.0,
            "ttft": { "p50": 10.0, "p95": level * 4.0, "p99": level * 9.0 },
            "latency": { "p50": 100.0, "p95": 200.0, "p99": 300.0 },
            "slos": [{ "slo": "ttft: p(95)<100", "broke": decision == "fails" }],
        })
    };
    let document = serde_json::json!({
        "schema": "llmload-uring/limit/1", "config": {}, "host": {},
        "run": { "profile": "smoke", "target": "http://x", "verdict": "passed", "exit_code": 0 },
        "search": { "over": "users" },
        "answer": { "limit": 16.0, "low": 16.0, "high": 32.0, "confidence": 0.95 },
        "probes": [probe(8.0, "holds"), probe(16.0, "holds"), probe(32.0, "fails"), probe(16.0, "open")],
        "summary": "16 users\n",
    });
    let html = page(&[Loaded::of_search("limit.json", &document)], None);
    balanced(&html);
    assert!(check(&html, &document) > 40);
    assert!(html.contains("highest load that holds"));
    assert!(html.contains("TTFT p95"));
}
