//! Files that are none: devices without an end, FIFOs without a writer, folders, links in a circle, names that are no
//! text. Wherever a file may be named, each is one error with its place, at once and in little memory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::*;

/// Where a file may be named: the words around it. `{}` stands for the file.
const PLACES: [&[&str]; 18] = [
    &["config", "check", "{}"],
    &["run", "--config", "{}", "--target", "http://127.0.0.1:1"],
    &["smoke", "--target", "http://127.0.0.1:1", "--api-key-file", "{}"],
    &["smoke", "--target", "https://127.0.0.1:1", "--cacert", "{}"],
    &[
        "smoke",
        "--target",
        "http://127.0.0.1:1",
        "--prompt-tokens",
        "9",
        "--tokenizer",
        "{}",
    ],
    &[
        "smoke",
        "--target",
        "http://127.0.0.1:1",
        "--dataset",
        "custom:{}",
    ],
    &[
        "smoke",
        "--target",
        "http://127.0.0.1:1",
        "--dataset",
        "sharegpt:{}",
    ],
    &[
        "smoke",
        "--target",
        "http://127.0.0.1:1",
        "--dataset",
        "mooncake:{}",
    ],
    &["smoke", "--target", "http://127.0.0.1:1", "--system", "@{}"],
    &["smoke", "--target", "http://127.0.0.1:1", "--tools", "@{}"],
    &["smoke", "--target", "http://127.0.0.1:1", "--extra-body", "@{}"],
    &["smoke", "--target", "http://127.0.0.1:1", "--calibration", "{}"],
    &["smoke", "--sim-config", "{}"],
    &["compare", "{}", "{}"],
    &["merge", "{}", "other.json", "-o", "merged.json"],
    &["report", "{}", "-o", "page.html"],
    &["import", "k6", "{}"],
    &["import", "inference-perf", "{}"],
];

/// Starts each place at once with the same file; whoever still runs after a minute has failed the test.
#[track_caller]
fn all_refuse(dir: &Dir, file: &OsStr) {
    let started: Vec<(String, Live)> = PLACES
        .iter()
        .map(|words| {
            let mut command = program();
            for word in *words {
                command.arg(named(word, file));
            }
            command.current_dir(dir.path(""));
            (
                format!("{words:?} {}", file.to_string_lossy()),
                Live::spawn(&mut command),
            )
        })
        .collect();
    for (what, mut live) in started {
        let mut memory = 0;
        wait_until(&what, || {
            memory = peak_memory(live.pid()).unwrap_or(0).max(memory);
            live.is_over()
        });
        let ended = live.wait();
        // A word that is no text has no form where text is wanted.
        let is_text = file.to_str().is_some();
        let refused = ended.code == Some(104) || !is_text && ended.code == Some(2);
        assert!(refused, "{what}: {ended:?}");
        ended.one_error("");
        assert!(memory < MEMORY_KIB, "{what}: held {memory} KiB");
    }
}

fn named(word: &str, file: &OsStr) -> OsString {
    match word.split_once("{}") {
        None => OsString::from(word),
        Some((before, after)) => {
            let mut out = OsString::from(before);
            out.push(file);
            out.push(after);
            out
        }
    }
}

#[test]
fn a_device_without_an_end_is_refused_at_its_limit_wherever_a_file_may_be_named() {
    all_refuse(&Dir::new(), OsStr::new("/dev/zero"));
}

#[test]
fn a_fifo_that_nobody_writes_to_is_refused_wherever_a_file_may_be_named() {
    let dir = Dir::new();
    assert!(
        Command::new("mkfifo")
            .arg(dir.path("fifo"))
            .status()
            .unwrap()
            .success()
    );
    all_refuse(&dir, OsStr::new("./fifo"));
}

#[test]
fn folders_circles_and_names_that_are_no_text_are_refused_wherever_a_file_may_be_named() {
    let dir = Dir::new();
    std::os::unix::fs::symlink("circle", dir.path("circle")).unwrap();
    for file in [&b"."[..], b"./circle", b"./\xff\x1b[2J", b"./a\nb/../c"] {
        all_refuse(&dir, OsStr::from_bytes(file));
    }
}

#[test]
fn a_file_of_gigabytes_without_a_line_is_refused_wherever_a_file_may_be_named() {
    let dir = Dir::new();
    let sparse = std::fs::File::create(dir.path("sparse")).unwrap();
    sparse.set_len(8 << 30).unwrap();
    all_refuse(&dir, OsStr::new("./sparse"));
}

#[test]
fn a_document_is_read_from_a_fifo_once_somebody_writes_to_it() {
    let dir = Dir::new();
    let fifo = dir.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let live = Live::start(&["config", "check", &fifo]);
    std::fs::write(&fifo, LOAD).unwrap();
    live.wait().expect(0);
}

/// A billion of aliases in a few lines, and depth that a reader which calls itself cannot hold.
#[test]
fn documents_that_unfold_or_nest_without_end_are_refused_in_little_memory() {
    let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..10 {
        let ten = vec![format!("*a{}", i - 1); 10].join(", ");
        aliases += &format!("a{i}: &a{i} [{ten}]\n");
    }
    let deep_flow = format!("prompts: {}\n", "[".repeat(100_000));
    let deep_block: String = (0..1_400).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    let merged = "base: &b {vus: 1}\n<<: *b\nprompts: &p [*p]\n".to_owned();
    let keys: String = (0..10_000).map(|i| format!("k{i}: 1\n")).collect();
    let no_aliases = "anchors and aliases are not supported";
    for (name, text, says) in [
        ("aliases", aliases, no_aliases),
        ("deep_flow", deep_flow, "recursion limit exceeded"),
        ("deep_block", deep_block, "nested deeper than the limit of 16"),
        ("merged", merged, no_aliases),
        ("keys", keys, "unknown key `k0`"),
    ] {
        let dir = Dir::new();
        let path = dir.write("p.yaml", &text);
        let mut live = Live::start(&["config", "check", &path]);
        let mut memory = 0;
        wait_until(name, || {
            memory = peak_memory(live.pid()).unwrap_or(0).max(memory);
            live.is_over()
        });
        let ended = live.wait();
        assert_eq!(ended.code, Some(104), "{name}: {ended:?}");
        assert!(ended.stderr.contains(says), "{name}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{name}: {}", ended.stderr);
        assert!(memory < MEMORY_KIB, "{name}: held {memory} KiB");
    }
}

#[test]
fn a_variable_or_a_word_that_is_no_text_is_told_by_its_place_and_never_shown() {
    let value = OsStr::from_bytes(b"CANARY: \xff\x1b[2J");
    for name in [
        "LLMLOAD_HEADER",
        "LLMLOAD_API_KEY",
        "LLMLOAD_VUS",
        "LLMLOAD_TARGET_URL",
        "LLMLOAD_PUSHGATEWAY",
    ] {
        let mut command = program();
        let ended = Live::spawn(command.args(["smoke"]).env(name, value))
            .wait()
            .expect(2);
        ended.one_error(&format!(
            "environment variable {name}: the value is not UTF-8 text"
        ));
        assert!(!ended.stderr.contains("CANARY"), "{}", ended.stderr);
    }
    for words in [
        &["smoke", "--header"][..],
        &["smoke", "--vus", "1", "--threshold"],
        &["compare", "a", "--fail-on"],
    ] {
        let mut command = program();
        let ended = Live::spawn(command.args(words).arg(value)).wait();
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        let place = words.last().unwrap();
        ended.one_error(&format!("{place}: the value is not UTF-8 text"));
        assert!(!ended.stderr.contains("CANARY"), "{}", ended.stderr);
    }
}
