//! `show` from the outside: a saved result is printed as it was, and what is no result is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::common::live::{Dir, document, ran};

/// Makes a short run, and returns the path of its document.
fn measured(dir: &Dir) -> String {
    let path = dir.path("measured.json");
    ran(&["smoke", "--duration", "1s", "--output", &path]).expect(0);
    path
}

#[test]
fn the_text_of_a_run_is_the_one_of_its_end() {
    let dir = Dir::new();
    let (result, page, again) = (dir.path("r.json"), dir.path("page.html"), dir.path("again.txt"));
    let run = [
        "smoke",
        "--duration",
        "1s",
        "--output",
        &result,
        "--report",
        &page,
    ];
    for summary in ["brief", "full"] {
        let ended = ran(&[&run[..], &["--summary", summary]].concat()).expect(0);
        assert_eq!(
            ran(&["show", &result]).expect(0).stdout,
            ended.stdout,
            "{summary}"
        );
    }
    let full = ran(&["show", &result]).expect(0).stdout;
    let brief = ran(&["show", &result, "--summary", "brief"]).expect(0).stdout;
    assert!(brief.lines().count() < full.lines().count());
    let written = ran(&["show", &result, "-o", &again]).expect(0);
    assert!(written.stdout.contains("Saved to"), "{}", written.stdout);
    assert_eq!(fs::read_to_string(&again).unwrap(), full);
    assert_eq!(ran(&["show", &result, "-o", "-"]).expect(0).stdout, full);
}

#[test]
fn merged_repeated_and_paired_runs_and_searches_are_shown_as_they_were() {
    let dir = Dir::new();
    let path = |name: &str| dir.path(name);
    let (first, second, merged) = (path("1.json"), path("2.json"), path("merged.json"));
    ran(&["smoke", "--duration", "1s", "--shard", "1/2", "-o", &first]).expect(0);
    ran(&["smoke", "--duration", "1s", "--shard", "2/2", "-o", &second]).expect(0);
    let ended = ran(&["merge", &first, &second, "-o", &merged]).expect(0);
    assert_eq!(ran(&["show", &merged]).expect(0).stdout, ended.stdout);
    let repeated = path("repeated.json");
    let ended = ran(&["smoke", "--duration", "1s", "--repeat", "2", "-o", &repeated]).expect(0);
    assert_eq!(ran(&["show", &repeated]).expect(0).stdout, ended.stdout);
    let limit = path("limit.json");
    let search = [
        "find-limit",
        "smoke",
        "--slo",
        "latency: p(95)<100s",
        "--max-time",
        "12s",
        "--to",
        "2",
        "-o",
        &limit,
    ];
    let ended = ran(&search);
    assert_eq!(ran(&["show", &limit]).expect(0).stdout, ended.stdout);
}

#[test]
fn a_comparison_is_shown_as_its_text() {
    let dir = Dir::new();
    let result = measured(&dir);
    let compared = ran(&["compare", &result, &result, "--format", "json"]).expect(0);
    let saved = dir.write("compared.json", &compared.stdout);
    let text = ran(&["compare", &result, &result]).expect(0).stdout;
    assert_eq!(ran(&["show", &saved]).expect(0).stdout, text);
    assert_eq!(
        ran(&["show", &saved, "--format", "json"]).expect(0).stdout,
        compared.stdout
    );
    let older = compared.stdout.replace("\"summary\"", "\"earlier\"");
    let older = dir.write("older.json", &older);
    ran(&["show", &older])
        .expect(104)
        .one_error("`summary` is missing");
    ran(&["report", &saved, "-o", &dir.path("page.html")])
        .expect(104)
        .one_error("this is a comparison");
}

#[test]
fn json_is_the_document_itself_and_the_name_of_the_output_chooses_the_format() {
    let dir = Dir::new();
    let (result, copy) = (dir.path("r.json"), dir.path("copy.json"));
    ran(&["smoke", "--duration", "1s", "--details", "-o", &result]).expect(0);
    let bytes = fs::read_to_string(&result).unwrap();
    assert!(
        document(&result)["details"]
            .as_array()
            .is_some_and(|details| !details.is_empty())
    );
    assert_eq!(
        ran(&["show", &result, "--format", "json"]).expect(0).stdout,
        bytes
    );
    ran(&["show", &result, "-o", &copy]).expect(0);
    assert_eq!(fs::read_to_string(&copy).unwrap(), bytes);
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    // The document may be written over itself.
    ran(&["show", &result, "-o", &result]).expect(0);
    assert_eq!(fs::read_to_string(&result).unwrap(), bytes);
}

#[test]
fn what_is_no_result_is_refused_with_its_name() {
    let dir = Dir::new();
    let result = measured(&dir);
    let whole = fs::read_to_string(&result).unwrap();
    let other = dir.write("other.json", "{\"schema\": \"another/1\"}");
    let none = dir.write("none.json", "{\"a\": 1}");
    let text = dir.write("text.json", "PASSED");
    let cut = dir.write("cut.json", &whole[..5_000]);
    let wrong = dir.write("wrong.json", &whole.replacen("\"failed\": ", "\"failed\": 1", 1));
    let folder = dir.path("");
    for (file, part) in [
        (&other, "which is not one of ours"),
        (&none, "it has no `schema`"),
        (&text, "text.json"),
        (&cut, "cut.json"),
        (&wrong, "wrong.json"),
        (&folder, "not a regular file"),
        (&dir.path("missing.json"), "cannot be read"),
    ] {
        let shown = ran(&["show", file]).expect(104);
        shown.one_error(part);
        assert_eq!(shown.stdout, "", "{file}");
    }
    ran(&["show"]).expect(2).one_error("FILE is missing");
    ran(&["show", &result, "--format", "xml"])
        .expect(2)
        .one_error("xml");
    ran(&["show", &result, "--format", "json", "--summary", "full"])
        .expect(104)
        .one_error("--summary");
    ran(&["show", &result, "-o", &dir.path("no/such/folder.txt")]).expect(112);
    ran(&["show", &result, "-o", "/dev/full"])
        .expect(112)
        .one_error("No space left");
}

/// The rows of a table of CSV that has no quotes, with its names first.
fn table(path: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let row = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().map(row).collect()
}

fn sum(table: &[Vec<String>], column: &str) -> u64 {
    let at = table[0].iter().position(|name| name == column).unwrap();
    table[1..].iter().map(|row| row[at].parse::<u64>().unwrap()).sum()
}

/// The names in a folder, in order.
fn names(folder: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_writes_its_tables_with_and_without_a_document() {
    let dir = Dir::new();
    let (result, tables, alone) = (dir.path("r.json"), dir.path("new/tables"), dir.path("alone"));
    let run = ["smoke", "--duration", "1s", "--csv"];
    let ended = ran(&[&run[..], &[&tables, "-o", &result]].concat()).expect(0);
    assert!(ended.stdout.contains("new/tables"), "{}", ended.stdout);
    assert_eq!(ran(&["show", &result]).expect(0).stdout, ended.stdout);
    let requests = document(&result)["totals"]["requests"].as_u64().unwrap();
    let all = ["metrics.csv", "requests.csv", "timeline.csv"];
    assert_eq!(names(&tables), all, "nothing else is left");
    for name in all {
        let mode = fs::metadata(format!("{tables}/{name}"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(
        table(&format!("{tables}/requests.csv")).len() as u64,
        requests + 1
    );
    assert_eq!(
        sum(&table(&format!("{tables}/timeline.csv")), "requests"),
        requests
    );

    let again = dir.path("again");
    ran(&["show", &result, "--csv", &again]).expect(0);
    for name in all {
        let read = |folder: &str| fs::read_to_string(format!("{folder}/{name}")).unwrap();
        assert_eq!(read(&tables), read(&again), "{name}");
    }
    let printed = ran(&["show", &result, "--format", "csv"]).expect(0).stdout;
    assert_eq!(
        printed,
        fs::read_to_string(format!("{again}/metrics.csv")).unwrap()
    );

    ran(&[&run[..], &[&alone]].concat()).expect(0);
    assert_eq!(names(&alone), all, "the details are in the table");
    ran(&[&run[..], &[&alone, "--no-details"]].concat()).expect(0);
    assert_eq!(
        names(&alone),
        ["metrics.csv", "timeline.csv"],
        "those of an earlier run are gone"
    );
}

#[test]
fn a_merge_writes_the_tables_of_its_document() {
    let dir = Dir::new();
    let parts = ["1/2", "2/2"].map(|shard| {
        let part = dir.path(&format!("{}.json", &shard[..1]));
        let words = ["smoke", "--vus", "2", "--iterations", "6", "--details"];
        ran(&[&words[..], &["--shard", shard, "-o", &part]].concat()).expect(0);
        part
    });
    let (both, alone, beside, shown) = (
        dir.path("both.json"),
        dir.path("alone"),
        dir.path("beside"),
        dir.path("shown"),
    );
    let merge = ["merge", &parts[0], &parts[1]];
    let ended = ran(&[&merge[..], &["--csv", &alone]].concat()).expect(0);
    assert!(ended.stdout.contains(&alone), "{}", ended.stdout);
    ran(&[&merge[..], &["-o", &both, "--csv", &beside]].concat()).expect(0);
    ran(&["show", &both, "--csv", &shown]).expect(0);
    let all = ["metrics.csv", "requests.csv", "timeline.csv"];
    for folder in [&alone, &beside, &shown] {
        assert_eq!(names(folder), all, "and nothing of the merge is left");
    }
    for name in all {
        let read = |folder: &str| fs::read_to_string(format!("{folder}/{name}")).unwrap();
        assert_eq!(read(&alone), read(&shown), "{name}");
        assert_eq!(read(&beside), read(&shown), "{name}");
    }
    let requests = fs::read_to_string(format!("{alone}/requests.csv")).unwrap();
    assert_eq!(requests.lines().count(), 1 + 6, "{requests}");
    let file = dir.write("file", "precious");
    ran(&[&merge[..], &["-o", &both, "--csv", &file]].concat()).expect(112);
}

#[test]
fn folders_for_tables_that_cannot_be_written_are_refused_before_the_run() {
    let dir = Dir::new();
    let (file, result) = (dir.write("file", "precious"), measured(&dir));
    let under = format!("{file}/tables");
    for folder in [&file, &under] {
        for words in [&["smoke", "--duration", "1s"][..], &["show", &result]] {
            let ended = ran(&[words, &["--csv", folder]].concat()).expect(112);
            assert_eq!(ended.stdout, "", "it is refused before the run");
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let taken = dir.path("taken");
    fs::create_dir_all(format!("{taken}/metrics.csv")).unwrap();
    ran(&["show", &result, "--csv", &taken])
        .expect(112)
        .one_error("metrics.csv");
}

#[test]
fn a_search_has_a_table_of_its_probes_and_a_comparison_none() {
    let dir = Dir::new();
    let (limit, tables, again) = (dir.path("limit.json"), dir.path("tables"), dir.path("again"));
    let search = [
        "find-limit",
        "smoke",
        "--slo",
        "latency: p(95)<100s",
        "--max-time",
        "12s",
        "--to",
        "2",
    ];
    ran(&[&search[..], &["-o", &limit, "--csv", &tables]].concat());
    let found: serde_json::Value = serde_json::from_str(&fs::read_to_string(&limit).unwrap()).unwrap();
    let probes = found["probes"].as_array().unwrap().len();
    assert!(probes > 0);
    let text = fs::read_to_string(format!("{tables}/probes.csv")).unwrap();
    assert_eq!(text.lines().count(), probes + 1);
    ran(&["show", &limit, "--csv", &again]).expect(0);
    assert_eq!(fs::read_to_string(format!("{again}/probes.csv")).unwrap(), text);
    assert_eq!(ran(&["show", &limit, "--format", "csv"]).expect(0).stdout, text);
    let comment = ran(&["show", &limit, "--format", "md"]).expect(0).stdout;
    assert!(comment.starts_with("**LIMIT** "), "{comment}");

    let result = measured(&dir);
    let compared = ran(&["compare", &result, &result, "--format", "json"]).expect(0);
    let saved = dir.write("compared.json", &compared.stdout);
    ran(&["show", &saved, "--format", "csv"])
        .expect(104)
        .one_error("this is a comparison");
    ran(&["show", &saved, "--format", "md"]).expect(0);
}

#[test]
fn a_comment_has_the_verdict_first_and_thresholds_with_theirs() {
    let dir = Dir::new();
    let (result, comment) = (dir.path("r.json"), dir.path("comment.md"));
    let rules = [
        "--threshold",
        "latency: p(95)<1us",
        "--threshold",
        "failed: rate<0.5",
    ];
    ran(&[&["smoke", "--duration", "1s", "-o", &result][..], &rules].concat()).expect(99);
    ran(&["show", &result, "-o", &comment]).expect(0);
    let text = fs::read_to_string(&comment).unwrap();
    assert!(text.starts_with("**FAILED** exit code 99: "), "{text}");
    assert!(text.contains("\n| **FAIL** | latency p95 &lt; "), "{text}");
    assert!(text.contains("\n| PASS | "), "{text}");
    assert!(text.len() < 65_536);
}
