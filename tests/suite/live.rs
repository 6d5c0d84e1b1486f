//! What is seen while a run goes on: the block on a terminal (a pseudo-terminal here), lines elsewhere. And what
//! the program says of itself and of its host.

use crate::common::live::*;
use crate::common::*;
use llmload_uring::metrics::GoodCounts;
use llmload_uring::output::block;
use llmload_uring::plan::StageAt;
use llmload_uring::report::{LiveFigures, LivePhase, LiveServer, LiveSpread, LiveThresholds};
use llmload_uring::units::{MICROSECOND, MILLISECOND, MINUTE, SECOND};
use rustix::process::Signal;
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub fn figures() -> LiveFigures {
    LiveFigures {
        profile: "high-concurrency".into(),
        target: "http://10.0.0.5:8000".into(),
        ranks: None,
        models: vec!["Llama-3.1-8B".into()],
        stage: StageAt {
            rates: None,
            index: 1,
            count: 3,
            from: 1000,
            target: 1000,
            ends_at: 3 * MINUTE,
        },
        phase: LivePhase::Running,
        elapsed: 65 * SECOND,
        duration: 210 * SECOND,
        iterations: None,
        vus_planned: 1000,
        vus_running: 998,
        connections: 1003,
        requests: 57_231,
        in_flight: 997,
        failed: 13,
        failed_rate: 13.0 / 57_231.0,
        errors: vec![
            ("http_503", 11),
            ("timeout_first_token", 1),
            ("connect_failed", 1),
        ],
        newest_failure: Some("11 x http_503: server overloaded, retry later".into()),
        requests_per_second: 325.44,
        output_tokens_per_second: 8_123.4,
        input_tokens_per_second: 0.0,
        dropped: 0,
        cancelled: 0,
        waiting: 0,
        goodput: Default::default(),
        ttft: LiveSpread {
            p50: Some(50_100 * MICROSECOND),
            p90: Some(55 * MILLISECOND),
            p99: Some(61 * MILLISECOND),
            max: Some(120 * MILLISECOND),
        },
        tbt: LiveSpread {
            p50: Some(2_910 * MICROSECOND),
            p90: Some(4_760 * MICROSECOND),
            p99: Some(19_900 * MICROSECOND),
            max: Some(80_500 * MICROSECOND),
        },
        servers: Vec::new(),
        thresholds: LiveThresholds {
            judged: 4,
            failing: Vec::new(),
        },
        latency: LiveSpread {
            p50: Some(1_200 * MILLISECOND),
            p90: Some(1_500 * MILLISECOND),
            p99: Some(1_920 * MILLISECOND),
            max: Some(30 * SECOND),
        },
        cores_busy: vec![0.34, 0.121],
        kernel_stamps: true,
        stamps_missing: 0,
        send_delay_p99: Some(1_800 * MICROSECOND),
        reap_lag_p99: Some(1_020 * MICROSECOND),
    }
}

/// Two servers, one of which fails, and a threshold that fails as well.
pub fn figures_of_two() -> LiveFigures {
    let server = |name: &str, model: &str, per_second: f64, failed| LiveServer {
        name: name.into(),
        models: vec![model.into()],
        requests_per_second: per_second,
        output_tokens_per_second: 200.0 * per_second,
        ttft_mean: Some((per_second * 1e9) as u64),
        in_flight: 16,
        failed,
    };
    LiveFigures {
        target: "2 servers".into(),
        servers: vec![
            server("Thinker", "llama-2-70b-chat", 0.3, 13),
            server("Flash", "llama-2-7b-chat", 2.84, 0),
        ],
        thresholds: LiveThresholds {
            judged: 4,
            failing: vec!["latency p95 < 120 ms: 139 ms".into()],
        },
        ..figures()
    }
}

/// A terminal that is high enough for every row.
const HIGH: usize = 100;

/// `UPDATE_GOLDEN=1` writes it anew.
fn assert_golden(name: &str, found: &[String]) {
    let found = found.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), found, "{name}");
}

#[test]
fn the_block_equals_the_golden_files_at_40_80_and_200_columns() {
    for (name, figures) in [("live", figures()), ("live_servers", figures_of_two())] {
        for width in [40, 80, 200] {
            let lines = block(&figures, (width, HIGH), false);
            assert!(
                lines.iter().all(|line| line.chars().count() <= width),
                "{lines:#?}"
            );
            assert_golden(&format!("{name}_{width}.txt"), &lines);
        }
    }
}

/// Figures of every kind: usual ones, absurdly large ones, and none.
fn all_figures() -> Vec<LiveFigures> {
    let mut large = figures_of_two();
    large.profile = "./a/very/long/path/to/a/profile/ünïcödé/\u{1b}[2J\n日本語.yaml".repeat(3);
    large.target = large.profile.clone();
    large.models = vec![large.profile.clone(), large.profile.clone()];
    large.errors = (0..12).map(|_| ("timeout_first_token", u64::MAX / 7)).collect();
    (large.requests, large.in_flight, large.failed) = (u64::MAX / 3, u64::MAX / 3, u64::MAX / 3);
    large.cores_busy = vec![0.99; 128];
    large.stamps_missing = u64::MAX / 9;
    large.output_tokens_per_second = 1e15;
    large.servers[0].name = large.profile.clone();
    large.servers[1].failed = u64::MAX / 3;
    large.servers = [&large.servers[..]; 8].concat();
    large.thresholds.failing = vec![large.profile.clone(); 30];
    let mut counted = large.clone();
    counted.iterations = Some(u64::MAX / 2);
    let mut empty = figures();
    empty.ttft = LiveSpread::default();
    (empty.tbt, empty.latency) = (empty.ttft, empty.ttft);
    (empty.send_delay_p99, empty.reap_lag_p99, empty.kernel_stamps) = (None, None, false);
    (empty.errors, empty.failed, empty.cores_busy) = (Vec::new(), 0, Vec::new());
    (empty.duration, empty.elapsed) = (0, 0);
    empty.models.clear();
    vec![figures(), figures_of_two(), large, counted, empty]
}

#[test]
fn no_line_is_ever_wider_than_the_terminal_whatever_the_figures() {
    for figures in all_figures() {
        for width in 0..250 {
            let lines = block(&figures, (width, HIGH), false);
            assert_eq!(lines.is_empty(), width < 24);
            for line in lines {
                assert!(line.is_ascii() && line.len() <= width, "{width}: {line}");
                assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}

#[test]
fn a_low_terminal_leaves_out_what_matters_least_and_keeps_the_order() {
    for figures in all_figures() {
        for width in [24, 40, 80, 200] {
            let all = block(&figures, (width, HIGH), false);
            for rows in 0..=all.len() {
                let some = block(&figures, (width, rows), false);
                // Up to nine rows of servers go together.
                assert!(some.len() <= rows && some.len() + 8 >= rows, "{some:#?}");
                let mut rest = all.iter();
                assert!(
                    some.iter().all(|line| rest.any(|other| other == line)),
                    "{some:#?}"
                );
            }
        }
    }
    let two = block(&figures(), (80, 2), false);
    assert!(two[0].starts_with('[') && two[1].starts_with("done "), "{two:#?}");
    let nine = block(&figures_of_two(), (80, 9), false).join("\n");
    assert!(
        nine.contains("first token") && !nine.contains("Thinker"),
        "{nine}"
    );
}

#[test]
fn only_failures_are_coloured_and_colours_take_no_columns() {
    let mut figures = figures();
    let plain = |lines: &[String]| -> Vec<String> {
        let bare = |line: &String| line.replace("\x1b[31m", "").replace("\x1b[0m", "");
        lines.iter().map(bare).collect()
    };
    for width in [40, 80, 200] {
        let coloured = block(&figures, (width, HIGH), true);
        assert_eq!(plain(&coloured), block(&figures, (width, HIGH), false));
        let red: Vec<&String> = coloured.iter().filter(|line| line.contains('\x1b')).collect();
        assert_eq!(red.len(), 1, "{coloured:#?}");
        assert!(red[0].contains("\x1b[31m13 (0.02 %)\x1b[0m"), "{}", red[0]);
    }
    let two = block(&figures_of_two(), (80, HIGH), true);
    let red: Vec<&String> = two.iter().filter(|line| line.contains('\x1b')).collect();
    assert!(
        red[1].contains("Thinker") && red[1].contains("\x1b[31m13 failed\x1b[0m"),
        "{red:#?}"
    );
    assert!(red[2].contains("\x1b[31m1 of 4 FAIL so far\x1b[0m"), "{red:#?}");
    (figures.failed, figures.errors) = (0, Vec::new());
    assert!(!block(&figures, (80, HIGH), true).concat().contains('\x1b'));
    figures.cores_busy = vec![0.5, 0.95];
    let busy = block(&figures, (80, HIGH), true).concat();
    assert!(busy.contains("\x1b[31mbusiest core 95 %\x1b[0m"), "{busy}");
}

#[test]
fn dropped_queued_and_good_requests_stand_beside_those_that_are_done() {
    let mut f = figures();
    let done = |f: &LiveFigures| {
        let lines = block(f, (100, 40), false);
        let line = lines.into_iter().find(|line| line.starts_with("done"));
        line.unwrap()
    };
    let before = done(&f);
    for word in ["dropped", "queued", "good"] {
        assert!(!before.contains(word), "{before}");
    }
    (f.dropped, f.waiting) = (1_368, 57);
    f.goodput = GoodCounts {
        judged: 200,
        good: 190,
    };
    let after = done(&f);
    for cell in ["1,368 dropped", "57 queued", "95.00 % good"] {
        assert!(after.contains(cell), "{after}");
    }
}

#[test]
fn the_stage_is_told_in_true_words() {
    let mut figures = figures();
    let mut told = |from, target| {
        (figures.stage.from, figures.stage.target) = (from, target);
        block(&figures, (80, HIGH), false)[1].clone()
    };
    for (from, target, words) in [
        (500, 500, "  hold 500 users until 3m"),
        (1, 500, "  ramp to 500 users by 3m"),
        (500, 0, "  ramp down to 0 users by 3m"),
        (0, 1, "  ramp to 1 user by 3m"),
    ] {
        assert!(told(from, target).ends_with(words), "{words}");
    }
    let narrow = block(&figures, (40, HIGH), false);
    assert_eq!(narrow[2], "ramp to 1 user by 3m");
}

#[test]
fn the_block_shows_the_end_of_a_run_and_counts_of_requests() {
    let mut figures = figures();
    let time = |figures: &LiveFigures| block(figures, (80, HIGH), false)[1].clone();
    figures.iterations = Some(60_000);
    let counted = time(&figures);
    assert!(
        counted.ends_with("57,231 of 60,000 requests  1m5s of at most 3m30s  1,000 users"),
        "{counted}"
    );
    figures.phase = LivePhase::Stopping;
    assert!(time(&figures).contains("stopping, 997 requests may finish"));
    figures.phase = LivePhase::Finishing;
    assert!(time(&figures).contains("load over, 997 requests may finish"));
}

/// A terminal of our own, as standard error of the program.
struct Terminal {
    text: Arc<Mutex<Vec<u8>>>,
    ours: OwnedFd,
    reader: Option<JoinHandle<()>>,
}

fn on_terminal(command: &mut Command, columns: u16, term: &str) -> (Live, Terminal) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut terminal = Terminal {
        text: Arc::default(),
        ours,
        reader: None,
    };
    terminal.resize(columns);
    command.env("TERM", term).env_remove("NO_COLOR");
    let child = command.stderr(Stdio::from(theirs)).spawn().unwrap();
    // The command keeps the other end open, and with it the reader below.
    command.stderr(Stdio::piped());
    let (mut from, text) = (
        std::fs::File::from(terminal.ours.try_clone().unwrap()),
        terminal.text.clone(),
    );
    terminal.reader = Some(std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            text.lock().unwrap().extend_from_slice(&chunk[..n]);
        }
    }));
    (Live::without_stderr(child), terminal)
}

impl Terminal {
    fn resize(&self, columns: u16) {
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(self.ours.as_fd(), size).unwrap();
    }

    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }

    /// All of it: the program has ended.
    fn end(mut self) -> String {
        self.reader.take().unwrap().join().unwrap();
        self.text()
    }

    /// The lines of the newest block.
    fn block(&self) -> Vec<String> {
        let text = self.text();
        let block = text.rsplit("\x1b[?7l").next().unwrap();
        let block = block.split("\x1b[?7h").next().unwrap();
        block.lines().map(str::to_owned).collect()
    }
}

/// Takes ten rows off the screen, and what stands behind them.
fn off() -> String {
    format!("\x1b[10A\r{}\x1b[2K\x1b[10A", "\x1b[2K\x1b[B".repeat(10))
}

#[test]
fn a_terminal_gets_a_block_that_follows_its_width_and_is_removed_at_the_end() {
    let mock = mock(mock_options());
    let mut command = program();
    let target = format!("http://{}", mock.address);
    command.args([
        "quick-smoke",
        "--vus",
        "2",
        "--duration",
        "60s",
        "--target",
        &target,
    ]);
    let (live, terminal) = on_terminal(&mut command, 80, "xterm");
    wait_until("a block of 80 columns", || terminal.block().len() == 10);
    let block = terminal.block();
    assert!(block[0].starts_with("quick-smoke"), "{block:#?}");
    assert!(block[2].contains("2 of 2"), "{block:#?}");
    terminal.resize(200);
    wait_until("a block of 200 columns", || terminal.block().len() == 6);
    terminal.resize(80);
    wait_until("a block of 80 columns again", || terminal.block().len() == 10);
    live.signal(Signal::INT);
    wait_until("the line of the signal", || {
        terminal.text().contains("stopping: ")
    });
    let ended = live.wait().expect(105);
    assert!(
        ended.stdout.starts_with("INTERRUPTED  exit 105: "),
        "{}",
        ended.stdout
    );
    let text = terminal.end();
    let (_, stopping) = text.split_once("stopping: ").unwrap();
    assert!(
        text.contains(&format!("{}stopping: ", off())),
        "the block was taken off first"
    );
    assert!(!text.contains("[Progress @"), "{text}");
    // The last thing written: the block taken away.
    assert!(stopping.ends_with(&off()), "{stopping:?}");
}

#[test]
fn a_dumb_terminal_and_plain_progress_get_no_block() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    for (term, progress) in [("dumb", "auto"), ("xterm", "plain"), ("xterm", "none")] {
        let mut command = program();
        command.args([
            "quick-smoke",
            "--vus",
            "2",
            "--duration",
            "2s",
            "--target",
            &target,
        ]);
        command.args(["--progress", progress]);
        let (live, terminal) = on_terminal(&mut command, 80, term);
        live.wait().expect(0);
        let text = terminal.end();
        assert!(!text.contains('\x1b'), "{term} {progress}: {text}");
    }
}

#[test]
fn a_pipe_gets_one_line_every_ten_seconds() {
    let mock = mock(mock_options());
    let target = format!("http://{}", mock.address);
    let ended = ran(&[
        "quick-smoke",
        "--vus",
        "2",
        "--duration",
        "11s",
        "--target",
        &target,
    ])
    .expect(0);
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|l| l.starts_with("[Progress @ "))
        .collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(
        lines[0].starts_with("[Progress @ 10s] Active Users: 2 | Requests: "),
        "{}",
        lines[0]
    );
    assert!(
        lines[0].ends_with(" | Errors: 0.0% | Time Left: 1s"),
        "{}",
        lines[0]
    );
    assert!(!ended.stderr.contains('\x1b'));
}

#[test]
fn completions_are_scripts_that_their_shell_can_read() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ran(&["completions", shell]).expect(0).stdout;
        for word in ["probe", "time-scale"] {
            assert!(script.contains(word), "{word} in {shell}");
        }
    }
    let script = ran(&["completions", "bash"]).expect(0).stdout;
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
    ran(&["completions", "tcsh"]).expect(2);
}

#[test]
fn the_manual_page_is_roff_with_every_option_and_command() {
    let page = ran(&["man"]).expect(0).stdout;
    assert!(page.contains(".TH llmload-uring 1"), "{page}");
    for part in [
        ".SH OPTIONS",
        "\\-\\-time\\-scale",
        "COMMAND PROBE",
        "COMMAND MOCK",
        ".SH EXAMPLES",
        "Exit codes:",
    ] {
        assert!(page.contains(part), "`{part}` is not in {page}");
    }
    for hidden in ["__llmsim", "k6\\-target\\-url", "\\-\\-api\\-key\\fR"] {
        assert!(!page.contains(hidden), "`{hidden}` is in the page");
    }
}

/// `probe` under a limit of open files.
fn probe(files: u32, args: &[&str]) -> Ended {
    let limits = format!("ulimit -Sn {files}; ulimit -Hn {files}; exec \"$@\"");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_llmload-uring"), "probe"])
        .args(args);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Live::spawn(&mut command).wait()
}

#[test]
fn probe_tells_whether_a_run_fits_and_gives_the_fix_for_each_problem() {
    let fits = probe(4096, &["--vus", "10", "--cores", "1"]).expect(0);
    assert!(
        fits.stdout.contains("a run of 10 VUs on 1 core fits"),
        "{}",
        fits.stdout
    );
    assert_eq!(fits.stderr, "");
    let lacks = probe(64, &["--vus", "10", "--cores", "1"]).expect(111);
    lacks.one_error("open files: the limit is 64, but 90 are needed: 10 for connections");
    assert!(
        lacks
            .stderr
            .contains("hint: raise the hard limit of 64 first: sudo prlimit"),
        "{}",
        lacks.stderr
    );
    assert!(lacks.stdout.contains("does NOT fit"), "{}", lacks.stdout);
}

#[test]
fn probe_answers_in_json_with_the_same_verdict() {
    for (files, code) in [(4096, 0), (64, 111)] {
        let ended = probe(files, &["--vus", "10", "--cores", "1", "--json"]).expect(code);
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["fits"], code == 0);
        assert_eq!(document["open_files"]["hard"], files);
        assert_eq!(
            document["problems"].as_array().unwrap().len(),
            usize::from(code != 0)
        );
    }
}

#[test]
fn the_seccomp_script_adds_the_three_calls_and_changes_nothing_else() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/seccomp-io-uring.sh");
    let dir = Dir::new();
    let made = |text: &str| {
        let path = dir.write("default.json", text);
        Command::new(&script).arg(path).output().unwrap()
    };
    if Command::new("jq").arg("--version").output().is_err() {
        skipped(
            "the_seccomp_script_adds_the_three_calls_and_changes_nothing_else",
            "jq",
        );
        return;
    }
    let calls = r#"["io_uring_setup","io_uring_enter","io_uring_register"]"#;
    let kept = r#"{"names":["read","write"],"action":"SCMP_ACT_ALLOW"}"#;
    let profile = |rules: &str| format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{rules}]}}"#);
    let refused = r#"{"names":["io_uring_setup","clone"],"action":"SCMP_ACT_ERRNO"},{"names":["io_uring_enter"],"action":"SCMP_ACT_ERRNO"}"#;
    for (before, after) in [
        (kept.to_owned(), kept.to_owned()),
        (
            format!("{kept},{refused}"),
            format!(r#"{kept},{{"names":["clone"],"action":"SCMP_ACT_ERRNO"}}"#),
        ),
    ] {
        let output = made(&profile(&before));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let added = format!(r#"{after},{{"names":{calls},"action":"SCMP_ACT_ALLOW"}}"#);
        assert_eq!(found, serde_json::from_str::<Value>(&profile(&added)).unwrap());
    }
    for bad in [
        "{}",
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#,
        "no json",
    ] {
        let output = made(bad);
        assert!(!output.status.success() && output.stdout.is_empty(), "{bad}");
    }
}

#[test]
fn errors_for_a_second_profile_and_a_wrong_variable_are_clear() {
    let ended = ran(&["quick-smoke", "high-concurrency"]).expect(2);
    ended.one_error("`high-concurrency`: only one profile at a time, and `quick-smoke` was already given");
    let mut command = program();
    command.env("LLMLOAD_VUS", "abc").arg("quick-smoke");
    let ended = Live::spawn(&mut command).wait().expect(2);
    assert!(
        ended.stderr.contains("environment variable LLMLOAD_VUS"),
        "{}",
        ended.stderr
    );
}

#[test]
fn details_that_cannot_be_written_are_reported_once_and_the_document_is_written_without_them() {
    let mut options = mock_options();
    options.unpaced = true;
    let (mock, dir) = (mock(options), Dir::new());
    let output = dir.path("result.json");
    let target = format!("http://{}", mock.address);
    // Room for the document, but not for its details.
    let mut command = with_file_limit(300);
    command.args(["quick-smoke", "--details", "-o", &output, "--target", &target]);
    command.args(["--vus", "4", "--iterations", "3000", "--think-time", "0"]);
    let ended = Live::spawn(&mut command).wait().expect(112);
    let told = ended
        .stderr
        .matches("result.json.details.jsonl: cannot write")
        .count();
    assert_eq!(told, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("without its details"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("\n\n"), "{}", ended.stderr);
    assert_eq!(dir.names(), ["result.json", "result.json.details.jsonl"]);
    let document = document(&output);
    assert_eq!(document["totals"]["requests"], 3000);
    assert_eq!(document["details"], Value::Null);
    assert_eq!(document["run"]["exit_code"], 112);
}
