//! A server that remembers what it has said in each session, and checks that it is told so again.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::gateway;

/// The header that names a session to this server.
pub const AFFINITY: &str = "x-session-affinity";

/// How it answers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// Closes the connection after each answer that came whole, although it promised to keep it.
    pub hangs_up: bool,
    /// Answers the turn with this number of messages by a 503.
    pub refuses_length: Option<usize>,
}

/// What one session has said and heard.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// The bodies, in order.
    pub bodies: Vec<Value>,
    /// The answers, in order.
    pub replies: Vec<String>,
}

#[derive(Default)]
struct Memory {
    talks: Mutex<BTreeMap<String, Talk>>,
    wrong: Mutex<Vec<String>>,
    answered: AtomicU32,
}

pub struct Talker {
    pub address: SocketAddr,
    memory: Arc<Memory>,
}

impl Talker {
    /// Serves until the test's process ends.
    pub fn start(manners: Manners) -> Talker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Arc::new(Memory::default());
        let shared = memory.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let memory = shared.clone();
                thread::spawn(move || serve(stream, &memory, manners));
            }
        });
        Talker { address, memory }
    }

    /// Returns what each session said, by the value of its header.
    pub fn talks(&self) -> BTreeMap<String, Talk> {
        self.memory.talks.lock().unwrap().clone()
    }

    /// Returns what was not as it should be.
    pub fn wrong(&self) -> Vec<String> {
        self.memory.wrong.lock().unwrap().clone()
    }
}

/// Answers the requests of a connection.
fn serve(mut stream: TcpStream, memory: &Memory, manners: Manners) {
    while let Some(request) = gateway::read(&mut stream) {
        let Some(session) = request.header(AFFINITY) else {
            // Whoever asks what this server can do, before the load.
            if stream.write_all(&whole(404, "{}")).is_err() {
                return;
            }
            continue;
        };
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let wants_stream = body["stream"] == true;
        let said = said_before(&body);
        let refused = manners.refuses_length == Some(said.len() * 2 + 1);
        let reply = match refused {
            true => String::new(),
            false => remember(memory, session, &body, said),
        };
        let bytes = match (refused, wants_stream) {
            (true, _) => whole(503, "{\"error\":{\"message\":\"busy\"}}"),
            (false, true) => streamed(&reply),
            (false, false) => whole(
                200,
                &json!({
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": prompt_tokens(&body), "completion_tokens": 4},
                })
                .to_string(),
            ),
        };
        if stream.write_all(&bytes).is_err() || manners.hangs_up {
            return;
        }
    }
}

/// Returns what the body says that this server has said.
fn said_before(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let said = messages.iter().filter(|message| message["role"] == "assistant");
    said.map(|message| message["content"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Compares what was said with what the session says, and returns the next answer.
fn remember(memory: &Memory, session: &str, body: &Value, said: Vec<String>) -> String {
    let number = memory.answered.fetch_add(1, Ordering::Relaxed);
    let reply = format!("No. {number}: \"quoted\",\ttab, \u{e9}\u{1f600} and\nend");
    let mut talks = memory.talks.lock().unwrap();
    let talk = talks.entry(session.to_owned()).or_default();
    let is_whole = said.is_empty() || said == talk.replies;
    if !is_whole {
        let what = format!("{session}: told {said:?}, said {:?}", talk.replies);
        memory.wrong.lock().unwrap().push(what);
    }
    talk.bodies.push(body.clone());
    talk.replies.push(reply.clone());
    reply
}

fn prompt_tokens(body: &Value) -> usize {
    let messages = body["messages"].as_array().map_or(0, Vec::len);
    10 * messages
}

fn whole(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Writes an answer as a stream, a few characters an event.
fn streamed(reply: &str) -> Vec<u8> {
    let mut events = String::new();
    let characters: Vec<char> = reply.chars().collect();
    for piece in characters.chunks(5) {
        let piece: String = piece.iter().collect();
        let data = json!({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": null}]});
        events += &format!("data: {data}\n\n");
    }
    let end = json!({
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": characters.len() / 5 + 1},
    });
    events += &format!("data: {end}\n\ndata: [DONE]\n\n");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{events}\r\n0\r\n\r\n", events.len()).into_bytes()
}
