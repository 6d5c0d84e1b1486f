//! The rules of the house that a program can check.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 120;

/// Longer files, each with its reason. None so far.
const LONG_FILES: [(&str, &str); 0] = [];
/// Longer functions as `file:name`, each with its reason.
const LONG_FUNCTIONS: [(&str, &str); 0] = [];

/// Files with wider lines, each with its reason.
const WIDE_FILES: [(&str, &str); 1] = [(
    "src/cli/run_args.rs",
    "one argument, one attribute: rustfmt leaves attributes on one line",
)];

/// Rooms that are functions of their input: no sockets, no clock, no executor.
const PURE_ROOMS: [&str; 13] = [
    "json",
    "plan",
    "workload",
    "http1",
    "sse",
    "api",
    "metrics",
    "judge",
    "result",
    "tls",
    "merge",
    "k6",
    "compare/stats",
];
const IMPURE_WORDS: [&str; 11] = [
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

struct Source {
    /// Relative to the root.
    path: String,
    /// As it is.
    lines: Vec<String>,
    /// The same lines with comments and what stands between quotes blanked out.
    code: Vec<String>,
    /// Lines that belong to a `#[cfg(test)]` item, or all of a test file.
    is_test: Vec<bool>,
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

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        files_under(&Path::new(ROOT).join(folder), &["rs"], &mut paths);
    }
    assert!(!paths.is_empty());
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(ROOT).unwrap().to_string_lossy().into_owned();
        Source::new(path, &text)
    };
    paths.iter().map(read).collect()
}

impl Source {
    fn new(path: String, text: &str) -> Source {
        let lines: Vec<String> = text.lines().map(str::to_string).collect();
        let code: Vec<String> = blanked(text).lines().map(str::to_string).collect();
        let is_file_of_tests = path.ends_with("_tests.rs") || path.starts_with("tests/");
        let mut is_test = vec![is_file_of_tests; lines.len()];
        for at in 0..code.len() {
            // `#[cfg(test)] mod name;` has no body: it names a file of tests.
            if code[at].trim().starts_with("#[cfg(test)]")
                && let Some(end) = item_end(&code, at)
            {
                is_test[at..=end].fill(true);
            }
        }
        Source {
            path,
            lines,
            code,
            is_test,
        }
    }

    fn is_in(&self, room: &str) -> bool {
        self.path.starts_with(&format!("src/{room}/"))
    }

    /// Numbers of the lines of code, comments and tests left out, that hold one of `words`.
    fn lines_with(&self, words: &[&str]) -> impl Iterator<Item = (usize, String)> {
        let found = move |(i, line): (usize, &String)| {
            let word = words.iter().find(|word| has_word(line, word))?;
            (!self.is_test[i]).then(|| (i + 1, word.to_string()))
        };
        self.code
            .iter()
            .enumerate()
            .filter_map(found)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// The last line of the item that begins at or after line `at`: where its braces close, or its semicolon.
fn item_end(code: &[String], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (i, line) in code.iter().enumerate().skip(at) {
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth <= 1 => return Some(i),
                '}' => depth -= 1,
                ';' if depth == 0 => return Some(i),
                _ => {}
            }
        }
    }
    None
}

/// The text with comments, strings and characters replaced by blanks; line breaks stay.
fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match literal_end(&chars, i) {
            Some(end) => end,
            None => {
                out.push(chars[i]);
                i += 1;
                continue;
            }
        };
        out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

/// Behind the comment, string or character that begins at `i`, if one does.
fn literal_end(chars: &[char], i: usize) -> Option<usize> {
    let at = |n: usize| chars.get(i + n).copied();
    let find = |from: usize, what: &[char]| {
        let hit = chars[from.min(chars.len())..]
            .windows(what.len())
            .position(|w| w == what);
        hit.map_or(chars.len(), |n| from + n + what.len())
    };
    let in_word = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
    match (at(0)?, at(1)) {
        ('/', Some('/')) => Some(find(i, &['\n']) - 1),
        ('/', Some('*')) => Some(find(i + 2, &['*', '/'])),
        ('"', _) => Some(string_end(chars, i + 1)),
        ('r', Some('"' | '#')) if !in_word || chars[i - 1] == 'b' => {
            let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
            if at(1 + hashes) != Some('"') {
                return None;
            }
            let mut end = vec!['"'];
            end.extend(std::iter::repeat_n('#', hashes));
            Some(find(i + 2 + hashes, &end))
        }
        // A character, not a lifetime.
        ('\'', Some('\\')) => Some(find(i + 3, &['\''])),
        ('\'', Some(_)) if at(2) == Some('\'') => Some(i + 3),
        _ => None,
    }
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Whether more than half of a line stands between quotes; `code` is the line without that.
fn is_mostly_literal(line: &str, code: &str) -> bool {
    let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    !line.trim_start().starts_with("//") && 2 * visible(code) < visible(line)
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
fn the_checker_tells_code_from_comments_strings_and_tests() {
    let text = "let a = \"unsafe \\\" }\"; // unsafe\nlet b = r#\"unsafe \" \"#; let c = '\"'; unsafe {}\n\
                fn f<'a>(x: &'a str) {} /* unsafe\n unsafe */ let d = b'}';\n\
                #[cfg(test)]\nmod tests {\n    fn g() { unsafe {} }\n}\nnot_unsafe unsafe_code\n";
    let source = Source::new("src/x.rs".into(), text);
    let found: Vec<usize> = source.lines_with(&["unsafe"]).map(|(line, _)| line).collect();
    assert_eq!(found, [2]);
    assert!(source.is_test[4..8].iter().all(|t| *t) && !source.is_test[8]);
}

#[test]
fn unsafe_stands_in_the_ring_alone() {
    let mut found = Vec::new();
    let mut in_ring = 0;
    for source in sources(&["src", "tests", "benches"]) {
        // Tests of other rooms too.
        let lines = source.code.iter().enumerate();
        let lines = lines.filter(|(_, line)| has_word(line, "unsafe"));
        if source.is_in("net/ring") {
            in_ring += lines.count();
        } else {
            found.extend(lines.map(|(i, _)| format!("{}:{}", source.path, i + 1)));
        }
    }
    assert!(in_ring > 0, "the check sees nothing");
    none_of(found, "`unsafe` stands in src/net/ring only");
}

#[test]
fn each_unsafe_says_why_it_is_safe() {
    let mut found = Vec::new();
    for source in sources(&["src/net/ring"]) {
        for (i, line) in source.code.iter().enumerate() {
            if !has_word(line, "unsafe") {
                continue;
            }
            let above = source.lines[..i].iter().rev().map(|l| l.trim());
            let mut comments = above.take_while(|l| l.starts_with("//"));
            let own = source.lines[i].contains("// SAFETY:");
            if !own && !comments.any(|l| l.contains("SAFETY")) {
                found.push(format!("{}:{}", source.path, i + 1));
            }
        }
    }
    none_of(found, "each `unsafe` has a SAFETY comment above it");
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        for (i, line) in source.code.iter().enumerate() {
            if line.contains(".unwrap()") && !source.is_test[i] {
                found.push(format!("{}:{}", source.path, i + 1));
            }
        }
    }
    none_of(found, "`.unwrap()` outside tests: say why it holds, or handle it");
}

#[test]
fn only_main_prints() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        if source.path == "src/main.rs" {
            continue;
        }
        let words = ["println", "eprintln", "print", "eprint", "dbg"];
        for (line, word) in source.lines_with(&words) {
            if source.code[line - 1].contains(&format!("{word}!")) {
                found.push(format!("{}:{line}: {word}!", source.path));
            }
        }
    }
    none_of(
        found,
        "only src/main.rs prints; the rest writes into what it is given",
    );
}

#[test]
fn pure_rooms_open_no_socket_and_read_no_clock() {
    let mut found = Vec::new();
    for room in PURE_ROOMS {
        let mut any = false;
        for source in sources(&["src"]).iter().filter(|s| s.is_in(room)) {
            any = true;
            for (line, word) in source.lines_with(&IMPURE_WORDS) {
                found.push(format!("{}:{line}: {word}", source.path));
            }
        }
        assert!(any, "no room {room}");
    }
    none_of(found, "pure rooms know no sockets, clocks, threads or executors");
}

#[test]
fn files_fit_a_sitting_and_lines_fit_the_screen() {
    let mut found = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
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
            let is_literal = is_mostly_literal(line, &source.code[i]);
            if columns > COLUMNS_MAX && !is_literal {
                found.push(format!("{}:{}: {columns} columns", source.path, i + 1));
            }
        }
    }
    none_of(found, "at most 500 lines a file, 120 columns a line");
}

#[test]
fn functions_fit_a_screen() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        for (i, line) in source.code.iter().enumerate() {
            if !has_word(line, "fn") {
                continue;
            }
            let name = line.split("fn ").nth(1).unwrap_or("");
            let name: String = name
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            // No name: a function type.
            let Some(end) = item_end(&source.code, i).filter(|_| !name.is_empty()) else {
                continue;
            };
            let place = format!("{}:{name}", source.path);
            let excepted = LONG_FUNCTIONS.iter().any(|(known, _)| *known == place);
            if end + 1 - i > FUNCTION_LINES_MAX && !excepted {
                found.push(format!("{place}: {} lines", end + 1 - i));
            }
        }
    }
    none_of(found, "at most 70 lines a function");
}

#[test]
fn no_file_is_forgotten_by_the_compiler() {
    let mut naming = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let sources = sources(&["src", "tests", "benches"]);
    for source in &sources {
        let lines = source.lines.iter().map(|line| line.trim());
        let modules = lines.filter(|line| line.ends_with(';') || line.starts_with("#[path"));
        modules.for_each(|line| naming.extend([line, "\n"]));
    }
    let mut found = Vec::new();
    for Source { path, .. } in &sources {
        let (folder, file) = path.rsplit_once('/').unwrap();
        let module = match file.strip_suffix(".rs").unwrap() {
            "mod" => folder.rsplit_once('/').unwrap().1,
            name => name,
        };
        let names = [
            format!("mod {module};"),
            format!("\"{file}\""),
            format!("/{file}\""),
        ];
        if !["src/main.rs", "src/lib.rs"].contains(&path.as_str())
            && !names.iter().any(|name| naming.contains(name))
        {
            found.push(path.clone());
        }
    }
    none_of(found, "no module and no target of Cargo.toml, so never compiled");
}

#[test]
fn a_skipped_test_is_recorded() {
    let mut found = Vec::new();
    for source in sources(&["src", "tests"]) {
        let is_the_record =
            ["skipped.rs", "tidy.rs", "what_was_skipped.rs"].map(|name| source.path.ends_with(name));
        for (i, line) in source.lines.iter().enumerate() {
            if line.contains("\"skipped: ") && !is_the_record.contains(&true) {
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
fn no_path_of_a_developers_machine_and_no_unfinished_business() {
    let mut paths = Vec::new();
    for folder in ["src", "docs", "scripts", "benches", "profiles", ".ci"] {
        files_under(&Path::new(ROOT).join(folder), &[], &mut paths);
    }
    paths.extend(["README.md", "CHANGELOG.md", "Cargo.toml"].map(|file| Path::new(ROOT).join(file)));
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
