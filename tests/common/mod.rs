//! What the end-to-end tests share: a mock on an ephemeral port, an engine against it, the program itself.

pub mod certificates;
pub mod exposition;
pub mod gateway;
pub mod live;
mod load;
pub mod results;
mod skipped;
pub mod talker;
pub mod terminator;

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use llmload_uring::api::Api;
use llmload_uring::engine::{Engine, EngineOptions};
use llmload_uring::http1::HttpError;
use llmload_uring::mock::fault::{Fault, FaultPlan};
use llmload_uring::mock::{Mock, MockOptions};
use llmload_uring::plan::Plan;
use llmload_uring::workload::Target;

pub use load::*;
pub use skipped::{records, shared_material, skipped};

pub fn faults(counts: &[(Fault, u32)], cycle: u32) -> FaultPlan {
    FaultPlan::new(counts, cycle, 7)
}

/// The same server over another of its APIs.
pub fn target_of(address: SocketAddr, api: Api) -> Target {
    let row = api.row();
    let prefix = row.prefixes.first().unwrap_or(&"");
    let within = row.within.map_or(String::new(), |part| format!("{part}mock"));
    Target {
        api,
        api_path: format!("{prefix}{within}{}", row.end),
        stream_path: format!("{prefix}{within}{}", row.stream_end.unwrap_or(row.end)),
        ..target(address)
    }
}

/// The same against a target of one's own.
pub fn run_on(plan: Plan, target: Target, options: EngineOptions, during: impl FnMut(&Engine)) -> Ran {
    run_against(plan, &[target], options, during)
}

/// The body of the answer to a plain GET.
pub fn get_text(address: SocketAddr, path: &str) -> String {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The same, for what the mock says of itself.
pub fn get_json(address: SocketAddr, path: &str) -> serde_json::Value {
    serde_json::from_str(&get_text(address, path)).unwrap()
}

/// A mock that keeps the requests that it gets, for [`received`].
pub fn recording_mock() -> Mock {
    mock(MockOptions {
        record: 10_000,
        ..mock_options()
    })
}

/// A request as a recording mock got it.
pub struct Got {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: serde_json::Value,
    /// The exact text of its body.
    pub body: String,
    /// When its last bytes arrived, CLOCK_MONOTONIC.
    pub arrived_ns: u64,
}

impl Got {
    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers[name].as_str()
    }
}

/// Returns the requests for generated text that a recording mock got, in the order of their arrival.
pub fn received(address: SocketAddr) -> Vec<Got> {
    let told = get_json(address, "/mock/requests");
    let text = |request: &serde_json::Value, key: &str| request[key].as_str().unwrap().to_owned();
    let all = told["requests"].as_array().unwrap().iter().map(|request| Got {
        method: text(request, "method"),
        path: text(request, "path"),
        headers: request["headers"].clone(),
        body: text(request, "body"),
        arrived_ns: request["arrived_ns"].as_u64().unwrap(),
    });
    all.filter(|got| got.method == "POST").collect()
}

/// The program, with nothing of our environment that could change what it does.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llmload-uring"));
    for (name, _) in std::env::vars().filter(|(n, _)| {
        n.starts_with("LLMLOAD_") || ["K6_TARGET_URL", "OPENAI_API_KEY"].contains(&n.as_str())
    }) {
        command.env_remove(name);
    }
    // What drives the sockets may be chosen for all tests.
    for name in [
        "LLMLOAD_IO",
        "LLMLOAD_TEST_EPOLL_TROUBLES",
        "LLMLOAD_TEST_RING_TROUBLES",
    ] {
        command.envs(std::env::var(name).map(|value| (name, value)));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn run_program(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

/// Ends the child when a test fails before it did.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until the answer is yes; a test that waits longer than a minute has failed.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "still not: {what}");
        // Asking without a pause would take the CPU from what is waited for.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the name that vectors give to an error of the HTTP parser. The two other protocols belong to the class of a
/// bad status line.
pub fn http_error_name(error: HttpError) -> &'static str {
    match error {
        HttpError::BadStatusLine | HttpError::Http2Preface | HttpError::TlsRecord => "bad_status_line",
        HttpError::BadVersion => "bad_version",
        HttpError::BadHeader => "bad_header",
        HttpError::BadContentLength => "bad_content_length",
        HttpError::BadTransferEncoding => "bad_transfer_encoding",
        HttpError::BadChunk => "bad_chunk",
        HttpError::TooLarge => "too_large",
        HttpError::IncompleteHeaders => "incomplete_headers",
        HttpError::IncompleteBody => "incomplete_body",
        HttpError::EmptyReply => "empty_reply",
        HttpError::UnexpectedUpgrade => "unexpected_upgrade",
        HttpError::TooManyInterim => "too_many_interim",
    }
}
