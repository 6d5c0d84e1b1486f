use super::*;
use crate::units::Secret;

#[test]
fn a_group_is_named_by_any_job_and_instance() {
    for (job, instance, path) in [
        (
            "llmload",
            "host-1.lan",
            "/metrics/job/llmload/instance/host-1.lan",
        ),
        ("a b", "50%ä?#", "/metrics/job/a%20b/instance/50%25%C3%A4%3F%23"),
        ("team/a", "x", "/metrics/job@base64/dGVhbS9h/instance/x"),
        ("j", "a/b", "/metrics/job/j/instance@base64/YS9i"),
        // The padding `==` is omitted, as base64url allows.
        ("j", "a/bc", "/metrics/job/j/instance@base64/YS9iYw"),
        ("j", "", "/metrics/job/j/instance@base64/="),
        ("j", "..", "/metrics/job/j/instance@base64/Li4"),
        ("j", ".", "/metrics/job/j/instance@base64/Lg"),
        ("line\nfeed", "...", "/metrics/job/line%0Afeed/instance/..."),
    ] {
        assert_eq!(group_path(job, instance), path);
    }
}

fn gateway(url: &str) -> Gateway {
    let config = PushConfig {
        url: url.to_owned(),
        username: Some("u".to_owned()),
        password: Some(Secret::from("CANARY")),
        ..PushConfig::default()
    };
    Gateway::new(&config, "h", TlsOptions::default()).unwrap()
}

#[test]
fn an_answer_that_repeats_the_credentials_is_shown_without_them() {
    let gateway = gateway("http://127.0.0.1:9/prefix");
    assert_eq!(gateway.path, "/prefix/metrics/job/llmload/instance/h");
    let answer = |status, body: &str| Answer {
        status,
        body: body.as_bytes().to_vec(),
        ..Answer::default()
    };
    let said = gateway.judge(&answer(401, "no: Basic dTpDQU5BUlk= is CANARY\x1b[2J\n"));
    assert_eq!(said.unwrap_err(), "status 401: no: *** is ***\\u{1b}[2J");
    assert_eq!(gateway.judge(&answer(400, "")).unwrap_err(), "status 400");
    assert_eq!(gateway.judge(&answer(202, "x")), Ok(()));
    let long = gateway.judge(&answer(500, &"x".repeat(10_000))).unwrap_err();
    assert!(long.len() < 200, "{}", long.len());
}

#[test]
fn a_redirect_is_a_failure_and_a_closed_port_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = gateway(&format!("http://{address}"));
    assert_eq!(gateway.put("x 1\n").unwrap_err(), "connection refused");
    let redirect = Answer {
        status: 307,
        ..Answer::default()
    };
    assert_eq!(gateway.judge(&redirect).unwrap_err(), "status 307");
}
