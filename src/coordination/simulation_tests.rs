//! The protocol under simulated faults: true time, clocks that are seconds apart, messages that take their time, ranks
//! that die, lie and come too late.

use super::*;
use crate::units::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod figures;
mod losses;
mod probes;
mod strangers;

const SECRET: &str = "a secret of sixteen bytes";
const RANKS: u32 = 4;
/// Where the true time of a simulation begins, so that clocks can be behind it.
const START: Nanos = 100 * SECOND;

fn differ(ours: &Value, theirs: &Value) -> Option<String> {
    (ours != theirs).then(|| format!("{ours} and {theirs}"))
}

fn key(secret: &str) -> Key {
    Key::new(&Secret::from(secret))
}

fn member_terms(rank: u32) -> MemberTerms {
    MemberTerms {
        rank,
        ranks: RANKS,
        host: format!("host{rank}"),
        plan: json!({ "vus": 4 }),
        version: "1".into(),
        key: key(SECRET),
    }
}

/// Something on its way.
enum Way {
    ToRoll(Message),
    ToMember(Message),
    /// The end of a connection, seen by rank 0 or by the other side.
    ClosedToRoll,
    ClosedToMember,
}

struct Peer {
    member: Member,
    /// Its clock minus the true time.
    ahead: i64,
    there: Nanos,
    back: Nanos,
    /// It sends nothing any more; its connection is still there.
    is_mute: bool,
    heard: Vec<(Nanos, Heard)>,
}

struct Simulation {
    now: Nanos,
    roll: Roll,
    peers: BTreeMap<LinkId, Peer>,
    gone: Vec<LinkId>,
    ways: Vec<(Nanos, LinkId, Way)>,
    notices: Vec<(Nanos, Notice)>,
}

impl Simulation {
    fn new(on_loss: OnLoss) -> Simulation {
        let terms = RollTerms {
            ranks: RANKS,
            plan: json!({ "vus": 4 }),
            version: "1".into(),
            key: key(SECRET),
            on_loss,
            differ,
        };
        Simulation {
            now: START,
            roll: Roll::new(terms, START),
            peers: BTreeMap::new(),
            gone: Vec::new(),
            ways: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// All ranks, with clocks and ways of their own.
    fn of_all(on_loss: OnLoss) -> Simulation {
        let mut simulation = Simulation::new(on_loss);
        for rank in 1..RANKS {
            simulation.connect(u64::from(rank), member_terms(rank));
        }
        simulation
    }

    fn connect(&mut self, link: LinkId, terms: MemberTerms) {
        let ahead = [0, 3_000_000_000, -7_000_000_321, 1_500][link as usize % 4];
        let binding = [link as u8; BINDING_BYTES];
        let local = self.now.strict_add_signed(ahead);
        let peer = Peer {
            member: Member::new(terms, binding, local),
            ahead,
            there: (1 + link % 5 * 7) * MILLISECOND,
            back: (1 + link % 3 * 11) * MILLISECOND,
            is_mute: false,
            heard: Vec::new(),
        };
        self.roll
            .connected(link, format!("10.0.0.{link}:5"), binding, self.now);
        self.peers.insert(link, peer);
        self.drain();
    }

    /// Sends a message as rank 0's side of a link sees it, whoever wrote it.
    fn forge(&mut self, link: LinkId, message: Message) {
        self.roll.message(link, message, self.now);
        self.drain();
    }

    fn kill(&mut self, link: LinkId) {
        self.gone.push(link);
        self.ways.push((self.now, link, Way::ClosedToRoll));
    }

    fn drain(&mut self) {
        for output in self.roll.outputs() {
            match output {
                Output::Send(link, message) => {
                    let back = self.peers.get(&link).map_or(0, |peer| peer.back);
                    self.ways.push((self.now + back, link, Way::ToMember(message)));
                }
                Output::Close(link) => {
                    let back = self.peers.get(&link).map_or(0, |peer| peer.back);
                    self.ways.push((self.now + back, link, Way::ClosedToMember));
                }
                Output::Trust(_) => {}
                Output::Tell(Notice::Begin { pass, at }) => {
                    self.notices.push((self.now, Notice::Begin { pass, at }));
                    self.roll.announce(pass, at, 42);
                }
                Output::Tell(notice) => self.notices.push((self.now, notice)),
            }
        }
        let more = self.roll.outputs();
        for output in more {
            if let Output::Send(link, message) = output {
                let back = self.peers.get(&link).map_or(0, |peer| peer.back);
                self.ways.push((self.now + back, link, Way::ToMember(message)));
            }
        }
        for (link, peer) in &mut self.peers {
            for output in peer.member.outputs() {
                match output {
                    MemberOutput::Send(message) if !peer.is_mute && !self.gone.contains(link) => {
                        self.ways
                            .push((self.now + peer.there, *link, Way::ToRoll(message)));
                    }
                    MemberOutput::Tell(heard) => peer.heard.push((self.now, heard)),
                    MemberOutput::Send(_) | MemberOutput::Trust => {}
                }
            }
        }
    }

    /// Lets time pass, in steps of a millisecond.
    fn run(&mut self, length: Nanos) {
        let end = self.now + length;
        while self.now < end {
            self.now += MILLISECOND;
            let now = self.now;
            // In the order in which they were sent, as TCP has it.
            let (due, later) = std::mem::take(&mut self.ways)
                .into_iter()
                .partition(|(at, ..)| *at <= now);
            self.ways = later;
            let due: Vec<(Nanos, LinkId, Way)> = due;
            for (_, link, way) in due {
                let local = self
                    .peers
                    .get(&link)
                    .map(|peer| now.strict_add_signed(peer.ahead));
                match (way, self.peers.get_mut(&link)) {
                    (Way::ToRoll(message), _) => self.roll.message(link, message, now),
                    (Way::ClosedToRoll, _) => self.roll.closed(link, "connection reset", now),
                    (_, Some(_)) if self.gone.contains(&link) => {}
                    (Way::ToMember(message), Some(peer)) => {
                        peer.member.message(message, local.unwrap_or(now))
                    }
                    (Way::ClosedToMember, Some(peer)) => peer.member.closed("closed"),
                    (_, None) => {}
                }
                self.drain();
            }
            self.roll.tick(now);
            for peer in self.peers.values_mut() {
                peer.member.tick(now.strict_add_signed(peer.ahead));
            }
            self.drain();
        }
    }

    fn ready(&mut self, link: LinkId, pass: u32) {
        let now = self.now;
        let peer = self.peers.get_mut(&link).unwrap();
        peer.member
            .ready(pass, json!({ "vus": 4 }), now.strict_add_signed(peer.ahead));
        self.drain();
    }

    fn all_ready(&mut self, pass: u32) {
        for link in self.peers.keys().copied().collect::<Vec<_>>() {
            self.ready(link, pass);
        }
        self.roll.ready(pass, json!({ "vus": 4 }), self.now);
        self.drain();
    }

    fn told(&self, wanted: fn(&Notice) -> bool) -> Vec<&Notice> {
        let all = self.notices.iter().map(|(_, notice)| notice);
        all.filter(|notice| wanted(notice)).collect()
    }

    fn heard(&self, link: LinkId) -> Vec<&Heard> {
        self.peers[&link].heard.iter().map(|(_, heard)| heard).collect()
    }

    fn refusal(&self, link: LinkId) -> &str {
        let heard = self.heard(link);
        match heard.as_slice() {
            [Heard::Refused { what, hint }] if !hint.is_empty() => what,
            other => panic!("not refused: {other:?}"),
        }
    }
}

fn is_begin(notice: &Notice) -> bool {
    matches!(notice, Notice::Begin { .. })
}

fn is_lost(notice: &Notice) -> bool {
    matches!(notice, Notice::Lost { .. })
}

fn is_failed(notice: &Notice) -> bool {
    matches!(notice, Notice::Failed { .. })
}
