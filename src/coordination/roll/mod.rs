//! Rank 0's side of the protocol: who is there, when all begin, who was lost.

mod door;
mod probes;
mod snapshots;

pub use probes::RankLimits;
pub use snapshots::{RankDetails, RankFigures};

use super::{BEAT_EVERY, BINDING_BYTES, Key, Message, SILENCE_MAX, Stop};
use crate::units::{MILLISECOND, Nanos, SECOND, format_duration};
use serde_json::Value;
use std::collections::BTreeMap;

/// The time in which a connection has to say which rank it is.
const DOOR_MAX: Nanos = 10 * SECOND;
/// The most connections that have not said which rank they are.
const DOORS_MAX: usize = 256;
/// The least time from the decision to begin until all begin: the message has to arrive.
const LEAD_MIN: Nanos = 500 * MILLISECOND;

/// A connection, by a number that the caller gives it and never again.
pub type LinkId = u64;

/// What happens when a rank is lost during the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    Stop,
    Continue,
}

/// What rank 0 has to know of the run.
#[derive(Clone, Debug)]
pub struct RollTerms {
    pub ranks: u32,
    /// The plan, which has to be that of every rank.
    pub plan: Value,
    pub version: String,
    pub key: Key,
    pub on_loss: OnLoss,
    /// Says where two plans differ; `None` if they do not.
    pub differ: fn(&Value, &Value) -> Option<String>,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Send(LinkId, Message),
    /// Its frames may be long from now on.
    Trust(LinkId),
    /// Close the connection when all that was sent before is out.
    Close(LinkId),
    Tell(Notice),
}

/// What rank 0's run has to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A line for standard error.
    Note(String),
    /// A rank takes part.
    Seated {
        rank: u32,
        host: String,
    },
    /// All ranks are there.
    Complete,
    /// A pass begins at this instant of our clock.
    Begin {
        pass: u32,
        at: Nanos,
    },
    /// The load cannot begin.
    Failed {
        what: String,
        hint: String,
    },
    /// A rank was lost during the load.
    Lost {
        rank: u32,
        why: String,
    },
    /// A rank got a signal: all stop.
    Interrupted {
        rank: u32,
    },
    /// A rank gives figures, and waits for [`Roll::taken`].
    Snapshot(RankFigures),
    /// The generator of a rank may have been the limit of a probe.
    Limits(RankLimits),
    Document {
        rank: u32,
        document: Value,
    },
    /// A rank gives requests that were wanted.
    Details(RankDetails),
}

#[derive(Clone, Debug)]
struct Door {
    peer: String,
    binding: [u8; BINDING_BYTES],
    since: Nanos,
    is_known: bool,
}

#[derive(Clone, Debug)]
struct Seat {
    link: LinkId,
    host: String,
    heard: Nanos,
    /// The passes that it could begin so far.
    ready: u32,
    /// The plan with which it is ready, until it has been compared.
    plan: Option<Value>,
    /// How far its clock may be off.
    error: Nanos,
    /// The pass and the number of its next snapshot.
    next_snapshot: (u32, u32),
    is_done: bool,
}

/// How the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Gathering,
    /// This many passes have begun.
    Begun(u32),
    Over,
}

/// How a run ends for the other ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Verdict(u8),
    Cancelled { what: String, hint: String },
}

/// The roll: a state machine without sockets or clocks. `now` is our CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct Roll {
    terms: RollTerms,
    doors: BTreeMap<LinkId, Door>,
    /// By rank.
    seats: BTreeMap<u32, Seat>,
    /// Ranks that were there and are not any more.
    lost: Vec<u32>,
    phase: Phase,
    /// All ranks were there at one time.
    is_complete: bool,
    /// The passes that rank 0 itself could begin so far.
    ready: u32,
    beat_at: Nanos,
    is_stopping: bool,
    out: Vec<Output>,
}

impl Roll {
    pub fn new(terms: RollTerms, now: Nanos) -> Roll {
        // Then there is nobody to wait for.
        let is_alone = terms.ranks <= 1;
        let out = match is_alone {
            true => vec![Output::Tell(Notice::Complete)],
            false => Vec::new(),
        };
        Roll {
            terms,
            doors: BTreeMap::new(),
            seats: BTreeMap::new(),
            lost: Vec::new(),
            phase: Phase::Gathering,
            is_complete: is_alone,
            ready: 0,
            beat_at: now,
            is_stopping: false,
            out,
        }
    }

    /// Takes what is to be done since the last call.
    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Returns the ranks that are not there and never were, or were lost.
    pub fn missing(&self) -> Vec<u32> {
        (1..self.terms.ranks)
            .filter(|rank| !self.seats.contains_key(rank))
            .collect()
    }

    /// Returns the ranks that have not given their result and still could.
    pub fn outstanding(&self) -> Vec<u32> {
        let open = self.seats.iter().filter(|(_, seat)| !seat.is_done);
        open.map(|(rank, _)| *rank).collect()
    }

    /// Takes a connection whose TLS session is there, with the bytes that it derives.
    pub fn connected(&mut self, link: LinkId, peer: String, binding: [u8; BINDING_BYTES], now: Nanos) {
        if self.doors.len() >= DOORS_MAX {
            self.out.push(Output::Close(link));
            return;
        }
        let door = Door {
            peer,
            binding,
            since: now,
            is_known: false,
        };
        self.doors.insert(link, door);
    }

    /// Takes a message.
    pub fn message(&mut self, link: LinkId, message: Message, now: Nanos) {
        if self.doors.contains_key(&link) {
            self.at_the_door(link, message, now);
            return;
        }
        let Some((rank, seat)) = self.seats.iter_mut().find(|(_, seat)| seat.link == link) else {
            return;
        };
        let rank = *rank;
        seat.heard = now;
        match message {
            Message::Beat => {}
            Message::Ping { sent } => self.out.push(Output::Send(
                link,
                Message::Pong {
                    sent,
                    received: now,
                    answered: now,
                },
            )),
            Message::Ready { pass, plan, error } => self.rank_ready(rank, pass, plan, error, now),
            Message::Snapshot {
                pass,
                number,
                until,
                is_last,
                figures,
            } => {
                let figures = RankFigures {
                    rank,
                    pass,
                    until,
                    is_last,
                    figures,
                };
                self.take_snapshot(number, figures);
            }
            Message::Limits { pass, reasons } => {
                self.tell(Notice::Limits(RankLimits { rank, pass, reasons }))
            }
            Message::Interrupted => self.interrupted(rank),
            Message::Document { document } => {
                seat.is_done = true;
                self.tell(Notice::Document { rank, document });
            }
            Message::Details {
                lines,
                is_last,
                missing,
            } => self.take_details(RankDetails {
                rank,
                lines,
                is_last,
                missing,
            }),
            Message::Leave { why } => self.lose(rank, why),
            _ => self.lose(rank, "it said what only rank 0 says".to_owned()),
        }
    }

    fn rank_ready(&mut self, rank: u32, pass: u32, plan: Value, error: Nanos, now: Nanos) {
        if let Some(seat) = self.seats.get_mut(&rank) {
            seat.ready = seat.ready.max(pass.saturating_add(1));
            seat.plan = Some(plan);
            seat.error = error;
        }
        self.begin_if_ready(now);
    }

    /// Says that rank 0 itself could begin a pass, with its final plan.
    pub fn ready(&mut self, pass: u32, plan: Value, now: Nanos) {
        self.terms.plan = plan;
        self.ready = pass + 1;
        self.begin_if_ready(now);
    }

    fn begin_if_ready(&mut self, now: Nanos) {
        let begun = match self.phase {
            // Whoever waits for a further pass hears that there is none.
            _ if self.is_stopping => return,
            Phase::Gathering if self.missing().is_empty() => 0,
            Phase::Begun(passes) => passes,
            _ => return,
        };
        let mut open = self.seats.values().filter(|seat| !seat.is_done);
        if self.ready <= begun || open.any(|seat| seat.ready <= begun) {
            return;
        }
        if let Some((rank, place)) = self.other_plan() {
            self.fail(
                format!("rank {rank} has found another plan than rank 0: {place}"),
                "load the same server from every host, or say what differs (for example `--model`)",
            );
            return;
        }
        let slowest = self.seats.values().map(|seat| seat.error).max().unwrap_or(0);
        // The error is half a round trip. Whoever needs longer than that for one is lost, whatever it says.
        let at = now + LEAD_MIN.max(4 * slowest.min(SILENCE_MAX));
        self.phase = Phase::Begun(begun + 1);
        self.tell(Notice::Begin { pass: begun, at });
    }

    /// Returns a rank whose final plan is not that of rank 0, and where they differ.
    fn other_plan(&mut self) -> Option<(u32, String)> {
        self.seats.iter_mut().find_map(|(rank, seat)| {
            let plan = seat.plan.take()?;
            Some((*rank, (self.terms.differ)(&self.terms.plan, &plan)?))
        })
    }

    /// Tells the ranks when a pass begins. `wall_offset` is our CLOCK_REALTIME minus our CLOCK_MONOTONIC.
    pub fn announce(&mut self, pass: u32, at: Nanos, wall_offset: i64) {
        self.tell_all(&Message::Begin {
            pass,
            at,
            wall_offset,
        });
    }

    fn interrupted(&mut self, rank: u32) {
        if self.phase == Phase::Gathering {
            self.lose(rank, "it was interrupted before the load".to_owned());
            return;
        }
        self.tell(Notice::Interrupted { rank });
        self.stop(&Stop::Signal { rank });
    }

    /// Takes the end of a connection.
    pub fn closed(&mut self, link: LinkId, why: &str, _now: Nanos) {
        if let Some(door) = self.doors.remove(&link) {
            self.note(format!(
                "a connection from {} ended before it was a rank: {why}",
                door.peer
            ));
            return;
        }
        let seat = self.seats.iter().find(|(_, seat)| seat.link == link);
        if let Some((rank, _)) = seat.filter(|(_, seat)| !seat.is_done) {
            let rank = *rank;
            self.lose(rank, why.to_owned());
        }
    }

    /// Looks at the time: sends beats, and loses those that are silent.
    pub fn tick(&mut self, now: Nanos) {
        // The rank that was waited for may be gone, or have given its result.
        self.begin_if_ready(now);
        if now >= self.beat_at {
            self.beat_at = now + BEAT_EVERY;
            self.tell_all(&Message::Beat);
        }
        let late = |since: Nanos, limit: Nanos| now.saturating_sub(since) > limit;
        let doors = self.doors.iter().filter(|(_, door)| late(door.since, DOOR_MAX));
        for link in doors.map(|(link, _)| *link).collect::<Vec<_>>() {
            let peer = self.doors.remove(&link).map_or(String::new(), |door| door.peer);
            self.note(format!("a connection from {peer} did not say which rank it is"));
            self.out.push(Output::Close(link));
        }
        let open = self.seats.iter().filter(|(_, seat)| !seat.is_done);
        let silent = open.filter(|(_, seat)| late(seat.heard, SILENCE_MAX));
        for rank in silent.map(|(rank, _)| *rank).collect::<Vec<_>>() {
            self.lose(
                rank,
                format!("nothing came from it for {}", format_duration(SILENCE_MAX)),
            );
        }
    }

    fn lose(&mut self, rank: u32, why: String) {
        let Some(seat) = self.seats.remove(&rank) else {
            return;
        };
        self.out.push(Output::Close(seat.link));
        if self.phase == Phase::Gathering && !self.is_complete {
            // It may come back, as a process that is started again does.
            self.note(format!("rank {rank} on {} is gone: {why}", seat.host));
            return;
        }
        self.lost.push(rank);
        match self.phase {
            Phase::Over => {}
            Phase::Gathering => self.fail(
                format!(
                    "rank {rank} on {} was lost before the load began: {why}",
                    seat.host
                ),
                "see its own output, and start the run again",
            ),
            Phase::Begun(_) => {
                self.tell(Notice::Lost {
                    rank,
                    why: why.clone(),
                });
                if self.terms.on_loss == OnLoss::Stop {
                    self.stop(&Stop::Lost { rank, why });
                }
            }
        }
    }

    /// Ends everything before the load.
    fn fail(&mut self, what: String, hint: &str) {
        if self.phase == Phase::Over {
            return;
        }
        let hint = hint.to_owned();
        self.tell(Notice::Failed {
            what: what.clone(),
            hint: hint.clone(),
        });
        self.end(&Ending::Cancelled { what, hint });
    }

    /// Tells all to end their load, once.
    pub fn stop(&mut self, why: &Stop) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            self.tell_all(&Message::Stop(why.clone()));
        }
    }

    /// Tells all to end at once.
    pub fn abort(&mut self) {
        self.tell_all(&Message::Abort);
    }

    /// Ends the run for all, whatever they do.
    pub fn end(&mut self, ending: &Ending) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        self.tell_all(&match ending {
            Ending::Verdict(exit) => Message::Verdict { exit: *exit },
            Ending::Cancelled { what, hint } => Message::Cancelled {
                what: what.clone(),
                hint: hint.clone(),
            },
        });
        let links = self.seats.values().map(|seat| seat.link);
        let closed = links.chain(self.doors.keys().copied()).map(Output::Close);
        self.out.extend(closed);
        self.doors.clear();
    }

    fn tell_all(&mut self, message: &Message) {
        let links = self.seats.values().map(|seat| seat.link);
        self.out
            .extend(links.map(|link| Output::Send(link, message.clone())));
    }

    fn note(&mut self, text: String) {
        self.tell(Notice::Note(text));
    }

    fn tell(&mut self, notice: Notice) {
        self.out.push(Output::Tell(notice));
    }
}
