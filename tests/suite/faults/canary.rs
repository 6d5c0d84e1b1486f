//! Keys in every place where one can be given, and everything that leaves the program searched for them: what it says,
//! what it writes, what it pushes, how it is called, in plain and in each encoding that a server may answer with.

use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::common::gateway::{Gateway, Manner};

/// Values of these places, each with characters that encodings change. No two share more than `CANARY`.
const KEY: &str = "sk-CANARY/key+0815=?";
const HEADER: &str = "CANARY&header<4711>";
const QUERY: &str = "CANARY-query-1234";
const PUSH_PASSWORD: &str = "CANARY'push\"99";

/// A text in the forms in which it can come back.
fn forms(secret: &str) -> Vec<String> {
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
/// option that asks for it in `run_and_gather`.
fn gather(dir: &Dir, ended: &Ended, called_as: &str, gateway: &Gateway) -> Vec<(String, String)> {
    let mut left = vec![
        ("standard output".to_owned(), ended.stdout.clone()),
        ("standard error".to_owned(), ended.stderr.clone()),
        ("/proc/PID/cmdline".to_owned(), called_as.to_owned()),
    ];
    for (i, push) in gateway.pushes().into_iter().enumerate() {
        // The password itself goes to the gateway, in the header that is for it.
        left.push((format!("push {i}"), format!("{}\n{}", push.line, push.body)));
    }
    for name in dir
        .names()
        .into_iter()
        .filter(|name| !INPUTS.contains(&name.as_str()))
    {
        let bytes = std::fs::read(dir.path(&name)).unwrap();
        left.push((name, String::from_utf8_lossy(&bytes).into_owned()));
    }
    left
}

/// Files that the test writes, with the secrets in them.
const INPUTS: [&str; 2] = ["p.yaml", "key"];

/// Runs the load against a server that does so and repeats whatever it was told; gathers all that left the program.
#[track_caller]
fn run_and_gather(deed: Deed, env: &[(&str, &str)]) -> Vec<(String, String)> {
    let attacker = Attacker::start(deed);
    let gateway = Gateway::start(Manner::Answers("202 Accepted", ""));
    let dir = Dir::new();
    let load = "executor: shared-iterations\nvus: 2\niterations: 4\nmodels: [m]\nprompts: [Hi]\nvalidate: false\n\
                requests:\n  - {name: r, stream: true, max_tokens: 8, timeout: 2s, idle_timeout: 300ms}\n";
    let target = format!(
        "server: {{ base_url: \"http://{}/v1/chat/completions?api-key={QUERY}\" }}\n",
        attacker.address
    );
    let profile = dir.write("p.yaml", &format!("{target}{load}"));
    let output = dir.path("result.json");
    let key = dir.write("key", KEY);
    let mut command = program();
    command.args([
        &profile,
        "--api-key-file",
        &key,
        "--cores",
        "1",
        "--summary",
        "full",
        "--output",
        &output,
    ]);
    command.args([
        "--details",
        "--pushgateway",
        &format!("http://{}", gateway.address),
    ]);
    command.env("LLMLOAD_HEADER", format!("X-Team: {HEADER}"));
    command
        .env("LLMLOAD_PUSHGATEWAY_USERNAME", "team")
        .env("LLMLOAD_PUSHGATEWAY_PASSWORD", PUSH_PASSWORD);
    let mut live = Live::spawn(command.envs(env.iter().copied()));
    let mut called_as = String::new();
    wait_until("the run has ended", || {
        if let Ok(words) = std::fs::read(format!("/proc/{}/cmdline", live.pid())) {
            called_as += &String::from_utf8_lossy(&words);
        }
        live.is_over()
    });
    let ended = live.wait();
    assert!(
        called_as.contains("p.yaml") && !gateway.pushes().is_empty(),
        "{ended:#?}"
    );
    let again = dir.path("again.json");
    for words in [
        &["report", &output, "-o", &dir.path("page.html")][..],
        &["compare", &output, &output],
        &["compare", &output, &output, "--format", "md"],
        &["compare", &output, &output, "--format", "csv"],
        &["config", "check", &profile],
        &["merge", &output, &output, "-o", &again],
    ] {
        let said = run_program(words);
        let text = [said.stdout, said.stderr].concat();
        dir.write(
            &format!("said-{}", words.join("-").replace('/', "_")),
            &String::from_utf8_lossy(&text),
        );
    }
    let left = gather(&dir, &ended, &called_as, &gateway);
    assert!(left.iter().any(|(name, _)| name == "result.json"), "{ended:#?}");
    assert!(left.iter().any(|(name, _)| name == "page.html"), "{left:?}");
    for name in ["result.json", "page.html"] {
        let mode = std::fs::metadata(dir.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name} holds prompts and answers");
    }
    left
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
fn assert_kept(what: &str, left: &[(String, String)]) {
    let secrets = [KEY, HEADER, QUERY, PUSH_PASSWORD];
    for (name, text) in left {
        if let Some(form) = found(text, &secrets) {
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
    let deeds: [(&str, Deed); 4] = [
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
