//! Hosts that run out of something, and disks that do, while the load goes on.

use std::process::{Command, Stdio};

use llmload_uring::mock::MockOptions;

use super::*;

/// Connections for one request each.
const EACH: &str = "connection: per-request\n";

#[test]
fn descriptors_that_run_out_during_a_run_are_not_the_servers_failure() {
    let test = "descriptors_that_run_out_during_a_run_are_not_the_servers_failure";
    let can = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string()])
        .output();
    if !can.is_ok_and(|output| output.status.success()) {
        return skipped(test, "prlimit");
    }
    let mock = mock(mock_options());
    let dir = Dir::new();
    let (profile, output) = (
        dir.write("p.yaml", &format!("{LOAD}{EACH}")),
        dir.path("result.json"),
    );
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let words = [
        &profile,
        "--target",
        &target,
        "--cores",
        "1",
        "--require-fit",
        "--output",
        &output,
    ];
    let mut live = Live::start(&words);
    wait_until("requests flow", || {
        mock_requests(mock.address) > 2 || live.is_over()
    });
    let limited = Command::new("prlimit")
        .args(["--pid", &live.pid().to_string(), "--nofile=3:3"])
        .stderr(Stdio::inherit())
        .status();
    assert!(limited.unwrap().success());
    let ended = live.wait();
    // Where even the document finds none, that is what the exit code says.
    assert!([Some(112), Some(113)].contains(&ended.code), "{ended:#?}");
    assert!(ended.stdout.contains("client_resource"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let lost: u64 = ended
        .stdout
        .split_once("client_resource ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.replace(',', "").parse().ok())
        .unwrap_or_else(|| panic!("{}", ended.stdout));
    assert!(
        lost <= VUS * 21,
        "{lost} requests without a pause: {}",
        ended.stdout
    );
}

#[test]
fn a_disk_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let test = "a_disk_that_cannot_be_written_is_refused_before_anything_is_sent";
    let dir = Dir::new();
    let mounted = [
        "-rm",
        "sh",
        "-c",
        "mount -t tmpfs -o ro tmpfs \"$0\" || exit 77; \"$@\"",
        &dir.path(""),
    ];
    let can = Command::new("unshare").args(mounted).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        return skipped(test, "user and mount namespaces");
    }
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    for option in ["--output", "--report", "--results-dir"] {
        let mut command = Command::new("unshare");
        command.args(mounted).arg(env!("CARGO_BIN_EXE_llmload-uring"));
        let path = if option == "--report" {
            dir.path("x.html")
        } else {
            dir.path("x")
        };
        command.args(["quick-smoke", "--target", &target, option, &path]);
        let ended = Live::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).wait();
        assert_eq!(ended.code, Some(112), "{option}: {ended:?}");
        ended.one_error("Read-only file system");
    }
    assert_eq!(mock_requests(mock.address), 0);
}

/// The document goes to somebody who reads it byte by byte, and begins late.
#[test]
fn a_slow_reader_of_the_document_is_waited_for_after_the_load_and_not_in_it() {
    let mock = mock(MockOptions {
        unpaced: true,
        ..mock_options()
    });
    let dir = Dir::new();
    let fifo = dir.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let profile = dir.write("p.yaml", LOAD);
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let live = Live::start(&[
        &profile,
        "--target",
        &target,
        "--cores",
        "1",
        "--details",
        "--output",
        &fifo,
    ]);
    let mut reader = std::fs::File::open(&fifo).unwrap();
    let mut text = Vec::new();
    let mut chunk = [0; 512];
    loop {
        match std::io::Read::read(&mut reader, &mut chunk).unwrap() {
            0 => break,
            n => text.extend_from_slice(&chunk[..n]),
        }
    }
    let ended = live.wait().expect(0);
    let document: Value = serde_json::from_slice(&text).unwrap();
    assert_in_order("a slow reader", &ended, &document, 0);
    let details = document["details"].as_array().unwrap().len() as u64;
    assert_eq!(document["totals"]["requests"].as_u64().unwrap(), details);
    assert!(details > 100, "{details}");
}

const HANGING_DISK: &str = include_str!("hanging_disk.py");

/// Writes to the details get no answer from their first byte on, for longer than the load lasts.
#[test]
fn a_disk_that_hangs_keeps_neither_the_load_nor_its_figures_waiting() {
    let test = "a_disk_that_hangs_keeps_neither_the_load_nor_its_figures_waiting";
    let dir = Dir::new();
    let disk = dir.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let on_disk = |seconds: &str| {
        let mut command = Command::new("unshare");
        command.args([
            "-Urm",
            "python3",
            "-c",
            HANGING_DISK,
            &disk,
            ".details.jsonl",
            "0",
            seconds,
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    if !on_disk("0")
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return skipped(test, "python3, /dev/fuse, user and mount namespaces");
    }
    let mock = mock(mock_options());
    let profile = dir.write(
        "p.yaml",
        &LOAD
            .replace("duration: 1s", "duration: 2s")
            .replace("900ms", "5s"),
    );
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let output = format!("{disk}/result.json");
    let mut command = on_disk("5");
    command.args([
        env!("CARGO_BIN_EXE_llmload-uring"),
        &profile,
        "--target",
        &target,
        "--cores",
        "1",
    ]);
    let ended = Live::spawn(command.args(["--details", "--output", &output]))
        .wait()
        .expect(0);
    let (_, text) = ended.stdout.split_once("\n-- result.json\n").unwrap();
    let document: Value = serde_json::from_str(text).unwrap();
    let lasted = document["run"]["duration_seconds"].as_f64().unwrap();
    assert!(lasted < 4.0, "{lasted} s, as if the disk were the load");
    let rows: Vec<u64> = document["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["requests"].as_u64().unwrap())
        .collect();
    assert!(
        rows.len() >= 2 && rows[..2].iter().all(|requests| *requests > 0),
        "{rows:?}"
    );
    let details = document["details"].as_array().unwrap().len() as u64;
    assert_eq!(document["totals"]["requests"].as_u64().unwrap(), details);
    assert_eq!(document["client"]["details_lost"], 0);
}
