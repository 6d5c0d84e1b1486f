//! Keys in every place where one can be given, and everything that leaves the program searched for them: what it says,
//! what it writes, what it pushes, how it is called, in plain and in each encoding that a server may answer with. What
//! other commands than a run say and write is in `canary_elsewhere`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::common::gateway::{Gateway, Manner};

/// Values of these places, each with characters that encodings change. No two share more than `CANARY`.
pub(super) const KEY: &str = "sk-CANARY/key+0815=?";
pub(super) const HEADER: &str = "CANARY&header<4711>";
pub(super) const QUERY: &str = "CANARY-query-1234";
const PUSH_PASSWORD: &str = "CANARY'push\"99";
pub(super) const METRICS_QUERY: &str = "CANARY-metrics-5678";
const SECRETS: [&str; 5] = [KEY, HEADER, QUERY, PUSH_PASSWORD, METRICS_QUERY];
/// Formats of `--export`, each with the name of what it writes.
pub(super) const EXPORTS: [(&str, &str); 6] = [
    ("vllm", "vllm.json"),
    ("vllm-detailed", "vllm-detailed.json"),
    ("aiperf", "aiperf"),
    ("llm-d", "llm-d.yaml"),
    ("k6", "k6.json"),
    ("k6-summary", "k6-summary.json"),
];

/// A text in the forms in which it can come back.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let some: String = secret
        .bytes()
        .map(|byte| match byte {
            b if b.is_ascii_alphanumeric() || b == b'-' => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String = secret
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    vec![
        secret.to_owned(),
        percent.to_lowercase(),
        percent,
        some,
        hex.to_uppercase(),
        hex,
        escaped,
        html,
        json,
        STANDARD.encode(secret),
        STANDARD.encode(format!("x{secret}yz")),
        STANDARD.encode(format!("xy{secret}z")),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(format!("Bearer {secret}")),
    ]
}

/// Finds a secret in one of its forms. Base64 of a text around it is found by decoding what looks like base64.
fn found(text: &str, secrets: &[&str]) -> Option<String> {
    let plain = secrets
        .iter()
        .flat_map(|secret| forms(secret))
        .find(|form| text.contains(form.as_str()));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let hidden = || {
        text.split(|c| !is_base64(c))
            .filter(|word| word.len() >= 8)
            .find_map(|word| {
                let word = word.replace('-', "+").replace('_', "/");
                let whole = &word[..word.len() / 4 * 4];
                let decoded = STANDARD.decode(whole).ok()?;
                String::from_utf8_lossy(&decoded)
                    .contains("CANARY")
                    .then(|| word.clone())
            })
    };
    plain
        .or_else(|| text.contains("CANARY").then(|| "CANARY".to_owned()))
        .or_else(hidden)
}

/// Everything that left the program in a run: a name and what it was. A further output needs a line here, and the
/// option that asks for it in `with_secrets` or `saved_again`.
fn gather(
    dir: &Dir,
    ended: &Ended,
    called_as: &str,
    scraped: &str,
    gateway: &Gateway,
) -> Vec<(String, String)> {
    let mut left = vec![
        ("standard output".to_owned(), ended.stdout.clone()),
        ("standard error".to_owned(), ended.stderr.clone()),
        ("/proc/PID/cmdline".to_owned(), called_as.to_owned()),
        ("scraped metrics".to_owned(), scraped.to_owned()),
    ];
    for (i, push) in gateway.pushes().into_iter().enumerate() {
        // The password itself goes to the gateway, in the header that is for it.
        left.push((format!("push {i}"), format!("{}\n{}", push.line, push.body)));
    }
    left.extend(written(Path::new(&dir.path(""))));
    left
}

/// Files that the test writes, with the secrets in them.
const INPUTS: [&str; 2] = ["p.yaml", "key"];

/// What is in the files of a folder and of those below it, without the inputs.
pub(super) fn written(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        match () {
            () if path.is_dir() => found.extend(written(&path)),
            () if INPUTS.contains(&name.as_str()) => {}
            () => {
                let bytes = std::fs::read(&path).unwrap();
                let place = path.display().to_string();
                found.push((place, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found
}

/// A server of metrics that repeats each secret wherever its text has room for one: in labels and their values, in
/// help, in names, in lines that are none; every few questions in an error, in where a redirect leads, in bytes that
/// are no HTTP.
pub(super) fn repeating_metrics() -> Attacker {
    let asked = AtomicUsize::new(0);
    Attacker::when(
        attacker::When::Asked,
        Arc::new(move |victim| {
            let all: Vec<String> = SECRETS.iter().flat_map(|secret| forms(secret)).collect();
            let said = all.join(" ");
            let answer = |status: &str, headers: &str, body: &str| {
                let length = body.len();
                format!(
                    "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
            };
            victim.say(match asked.fetch_add(1, Ordering::SeqCst) % 5 {
                1 => answer(&format!("500 {KEY}"), &format!("X-Echo: {KEY}\r\n"), &said),
                2 => answer(
                    "302 Found",
                    &format!("Location: http://127.0.0.1:1/{KEY}?k={KEY}\r\n"),
                    "",
                ),
                3 => format!("{KEY}\r\n"),
                _ => answer("200 OK", "", &metrics_of(&all)),
            });
        }),
    )
}

fn metrics_of(secrets: &[String]) -> String {
    let mut text = format!("# HELP vllm:num_requests_running {}\n", secrets.join(" "));
    text += "# TYPE vllm:num_requests_running gauge\n";
    for (i, secret) in secrets.iter().enumerate() {
        let value = secret.replace('\\', "\\\\").replace('"', "\\\"");
        text += &format!("vllm:num_requests_running{{engine=\"{i}\",model_name=\"{value}\"}} 1\n");
    }
    text += &format!("vllm:request_success_total{{finished_reason=\"{KEY}\"}} 3\n");
    text + &format!("{KEY} 4\nno line {KEY}\nvllm:{QUERY}_total 5\n")
}

const CANARY_LOAD: &str = "executor: shared-iterations\nvus: 2\niterations: 4\nmodels: [m]\nprompts: [Hi]\n\
                           validate: false\nrequests:\n  - {name: r, stream: true, max_tokens: 8, timeout: 2s, \
                           idle_timeout: 300ms}\n";

/// A run that is given each secret, and writes and serves all that it can.
fn with_secrets(dir: &Dir, [server, gateway, metrics]: [std::net::SocketAddr; 3]) -> Command {
    let url = format!("http://{server}/v1/chat/completions?api-key={QUERY}");
    let text = format!("server: {{ base_url: \"{url}\" }}\n{CANARY_LOAD}");
    let (profile, key) = (dir.write("p.yaml", &text), dir.write("key", KEY));
    let (output, page) = (dir.path("result.json"), dir.path("page-of-run.html"));
    let mut command = program();
    command.args([
        &profile,
        "--api-key-file",
        &key,
        "--cores",
        "1",
        "--summary",
        "full",
    ]);
    command.args(["--output", &output, "--details", "--report", &page]);
    command.args(["--csv", &dir.path("tables")]);
    for (format, name) in EXPORTS {
        command.args(["--export", &format!("{format}={}", dir.path(name))]);
    }
    let metrics = format!("http://{metrics}/metrics?key={METRICS_QUERY}");
    command.env("LLMLOAD_SERVER_METRICS", metrics);
    command.args(["--pushgateway", &format!("http://{gateway}")]);
    command.args(["--metrics-listen", "127.0.0.1:0", "--metrics-linger", "1s"]);
    command
        .env("LLMLOAD_HEADER", format!("X-Team: {HEADER}"))
        .env("LLMLOAD_PUSHGATEWAY_USERNAME", "team")
        .env("LLMLOAD_PUSHGATEWAY_PASSWORD", PUSH_PASSWORD);
    command
}

/// Makes of the result everything that can be made of one; what is said goes into files beside it.
fn saved_again(dir: &Dir) {
    let (output, profile) = (dir.path("result.json"), dir.path("p.yaml"));
    for (i, words) in [
        &["report", &output, "-o", &dir.path("page.html")][..],
        &["show", &output, "--summary", "full"],
        &["show", &output, "--format", "json"],
        &["show", &output, "--format", "md"],
        &["show", &output, "--format", "csv"],
        &["compare", &output, &output],
        &["compare", &output, &output, "--format", "md"],
        &["compare", &output, &output, "--format", "csv"],
        &["config", "check", &profile],
        &["merge", &output, &output, "-o", &dir.path("again.json")],
    ]
    .into_iter()
    .enumerate()
    {
        let said = run_program(words);
        let text = [said.stdout, said.stderr].concat();
        dir.write(&format!("{}-{i}", words[0]), &String::from_utf8_lossy(&text));
    }
    for (format, name) in EXPORTS {
        let made = format!("{format}={}", dir.path(&format!("again-{name}")));
        let said = run_program(&["show", &output, "--export", &made]);
        dir.write(&format!("show-{format}"), &String::from_utf8_lossy(&said.stderr));
    }
}

/// Runs the load against a server that does so and repeats whatever it was told; gathers all that left the program.
#[track_caller]
fn run_and_gather(deed: Deed, env: &[(&str, &str)]) -> Vec<(String, String)> {
    let attacker = Attacker::start(deed);
    let gateway = Gateway::start(Manner::Answers("202 Accepted", ""));
    let metrics = repeating_metrics();
    let dir = Dir::new();
    let mut command = with_secrets(&dir, [attacker.address, gateway.address, metrics.address]);
    let mut live = Live::spawn(command.envs(env.iter().copied()));
    let (mut called_as, mut scraped) = (String::new(), String::new());
    wait_until("the run has ended", || {
        if let Ok(words) = std::fs::read(format!("/proc/{}/cmdline", live.pid())) {
            called_as += &String::from_utf8_lossy(&words);
        }
        scraped += &scrape(&live.stderr());
        live.is_over()
    });
    let ended = live.wait();
    assert!(called_as.contains("p.yaml"), "{ended:#?}");
    assert!(
        scraped.contains("llm_requests_total") && scraped.contains("\n# EOF"),
        "{scraped} {ended:#?}"
    );
    assert!(!gateway.pushes().is_empty(), "{ended:#?}");
    saved_again(&dir);
    let made = [
        "result.json",
        "page.html",
        "page-of-run.html",
        "tables/requests.csv",
        "tables/metrics.csv",
    ];
    let exports = EXPORTS
        .iter()
        .filter(|(format, _)| *format != "aiperf")
        .map(|(_, name)| *name);
    for name in made
        .into_iter()
        .chain(exports)
        .chain(["aiperf/profile_export.jsonl"])
    {
        let file = std::fs::metadata(dir.path(name)).unwrap_or_else(|e| panic!("{name}: {e}: {ended:#?}"));
        let mode = file.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} holds prompts and answers");
    }
    // A run that panicked has sums that do not add up.
    let text = std::fs::read_to_string(dir.path("result.json")).unwrap();
    let result: Value = serde_json::from_str(&text).unwrap();
    let read = result["server_metrics"][0]["readings"].as_u64();
    assert!(read > Some(0), "the metrics of the server were read: {ended:#?}");
    gather(&dir, &ended, &called_as, &scraped, &gateway)
}

/// What a scraper gets where the run says that it listens; nothing before and after that.
fn scrape(said: &str) -> String {
    let Some((_, after)) = said.split_once("metrics http://") else {
        return String::new();
    };
    let address = after.split('/').next().unwrap_or_default();
    let mut text = String::new();
    for accepts in ["text/plain", "application/openmetrics-text; version=1.0.0"] {
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let asked =
                format!("GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accepts}\r\nConnection: close\r\n\r\n");
            let _ = std::io::Write::write_all(&mut stream, asked.as_bytes());
            let _ = std::io::Read::read_to_string(&mut stream, &mut text);
        }
    }
    text
}

/// Repeats the head of the request in every encoding, in the header, the body and the reason.
fn echo(status: &'static str) -> Deed {
    Arc::new(move |victim: &mut Victim| {
        let told = victim.told();
        let mut body = String::from("{\"error\":{\"message\":\"");
        for secret in [KEY, HEADER, QUERY] {
            assert!(told.contains(secret), "the server is told `{secret}`: {told}");
            body += &forms(secret)
                .iter()
                .map(|form| form.replace('"', "'"))
                .collect::<Vec<_>>()
                .join(" ");
        }
        body += "\"}}";
        let headers = format!("X-Echo: {KEY}\r\nLocation: http://127.0.0.1:1/?k={KEY}&api-key={QUERY}\r\n");
        victim.say(format!(
            "HTTP/1.1 {status} {KEY}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
    })
}

#[track_caller]
pub(super) fn assert_kept(what: &str, left: &[(String, String)]) {
    for (name, text) in left {
        if let Some(form) = found(text, &SECRETS) {
            let at = text.find(&form).unwrap_or(0);
            let around: String = text
                .chars()
                .skip(text[..at].chars().count().saturating_sub(60))
                .take(200)
                .collect();
            panic!("{what}: {name} has `{form}`: …{around}…");
        }
    }
}

#[test]
fn no_key_leaves_the_program_whatever_the_server_does() {
    for status in ["401 Unauthorized", "500 Error", "302 Found", "200 OK"] {
        assert_kept(status, &run_and_gather(echo(status), &[]));
    }
    let deeds: [(&str, Deed); 6] = [
        (
            "a key for the end of the answer",
            Arc::new(|victim| {
                let last =
                    format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{KEY}\"}}]}}\n\n");
                victim.say([attacker::STREAM, attacker::TOKEN, &last].concat());
            }),
        ),
        (
            "a key in two events and in pieces of seven bytes",
            Arc::new(|victim| {
                let half = |part: &str| {
                    format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{part}\"}}}}]}}\n\n")
                };
                let (one, other) = KEY.split_at(9);
                let error = format!(
                    "data: {{\"error\":{{\"message\":\"{KEY} {}...\"}}}}\n\n",
                    &KEY[..15]
                );
                let text = [half(one), half(other), error].concat();
                victim.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in text.as_bytes().chunks(7) {
                    victim.say([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
                }
                victim.say("0\r\n\r\n");
            }),
        ),
        (
            "good answers",
            Arc::new(|victim| {
                victim.say([attacker::STREAM, attacker::TOKEN, attacker::FINISH].concat());
            }),
        ),
        ("a reset", Arc::new(|victim| victim.reset())),
        (
            "an echo in the stream",
            Arc::new(|victim| {
                let told = victim
                    .told()
                    .replace('\\', "")
                    .replace('"', "'")
                    .replace("\r\n", " ");
                let event = format!("data: {{\"error\":{{\"message\":\"{told}\"}}}}\n\n");
                victim.say([attacker::STREAM, attacker::TOKEN, &event].concat());
            }),
        ),
        (
            "an echo that is no HTTP",
            Arc::new(|victim| {
                let told = victim.told();
                victim.say(told);
            }),
        ),
    ];
    for (name, deed) in deeds {
        assert_kept(name, &run_and_gather(deed, &[]));
    }
}

#[test]
fn a_panic_shows_no_key() {
    let left = run_and_gather(
        echo("500 Error"),
        &[("LLMLOAD_TEST_PANIC_AFTER", "v0-0"), ("RUST_BACKTRACE", "full")],
    );
    let said = &left[1].1;
    assert!(said.contains("panicked"), "{said}");
    assert_kept("a panic", &left);
}

#[test]
fn the_search_finds_a_key_in_each_form() {
    for form in forms(KEY) {
        assert!(found(&format!("x {form} y"), &[KEY]).is_some(), "{form}");
    }
    let within = STANDARD.encode(format!("a text with {KEY} in it"));
    assert!(found(&within, &[KEY]).is_some());
    assert_eq!(
        found("sk-*** and nothing else of it, not even CANA RY", &[KEY]),
        None
    );
}
