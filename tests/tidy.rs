//! The rules of the house that a program can check.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // As in tests: clippy.toml means the functions marked as one.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Delimiter, LineColumn, TokenStream, TokenTree};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILE_LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 120;

/// Longer files, each with its reason. None so far.
const LONG_FILES: [(&str, &str); 0] = [];

/// Files with wider lines, each with its reason.
const WIDE_FILES: [(&str, &str); 1] = [(
    "src/cli/run_args.rs",
    "one argument, one attribute: rustfmt leaves attributes on one line",
)];

/// Rooms that are functions of their input: no sockets, no clock, no executor.
const PURE_ROOMS: [&str; 32] = [
    "chart",
    "export",
    "page",
    "error",
    "units",
    "json",
    "dataset",
    "plan",
    "workload",
    "http1",
    "sse",
    "api",
    "metrics",
    "paired",
    "sessions",
    "judge",
    "rank",
    "coordination",
    "result",
    "calibration",
    "tls",
    "merge",
    "imports",
    "inference_perf",
    "k6",
    "compare/stats",
    "stats",
    "lengths",
    "limit",
    "prometheus",
    "exposition",
    "server_metrics",
];
const IMPURE_WORDS: [&str; 14] = [
    "monotonic",
    "realtime",
    "thread_cpu",
    "glommio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "socket2",
    "io_uring",
    "Instant",
    "SystemTime",
    "clock_gettime",
    "thread",
];

const EXECUTORS: [&str; 4] = ["ConstantVus", "RampingVus", "PerVuIterations", "SharedIterations"];
/// Those that make an executor of what was asked for. All others ask it.
const MAKERS_OF_EXECUTORS: [&str; 7] = [
    "src/plan/executor/",
    "src/plan/passes.rs",
    "src/config/document/shape.rs",
    "src/config/document/workload.rs",
    "src/config/options/load.rs",
    "src/inference_perf/",
    "src/k6/load.rs",
];

/// A Rust file. Comments have no tokens, and what stands between quotes is a literal.
struct Source {
    /// Relative to the root.
    path: String,
    lines: Vec<String>,
    /// Identifiers and keywords with the numbers of their lines; those of tests are left out.
    words: Vec<(String, usize)>,
    /// The steps of paths, `A::b`, `A::*` and `A::{`, with the numbers of their lines; those of tests are left out.
    steps: Vec<(String, usize)>,
    /// From the first character to behind the last.
    literals: Vec<(LineColumn, LineColumn)>,
}

fn files_under(folder: &Path, endings: &[&str], out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files_under(&path, endings, out);
        } else if endings.is_empty() || path.extension().is_some_and(|e| endings.iter().any(|w| e == *w)) {
            out.push(path);
        }
    }
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        files_under(&Path::new(ROOT).join(folder), &["rs"], &mut paths);
    }
    assert!(!paths.is_empty());
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned();
        Source::new(path, &text)
    };
    paths.iter().map(read).collect()
});

impl Source {
    fn new(path: String, text: &str) -> Source {
        let tokens = text.parse().unwrap_or_else(|e| panic!("{path}: {e}"));
        let is_file_of_tests = path.ends_with("_tests.rs") || path.starts_with("tests/");
        let mut source = Source {
            path,
            lines: text.lines().map(str::to_string).collect(),
            words: Vec::new(),
            steps: Vec::new(),
            literals: Vec::new(),
        };
        source.read(tokens, is_file_of_tests);
        source
    }

    fn read(&mut self, tokens: TokenStream, of_test: bool) {
        // From `#[cfg(test)]` to the end of its item: a semicolon or a block.
        let mut item_of_test = false;
        // The word before, and the colons since.
        let mut path = String::new();
        for token in tokens {
            if !of_test && !item_of_test {
                self.read_step(&mut path, &token);
            }
            match token {
                TokenTree::Ident(word) if !of_test && !item_of_test => {
                    let line = word.span().start().line;
                    self.words.push((word.to_string(), line));
                }
                TokenTree::Literal(literal) => {
                    let span = literal.span();
                    self.literals.push((span.start(), span.end()));
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => item_of_test = false,
                TokenTree::Group(group) => {
                    let text = group.to_string().replace(' ', "");
                    self.read(group.stream(), of_test || item_of_test);
                    item_of_test |= text == "[cfg(test)]";
                    item_of_test &= group.delimiter() != Delimiter::Brace;
                }
                _ => {}
            }
        }
    }

    fn read_step(&mut self, path: &mut String, token: &TokenTree) {
        let next = match token {
            TokenTree::Ident(word) => word.to_string(),
            TokenTree::Punct(punct) if punct.as_char() == ':' => return path.push(':'),
            TokenTree::Punct(punct) => punct.to_string(),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => "{".to_string(),
            TokenTree::Group(_) | TokenTree::Literal(_) => return path.clear(),
        };
        if path.ends_with("::") {
            let line = token.span().start().line;
            self.steps.push((format!("{path}{next}"), line));
        }
        *path = next;
    }

    fn is_in(&self, room: &str) -> bool {
        self.path.starts_with(&format!("src/{room}/"))
    }

    /// Whether literals take more than half of a line.
    fn is_mostly_literal(&self, line: usize) -> bool {
        let columns = self.lines[line - 1].chars().count();
        let covered = self.literals.iter().map(|(start, end)| {
            if !(start.line..=end.line).contains(&line) {
                return 0;
            }
            let from = if start.line == line { start.column } else { 0 };
            let to = if end.line == line { end.column } else { columns };
            to - from
        });
        // A doc comment is the literal of an attribute.
        let is_comment = self.lines[line - 1].trim_start().starts_with("//");
        !is_comment && 2 * covered.sum::<usize>() > columns
    }
}

/// Fails with all that was found.
fn none_of(found: Vec<String>, rule: &str) {
    let mut text = String::new();
    for line in &found {
        let _ = writeln!(text, "  {line}");
    }
    assert!(found.is_empty(), "{rule}:\n{text}");
}

#[test]
fn the_checker_distinguishes_code_from_comments_strings_and_tests() {
    let text = "let a = \"unsafe \\\" }\"; // unsafe\nlet b = r#\"unsafe \" \"#; let c = '\"'; unsafe {}\n\
                fn f<'a>(x: &'a str) {} /* unsafe\n unsafe */ let d = b'}';\n\
                #[cfg(test)]\nmod tests {\n    fn g() { unsafe {} }\n}\nnot_unsafe!(unsafe);\n\
                #[cfg(test)]\nuse a::unsafe;\nfn g() { unsafe {} }";
    let source = Source::new("src/x.rs".into(), text);
    let found = source.words.iter().filter(|(word, _)| word == "unsafe");
    assert_eq!(found.map(|(_, line)| *line).collect::<Vec<_>>(), [2, 9, 12]);
    let source = Source::new(
        "src/x.rs".into(),
        "/// \"of half\"\nlet a = \"more than half\";\nlet ab = \"of half\";",
    );
    assert_eq!(
        [1, 2, 3].map(|line| source.is_mostly_literal(line)),
        [false, true, false]
    );
}

#[test]
fn pure_rooms_open_no_socket_and_read_no_clock() {
    let mut found = Vec::new();
    for room in PURE_ROOMS {
        let mut any = false;
        for source in SOURCES.iter().filter(|s| s.is_in(room)) {
            any = true;
            let impure = source
                .words
                .iter()
                .filter(|(word, _)| IMPURE_WORDS.contains(&word.as_str()));
            found.extend(impure.map(|(word, line)| format!("{}:{line}: {word}", source.path)));
        }
        assert!(any, "no room {room}");
    }
    none_of(found, "pure rooms know no sockets, clocks, threads or executors");
}

/// Where APIs may be told apart: their table, and the mock's words for each.
const API_TABLES: [&str; 2] = ["src/api/table.rs", "src/mock/dialect/mod.rs"];

/// Whether a step of a path names a variant of `Api`, or brings all of them in: `Api::Chat`, `Api::*`, `Api::{`.
/// `Api::ALL` and `Api::from_path` are no variants.
fn names_an_api(step: &str) -> bool {
    let Some(after) = step.strip_prefix("Api::") else {
        return false;
    };
    let is_variant = after.starts_with(char::is_uppercase) && after.contains(char::is_lowercase);
    is_variant || after == "*" || after == "{"
}

#[test]
fn code_distinguishes_apis_only_by_their_rows() {
    for (line, named) in [
        ("match a { Api::Chat => 1, _ => 2 }", true),
        ("if workload::Api::LlamaCpp == api {}", true),
        ("use crate::api::Api::*;", true),
        ("use crate::api::Api::{self, Chat};", true),
        ("for api in Api::ALL {}", false),
        ("Api::from_path(path).unwrap_or(Api::DEFAULT)", false),
        ("f::<Api>(OtherApi::Chat, api::Row)", false),
        ("#[cfg(test)] mod tests { const A: Api = Api::Chat; }", false),
    ] {
        let source = Source::new("src/x.rs".into(), line);
        let found = source.steps.iter().any(|(step, _)| names_an_api(step));
        assert_eq!(found, named, "{line}");
    }
    let mut found = Vec::new();
    let mut in_tables = 0;
    for source in SOURCES.iter().filter(|source| source.path.starts_with("src/")) {
        let steps = source.steps.iter().filter(|(step, _)| names_an_api(step));
        if API_TABLES.contains(&source.path.as_str()) {
            in_tables += steps.count();
        } else {
            found.extend(steps.map(|(step, line)| format!("{}:{line}: {step}", source.path)));
        }
    }
    assert!(in_tables > 0, "the check sees nothing");
    none_of(
        found,
        "what depends on the API is a column of its row in src/api/table.rs",
    );
}

#[test]
fn no_code_matches_on_the_kind_of_an_executor() {
    let mut found = Vec::new();
    let may = |source: &Source| {
        MAKERS_OF_EXECUTORS
            .iter()
            .any(|path| source.path.starts_with(path))
    };
    for source in SOURCES.iter().filter(|source| !may(source)) {
        let kinds = source
            .words
            .iter()
            .filter(|(word, _)| EXECUTORS.contains(&word.as_str()));
        found.extend(kinds.map(|(word, line)| format!("{}:{line}: {word}", source.path)));
    }
    none_of(
        found,
        "an executor answers for itself: add a method in src/plan/executor/",
    );
}

#[test]
fn files_and_lines_keep_their_limits() {
    let mut found = Vec::new();
    for source in SOURCES.iter() {
        let excepted = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if source.lines.len() > FILE_LINES_MAX && !excepted && source.path.starts_with("src/") {
            found.push(format!("{}: {} lines", source.path, source.lines.len()));
        }
        if WIDE_FILES.iter().any(|(path, _)| *path == source.path) {
            continue;
        }
        for (i, line) in source.lines.iter().enumerate() {
            let columns = line.chars().count();
            // A literal is searched for in one piece, so it may stay in one piece.
            let is_literal = source.is_mostly_literal(i + 1);
            if columns > COLUMNS_MAX && !is_literal {
                found.push(format!("{}:{}: {columns} columns", source.path, i + 1));
            }
        }
    }
    none_of(found, "at most 500 lines a file, 120 columns a line");
}

/// The files that a file's `mod name;` and `#[path = "…"]` stand for.
fn named_by(source: &Source) -> Vec<PathBuf> {
    let file = Path::new(&source.path);
    let folder = file.parent().unwrap();
    let is_root = ["mod.rs", "main.rs", "lib.rs"]
        .iter()
        .any(|root| file.ends_with(root));
    let below = if is_root {
        folder.to_owned()
    } else {
        file.with_extension("")
    };
    let mut named = Vec::new();
    for line in source.lines.iter().map(|line| line.trim()) {
        if let Some((_, name)) = line.strip_suffix(';').and_then(|line| line.rsplit_once("mod ")) {
            named.push(below.join(format!("{name}.rs")));
            named.push(below.join(name).join("mod.rs"));
        }
        if let Some(path) = line
            .strip_prefix("#[path = \"")
            .and_then(|rest| rest.strip_suffix("\"]"))
        {
            let up = path.matches("../").count();
            let from = folder.ancestors().nth(up).unwrap();
            named.push(from.join(path.trim_start_matches("../")));
        }
    }
    named
}

#[test]
fn every_source_file_is_compiled() {
    let targets = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let named: HashSet<PathBuf> = SOURCES.iter().flat_map(named_by).collect();
    let is_named = |path: &str| named.contains(Path::new(path)) || targets.contains(&format!("\"{path}\""));
    let found = SOURCES.iter().map(|source| source.path.clone());
    // The fuzzers are a package of their own, which needs a nightly compiler.
    let fuzzers = ["tests/fuzz/lib.rs", "tests/fuzz/main.rs"];
    let found =
        found.filter(|path| path != "src/main.rs" && !is_named(path) && !fuzzers.contains(&path.as_str()));
    none_of(
        found.collect(),
        "no module and no target of Cargo.toml, so never compiled",
    );
}

#[test]
fn a_skipped_test_is_recorded() {
    let mut found = Vec::new();
    for source in SOURCES.iter() {
        let knows_the_record = ["skipped.rs", "skips.rs", "tidy.rs"]
            .iter()
            .any(|name| source.path.ends_with(name));
        for (i, line) in source.lines.iter().enumerate() {
            if line.contains("\"skipped: ") && !knows_the_record {
                found.push(format!("{}:{}", source.path, i + 1));
            }
        }
    }
    none_of(
        found,
        "tests say through `skipped` that they are, so that it is told at the end of a run",
    );
}

#[test]
fn no_path_of_a_developers_machine_and_no_todo() {
    let mut paths = Vec::new();
    for folder in [
        "src",
        "docs",
        "scripts",
        "benches",
        "profiles",
        "deploy",
        "dashboards",
        ".ci",
    ] {
        files_under(&Path::new(ROOT).join(folder), &[], &mut paths);
    }
    let files = [
        "README.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "Dockerfile",
        "action.yml",
        "build.rs",
    ];
    paths.extend(files.map(|file| Path::new(ROOT).join(file)));
    // Spelled in two halves, so that this file doesn't hold what it looks for.
    let unwanted = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut found = Vec::new();
    for path in paths.iter().filter(|p| p.is_file()) {
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        for (i, line) in text.lines().enumerate() {
            for word in unwanted.iter().filter(|word| line.contains(**word)) {
                found.push(format!(
                    "{}:{}: {word}",
                    path.strip_prefix(ROOT).unwrap().display(),
                    i + 1
                ));
            }
        }
    }
    none_of(found, "no absolute paths of one machine, nothing left for later");
}
