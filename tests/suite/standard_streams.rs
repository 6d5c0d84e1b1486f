//! `-` in place of a file: standard input and output, and other things that are no regular files.

use crate::common::live::*;
use crate::common::*;
use serde_json::Value;
use std::process::{Command, Stdio};

/// A program of the shell's in which `$0` is ours and the rest are its arguments.
fn shell(script: &str, args: &[&str]) -> Ended {
    let mut command = Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_llmload-uring")])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Live::spawn(&mut command).wait()
}

const SMALL: [&str; 7] = [
    "quick-smoke",
    "--iterations",
    "3",
    "--think-time",
    "0",
    "--vus",
    "1",
];

fn small<'a>(target: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--target", target]);
    args.extend(more);
    args
}

fn details_in(text: &str) -> usize {
    let document: Value = serde_json::from_str(text).unwrap();
    document["details"].as_array().unwrap().len()
}

#[test]
fn details_are_in_a_document_that_goes_to_standard_output_a_pipe_or_a_descriptor() {
    let mock = mock(mock_options());
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let ended = ran(&small(&target, &["--details", "--output", "-"])).expect(0);
    assert_eq!(details_in(&ended.stdout), 3);
    assert!(ended.stderr.contains("requests "), "{}", ended.stderr);

    let dir = Dir::new();
    let (fifo, copy) = (dir.path("fifo"), dir.path("copy"));
    let script = "fifo=$1; copy=$2; shift 2; mkfifo \"$fifo\"; cat \"$fifo\" > \"$copy\" & \"$0\" \"$@\"; rc=$?; wait; exit $rc";
    let args = small(&target, &["--details", "--quiet", "--output", &fifo]);
    let args = [&[fifo.as_str(), &copy], args.as_slice()].concat();
    shell(script, &args).expect(0);
    assert_eq!(details_in(&std::fs::read_to_string(&copy).unwrap()), 3);

    let script = "copy=$1; shift; \"$0\" \"$@\" 3> \"$copy\"";
    let args = small(&target, &["--details", "--output", "/dev/fd/3"]);
    shell(script, &[&[copy.as_str()], args.as_slice()].concat()).expect(0);
    assert_eq!(details_in(&std::fs::read_to_string(&copy).unwrap()), 3);
    ran(&small(&target, &["--details", "--output", "/dev/null"])).expect(0);
    assert_eq!(dir.names(), ["copy", "fifo"]);
}

#[test]
fn details_that_have_no_place_to_be_written_are_refused_where_they_were_asked_for() {
    let mock = mock(mock_options());
    let target = format!("http://{}/v1/chat/completions", mock.address);
    ran(&small(&target, &["--details"]))
        .expect(104)
        .one_error("--details: there is no file for the details");
    let dir = Dir::new();
    let text = format!(
        "executor: shared-iterations\niterations: 2\ndetails: true\nserver: {{base_url: '{target}', model_alias: m}}\n"
    );
    let file = dir.write("p.yaml", &text);
    let ended = ran(&[&file]).expect(0);
    assert!(
        ended
            .stderr
            .contains("`details: true` of the document has no effect"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_document_is_read_from_standard_input_wherever_a_file_may_be_named() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let text = format!(
        "executor: shared-iterations\niterations: 2\nserver: {{base_url: 'http://{}/v1/chat/completions', \
         model_alias: m}}\n",
        mock.address
    );
    let file = dir.write("p.yaml", &text);
    let results = dir.path("results");
    for words in [
        &["run", "--config", "-", "--results-dir", &results][..],
        &["run", "-"],
        &["-"],
        &["config", "check", "-"],
        &["config", "check", "--config", "-"],
    ] {
        let args = [&[file.as_str()], words].concat();
        let ended = shell("file=$1; shift; cat \"$file\" | \"$0\" \"$@\"", &args).expect(0);
        assert!(!ended.stdout.is_empty(), "{words:?}");
    }
    // Three of the five are runs of two requests.
    assert_eq!(mock_requests(mock.address), 6);
}

#[test]
fn results_are_read_from_and_written_to_standard_streams() {
    let mock = mock(mock_options());
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let dir = Dir::new();
    let output = dir.path("r.json");
    ran(&small(&target, &["--output", &output])).expect(0);
    let folder = dir.path("baselines");
    let args = [&output, "baseline", "--folder", &folder, "save", "main", "-"];
    let piped = "file=$1; shift; cat \"$file\" | \"$0\" \"$@\"";
    let saved = shell(piped, &args).expect(0);
    assert!(
        saved.stdout.starts_with("standard input saved as baseline main"),
        "{}",
        saved.stdout
    );
    assert_eq!(
        std::fs::read(&output).unwrap(),
        std::fs::read(format!("{folder}/main.json")).unwrap()
    );
    shell(piped, &[&output, "compare", "--folder", &folder, "@main", "-"]).expect(0);
    shell(piped, &[&output, "compare", "-", &output]).expect(0);

    for shard in ["1/2", "2/2"] {
        let part = dir.path(&format!("{}.json", &shard[..1]));
        let mut args = small(&target, &["--details", "--shard", shard, "--output", &part]);
        args[6] = "2";
        ran(&args).expect(0);
    }
    let (first, second) = (dir.path("1.json"), dir.path("2.json"));
    let merged = shell(piped, &[&first, "merge", "-", &second, "--output", "-"]).expect(0);
    assert_eq!(details_in(&merged.stdout), 3);
}
