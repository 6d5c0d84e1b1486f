//! `report` and `--report` from the outside: what is written where, what is refused, and what a browser reads.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::live::{Dir, document, ran};
use crate::common::skipped;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/result.json");

/// Each figure of a page: the number of its document, its path there, and its full value.
fn figures(html: &str) -> Vec<(usize, String, f64)> {
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        let text = rest.split_once('"')?.0;
        Some(
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        )
    };
    let tags = html
        .split("<data ")
        .skip(1)
        .filter_map(|part| Some(part.split_once('>')?.0));
    let found = tags.filter_map(|tag| {
        let of = attribute(tag, "data-doc").map_or(0, |of| of.parse().unwrap());
        Some((
            of,
            attribute(tag, "data-path")?,
            attribute(tag, "value")?.parse().unwrap(),
        ))
    });
    found.collect()
}

/// Checks that each figure of the page is that of its document, and returns how many there are.
fn check(html: &str, documents: &[&Value]) -> usize {
    let figures = figures(html);
    for (of, path, value) in &figures {
        let found = documents[*of].pointer(path).and_then(Value::as_f64);
        let found = found.unwrap_or_else(|| panic!("{path} of document {of}"));
        // Reading a number of 17 digits may end at its neighbour.
        let near = (found - value).abs() <= found.abs() * 2.0 * f64::EPSILON;
        assert!(near, "{path} of document {of}: {found}, {value}");
    }
    figures.len()
}

/// Makes a short run, and returns the path of its document.
fn measured(dir: &Dir) -> String {
    let path = dir.path("result.json");
    ran(&["smoke", "--duration", "1s", "--output", &path]).expect(0);
    path
}

#[test]
fn a_saved_document_becomes_a_page_with_its_figures() {
    let dir = Dir::new();
    let (result, page) = (measured(&dir), dir.path("page.html"));
    let ended = ran(&["report", &result, "-o", &page]).expect(0);
    assert!(ended.stdout.contains("page.html"), "{}", ended.stdout);
    let html = fs::read_to_string(&page).unwrap();
    assert!(check(&html, &[&document(&result)]) > 100);
    assert_eq!(dir.names(), ["page.html", "result.json"], "nothing else is left");
    let printed = ran(&["report", &result, "--output", "-"]).expect(0);
    assert_eq!(printed.stdout, html);
}

#[test]
fn several_documents_stand_side_by_side_with_the_verdict_of_compare() {
    let dir = Dir::new();
    let (result, page) = (measured(&dir), dir.path("page.html"));
    ran(&["report", &result, &result, "-o", &page]).expect(0);
    let html = fs::read_to_string(&page).unwrap();
    let read = document(&result);
    assert!(check(&html, &[&read, &read]) > 200);
    let compared = ran(&["compare", &result, &result]).expect(0).stdout;
    let verdict = compared.lines().next().unwrap().split("  ").next().unwrap();
    assert!(html.contains(verdict), "{verdict}");
}

#[test]
fn wrong_files_and_places_are_refused_by_name() {
    let dir = Dir::new();
    let page = dir.path("page.html");
    let other = dir.write("other.json", "{\"schema\": \"another/1\"}");
    let none = dir.write("none.json", "{\"a\": 1}");
    let cut = dir.write("cut.json", &fs::read_to_string(GOLDEN).unwrap()[..5_000]);
    let missing = dir.path("missing.json");
    for (file, part) in [
        (&other, "which is not one of ours"),
        (&none, "it has no `schema`"),
        (&cut, "cut.json"),
        (&missing, "cannot be read"),
    ] {
        ran(&["report", file, "-o", &page]).expect(104).one_error(part);
        assert!(fs::metadata(&page).is_err(), "{file}");
    }
    let nowhere = dir.path("no/such/folder.html");
    ran(&["report", GOLDEN, "-o", &nowhere]).expect(112);
    ran(&["report", GOLDEN])
        .expect(2)
        .one_error("--output PAGE is missing");
    ran(&["report", "-o", &page])
        .expect(2)
        .one_error("FILE is missing");
}

#[test]
fn a_run_writes_the_page_of_its_own_document() {
    let dir = Dir::new();
    let (result, page, again) = (dir.path("r.json"), dir.path("page.html"), dir.path("again.html"));
    let run = [
        "smoke",
        "--duration",
        "1s",
        "--output",
        &result,
        "--report",
        &page,
    ];
    let ended = ran(&run).expect(0);
    assert!(ended.stdout.contains("page.html"), "{}", ended.stdout);
    ran(&["report", &result, "-o", &again]).expect(0);
    let html = fs::read_to_string(&page).unwrap();
    assert!(check(&html, &[&document(&result)]) > 100);
    assert_eq!(html, fs::read_to_string(&again).unwrap());
    let nowhere = dir.path("no/such/folder.html");
    let ended = ran(&["smoke", "--duration", "1s", "--report", &nowhere]).expect(112);
    assert_eq!(ended.stdout, "", "it is refused before the run");
    let both = ["smoke", "--duration", "1s", "--output", "-", "--report", "-"];
    ran(&both).expect(104).one_error("standard output is given twice");
}

/// The names under which distributions install the browser.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

#[test]
fn a_browser_reads_the_figures_back_from_the_page() {
    let test = "a_browser_reads_the_figures_back_from_the_page";
    let works = |name: &&&str| {
        let mut command = Command::new(name);
        let found = command.arg("--version").stdin(Stdio::null()).output();
        found.is_ok_and(|found| found.status.success())
    };
    let Some(browser) = BROWSERS.iter().find(works) else {
        return skipped(test, "Chromium");
    };
    let dir = Dir::new();
    let (result, page) = (measured(&dir), dir.path("page.html"));
    ran(&["report", &result, "-o", &page]).expect(0);
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--dump-dom",
    ]);
    command.arg(format!("--user-data-dir={}", dir.path("profile")));
    command.arg(format!("file://{page}")).stdin(Stdio::null());
    let dumped = command.output().unwrap();
    let dom = String::from_utf8_lossy(&dumped.stdout);
    if !dom.contains("<body") {
        return skipped(test, "a Chromium that starts here");
    }
    let written = figures(&fs::read_to_string(&page).unwrap());
    assert_eq!(figures(&dom), written, "the browser has each figure");
    assert!(check(&dom, &[&document(&result)]) > 100);
    // Broken markup would have been moved or closed by the browser.
    for tag in ["<figure", "<table", "<h2", "<svg", "<details", "<path"] {
        let count = |text: &str| text.matches(tag).count();
        assert_eq!(count(&dom), count(&fs::read_to_string(&page).unwrap()), "{tag}");
    }
}
