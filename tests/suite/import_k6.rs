//! k6's options from a file to a run.

use crate::common::live::*;
use crate::common::*;

#[test]
fn an_imported_profile_runs_and_lists_what_was_not_carried() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let script = dir.write(
        "script.js",
        "import http from 'k6/http';\nexport const options = { vus: 2, iterations: 7, tags: { a: 'b' },\n\
         thresholds: { http_req_failed: ['rate<0.1'], my_metric: ['count>1'] } };\n",
    );
    let profile = dir.path("mine.yaml");
    let ended = ran(&["import-k6", &script, "-o", &profile]).expect(0);
    assert_eq!(ended.stdout, "");
    assert!(
        ended.stderr.contains("not carried: threshold on `my_metric`: "),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("not carried: `tags`: "), "{}", ended.stderr);
    let text = std::fs::read_to_string(&profile).unwrap();
    assert!(
        text.contains("#   `tags`: ") && text.contains("#   threshold on `my_metric`"),
        "{text}"
    );
    assert_eq!(
        ran(&["import-k6", &script]).expect(0).stdout,
        text,
        "without -o it is printed"
    );

    let url = format!("http://{}", mock.address);
    let ended = ran(&[&profile, "--target", &url, "--think-time", "0"]).expect(0);
    assert!(ended.stdout.contains("requests   7   ok 7"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("PASS  http_req_failed < 10 %"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_file_without_k6_options_is_one_error() {
    let dir = Dir::new();
    let wrong = dir.write("wrong.json", "{\"vus\": \"many\", \"duration\": \"1s\"}");
    let ended = ran(&["import-k6", &wrong]).expect(104);
    ended.one_error("`vus`: `\"many\"` is not a count");
    assert_eq!(ended.stdout, "");
    ran(&["import-k6", "/nowhere/options.json"])
        .expect(104)
        .one_error("cannot be read");
    let good = dir.write("good.json", "{\"vus\": 1, \"duration\": \"1s\"}");
    ran(&["import-k6", &good, "-o", "/nowhere/mine.yaml"])
        .expect(112)
        .one_error("/nowhere/mine.yaml");
}

const SHARED_LIMITS: &str = "import { COMMON } from './limits.js';\nexport const options = { vus: 1, iterations: 3,\n\
    thresholds: { ...COMMON, http_req_failed: ['rate<0.5'], login_trend: ['p(95)<1'] } };\n";

#[test]
fn losses_are_listed_and_with_strict_there_is_exit_code_104_and_no_profile() {
    let dir = Dir::new();
    let script = dir.write("script.js", SHARED_LIMITS);
    let ended = ran(&["import-k6", &script]).expect(0);
    let lost: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|l| l.starts_with("not carried: "))
        .collect();
    assert_eq!(lost.len(), 2, "{}", ended.stderr);
    assert!(
        lost[0].contains("`...COMMON` (line 3)") && lost[0].contains("`./limits.js`"),
        "{lost:?}"
    );
    assert!(lost[1].contains("`login_trend`"), "{lost:?}");

    let profile = dir.path("mine.yaml");
    let strict = ran(&["import-k6", &script, "--strict", "-o", &profile]).expect(104);
    strict.one_error("2 things were not carried");
    assert!(
        lost.iter().all(|line| strict.stderr.contains(line)),
        "{}",
        strict.stderr
    );
    assert_eq!(strict.stdout, "");
    assert!(!std::path::Path::new(&profile).exists());

    let whole = dir.write(
        "whole.js",
        &SHARED_LIMITS
            .replace("...COMMON, ", "")
            .replace("login_trend", "ttft"),
    );
    let ended = ran(&["import-k6", &whole, "--strict", "-o", &profile]).expect(0);
    assert!(!ended.stderr.contains("not carried"), "{}", ended.stderr);
    for not_thresholds in ["['rate<1']", "'rate<1'", "3"] {
        let wrong =
            format!("export const options = {{ vus: 1, duration: '1s', thresholds: {not_thresholds} }};");
        let wrong = dir.write("wrong.js", &wrong);
        ran(&["import-k6", &wrong])
            .expect(104)
            .one_error("`thresholds` is");
    }
}

/// Its last word is the target. It is run as it stands, with the mock's address in place of the example's.
#[test]
fn the_last_line_is_a_command_with_a_target() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    let script = dir.write(
        "my script.ts",
        "import type { Options } from 'k6/options';\nconst ask = (options: object) => { const o = { options }; };\n\
         export const options: Options = { vus: Number(__ENV.VUS || 9), iterations: 5,\n\
         thresholds: { llm_ttft: ['p(95)<60000'], ttft_seconds: ['p(95)<60'], errors: ['rate<0.1'] } } satisfies Options;\n",
    );
    let profile = dir.path("my profile.yaml");
    let ended = ran(&["import-k6", &script, "-e", "VUS=2", "-o", &profile, "--strict"]).expect(0);
    assert_eq!(ended.stdout, "");
    let renamed: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|l| l.starts_with("renamed: "))
        .collect();
    assert_eq!(
        renamed,
        [
            "renamed: `errors: rate<0.1` is `failed: rate<0.1`",
            "renamed: `llm_ttft: p(95)<60000` is `ttft: p(95)<60000`",
            "renamed: `ttft_seconds: p(95)<60` is `ttft: p(95)<60000`",
        ]
    );
    let last = ended.stderr.lines().last().unwrap();
    let (_, command) = last.split_once("llmload-uring ").unwrap();
    let target = command.split(" --target ").nth(1).unwrap();
    assert!(target.starts_with("http://"), "{last}");
    let command = command.replace(target, &format!("http://{} --think-time 0", mock.address));
    let words = shlex::split(&command).unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = ran(&words).expect(0);
    for line in [
        "requests   5   ok 5",
        "PASS  failed < 10 %",
        "PASS  ttft p95 < 60 s",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    // Without a file, too, and where nothing is written.
    let printed = ran(&["import-k6", &script, "-e", "VUS=2"]).expect(0);
    assert!(
        printed
            .stderr
            .lines()
            .last()
            .unwrap()
            .contains(" --target http://"),
        "{}",
        printed.stderr
    );
}

#[test]
fn a_profile_that_was_edited_or_not_written_by_this_program_is_replaced_with_force_alone() {
    let dir = Dir::new();
    let one = dir.write("one.json", r#"{"vus": 1, "duration": "1s"}"#);
    let two = dir.write("two.json", r#"{"vus": 2, "duration": "1s"}"#);
    let profile = dir.path("mine.yaml");
    let read = || std::fs::read_to_string(&profile).unwrap();
    let import =
        |options: &str, more: &[&str]| ran(&[&["import-k6", options, "-o", &profile], more].concat());
    import(&one, &[]).expect(0);
    let first = read();
    // As it was written: the same again, and another over it.
    import(&one, &[]).expect(0);
    import(&two, &[]).expect(0);
    assert!(read().contains("vus: 2"), "{}", read());
    import(&one, &[]).expect(0);
    assert_eq!(read(), first);

    for edited in [
        first.replace("max_tokens: 50-200", "max_tokens: 7"),
        "executor: constant-vus\n".into(),
    ] {
        std::fs::write(&profile, &edited).unwrap();
        let refused = import(&two, &[]).expect(104);
        refused.one_error("or was edited since then");
        assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
        assert_eq!(read(), edited, "it stays as it was");
        import(&two, &["--force"]).expect(0);
        assert!(read().contains("vus: 2"), "{}", read());
    }
    // Through a link, the file behind it; nothing is left beside it.
    let link = dir.path("link.yaml");
    std::os::unix::fs::symlink(&profile, &link).unwrap();
    ran(&["import-k6", &one, "-o", &link]).expect(0);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(), first);
    let folder = std::path::Path::new(&profile).parent().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 4);
    ran(&["import-k6", &one, "-o", folder.to_str().unwrap()])
        .expect(112)
        .one_error("directory");
}

#[test]
fn options_in_utf_16_with_a_mark_and_from_standard_input_are_read() {
    use std::io::Write;
    use std::process::Stdio;
    let dir = Dir::new();
    let json = r#"{"vus": 3, "duration": "2s", "thresholds": {"http_req_failed": ["rate<0.1"]}}"#;
    let little: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(json.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let big: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(json.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    let marked = format!("\u{feff}{json}").into_bytes();
    let script = format!("\u{feff}export const options = {json};").into_bytes();
    let plain = json.as_bytes().to_vec();
    let mut bodies = Vec::new();
    for bytes in [plain.clone(), marked, little, big, script] {
        let path = dir.path("options");
        std::fs::write(&path, bytes).unwrap();
        bodies.push(ran(&["import-k6", &path]).expect(0).stdout);
    }
    assert!(
        bodies[0].contains("vus: 3") && bodies[0].contains("rate<0.1"),
        "{}",
        bodies[0]
    );
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");

    let mut child = program()
        .args(["import-k6", "-", "-o", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&plain).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("# From k6's options in standard input"),
        "{text}"
    );
    let body = |text: &str| text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&text), body(&bodies[0]));
    let broken = dir.path("broken");
    std::fs::write(&broken, b"{\"vus\": \xff}").unwrap();
    ran(&["import-k6", &broken])
        .expect(104)
        .one_error("byte 9 is not UTF-8");
}
