//! A stand-in for a Pushgateway: takes pushes one after the other, keeps them, answers as it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A whole request.
#[derive(Clone, Debug)]
pub struct Push {
    /// `PUT /metrics/job/... HTTP/1.1`
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Push {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// A status line behind the version, and a body.
    Answers(&'static str, &'static str),
    /// Reads and holds the connection, for good.
    Silent,
}

pub struct Gateway {
    pub address: SocketAddr,
    pushes: Arc<Mutex<Vec<Push>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    pub fn start(manner: Manner) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let pushes = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (kept, ends) = (pushes.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let Some(push) = read(&mut stream) else { continue };
                kept.lock().unwrap().push(push);
                match manner {
                    Manner::Answers(status, body) => {
                        let length = body.len();
                        // The program may be gone by now.
                        let _ = write!(
                            stream,
                            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                        );
                    }
                    Manner::Silent => held.push(stream),
                }
            }
        });
        Gateway {
            address,
            pushes,
            over,
            thread: Some(thread),
        }
    }

    pub fn pushes(&self) -> Vec<Push> {
        self.pushes.lock().unwrap().clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Reads a whole request; `None` if it is cut or none comes.
pub fn read(stream: &mut TcpStream) -> Option<Push> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some(push) = whole(&bytes) {
            return Some(push);
        }
        match stream.read(&mut chunk) {
            Ok(n @ 1..) => bytes.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Push> {
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..at]).unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    let headers = fields.lines().map(|field| {
        let (name, value) = field.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    });
    let mut push = Push {
        line: line.to_owned(),
        headers: headers.collect(),
        body: String::new(),
    };
    let length = push.header("Content-Length");
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    let body = &bytes[at + 4..];
    assert!(body.len() <= length, "more than the length says");
    if body.len() < length {
        return None;
    }
    push.body = String::from_utf8(body.to_vec()).unwrap();
    Some(push)
}
