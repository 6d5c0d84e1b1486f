//! A server that does something wrong with each request, in threads of this process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;

/// The head of a stream whose end is the end of the connection.
pub const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
pub const TOKEN: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
pub const FINISH: &str =
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What it has, for whoever asks before the load.
const MODELS: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 37\r\nConnection: close\r\n\r\n\
                      {\"object\":\"list\",\"data\":[{\"id\":\"m\"}]}";

/// What it does with the connection on which a request has come.
pub type Deed = Arc<dyn Fn(&mut Victim) + Send + Sync>;

/// When it does so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A request with a body has come whole; others are answered as by any server.
    Posted,
    /// The head of such a request has come.
    Begun,
    /// Any request has come, also the first question of what the server is.
    Asked,
}

/// The client's connection, and whether the test still goes on.
pub struct Victim {
    stream: TcpStream,
    over: Arc<AtomicBool>,
    /// The head of its request.
    told: String,
}

pub struct Attacker {
    pub address: SocketAddr,
    connections: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Attacker {
    pub fn start(deed: Deed) -> Attacker {
        Attacker::when(When::Posted, deed)
    }

    pub fn when(when: When, deed: Deed) -> Attacker {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let over = Arc::new(AtomicBool::new(false));
        let (connected, asked, ends) = (connections.clone(), requests.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                connected.fetch_add(1, Ordering::SeqCst);
                let over = ends.clone();
                let mut victim = Victim {
                    stream,
                    over,
                    told: String::new(),
                };
                let (deed, asked) = (deed.clone(), asked.clone());
                std::thread::spawn(move || {
                    let Some(request) = victim.request(when == When::Begun) else {
                        return;
                    };
                    let is_posted = request.starts_with("POST");
                    victim.told = request;
                    if is_posted || when == When::Asked {
                        asked.fetch_add(u64::from(is_posted), Ordering::SeqCst);
                        deed(&mut victim);
                    } else {
                        victim.say(MODELS);
                    }
                });
            }
        });
        Attacker {
            address,
            connections,
            requests,
            over,
            thread: Some(thread),
        }
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests that it was asked, apart from questions of what it is.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Victim {
    /// Reads a request, or no more than its head.
    fn request(&mut self, head_only: bool) -> Option<String> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 16 << 10];
        loop {
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = head {
                let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let length = text
                    .lines()
                    .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if head_only || bytes.len() >= end + 4 + length.unwrap_or(0) {
                    return Some(text);
                }
            }
            match self.stream.read(&mut chunk) {
                Ok(n @ 1..) => bytes.extend_from_slice(&chunk[..n]),
                _ => return None,
            }
        }
    }

    /// What the client has said: the head of its request.
    pub fn told(&self) -> String {
        self.told.clone()
    }

    /// Sends it; false once nobody reads it any more.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        !self.over.load(Ordering::SeqCst) && self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends it again and again, until nobody reads it any more.
    pub fn flood(&mut self, bytes: impl AsRef<[u8]>) {
        let block = bytes.as_ref().repeat((64 << 10) / bytes.as_ref().len() + 1);
        while self.say(&block) {}
    }

    /// Sends it again and again with so much time between, until nobody reads it any more.
    pub fn drip(&mut self, bytes: impl AsRef<[u8]>, every: Duration) {
        while self.say(bytes.as_ref()) && !self.gone_within(every) {}
    }

    /// Sends one byte after the other, so far apart.
    pub fn spell(&mut self, bytes: impl AsRef<[u8]>, every: Duration) {
        for byte in bytes.as_ref() {
            if !self.say([*byte]) || self.gone_within(every) {
                return;
            }
        }
    }

    /// Says nothing more, and waits for the client to go away.
    pub fn hang(&mut self) {
        while !self.over.load(Ordering::SeqCst) && !self.gone_within(Duration::from_millis(100)) {}
    }

    /// Closes the connection with a reset.
    pub fn reset(&mut self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        // Dropped by the caller, at once.
    }

    /// True when the client closes the connection within that time.
    fn gone_within(&mut self, time: Duration) -> bool {
        let _ = self.stream.set_read_timeout(Some(time));
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => true,
            Ok(_) => false,
            Err(e) => !matches!(
                e.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        }
    }
}
