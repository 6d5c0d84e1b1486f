//! Rank 0's thread: it listens, and moves messages between the connections and the roll.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustls::ServerConfig;
use serde_json::Value;

use super::wire::Wire;
use super::{CLOSE_MAX, Command, CoordinateConfig, Ends, Event, TURN, session};
use crate::coordination::{Ending, Key, LinkId, Message, Notice, OnLoss, Output, Roll, RollTerms, Stop};
use crate::error::{ExitCode, Failure, Reason, listen_failure};
use crate::net::clock;
use crate::units::{Nanos, SECOND};

/// The time that a peer has for TLS.
const HANDSHAKE_MAX: Nanos = 10 * SECOND;
/// The most connections without TLS so far.
const HANDSHAKES_MAX: usize = 256;

struct Connection {
    wire: Wire,
    peer: SocketAddr,
    since: Nanos,
    /// The roll knows it.
    is_known: bool,
}

pub struct Hub {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    roll: Roll,
    connections: BTreeMap<LinkId, Connection>,
    next: LinkId,
    on_loss: OnLoss,
    ends: Ends,
    /// The run is over, and connections that are still there then end.
    over: Option<Nanos>,
}

impl Hub {
    /// Listens on the address of rank 0, and on nothing else.
    pub fn listen(
        config: &CoordinateConfig,
        plan: Value,
        differ: fn(&Value, &Value) -> Option<String>,
        ends: Ends,
    ) -> Result<Hub, Failure> {
        let refuse = |what: String, hint: &str| {
            Failure::new(
                ExitCode::Config,
                Reason::new(what).hint(hint.to_owned()).at("--coordinate", 0),
            )
        };
        let found = (config.host.as_str(), config.port).to_socket_addrs();
        let mut addresses = found.map_err(|e| {
            let what = format!("the host of rank 0, {}, is not known here: {e}", config.host);
            refuse(
                what,
                "name an address of this host that the others can reach, with a port",
            )
        })?;
        let Some(address) = addresses.next() else {
            let what = format!("the host of rank 0, {}, has no address", config.host);
            return Err(refuse(
                what,
                "name an address of this host that the others can reach",
            ));
        };
        let listener = TcpListener::bind(address).map_err(|e| match e.kind() {
            ErrorKind::AddrNotAvailable => refuse(
                format!("`{address}` is no address of this host, and this is rank 0"),
                "name the host of rank 0, or run rank 0 there",
            ),
            _ => listen_failure("--coordinate", address, &e),
        })?;
        listener.set_nonblocking(true).map_err(Failure::internal)?;
        let terms = RollTerms {
            ranks: config.shard.count(),
            plan,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key: Key::new(&config.secret),
            on_loss: config.on_loss,
            differ,
        };
        Ok(Hub {
            listener,
            tls: session::server().map_err(Failure::internal)?,
            roll: Roll::new(terms, clock::monotonic()),
            connections: BTreeMap::new(),
            next: 0,
            on_loss: config.on_loss,
            ends,
            over: None,
        })
    }

    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Runs until the run is over and all have heard it.
    pub fn run(mut self) {
        loop {
            self.apply();
            let now = clock::monotonic();
            if self
                .over
                .is_some_and(|until| self.connections.is_empty() || now >= until)
            {
                return;
            }
            let ready = self.wait();
            let now = clock::monotonic();
            for link in ready {
                self.serve(link, now);
            }
            self.accept(now);
            while let Ok(command) = self.ends.commands.try_recv() {
                self.obey(command, clock::monotonic());
            }
            self.roll.tick(clock::monotonic());
            self.drop_late(clock::monotonic());
        }
    }

    /// Waits until something can be read or written. Returns the connections with which something is to be done.
    fn wait(&self) -> Vec<LinkId> {
        let listener = PollFd::new(&self.listener, PollFlags::IN);
        let wires = self
            .connections
            .values()
            .map(|connection| connection.wire.watched());
        let files = self.ends.wait(std::iter::once(listener).chain(wires), TURN);
        let ready = files.iter().skip(1).zip(self.connections.keys());
        let ready = ready.filter(|(file, _)| !file.revents().is_empty());
        ready.map(|(_, link)| *link).collect()
    }

    fn accept(&mut self, now: Nanos) {
        loop {
            let (socket, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                // No descriptor is left, for example: the next turn tries again, and not at once.
                Err(_) => return std::thread::sleep(Duration::from_nanos(TURN)),
            };
            let waiting = self.connections.values().filter(|c| !c.is_known).count();
            if waiting >= HANDSHAKES_MAX || self.over.is_some() {
                continue;
            }
            if let Ok(wire) = self.begin(socket) {
                let connection = Connection {
                    wire,
                    peer,
                    since: now,
                    is_known: false,
                };
                self.connections.insert(self.next, connection);
                self.next += 1;
            }
        }
    }

    fn begin(&self, socket: TcpStream) -> Result<Wire, String> {
        Wire::new(socket, session::accept(&self.tls)?).map_err(|e| e.to_string())
    }

    /// Reads and writes what a connection can.
    fn serve(&mut self, link: LinkId, now: Nanos) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let mut messages = Vec::new();
        let read = connection
            .wire
            .flush()
            .and_then(|()| connection.wire.read(&mut messages));
        if !connection.is_known
            && let Some(binding) = connection.wire.binding()
        {
            connection.is_known = true;
            let peer = connection.peer.to_string();
            self.roll.connected(link, peer, binding, now);
        }
        for message in messages {
            self.roll.message(link, message, clock::monotonic());
            self.apply();
        }
        if let Err(why) = read {
            self.lose(link, &why, now);
        }
    }

    fn lose(&mut self, link: LinkId, why: &str, now: Nanos) {
        let Some(connection) = self.connections.remove(&link) else {
            return;
        };
        if connection.wire.closing().is_some() {
            return;
        }
        match connection.is_known {
            true => self.roll.closed(link, why, now),
            false => self.ends.tell(Event::Note(format!(
                "a connection from {} was no rank: {why}",
                connection.peer
            ))),
        }
    }

    /// Ends what has taken too long.
    fn drop_late(&mut self, now: Nanos) {
        let late = self.connections.iter().filter(|(_, connection)| {
            let is_shaking = !connection.is_known && now.saturating_sub(connection.since) > HANDSHAKE_MAX;
            is_shaking || connection.wire.closing().is_some_and(|until| now >= until)
        });
        for link in late.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.lose(link, "it did not speak TLS in time", now);
        }
    }

    fn obey(&mut self, command: Command, now: Nanos) {
        match command {
            Command::Probe { pass, step } => self.roll.probe(pass, &step),
            Command::Ready { pass, plan } => self.roll.ready(pass, plan, now),
            Command::Taken { rank } => self.roll.taken(rank),
            Command::Unreadable { rank, why } => self.roll.unreadable(rank, &why),
            Command::Stop(why) => self.roll.stop(&why),
            Command::Abort => self.roll.abort(),
            Command::End(ending) => {
                self.roll.end(&ending);
                self.over = Some(now + CLOSE_MAX);
            }
            Command::Leave => {
                self.roll.end(&Ending::Cancelled {
                    what: "rank 0 has ended".to_owned(),
                    hint: "see its own output".to_owned(),
                });
                self.over.get_or_insert(now + CLOSE_MAX);
            }
            Command::Pin(cpu) => {
                core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
            }
            Command::WantDetails { rank } => self.roll.want_details(rank),
            Command::Document(_)
            | Command::Snapshot { .. }
            | Command::Limits { .. }
            | Command::Details { .. } => {}
        }
        self.apply();
    }

    /// Does what the roll asks for.
    fn apply(&mut self) {
        loop {
            let outputs = self.roll.outputs();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.apply_one(output);
            }
        }
    }

    fn apply_one(&mut self, output: Output) {
        let now = clock::monotonic();
        match output {
            Output::Send(link, message) => self.send(link, &message, now),
            Output::Trust(link) => {
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.wire.trust();
                }
            }
            Output::Close(link) => {
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.wire.close(now + CLOSE_MAX);
                    if connection.wire.flush().is_err() {
                        self.connections.remove(&link);
                    }
                }
            }
            Output::Tell(Notice::Begin { pass, at }) => {
                let wall_offset = clock::realtime() as i64 - clock::monotonic() as i64;
                self.roll.announce(pass, at, wall_offset);
                self.ends.tell(Event::Begin { at, wall_offset });
            }
            Output::Tell(notice) => self.tell(notice),
        }
    }

    fn send(&mut self, link: LinkId, message: &Message, now: Nanos) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if let Err(why) = connection.wire.send(message) {
            self.lose(link, &why, now);
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.ends.tell(match notice {
            Notice::Note(text) => Event::Note(text),
            Notice::Seated { rank, host } => Event::Seated { rank, host },
            Notice::Complete => Event::There,
            Notice::Failed { what, hint } => Event::Over {
                what,
                hint,
                is_refused: false,
            },
            Notice::Lost { rank, why } => match self.on_loss {
                OnLoss::Stop => Event::Stop(Stop::Lost { rank, why }),
                OnLoss::Continue => Event::Lost { rank, why },
            },
            Notice::Interrupted { rank } => Event::Stop(Stop::Signal { rank }),
            Notice::Snapshot(figures) => Event::Snapshot(figures),
            Notice::Limits(limits) => Event::Limits(limits),
            Notice::Details(details) => Event::Details(details),
            Notice::Document { rank, document } => Event::Document { rank, document },
            Notice::Begin { .. } => return,
        });
    }
}
