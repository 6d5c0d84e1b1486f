//! The thread of any rank but 0: it connects, and moves messages between the connection and the member.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;

use super::wire::Wire;
use super::{CLOSE_MAX, Command, CoordinateConfig, Ends, Event, TURN, session};
use crate::coordination::{Heard, Key, Member, MemberOutput, MemberTerms, OnLoss, Stop};
use crate::error::Failure;
use crate::net::clock;
use crate::units::{MILLISECOND, Nanos, SECOND, format_duration};

/// The time between two attempts to connect.
const AGAIN_AFTER: Nanos = 200 * MILLISECOND;
/// The time that an attempt has, TLS included.
const ATTEMPT_MAX: Nanos = 5 * SECOND;

pub struct Link {
    config: CoordinateConfig,
    tls: Arc<ClientConfig>,
    terms: MemberTerms,
    ends: Ends,
    is_leaving: bool,
}

/// What became of an attempt.
enum Attempt {
    /// The thread is done.
    Over,
    /// Nobody answered, or not as rank 0 does.
    Failed(String),
}

impl Link {
    pub fn new(config: &CoordinateConfig, plan: Value, ends: Ends) -> Result<Link, Failure> {
        let host = rustix::system::uname();
        let terms = MemberTerms {
            rank: config.shard.index(),
            ranks: config.shard.count(),
            host: host.nodename().to_string_lossy().into_owned(),
            plan,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            key: Key::new(&config.secret),
        };
        Ok(Link {
            config: config.clone(),
            tls: session::client().map_err(Failure::internal)?,
            terms,
            ends,
            is_leaving: false,
        })
    }

    /// Connects, again and again until the time is over, and serves the connection.
    pub fn run(mut self) {
        let until = clock::monotonic().saturating_add(self.config.wait);
        loop {
            let why = match self.attempt() {
                Attempt::Over => return,
                Attempt::Failed(why) => why,
            };
            if clock::monotonic() >= until {
                let (at, wait) = (self.config.shown(), format_duration(self.config.wait));
                self.ends.tell(Event::Over {
                    what: format!("rank 0 at {at} could not be joined within {wait}: {why}"),
                    hint: "start rank 0 as well, check the address of --coordinate, or wait longer with \
                           --wait-for-ranks"
                        .to_owned(),
                    is_refused: false,
                });
                return;
            }
            self.pause(AGAIN_AFTER);
            if self.is_leaving {
                return;
            }
        }
    }

    /// Waits, unless the run has no more use for the thread.
    fn pause(&mut self, length: Nanos) {
        self.ends.wait(std::iter::empty(), length);
        while let Ok(command) = self.ends.commands.try_recv() {
            self.is_leaving |= matches!(command, Command::Leave);
        }
    }

    fn attempt(&mut self) -> Attempt {
        let mut wire = match self.connect() {
            Ok(wire) => wire,
            Err(why) => return Attempt::Failed(why),
        };
        let until = clock::monotonic() + ATTEMPT_MAX;
        let mut messages = Vec::new();
        let binding = loop {
            if let Some(binding) = wire.binding() {
                break binding;
            }
            if clock::monotonic() >= until {
                return Attempt::Failed("it does not speak TLS".to_owned());
            }
            self.ends.wait(std::iter::once(wire.watched()), TURN);
            if let Err(why) = wire.flush().and_then(|()| wire.read(&mut messages)) {
                return Attempt::Failed(why);
            }
        };
        let now = clock::monotonic();
        let serving = Serving {
            member: Member::new(self.terms.clone(), binding, now),
            wire,
            is_joined: false,
            is_over: false,
            on_loss: self.config.on_loss,
        };
        serving.run(&self.ends, messages)
    }

    fn connect(&self) -> Result<Wire, String> {
        let found = (self.config.host.as_str(), self.config.port).to_socket_addrs();
        let addresses: Vec<SocketAddr> = found.map_err(|e| e.to_string())?.collect();
        let mut why = "the name has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, Duration::from_nanos(ATTEMPT_MAX)) {
                Ok(socket) => {
                    let tls = session::connect(&self.tls)?;
                    return Wire::new(socket, tls).map_err(|e| e.to_string());
                }
                Err(e) => why = e.to_string(),
            }
        }
        Err(why)
    }
}

/// A connection with rank 0.
struct Serving {
    member: Member,
    wire: Wire,
    is_joined: bool,
    /// Nothing more is to be said.
    is_over: bool,
    on_loss: OnLoss,
}

impl Serving {
    fn run(mut self, ends: &Ends, first: Vec<crate::coordination::Message>) -> Attempt {
        for message in first {
            self.member.message(message, clock::monotonic());
        }
        loop {
            if let Some(failed) = self.apply(ends) {
                return failed;
            }
            if self.is_over {
                self.farewell(ends);
                return Attempt::Over;
            }
            ends.wait(std::iter::once(self.wire.watched()), TURN);
            let mut messages = Vec::new();
            let read = self.wire.flush().and_then(|()| self.wire.read(&mut messages));
            let now = clock::monotonic();
            for message in messages {
                self.member.message(message, now);
                if let Some(failed) = self.apply(ends) {
                    return failed;
                }
            }
            if let Err(why) = read {
                if !self.is_joined && !self.is_over {
                    return Attempt::Failed(why);
                }
                self.member.closed(&why);
            }
            while let Ok(command) = ends.commands.try_recv() {
                self.obey(command);
            }
            self.member.tick(clock::monotonic());
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ready { pass, plan } => self.member.ready(pass, plan, clock::monotonic()),
            Command::Snapshot {
                pass,
                until,
                is_last,
                figures,
            } => self.member.snapshot(pass, until, is_last, figures),
            Command::Limits { pass, reasons } => self.member.limits(pass, reasons),
            Command::Stop(_) => self.member.interrupted(),
            Command::Document(document) => self.member.document(document),
            Command::Details {
                lines,
                is_last,
                missing,
            } => self.member.details(lines, is_last, missing),
            Command::Leave => {
                self.member.leave("it ended".to_owned());
                self.is_over = true;
            }
            Command::Pin(cpu) => {
                core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
            }
            Command::Abort
            | Command::Probe { .. }
            | Command::End(_)
            | Command::Taken { .. }
            | Command::Unreadable { .. }
            | Command::WantDetails { .. } => {}
        }
    }

    /// Does what the member asks for.
    fn apply(&mut self, ends: &Ends) -> Option<Attempt> {
        for output in self.member.outputs() {
            match output {
                MemberOutput::Send(message) => {
                    if let Err(why) = self.wire.send(&message) {
                        if !self.is_joined {
                            return Some(Attempt::Failed(why));
                        }
                        self.member.closed(&why);
                    }
                }
                MemberOutput::Trust => self.wire.trust(),
                MemberOutput::Tell(heard) => self.tell(ends, heard),
            }
        }
        None
    }

    fn tell(&mut self, ends: &Ends, heard: Heard) {
        ends.tell(match heard {
            Heard::Joined => {
                self.is_joined = true;
                Event::There
            }
            Heard::Probe { pass, step } => Event::Probe { pass, step },
            Heard::Begin { at, wall_offset, .. } => Event::Begin { at, wall_offset },
            Heard::Taken => Event::Taken,
            Heard::WantDetails => Event::WantDetails,
            Heard::Stop(why) => Event::Stop(why),
            Heard::Abort => Event::Abort,
            Heard::Verdict { exit } => {
                self.is_over = true;
                Event::Verdict { exit }
            }
            Heard::Refused { what, hint } => {
                self.is_over = true;
                Event::Over {
                    what,
                    hint,
                    is_refused: true,
                }
            }
            Heard::Cancelled { what, hint } => {
                self.is_over = true;
                Event::Over {
                    what,
                    hint,
                    is_refused: false,
                }
            }
            Heard::Lost { why } => {
                self.is_over = true;
                match self.on_loss {
                    OnLoss::Stop => Event::Stop(Stop::Lost { rank: 0, why }),
                    OnLoss::Continue => Event::Lost { rank: 0, why },
                }
            }
        });
    }

    /// Says the last words, and waits a little until they are out.
    fn farewell(&mut self, ends: &Ends) {
        let until = clock::monotonic() + CLOSE_MAX;
        self.wire.close(until);
        while clock::monotonic() < until {
            if self.wire.flush().is_err() || self.wire.read(&mut Vec::new()).is_err() {
                return;
            }
            ends.wait(std::iter::once(self.wire.watched()), TURN);
        }
    }
}
