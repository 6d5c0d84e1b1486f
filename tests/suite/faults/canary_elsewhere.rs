//! Keys in the environment and in the server of commands other than a run: searches for the limit, questions before the
//! load, what is generated from the command line, imports, calibration. And whose eyes the files are for.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::attacker::{STREAM, TOKEN, When};
use super::canary::{
    EXPORTS, HEADER, KEY, METRICS_QUERY, QUERY, assert_kept, forms, repeating_metrics, written,
};
use super::*;

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");

/// The program with these words, and with each secret where the environment may have one.
fn knowing(words: &[&str]) -> Command {
    let mut command = program();
    command.args(words);
    command.env("LLMLOAD_API_KEY", KEY);
    command.env("LLMLOAD_HEADER", format!("X-Team: {HEADER}"));
    command.env("LLMLOAD_PUSHGATEWAY_USERNAME", "team");
    command.env("LLMLOAD_PUSHGATEWAY_PASSWORD", QUERY);
    command
}

/// What it said, under its own words.
#[track_caller]
fn said(command: &mut Command, code: i32) -> (String, String) {
    let name = format!("{command:?}");
    let ended = Live::spawn(command).wait();
    assert_eq!(ended.code, Some(code), "{name}: {ended:#?}");
    let name: String = name
        .chars()
        .rev()
        .take(80)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    (name, format!("{}\n{}", ended.stdout, ended.stderr))
}

#[test]
fn what_is_made_of_the_command_line_has_no_value_of_the_environment() {
    let dir = Dir::new();
    let options = dir.write(
        "k6.json",
        &format!(
            "{{\"scenarios\":{{\"s\":{{\"executor\":\"constant-vus\",\"vus\":1,\"duration\":\"1s\",\
         \"env\":{{\"API_KEY\":\"{KEY}\"}}}}}},\"cloud\":{{\"token\":\"{KEY}\"}}}}"
        ),
    );
    let mut left: Vec<(String, String)> = Vec::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        left.push(said(&mut knowing(&["completions", shell]), 0));
    }
    for words in [
        &["man"][..],
        &["--help"],
        &["run", "--help"],
        &["find-limit", "--help"],
        &["help", "options"],
        &["profiles"],
        &["config", "check", "load"],
        &["import", "k6", &options],
    ] {
        let ended = Live::spawn(&mut knowing(words)).wait();
        assert!(!ended.stdout.is_empty() || !ended.stderr.is_empty(), "{words:?}");
        left.push((
            format!("{words:?}"),
            format!("{}\n{}", ended.stdout, ended.stderr),
        ));
    }
    // A host that lacks something exits with 111.
    let probe = Live::spawn(&mut knowing(&["probe", "--json"])).wait();
    left.push(("probe".to_owned(), format!("{}\n{}", probe.stdout, probe.stderr)));
    assert_kept("what is made of the command line", &left);
}

/// A variable that is wrong is named, and of one that holds secrets nothing is shown.
#[test]
fn a_wrong_value_of_a_variable_for_secrets_is_not_shown() {
    let wrong = |name: &str, value: &str| {
        let mut command = program();
        command.env("LLMLOAD_TARGET_URL", "http://127.0.0.1:1");
        let ended = Live::spawn(command.arg("smoke").env(name, value)).wait();
        // A target with a password has a right form, and nobody listens there.
        let is_refused = [Some(2), Some(104)].contains(&ended.code);
        let is_target = name == "LLMLOAD_TARGET_URL" && ended.code == Some(114);
        assert!(is_refused || is_target, "{name}={value}: {ended:#?}");
        ended.one_error("");
        (
            format!("{name}={value}"),
            format!("{}\n{}", ended.stdout, ended.stderr),
        )
    };
    let userinfo = format!("http://me:{QUERY}@127.0.0.1:1/metrics?key={METRICS_QUERY}");
    let left = [
        wrong("LLMLOAD_API_KEY", &format!("{KEY}\u{7}")),
        wrong("LLMLOAD_HEADER", HEADER),
        wrong("LLMLOAD_HEADER", &format!("X-Team: {HEADER}\u{7}")),
        wrong("LLMLOAD_HEADER", &format!("X Team: {HEADER}")),
        wrong(
            "LLMLOAD_TARGET_URL",
            &format!("http://me:{QUERY}@127.0.0.1:1/v1?key={METRICS_QUERY}"),
        ),
        wrong(
            "LLMLOAD_TARGET_URL",
            &format!("http://127.0.0.1:99999/v1?key={METRICS_QUERY}"),
        ),
        wrong("LLMLOAD_SERVER_METRICS", &userinfo),
        wrong("LLMLOAD_PUSHGATEWAY", &format!("ftp://me:{QUERY}@127.0.0.1:1")),
    ];
    assert_kept("a wrong variable", &left);
}

/// Answers each question as a server does that repeats what it is told; whatever it is asked, it says the same.
fn repeats(
    status: &'static str,
    headers: &'static str,
    body: impl Fn() -> String + Send + Sync + 'static,
) -> Attacker {
    Attacker::when(
        When::Asked,
        Arc::new(move |victim| {
            let body = body();
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\n{}", headers.replace("KEY", KEY));
            victim.say(format!(
                "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ));
        }),
    )
}

fn every_form() -> String {
    [KEY, HEADER]
        .iter()
        .flat_map(|secret| forms(secret))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_server_that_repeats_keys_to_the_first_questions_is_shown_without_them() {
    let models = |names: &[&str]| {
        let entries: Vec<Value> = names
            .iter()
            .map(|name| serde_json::json!({ "id": name, "owned_by": KEY }))
            .collect();
        serde_json::json!({ "object": "list", "data": entries }).to_string()
    };
    let (one, two) = (models(&[KEY]), models(&["m", KEY]));
    let servers = [
        repeats("200 OK", "Content-Type: application/json\r\n", move || {
            one.clone()
        }),
        repeats("200 OK", "Content-Type: application/json\r\n", move || {
            two.clone()
        }),
        repeats("401 KEY", "X-Echo: KEY\r\n", every_form),
        repeats("500 KEY", "", || {
            format!("{{\"error\":{{\"message\":\"{KEY}, {}...\"}}}}", &KEY[..12])
        }),
        repeats(
            "302 Found",
            "Location: http://127.0.0.1:1/KEY?k=KEY\r\n",
            String::new,
        ),
        repeats("200 OK", "Content-Type: text/html\r\n", || {
            format!("<html>{}</html>", every_form())
        }),
    ];
    let mut left = Vec::new();
    for server in &servers {
        for path in ["", "/v1/chat/completions"] {
            for more in [&["--model", "m"][..], &[]] {
                let dir = Dir::new();
                let target = format!("http://{}{path}?api-key={QUERY}", server.address);
                let output = dir.path("r.json");
                let words = [
                    "smoke",
                    "--target",
                    &target,
                    "--output",
                    &output,
                    "--iterations",
                    "2",
                ];
                let ended = Live::spawn(knowing(&words).args(more)).wait();
                assert_ne!(ended.code, Some(0), "{ended:#?}");
                left.push((target, format!("{}\n{}", ended.stdout, ended.stderr)));
                left.extend(written(Path::new(&dir.path(""))));
            }
        }
    }
    assert_kept("the first questions", &left);
}

/// A search that is over after a few tries, and the files that it writes into the folder in which it runs.
const SEARCH: &str = "find-limit smoke --model m --no-validate --think-time 0 --from 1 --to 2 --max-time 20s \
                      --settle 0s --probe-time 5s-5s -o f.json --report f.html --svg f.svg --csv f-tables";

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

#[test]
fn a_search_for_the_limit_shows_no_key() {
    let error = format!(
        "data: {{\"error\":{{\"message\":\"{}\"}}}}\n\n",
        every_form().replace(['"', '\\'], "'")
    );
    let odd = format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{KEY}\"}}]}}\n\n");
    let metrics = repeating_metrics();
    for (what, last) in [("an error", error), ("an odd finish", odd)] {
        let server = Attacker::start(Arc::new(move |victim| {
            victim.say([STREAM, TOKEN, &last].concat());
        }));
        let dir = Dir::new();
        let target = format!("http://{}/v1/chat/completions?api-key={QUERY}", server.address);
        let read = format!("http://{}/metrics?key={METRICS_QUERY}", metrics.address);
        let mut search = knowing(&words(SEARCH).collect::<Vec<_>>());
        search.args(["--target", &target, "--server-metrics", &read]);
        let ended = Live::spawn(search.current_dir(dir.path(""))).wait();
        let document = dir.path("f.json");
        assert!(Path::new(&document).exists(), "{what}: {ended:#?}");
        let said = format!("{}\n{}", ended.stdout, ended.stderr);
        let mut left = vec![("the search".to_owned(), said)];
        for words in [
            &["show", &document][..],
            &["show", &document, "--format", "md"],
            &["show", &document, "--format", "csv"],
            &["report", &document, "-o", &dir.path("again.html")],
            &["compare", &document, &document],
        ] {
            let said = run_program(words);
            let text = [said.stdout, said.stderr].concat();
            left.push((words[0].to_owned(), String::from_utf8_lossy(&text).into_owned()));
        }
        left.extend(written(Path::new(&dir.path(""))));
        assert!(left.len() >= 11, "{what}: {}", left.len());
        assert_kept(what, &left);
    }
}

#[test]
fn a_servers_log_and_its_environment_show_no_key() {
    let dir = Dir::new();
    let trace = dir.path("environment");
    let says = format!(
        "env | sort > {trace}; echo {}; echo $LLMLOAD_API_KEY; exit 3",
        shell_word(&every_form())
    );
    let command = format!("sh -c {}", shell_word(&says));
    let words = [
        "smoke",
        "--server-cmd",
        &command,
        "--health-url",
        "http://127.0.0.1:1/health",
        "--server-wait",
        "5s",
    ];
    let (name, text) = said(&mut knowing(&words), 114);
    assert!(text.contains("***"), "the log is shown: {text}");
    // The command line itself has the secrets here; what the program says of it has not.
    assert_kept(
        &name[..20],
        &[
            ("what was said".to_owned(), text),
            (
                "the environment".to_owned(),
                std::fs::read_to_string(trace).unwrap(),
            ),
        ],
    );
}

fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Runs the program where everybody may read what is made, and ends in success.
#[track_caller]
fn openly(dir: &Dir, line: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh", EXE]);
    let ended = command.args(words(line)).current_dir(dir.path("")).output();
    let ended = ended.unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{line}: {said}");
}

/// Nobody else reads what is written, whatever the umask allows and whoever could read what had the name before.
#[test]
fn files_are_for_their_owner_whatever_the_umask_and_the_file_before() {
    let mock = mock(mock_options());
    let dir = Dir::new();
    for name in words("r.json r.html vllm.json k6.json f.json f.svg copy.json") {
        let path = dir.write(name, "old");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::create_dir(dir.path("tables")).unwrap();
    std::fs::write(dir.path("tables/requests.csv"), "old").unwrap();
    let target = format!("--target http://{}/v1/chat/completions", mock.address);
    let exports = EXPORTS
        .iter()
        .map(|(format, name)| format!("--export={format}={name}"));
    let exports: Vec<String> = exports.collect();
    let load =
        "smoke --iterations 2 --no-validate --model m -o r.json --details --report r.html --csv tables";
    openly(&dir, &format!("{load} {target} {}", exports.join(" ")));
    openly(&dir, "show r.json --format json -o copy.json");
    openly(&dir, "report r.json -o again.html");
    openly(&dir, "show r.json --export vllm=again.json");
    openly(&dir, "compare r.json r.json --plot plot.svg");
    openly(&dir, &format!("{SEARCH} {target}"));
    let all = written(Path::new(&dir.path("")));
    assert!(all.len() >= 18, "{}", all.len());
    for (name, text) in all {
        assert_ne!(text, "old", "{name} was written anew");
        let mode = std::fs::metadata(&name).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}
