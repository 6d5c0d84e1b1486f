//! The thread that answers scrapers.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::listener::Shared;
use super::request::{self, Asked, HEAD_BYTES_MAX};
use crate::exposition::{Figures, Format, render};

/// The most scrapers at a time: few beside the descriptors that a run has in reserve. One more takes the place of the
/// one whose time ends first, so that nobody can keep all places.
const CONNECTIONS_MAX: usize = 16;
/// The time in which a request has to arrive.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The time in which an answer has to be taken.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The time in which the scraper has to close when it has its answer. What it still sends is read, because the kernel
/// would otherwise reset the connection, and the answer with it.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// The pause after an error of `accept` that may last: no file descriptor is left.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// What a connection is doing.
enum Step {
    Reads(Vec<u8>),
    Writes(Answer),
    Closes,
}

struct Answer {
    head: Vec<u8>,
    body: Arc<str>,
    written: usize,
    /// These are the last figures, and who asked would ask again.
    is_last_scrape: bool,
}

struct Connection {
    stream: TcpStream,
    step: Step,
    until: Instant,
}

/// The text of the newest figures that anybody has asked for, so that many scrapers cost one text.
#[derive(Default)]
struct Texts {
    of: Option<Arc<Figures>>,
    plain: Option<Arc<str>>,
    open: Option<Arc<str>>,
}

impl Texts {
    fn text(&mut self, figures: Arc<Figures>, format: Format) -> Arc<str> {
        if !self.of.as_ref().is_some_and(|known| Arc::ptr_eq(known, &figures)) {
            *self = Texts::default();
        }
        let kept = match format {
            Format::Text => &mut self.plain,
            Format::OpenMetrics => &mut self.open,
        };
        let text = kept
            .get_or_insert_with(|| render(&figures, format).into())
            .clone();
        self.of = Some(figures);
        text
    }
}

/// Everything that the thread has.
pub struct Server {
    socket: TcpListener,
    wake: OwnedFd,
    shared: Arc<Shared>,
    connections: Vec<Connection>,
    texts: Texts,
    /// Nobody is accepted before this instant.
    accepts_from: Option<Instant>,
}

impl Server {
    pub fn new(socket: TcpListener, wake: OwnedFd, shared: Arc<Shared>) -> Server {
        Server {
            socket,
            wake,
            shared,
            connections: Vec::new(),
            texts: Texts::default(),
            accepts_from: None,
        }
    }

    /// Serves until the handle is dropped.
    pub fn run(mut self) {
        while !self.shared.is_over() {
            self.shared.pin();
            let Some(ready) = self.wait() else { return };
            let now = Instant::now();
            // From the last to the first, so that the index of those to come stays the same.
            for index in (0..self.connections.len()).rev() {
                if ready.connections[index] && !self.advance(index, now)
                    || self.connections[index].until <= now
                {
                    self.connections.swap_remove(index);
                }
            }
            if ready.accepts {
                self.accept(now);
            }
        }
    }

    /// Waits until a socket is ready, a connection's time is over, or the handle wakes the thread.
    fn wait(&mut self) -> Option<Ready> {
        let now = Instant::now();
        self.accepts_from = self.accepts_from.filter(|from| *from > now);
        let accepts = match self.accepts_from {
            None => PollFlags::IN,
            Some(_) => PollFlags::empty(),
        };
        let mut files = vec![
            PollFd::new(&self.wake, PollFlags::IN),
            PollFd::new(&self.socket, accepts),
        ];
        files.extend(self.connections.iter().map(|connection| {
            let flags = match connection.step {
                Step::Writes(_) => PollFlags::OUT,
                Step::Reads(_) | Step::Closes => PollFlags::IN,
            };
            PollFd::new(&connection.stream, flags)
        }));
        let ends = self.connections.iter().map(|connection| connection.until);
        let next = ends.chain(self.accepts_from).min();
        let limit = next.map(|next| next.saturating_duration_since(now));
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut files, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
        let is_ready = |file: &PollFd| !file.revents().is_empty();
        let woken = is_ready(&files[0]);
        let ready = Ready {
            accepts: is_ready(&files[1]),
            connections: files[2..].iter().map(is_ready).collect(),
        };
        drop(files);
        if woken {
            let mut count = [0; 8];
            let _ = rustix::io::read(&self.wake, &mut count);
        }
        Some(ready)
    }

    /// Accepts whoever waits, as many as there are places: those who come faster must not keep the others waiting.
    fn accept(&mut self, now: Instant) {
        for _ in 0..CONNECTIONS_MAX {
            let stream = match self.socket.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == ErrorKind::Interrupted || e.kind() == ErrorKind::ConnectionAborted => {
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.accepts_from = Some(now + SHORTAGE_PAUSE);
                    return;
                }
            };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.connections.len() == CONNECTIONS_MAX {
                let ends = self.connections.iter().map(|connection| connection.until);
                if let Some((oldest, _)) = ends.enumerate().min_by_key(|(_, until)| *until) {
                    self.connections.swap_remove(oldest);
                }
            }
            self.connections.push(Connection {
                stream,
                step: Step::Reads(Vec::new()),
                until: now + REQUEST_LIMIT,
            });
        }
    }

    /// Goes on with a connection whose socket is ready. Returns false if it is over.
    fn advance(&mut self, index: usize, now: Instant) -> bool {
        loop {
            let connection = &mut self.connections[index];
            let next = match &mut connection.step {
                Step::Reads(input) => match read_more(&mut connection.stream, input) {
                    Arrived::Blocked => return true,
                    Arrived::Ended => return false,
                    Arrived::Bytes => match request::read(input) {
                        Asked::More => continue,
                        asked => {
                            connection.until = now + ANSWER_LIMIT;
                            Step::Writes(self.answer(asked))
                        }
                    },
                },
                Step::Writes(answer) => match answer.write(&mut connection.stream) {
                    Ok(false) => return true,
                    Err(_) => return false,
                    Ok(true) => {
                        if answer.is_last_scrape {
                            self.shared.last_was_read();
                        }
                        let _ = connection.stream.shutdown(Shutdown::Write);
                        connection.until = now + CLOSE_LIMIT;
                        Step::Closes
                    }
                },
                Step::Closes => return discard(&mut connection.stream),
            };
            self.connections[index].step = next;
        }
    }

    fn answer(&mut self, asked: Asked) -> Answer {
        let (refusal, content_type, text, is_head, is_last_scrape) = match asked {
            Asked::Figures {
                format,
                is_head,
                is_scraper,
            } => {
                let figures = self.shared.figures();
                if is_scraper {
                    self.shared.saw_scraper();
                }
                let is_last = figures.is_last && is_scraper && !is_head;
                let text = self.texts.text(figures, format);
                (None, format.content_type(), text, is_head, is_last)
            }
            Asked::Refused { refusal, is_head } => {
                let text = Arc::from(refusal.text());
                (Some(refusal), "text/plain; charset=utf-8", text, is_head, false)
            }
            Asked::More => unreachable!("an answer needs a request"),
        };
        Answer {
            head: request::head(refusal, content_type, text.len()),
            body: if is_head { Arc::from("") } else { text },
            written: 0,
            is_last_scrape,
        }
    }
}

/// What is ready.
struct Ready {
    accepts: bool,
    /// By index.
    connections: Vec<bool>,
}

enum Arrived {
    Bytes,
    Blocked,
    Ended,
}

/// Reads once, up to the longest head.
fn read_more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Arrived {
    let mut chunk = [0; 2048];
    let room = (HEAD_BYTES_MAX - input.len().min(HEAD_BYTES_MAX)).clamp(1, chunk.len());
    match stream.read(&mut chunk[..room]) {
        Ok(0) => Arrived::Ended,
        Ok(n) => {
            input.extend_from_slice(&chunk[..n]);
            Arrived::Bytes
        }
        Err(e) if e.kind() == ErrorKind::WouldBlock => Arrived::Blocked,
        Err(e) if e.kind() == ErrorKind::Interrupted => Arrived::Blocked,
        Err(_) => Arrived::Ended,
    }
}

/// Reads and forgets what arrives behind a request. Returns false at the end.
fn discard(stream: &mut TcpStream) -> bool {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk) {
        Ok(n) => n > 0,
        Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

impl Answer {
    /// Writes as much as the socket takes. Returns true when all of it is written.
    fn write(&mut self, stream: &mut TcpStream) -> std::io::Result<bool> {
        loop {
            let in_body = self.written.saturating_sub(self.head.len());
            let head = &self.head[self.written.min(self.head.len())..];
            let body = &self.body.as_bytes()[in_body..];
            if head.is_empty() && body.is_empty() {
                return Ok(true);
            }
            match stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
