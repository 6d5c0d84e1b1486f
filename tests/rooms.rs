//! Knowledge flows one way: the room table of docs/ARCHITECTURE.md lists what each room imports, lowest floor first,
//! and the code imports exactly that.

#![allow(clippy::unwrap_used)] // As in tests: clippy.toml means the functions marked as one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TABLE_HEAD: &str = "| room | job | imports |";

type Imports = BTreeMap<String, BTreeSet<String>>;

/// The rooms of the table, in its order, each with what it says it imports.
fn table(page: &str) -> Vec<(String, BTreeSet<String>)> {
    let rows = page.lines().skip_while(|line| *line != TABLE_HEAD).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [room, _, imports] = cells[..] else {
            panic!("a row without three cells: {row}");
        };
        let name = |text: &str| text.trim().trim_matches('`').trim_end_matches('/').to_owned();
        let imports = imports.split(',').map(name).filter(|name| !name.is_empty());
        (name(room), imports.filter(|name| name != "nothing").collect())
    })
    .collect()
}

/// A folder of `src/`, or a file there that is no part of one.
fn room_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The text without comments and without items that only tests have. rustfmt puts the end of an item at its
/// beginning's own depth.
fn program_text(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let code = line.split("//").next().unwrap_or("");
        let depth = line.len() - line.trim_start().len();
        if !line.trim_start().starts_with("#[cfg(test)]") {
            out.push_str(code);
            out.push('\n');
            continue;
        }
        let ends = |line: &&str| {
            let own = line.len() - line.trim_start().len() == depth;
            own && (line.ends_with('}') || line.ends_with(';'))
        };
        lines.by_ref().find(ends);
    }
    out
}

/// The names behind each `crate::`, those in braces too.
fn imported(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let word = |text: &str| -> String {
        let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_part).collect()
    };
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + path.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (i, c) in list.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && !c.is_whitespace() => {
                    found.insert(word(&list[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn code() -> Imports {
    let src = Path::new(ROOT).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut rooms = Imports::new();
    for path in files {
        let relative = path.strip_prefix(&src).unwrap();
        let room = room_of(relative);
        let is_test = relative.to_string_lossy().ends_with("_tests.rs");
        if is_test || room == "main" || room == "lib" {
            continue;
        }
        let imports = imported(&program_text(&fs::read_to_string(&path).unwrap()));
        let all = rooms.entry(room.clone()).or_default();
        all.extend(imports.into_iter().filter(|name| *name != room));
    }
    rooms
}

fn page() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/ARCHITECTURE.md")).unwrap()
}

#[test]
fn each_room_imports_exactly_the_rooms_in_the_table() {
    let table = table(&page());
    let code = code();
    assert!(code.len() > 20, "{code:?}");
    let mut wrong = Vec::new();
    for (room, listed) in &table {
        let Some(found) = code.get(room) else {
            wrong.push(format!("{room}: in the table, and no such room in src/"));
            continue;
        };
        let more: Vec<_> = found.difference(listed).collect();
        let fewer: Vec<_> = listed.difference(found).collect();
        if !more.is_empty() {
            wrong.push(format!("{room}: imports {more:?}, which the table does not list"));
        }
        if !fewer.is_empty() {
            wrong.push(format!(
                "{room}: does not import {fewer:?}, which the table lists"
            ));
        }
    }
    for room in code
        .keys()
        .filter(|room| !table.iter().any(|(name, _)| name == *room))
    {
        wrong.push(format!("{room}: no row in the table"));
    }
    assert!(
        wrong.is_empty(),
        "docs/ARCHITECTURE.md:\n  {}",
        wrong.join("\n  ")
    );
}

/// Each import is from a row further up, so there is no cycle either.
#[test]
fn no_room_imports_from_a_higher_floor() {
    let table = table(&page());
    let floor = |name: &str| table.iter().position(|(room, _)| room == name);
    let mut wrong = Vec::new();
    for (at, (room, imports)) in table.iter().enumerate() {
        for import in imports {
            if floor(import).is_none_or(|floor| floor >= at) {
                wrong.push(format!("{room} imports {import}, which is not below it"));
            }
        }
    }
    assert!(wrong.is_empty(), "  {}", wrong.join("\n  "));
}

#[test]
fn the_checker_sees_imports_in_every_form_except_in_tests() {
    let text = "use crate::a::B;\nuse crate::{c::{D, E}, f};\nfn g() { crate::h::i(); } // crate::no\n\
                #[cfg(test)]\nmod tests {\n    use crate::no;\n}\n#[cfg(test)]\nuse crate::no;\n\
                impl J {\n    #[cfg(test)]\n    fn k() {\n        crate::no::x();\n    }\n}\nuse crate::l;\n";
    let found: Vec<String> = imported(&program_text(text)).into_iter().collect();
    assert_eq!(found, ["a", "c", "f", "h", "l"]);
    let page = format!(
        "x\n{TABLE_HEAD}\n| --- | --- | --- |\n| `a/` | does | nothing |\n| `b/` | so | `a`, `c` |\n\n| d |"
    );
    let rows = table(&page);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1].1, BTreeSet::from(["a".to_owned(), "c".to_owned()]));
}
