use super::cells::{Cell, line};
use super::*;
use crate::documents_tests::{document, rows};
use crate::error::HOSTILE;
use crate::judge::ThresholdResult;
use crate::result::{Detail, GroupFigures, RunResult, sample};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;

/// The columns that a section of the page names.
fn documented(heading: &str) -> BTreeSet<String> {
    let first = rows(&document("docs/SHOW.md"), heading).into_iter();
    let names = first.flat_map(|row| {
        row[0]
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    names.collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_page_names_every_column_and_no_other() {
    assert_eq!(documented("### timeline.csv"), set(timeline::names()));
    assert_eq!(documented("### metrics.csv"), set(figures::names()));
    assert_eq!(documented("### requests.csv"), set(requests::names()));
    assert_eq!(
        documented("### probes.csv"),
        set(probes::COLUMNS.iter().map(|(name, _)| *name))
    );
}

/// The names of a document's numbers: its keys, joined, without units.
fn keys(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}_{key}"),
            };
            keys(value, &path, into);
        }),
        _ => drop(into.insert(path.to_owned())),
    }
}

fn without_unit(name: &str) -> String {
    ["_ms", "_seconds", "_per_second"]
        .iter()
        .find_map(|unit| name.strip_suffix(unit))
        .unwrap_or(name)
        .to_owned()
}

#[test]
fn every_key_of_a_row_of_a_request_and_of_a_metric_has_its_column() {
    let full = sample::full();
    let check = |value: Value, columns: BTreeSet<String>| {
        let mut found = BTreeSet::new();
        keys(&value, "", &mut found);
        let found: BTreeSet<String> = found.iter().map(|key| without_unit(key)).collect();
        let columns: BTreeSet<String> = columns.iter().map(|name| without_unit(name)).collect();
        assert!(found.is_subset(&columns), "{:?}", found.difference(&columns));
    };
    let row = full
        .timeline
        .iter()
        .max_by_key(|row| serde_json::to_string(row).unwrap().len());
    check(
        serde_json::to_value(row.unwrap()).unwrap(),
        set(timeline::names()),
    );
    check(serde_json::to_value(detail("x")).unwrap(), set(requests::names()));
    let (_, metric) = full.metrics.iter().next().unwrap();
    let mut metric = serde_json::to_value(metric).unwrap();
    let members = metric.as_object_mut().unwrap();
    members.remove("hdr");
    for (key, value) in members.clone() {
        if let Some(of) = key.strip_suffix("_interval") {
            members.remove(&key);
            members.insert(format!("{of}_low"), value.clone());
            members.insert(format!("{of}_high"), value);
        }
    }
    check(metric, set(figures::names()));
}

fn detail(endpoint: &str) -> Detail {
    serde_json::from_value(json!({
        "request_id": "v0-0", "endpoint": endpoint, "start_ts": 1.5, "end_ts": 2.25, "status": 200, "sent": 0.25,
        "connecting": 0.125, "first_byte": 0.5, "ttft": 0.5, "ttfa": null, "last_token": 0.625, "gaps": [0.25, 0.5],
        "latency": 0.75, "asked_prompt_tokens": 9, "prompt_tokens": 8, "cached_tokens": 4, "asked_output_tokens": 3,
        "output_tokens": 2, "reasoning_tokens": 1, "tps": 2.5, "error": "truncated", "good": true, "cause": "no_done",
        "turn": 2, "session": "v0", "pair": "v0-0", "x_request_id": "a-v0-0",
    }))
    .unwrap()
}

/// Reads CSV as RFC 4180 has it, with line feeds.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut table = vec![vec![String::new()]];
    let (mut in_quotes, mut rest) = (false, text.chars().peekable());
    while let Some(c) = rest.next() {
        let row = table.last_mut().unwrap();
        match c {
            '"' if in_quotes && rest.peek() == Some(&'"') => row.last_mut().unwrap().extend(rest.next()),
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => row.push(String::new()),
            '\n' if !in_quotes => table.push(vec![String::new()]),
            c => row.last_mut().unwrap().push(c),
        }
    }
    assert_eq!(
        table.pop(),
        Some(vec![String::new()]),
        "the last line has its end"
    );
    table
}

fn written(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    read_csv(std::str::from_utf8(&out).unwrap())
}

#[test]
fn tables_have_the_figures_of_the_document() {
    let full = sample::full();
    let table = written(|out| timeline(&full, out));
    let at = |table: &[Vec<String>], name: &str| table[0].iter().position(|found| found == name).unwrap();
    let whole: Vec<_> = table[1..].iter().filter(|row| row[0].is_empty()).collect();
    assert_eq!(whole.len(), full.timeline.len());
    let requests: u64 = whole
        .iter()
        .map(|row| row[at(&table, "requests")].parse::<u64>().unwrap())
        .sum();
    assert_eq!(
        requests,
        full.timeline.iter().map(|row| row.requests).sum::<u64>()
    );
    let of_repeats: usize = full.repeats.iter().map(|repeat| repeat.timeline.len()).sum();
    assert_eq!(table.len() - 1 - whole.len(), of_repeats);

    let table = written(|out| figures(&full, out));
    let cell = |metric: &str, column: &str| {
        let row = table
            .iter()
            .find(|row| row[0] == "run" && row[2] == metric)
            .unwrap();
        row[at(&table, column)].clone()
    };
    assert_eq!(cell("totals.ok", "value"), full.totals.ok.to_string());
    assert_eq!(
        cell("rates.error_rate", "value").parse::<f64>().unwrap(),
        full.rates.error_rate
    );
    let p99 = full.metrics.get("latency").unwrap().p99.unwrap();
    assert_eq!(cell("latency", "p99_ms").parse::<f64>().unwrap(), p99);
    let named: Vec<_> = table[1..].iter().map(|row| &row[..3]).collect();
    assert_eq!(
        named.iter().collect::<BTreeSet<_>>().len(),
        named.len(),
        "no two rows are of the same figure"
    );

    let table = written(|out| {
        let mut table = Requests::begin(out)?;
        table.row(&detail("fast"))
    });
    assert_eq!(table[1][at(&table, "gaps_seconds")], "0.25 0.5");
    assert_eq!(table[1][at(&table, "ttfa_seconds")], "");
    assert_eq!(table[1][at(&table, "latency_seconds")], "0.75");
}

#[test]
fn no_text_becomes_a_formula_another_cell_or_another_line() {
    for text in [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a,b", "a\"b", "a\nb,c", "=\"x\",1", HOSTILE,
    ] {
        let table = written(|out| line([Cell::text(text), Cell::Count(7)], out));
        assert_eq!((table.len(), table[0].len()), (1, 2), "{text:?}");
        assert_eq!(table[0][1], "7");
        let cell = &table[0][0];
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        assert!(!cell.contains(crate::error::is_unsafe), "{cell:?}");
    }
}

/// A result with foreign texts in every place that a comment shows.
fn crowded(names: usize, text: &str) -> RunResult {
    let mut full = sample::full();
    let group: GroupFigures = full.kinds.0[0].1.clone();
    let kinds = (0..names).map(|n| (format!("{text} {n}"), group.clone()));
    full.kinds = kinds.collect();
    let threshold: ThresholdResult = full.thresholds[0].clone();
    full.thresholds = (0..names)
        .map(|n| ThresholdResult {
            metric: format!("{text} {n}"),
            ok: n + 1 < names,
            ..threshold.clone()
        })
        .collect();
    full.run.profile = text.to_owned();
    full.run.models = Some(vec![text.to_owned(); names.min(50)]);
    full
}

#[test]
fn a_comment_fits_and_begins_with_the_verdict_and_what_failed() {
    for (names, text) in [
        (1, "a"),
        (3, HOSTILE),
        (500, "a|b`c"),
        (2_000, &"@<|".repeat(400)),
    ] {
        let full = crowded(names, text);
        let comment = of_run(&full);
        assert!(comment.len() <= MARKDOWN_MAX, "{}", comment.len());
        assert!(comment.starts_with("**"), "{comment}");
        let rows: Vec<&str> = comment.lines().filter(|line| line.starts_with("| ")).collect();
        assert!(rows[2].starts_with("| **FAIL** |"), "{}", rows[2]);
        assert_eq!(
            comment.matches("<details>").count(),
            comment.matches("</details>").count()
        );
        let open = comment.split("<details>").next().unwrap();
        for row in open.lines().filter(|line| line.starts_with('|')) {
            assert!(row.replace("\\|", "").matches('|').count() > 2, "{row}");
        }
    }
}

#[test]
fn no_text_becomes_markup_a_mention_or_a_link() {
    let text = "a|b <b>x</b> `c` *d* _e_ @somebody #12 https://evil.example www.evil.example [x](y) ![z](w)";
    let comment = of_run(&crowded(1, text));
    let open = comment.split("<details>").next().unwrap();
    for marked in [
        "<b>",
        "@somebody",
        "#12",
        "https://",
        "www.",
        "[x](",
        " `c`",
        " *d*",
        "a|b",
    ] {
        assert!(!open.contains(marked), "{marked}: {open}");
    }
    let mut full = crowded(1, "a");
    full.failures[0].body = Some("````\n</details>".to_owned());
    let comment = of_run(&full);
    let fence = comment.lines().find(|line| line.starts_with("```")).unwrap();
    let fence = fence.trim_end_matches("text");
    assert_eq!(
        comment.lines().filter(|line| *line == fence).count(),
        1,
        "only its own end ends it"
    );
}

#[test]
fn the_comment_of_a_search_has_its_answer_and_what_broke() {
    let search = json!({
        "summary": "LIMIT  16 users hold (at least 16)\nsmoke at http://127.0.0.1:1\n",
        "search": {"over": "users", "slos": [{"metric": "ttft", "expression": "p(95)<500"}]},
        "answer": {"broke_first": {"level": 32, "slos": [{"slo": "ttft: p(95)<500"}]}},
        "probes": [{"level": 16, "decision": "holds", "requests": 100, "ttft": {"p50": 12.5}}],
    });
    let comment = of_search(&search).unwrap();
    assert!(comment.starts_with("**LIMIT** 16 users hold"), "{comment}");
    assert!(
        comment.contains("| ttft: p(95)&lt;500 | broke first |"),
        "{comment}"
    );
    assert!(comment.contains("| 16 | holds |"), "{comment}");
    let table = written(|out| probes(&search, out));
    assert_eq!(table[1][0], "16");
    assert_eq!(of_search(&json!({})), None);
}
