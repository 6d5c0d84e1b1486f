//! Each format beside its golden file; `UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

use crate::compare::testing_tests::{k6_summary, minute};
use crate::compare::text::WIDTH;
use crate::compare::{Comparison, Judged, Rule, Run, csv, json, judge, markdown, plot, text};

fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let differs = golden.lines().zip(found.lines()).find(|(a, b)| a != b);
    if let Some((golden, found)) = differs {
        panic!("{name} differs: golden `{golden}`, found `{found}`");
    }
    assert_eq!(golden.len(), found.len(), "{name} is longer or shorter");
}

fn two() -> [Run; 2] {
    let mut new = minute("new.json", 2, 8);
    new.facts.peak_vus = Some(25);
    [minute("base.json", 1, 0), new]
}

fn three() -> [Run; 3] {
    let [a, b] = two();
    [a, b, k6_summary("k6-summary.json")]
}

/// Two rules of which one fails.
fn judged() -> Vec<Judged> {
    let rules = ["latency p95 > +5%", "requests_per_second < -5%"].map(|rule| rule.parse::<Rule>().unwrap());
    judge(&rules, &Comparison::new(&two()), true).unwrap()
}

#[test]
fn the_text_equals_the_golden_file_and_fits_100_columns() {
    let found = text::text(&Comparison::new(&two()), &judged(), false);
    for line in found.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    assert_golden("compare.txt", &found);
}

#[test]
fn three_runs_share_one_table() {
    let found = text::text(&Comparison::new(&three()), &[], false);
    for line in found.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    assert_golden("compare_three.txt", &found);
}

#[test]
fn markdown_json_and_csv_equal_the_golden_files() {
    assert_golden(
        "compare.md",
        &markdown::markdown(&Comparison::new(&two()), &judged()),
    );
    assert_golden(
        "compare_three.md",
        &markdown::markdown(&Comparison::new(&three()), &[]),
    );
    let comparison = Comparison::new(&two());
    assert_golden("compare.csv", &csv::csv(&comparison));
    let rule: Rule = "latency p95 > +5%".parse().unwrap();
    let judged = judge(&[rule], &comparison, true).unwrap();
    // What lies behind the sixth decimal is this machine's mathematics.
    let found = json::json(&comparison, &judged);
    let rounded: String = found.lines().map(|line| rounded(line) + "\n").collect();
    assert_golden("compare.json", &rounded);
    let document: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(document["fail_on"][0]["verdict"], "failed");
}

/// A line with at most six decimals in its number.
fn rounded(line: &str) -> String {
    let value = line.rsplit(": ").next().unwrap_or(line);
    let Some(at) = line.rfind('.').filter(|_| !value.trim_start().starts_with('"')) else {
        return line.to_owned();
    };
    let begin = line[..at]
        .rfind(|c: char| !c.is_ascii_digit() && c != '-')
        .map_or(0, |i| i + 1);
    let end = line[at + 1..]
        .find(|c: char| !"0123456789e-".contains(c))
        .map_or(line.len(), |i| at + 1 + i);
    match line[begin..end].parse::<f64>() {
        Ok(x) => format!("{}{x:.6}{}", &line[..begin], &line[end..]),
        Err(_) => line.to_owned(),
    }
}

#[test]
fn colours_are_only_used_if_asked_for() {
    let comparison = Comparison::new(&two());
    assert!(text::text(&comparison, &[], true).contains("\x1b[31mworse\x1b[0m"));
    assert!(!text::text(&comparison, &[], false).contains('\x1b'));
}

#[test]
fn labels_are_escaped_in_text_markdown_svg_and_csv() {
    let [mut a, mut b] = two();
    a.label = "\x1b]0;x\x07<script>|`*".to_owned();
    b.label = "=cmd,\"x\"\n\u{202e}".to_owned();
    b.facts.target = Some("<img src=x>\x1b[2J".to_owned());
    b.notes = vec!["[x](http://127.0.0.1) \x1b[31m".to_owned()];
    let runs = [a, b];
    let comparison = Comparison::new(&runs);
    let plain = text::text(&comparison, &[], false);
    assert!(plain.chars().all(|c| c == '\n' || !c.is_control()) && !plain.contains('\u{202e}'));
    let markdown = markdown::markdown(&comparison, &[]);
    assert!(!markdown.contains("<script") && !markdown.contains("<img") && !markdown.contains("[x]("));
    assert!(markdown.contains("\\|\\`\\*"));
    let csv = csv::csv(&comparison);
    assert!(
        csv.contains(",\"'=cmd,\"\"x\"\"\\n\\u{202e}\","),
        "{}",
        csv.lines().nth(1).unwrap()
    );
    let svg = plot::svg(&runs);
    assert!(!svg.contains("<script") && !svg.contains('\x1b') && svg.contains("&lt;script&gt;"));
}

#[test]
fn the_plot_is_one_file_with_a_line_for_each_run_in_each_panel() {
    let svg = plot::svg(&three());
    if let Some(path) = std::env::var_os("PLOT_TO") {
        std::fs::write(path, &svg).unwrap();
    }
    // Two runs in two panels; of the summary three percentiles in the first, and a dot in the legend.
    assert_eq!(svg.matches("stroke-linejoin").count(), 4);
    assert_eq!(svg.matches("<circle").count(), 4);
    assert!(
        svg.contains(">service_time by percentile<")
            && svg.contains(">ttft by percentile<")
            && svg.contains(">C: none<")
    );
    for foreign in ["href", "url(", "<script", "<style", "@import", "NaN", "inf"] {
        assert!(!svg.contains(foreign), "{foreign}");
    }
    let open = svg.matches("<text").count();
    assert_eq!(open, svg.matches("</text>").count());
    let nothing = plot::svg(&[k6_summary("a"), k6_summary("b")].map(|mut run| {
        run.trends.clear();
        run
    }));
    assert!(nothing.contains("no run has a latency"));
}

#[test]
fn a_plot_of_a_million_values_stays_small() {
    let svg = plot::svg(&two());
    assert!(svg.len() < 100_000, "{}", svg.len());
}
