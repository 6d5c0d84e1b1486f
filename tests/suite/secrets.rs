//! Keys: whom they are given to, and where a text that repeats one is shown.

use crate::common::live::*;
use crate::common::*;
use std::net::TcpListener;
use std::process::Command;

const EXE: &str = env!("CARGO_BIN_EXE_llmload-uring");
const KEY: &str = "sk-CANARY/0815+4711";
const USUAL: &str = "sk-USUAL-CANARY-22";

fn with_keys(args: &[&str]) -> Command {
    let mut command = program();
    command.args(args);
    command.env("LLMLOAD_API_KEY", KEY).env("OPENAI_API_KEY", USUAL);
    command
}

#[test]
fn a_simulator_is_given_neither_key() {
    let mut run = Live::spawn(&mut with_keys(&[
        "high-concurrency",
        "--vus",
        "1",
        "--duration",
        "30s",
    ]));
    run.simulator();
    let children = run.children();
    assert!(!children.is_empty());
    for child in children {
        let environment = std::fs::read(format!("/proc/{child}/environ")).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(!environment.contains("CANARY"), "{environment}");
    }
    run.signal(rustix::process::Signal::INT);
    run.wait();
}

#[test]
fn a_server_of_your_own_gets_your_environment_without_what_is_for_this_program() {
    let dir = Dir::new();
    let trace = dir.path("environment");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let command = format!("sh -c 'env > {trace}; exec {EXE} mock --listen {address}'");
    let url = format!("http://{address}/health");
    let args = ["quick-smoke", "--server-cmd", &command, "--health-url", &url];
    Live::spawn(&mut with_keys(&args)).wait().expect(0);
    let environment = std::fs::read_to_string(&trace).unwrap();
    assert!(
        !environment.contains(KEY) && !environment.contains("LLMLOAD_"),
        "{environment}"
    );
    assert!(
        environment.contains(&format!("OPENAI_API_KEY={USUAL}")),
        "{environment}"
    );
}

#[test]
fn a_key_in_the_last_words_of_a_server_is_not_shown() {
    let url = format!(
        "http://{}/health",
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    );
    let escaped = KEY.replace('/', "%2F").replace('+', "%2b");
    let command = format!("sh -c 'echo \"authorization: Bearer {KEY} {escaped} $OPENAI_API_KEY.\"; exit 3'");
    let args = ["quick-smoke", "--server-cmd", &command, "--health-url", &url];
    let ended = Live::spawn(&mut with_keys(&args)).wait().expect(114);
    assert!(
        ended.stderr.contains("cause: authorization: *** *** ***."),
        "{}",
        ended.stderr
    );
}
