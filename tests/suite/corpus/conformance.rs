//! docs/CONFORMANCE.md is held to the corpus: its decisions to the vectors that leave a choice, its counts to what
//! the files hold.

use std::collections::{BTreeMap, BTreeSet};

use super::http::Level;
use super::{Counts, api, counts, http, responses, sse, vectors};

const PAGE: &str = include_str!("../../../docs/CONFORMANCE.md");

/// The cells of the rows of the tables that begin with code, row by row.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// The words between backquotes.
fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_file(cell: &str) -> bool {
    cell.ends_with(".json`")
}

#[test]
fn the_table_lists_every_choice_with_what_the_parser_does() {
    let vectors = vectors::<http::Vector>();
    let by_name: BTreeMap<&str, &http::Vector> = vectors.iter().map(|v| (&*v.name, v)).collect();
    let mut told = BTreeSet::new();
    for row in rows().filter(|row| !is_file(row[0])) {
        for name in code(row[0]) {
            let vector = by_name
                .get(name)
                .unwrap_or_else(|| panic!("no vector is called {name}"));
            assert_eq!(vector.level, Level::May, "{name}");
            assert!(told.insert(name), "{name} stands in two rows");
            let ends = match &*vector.ends {
                "kept" | "closed" => None,
                error => error.split(' ').next(),
            };
            // Whatever else the cell says, an error is told by its name.
            let error = code(row[1]).find(|word| vectors.iter().any(|v| v.ends == *word));
            assert_eq!(error, ends, "{name}: {}", row[1]);
        }
    }
    let choices = vectors.iter().filter(|v| v.level == Level::May);
    let untold: Vec<&str> = choices
        .map(|v| &*v.name)
        .filter(|name| !told.contains(name))
        .collect();
    assert!(untold.is_empty(), "not in docs/CONFORMANCE.md: {untold:#?}");
}

#[test]
fn the_counts_on_the_page_are_those_of_the_corpus() {
    let mut told: BTreeMap<&str, Counts> = BTreeMap::new();
    for row in rows().filter(|row| is_file(row[0])) {
        let file = code(row[0]).next().expect("a file");
        let counts = told.entry(file).or_default();
        for class in row[1].split(", ") {
            let (name, count) = class
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("no count: {class}"));
            counts.insert(name.to_string(), count.parse().expect("a count"));
        }
    }
    let all = [
        ("http.json", counts::<http::Vector>()),
        ("sse.json", counts::<sse::Vector>()),
        ("api.json", counts::<api::Vector>()),
        ("responses.json", counts::<responses::Vector>()),
    ];
    for (file, counts) in &all {
        assert_eq!(told.get(file), Some(counts), "{file}");
    }
    assert_eq!(told.len(), all.len(), "{:?}", told.keys());
    for stated in statements(&all.map(|(_, counts)| counts.values().sum())) {
        let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&stated), "the page does not say: {stated}");
    }
}

/// What the page says of the whole, given the vectors of each file.
fn statements([http, sse, api, responses]: &[usize; 4]) -> [String; 2] {
    let vectors = vectors::<http::Vector>();
    let of = |level: Level| vectors.iter().filter(|v| v.level == level).count();
    let (must, should, may) = (of(Level::Must), of(Level::Should), of(Level::May));
    [
        format!(
            "{http} HTTP responses ({must} `must`, {should} `should`, {may} `may`), {sse} event streams, \
             {api} streams and answers of the APIs, {responses} whole responses"
        ),
        format!("({must} `must`, {should} `should`) are met. The other {may} leave a choice"),
    ]
}
