//! Tables, options, links and paths in the documents, compared with the code. A document that says something else than
//! the program fails here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::cli::Cli;
use crate::error::ExitCode;
use crate::host::UringRefusal;
use crate::metrics::{METRICS, Outcome};
use crate::plan::{Threshold, ThresholdMetric};
use crate::server::args::ErrorRates;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Options of other programs that the documents mention.
const FOREIGN: &str = "\
    append-result array arrival-pattern arrival-smoothness bench burstiness concurrency cpus \
    cpus-per-task cpuset-cpus dataset-name enable-recovery fixed-schedule fixed-schedule-end-offset \
    fixed-schedule-start-offset for format latency-correction lib locked max-concurrency max-vus mca \
    mooncake-slowdown-factor network nocapture nofile out output-details output-file output-format path \
    pid profile ramp-up-strategy release request-rate rm save-detailed save-result security-opt \
    self-timed strip-components summary-export synthesis-speedup-ratio sysctl test timeout ulimit \
    use-trace-timestamps user wrap";

/// A document by its path below the root.
pub(crate) fn document(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rows of all tables under a heading, up to the next heading: each row's cells, without heads and rules.
pub(crate) fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let at = text.lines().position(|line| line == heading);
    let at = at.unwrap_or_else(|| panic!("no heading {heading:?}"));
    let lines: Vec<&str> = text.lines().skip(at + 1).collect();
    let end = lines.iter().position(|line| line.starts_with('#'));
    let section = &lines[..end.unwrap_or(lines.len())];
    let mut rows = Vec::new();
    for (i, line) in section.iter().enumerate() {
        let is_rule = |line: &&str| line.starts_with("| ---");
        if !line.starts_with("| ") || is_rule(line) || section.get(i + 1).is_some_and(is_rule) {
            continue;
        }
        rows.push(cells(line));
    }
    assert!(!rows.is_empty(), "no table under {heading:?}");
    rows
}

/// A bar within a cell is written `\|`.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches("| ").trim_end_matches('|');
    let inner = inner.replace("\\|", "\u{0}");
    inner
        .split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// What stands between backquotes.
pub(crate) fn quoted_words(cell: &str) -> Vec<String> {
    let pieces = cell.split('`').enumerate();
    pieces
        .filter(|(i, _)| i % 2 == 1)
        .map(|(_, piece)| piece.to_owned())
        .collect()
}

/// The quoted words of the first column, all rows together.
pub(crate) fn first_column(text: &str, heading: &str) -> BTreeSet<String> {
    let rows = rows(text, heading);
    rows.iter().flat_map(|row| quoted_words(&row[0])).collect()
}

/// README, CHANGELOG and the pages under docs/.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    for entry in fs::read_dir(Path::new(ROOT).join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| document(path)).collect();
    paths.into_iter().zip(texts).collect()
}

fn every_argument(command: &Command, out: &mut Vec<Arg>) {
    out.extend(command.get_arguments().cloned());
    for below in command.get_subcommands() {
        every_argument(below, out);
    }
}

fn arguments() -> Vec<Arg> {
    let mut out = Vec::new();
    every_argument(&Cli::command(), &mut out);
    out
}

/// What follows each `prefix` in `text`, as long as `fits` holds.
fn words_after<'t>(text: &'t str, prefix: &str, fits: impl Fn(char) -> bool) -> Vec<&'t str> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        out.push(&rest[..end]);
    }
    out
}

/// Of the guide's table of flags, the left column is k6's.
fn without_k6s_flags(path: &str, text: &str) -> String {
    let lines = text.lines().map(|line| match (path, line.split_once(" | ")) {
        ("docs/FROM-K6.md" | "docs/COMING-FROM.md", Some((_, ours))) => ours,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_table_of_exit_codes_lists_exactly_the_codes() {
    let page = document("docs/CI.md");
    let listed: Vec<u8> = rows(&page, "## Exit codes")
        .iter()
        .map(|row| row[0].parse().unwrap())
        .collect();
    let known: Vec<u8> = (0..=u8::MAX)
        .filter(|code| ExitCode::from_code(*code).is_some())
        .collect();
    assert_eq!(listed, known);
    let help = Cli::command().render_long_help().to_string();
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    let mut named: Vec<u8> = codes.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    named.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn every_exit_code_in_the_help_exists() {
    let mut named = 0;
    for command in std::iter::once(&Cli::command()).chain(Cli::command().get_subcommands()) {
        let help = command.clone().render_long_help().to_string();
        for (at, words) in help.match_indices("xit code ") {
            let sentence = help[at + words.len()..].split([')', '.', '\n']).next().unwrap();
            let codes = sentence.split(' ').filter_map(|word| word.parse().ok());
            for code in codes {
                assert!(ExitCode::from_code(code).is_some(), "{sentence}");
                named += 1;
            }
        }
    }
    assert!(named > 5, "{named}");
}

#[test]
fn the_precedence_of_exit_codes_is_the_order_on_the_page() {
    let page = document("docs/CI.md").replace('\n', " ");
    let (_, order) = page.split_once("the first of ").unwrap();
    let order: Vec<ExitCode> = order
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .map_while(|word| word.parse().ok().and_then(ExitCode::from_code))
        .collect();
    assert_eq!(order.len(), 10, "{order:?}");
    for (i, first) in order.iter().enumerate() {
        for second in &order[i + 1..] {
            assert_eq!(ExitCode::combine(&[*second, *first]), *first);
        }
    }
}

#[test]
fn the_tables_of_metrics_and_outcomes_list_exactly_those_of_the_code() {
    let page = document("docs/METRICS.md");
    let keys = METRICS.iter().map(|metric| metric.key.to_owned());
    let names = |heading: &str| -> BTreeSet<String> {
        let rows = rows(&page, heading);
        rows.iter()
            .map(|row| quoted_words(&row[0]).swap_remove(0))
            .collect()
    };
    assert_eq!(names("## Metrics"), keys.collect());
    let outcomes: BTreeSet<String> = Outcome::ALL.iter().map(|o| o.name().to_owned()).collect();
    let listed = names("## Outcomes");
    assert!(outcomes.is_subset(&listed), "{:?}", outcomes.difference(&listed));
}

#[test]
fn the_table_of_thresholds_lists_exactly_the_metrics() {
    let listed = first_column(&document("docs/PROFILES.md"), "## Thresholds");
    let outcomes: BTreeSet<&str> = Outcome::ALL.iter().map(|o| o.name()).collect();
    let known: BTreeSet<String> = ThresholdMetric::all().map(|m| m.name().to_owned()).collect();
    // Outcomes are named by two examples; the tags stand in the second table.
    let tags = [
        "endpoint",
        "server",
        "stream",
        "expected_response",
        "request",
        "kind",
        "steady",
    ];
    let metrics: BTreeSet<String> = listed
        .into_iter()
        .filter(|name| !tags.contains(&name.as_str()) && !outcomes.contains(name.as_str()))
        .collect();
    let expected = known.into_iter().filter(|n| !outcomes.contains(n.as_str()));
    assert_eq!(metrics, expected.collect());
    for name in metrics {
        let fits = |expression: &str| Threshold::parse(&name, expression).is_ok();
        let expressions = ["p(95)<1", "rate<1", "value<1", "med<1"];
        assert!(expressions.into_iter().any(fits), "{name}");
    }
}

#[test]
fn thresholds_accept_the_names_of_k6_that_the_guide_lists() {
    let page = document("docs/FROM-K6.md");
    let mut checked = 0;
    for row in rows(&page, "## Metrics") {
        let has_counterpart = !row[1].starts_with("none") && !row[1].contains("totals.");
        for name in quoted_words(&row[0]) {
            let fits = |expression: &str| Threshold::parse(&name, expression).is_ok();
            let is_taken = ["p(95)<1", "rate<1"].into_iter().any(fits);
            let is_offered = has_counterpart && !name.starts_with("vus") && name != "none";
            assert_eq!(is_taken, is_offered, "{name}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked}");
}

#[test]
fn every_option_of_the_readme_takes_a_value_where_the_readme_shows_one() {
    let command = Cli::command();
    let rows = rows(&document("README.md"), "## Options");
    for written in rows.iter().flat_map(|row| quoted_words(&row[0])) {
        let (name, value) = written.split_once(' ').unwrap_or((&written, ""));
        let long = name.strip_prefix("--").unwrap();
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(long));
        let arg = known.unwrap_or_else(|| panic!("{written}: no such option of a run"));
        let takes_value = !matches!(arg.get_action(), ArgAction::SetTrue);
        assert_eq!(takes_value, !value.is_empty(), "{written}");
        if takes_value && !value.contains(char::is_uppercase) {
            let line = ["llmload-uring", "smoke", name, value.trim_matches('\'')];
            if let Err(error) = command.clone().try_get_matches_from(line) {
                panic!("{written}: {error}");
            }
        }
    }
}

#[test]
fn the_readme_names_every_command() {
    let page = document("README.md").replace('\n', " ");
    for command in Cli::command().get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = format!("llmload-uring {}", command.get_name());
        assert!(page.contains(&name), "{name}");
    }
}

#[test]
fn the_readme_lists_every_page() {
    let readme = document("README.md");
    for (path, _) in pages().iter().filter(|(path, _)| path != "README.md") {
        assert!(readme.contains(&format!("\n* [{path}]({path})")), "{path}");
    }
}

#[test]
fn every_option_in_the_documents_exists() {
    let known: BTreeSet<String> = arguments()
        .iter()
        .flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default())
        .chain(["help", "version"])
        .map(str::to_owned)
        .collect();
    let (mut checked, mut unknown) = (0, Vec::new());
    for (path, text) in pages() {
        let text = without_k6s_flags(&path, &text);
        for long in words_after(&text, "--", |c| c.is_ascii_lowercase() || c == '-') {
            if !long.starts_with(|c: char| c.is_ascii_lowercase()) {
                continue;
            }
            if !known.contains(long) && !FOREIGN.split_whitespace().any(|known| known == long) {
                unknown.push(format!("{path}: --{long}"));
            }
            checked += 1;
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(checked > 200, "{checked}");
}

#[test]
fn every_variable_in_the_documents_is_read() {
    let known: BTreeSet<String> = arguments()
        .iter()
        .filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned))
        .collect();
    let fits = |c: char| c.is_ascii_uppercase() || c == '_';
    for (path, text) in pages() {
        for name in words_after(&text, "LLMLOAD_", fits) {
            let name = format!("LLMLOAD_{name}");
            // `LLMLOAD_` alone, and `LLMLOAD_...`, stand for all of them.
            assert!(name == "LLMLOAD_" || known.contains(&name), "{path}: {name}");
        }
    }
}

/// As GitHub makes an anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    kept.replace(' ', "-")
}

fn has_anchor(path: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(path).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .any(|found| found == wanted)
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut checked = 0;
    for (path, text) in pages() {
        let folder = Path::new(ROOT).join(&path).parent().unwrap().to_path_buf();
        for link in words_after(&text, "](", |c| c != ')') {
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target: PathBuf = match file {
                "" => Path::new(ROOT).join(&path),
                file => folder.join(file),
            };
            assert!(target.exists(), "{path}: {link}");
            assert!(
                heading.is_empty() || has_anchor(&target, heading),
                "{path}: {link}"
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

/// Returns the text of all Rust files, in which a page may name a test.
pub(crate) fn sources() -> String {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        files_below(&Path::new(ROOT).join(folder), &mut files);
    }
    let texts = files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "rs"));
    texts.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

pub(crate) fn files_below(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files_below(&path, out),
            false => out.push(path),
        }
    }
}

#[test]
fn every_page_that_the_code_names_exists() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "scripts", "benches", "profiles", "docs"] {
        files_below(&Path::new(ROOT).join(folder), &mut files);
    }
    files.push(Path::new(ROOT).join("Dockerfile"));
    files.push(Path::new(ROOT).join("CHANGELOG.md"));
    let mut checked = 0;
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for name in words_after(&text, concat!("do", "cs/"), |c| {
            c.is_ascii_alphanumeric() || "-_.".contains(c)
        }) {
            if let Some((page, _)) = name.split_once(".md") {
                let page = format!("docs/{page}.md");
                assert!(Path::new(ROOT).join(&page).exists(), "{}: {page}", file.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

/// The pages for developers name files below the root or below src/.
#[test]
fn every_source_file_that_the_documents_name_exists() {
    let mut checked = 0;
    for page in [
        "docs/ARCHITECTURE.md",
        "docs/DEVELOPING.md",
        "docs/CONFORMANCE.md",
    ] {
        for word in document(page).split_whitespace().flat_map(quoted_words) {
            let is_folder = word.ends_with('/') && word.starts_with(|c: char| c.is_ascii_lowercase());
            let is_path = word.ends_with(".rs") || is_folder;
            let is_made_up = word.starts_with("foo") || word.contains("NAME");
            if !is_path || is_made_up {
                continue;
            }
            // A room of one file is named like a folder.
            let file = format!("src/{}.rs", word.trim_end_matches('/'));
            let places = [word.clone(), format!("src/{word}"), file];
            let exists = places.map(|place| Path::new(ROOT).join(place).exists());
            assert!(exists.contains(&true), "{page}: {word}");
            checked += 1;
        }
    }
    assert!(checked > 80, "{checked}");
}

#[test]
fn the_documents_ask_for_the_kernel_that_the_program_asks_for() {
    let release = "5.15".to_owned();
    let refusal = UringRefusal::Kernel { release }.reason().what;
    let (_, needed) = refusal.split_once("needs ").unwrap();
    for page in ["README.md", "docs/TROUBLESHOOTING.md"] {
        assert!(document(page).contains(needed), "{page}: {needed}");
    }
}

#[test]
fn the_documents_have_the_shares_that_chaos_injects() {
    let percent = |share: f64| format!("{} %", (share * 100.0).round());
    let rates = ErrorRates::CHAOS;
    let shares = [rates.rate_limit, rates.server_error, rates.timeout].map(percent);
    for (page, heading) in [
        ("README.md", "## Options"),
        ("docs/SERVERS.md", "## The simulator"),
    ] {
        let rows = rows(&document(page), heading);
        let row = rows.iter().find(|row| row[0] == "`--chaos`").unwrap();
        for share in &shares {
            assert!(row[1].contains(share.as_str()), "{page}: {share}");
        }
    }
}
