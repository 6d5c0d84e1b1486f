//! The door: a connection says which rank it is, or is shown out.

use super::{LinkId, Notice, Output, Phase, Roll, Seat};
use crate::coordination::{Message, PROTOCOL, Side};
use crate::units::Nanos;
use serde_json::Value;

impl Roll {
    pub(super) fn at_the_door(&mut self, link: LinkId, message: Message, now: Nanos) {
        let Some(door) = self.doors.get_mut(&link) else {
            return;
        };
        match message {
            Message::Hello {
                protocol, version, ..
            } if protocol != PROTOCOL || version != self.terms.version => {
                let what = format!(
                    "rank 0 is llmload-uring {} (protocol {PROTOCOL}), and this is {version} (protocol {protocol})",
                    self.terms.version
                );
                self.refuse(link, what, "run the same version on every host");
            }
            Message::Hello { proof, .. } if !door.is_known => {
                if !self.terms.key.verify(Side::Rank, &door.binding, &proof) {
                    let what = "its secret is not rank 0's".to_owned();
                    let hint =
                        "give every rank the same LLMLOAD_COORDINATE_SECRET or --coordinate-secret-file";
                    self.refuse(link, what, hint);
                    return;
                }
                door.is_known = true;
                let proof = self.terms.key.prove(Side::Coordinator, &door.binding);
                let version = self.terms.version.clone();
                self.out
                    .push(Output::Send(link, Message::Welcome { version, proof }));
                self.out.push(Output::Trust(link));
            }
            Message::Join {
                rank,
                ranks,
                host,
                plan,
            } if door.is_known => match self.misfit(rank, ranks, &host) {
                Some((what, hint)) => self.refuse(link, what, &hint),
                None => self.compare(link, rank, host, &plan, now),
            },
            Message::Beat if door.is_known => {}
            _ => {
                let peer = door.peer.clone();
                self.doors.remove(&link);
                self.note(format!("a connection from {peer} was no rank of this run"));
                self.out.push(Output::Close(link));
            }
        }
    }

    /// Returns why a rank cannot take part, and what to do about it.
    fn misfit(&self, rank: u32, ranks: u32, host: &str) -> Option<(String, String)> {
        let refuse = |what: String, hint: &str| Some((what, hint.to_owned()));
        if ranks != self.terms.ranks {
            let own = self.terms.ranks;
            return refuse(
                format!("rank 0 is one of {own} ranks, and this is rank {rank} of {ranks}"),
                "give all the same number of ranks",
            );
        }
        if rank == 0 || rank >= ranks {
            let what = format!(
                "rank {rank} is {}",
                if rank == 0 {
                    "there already"
                } else {
                    "none of the run's"
                }
            );
            return refuse(what, "give each process a rank of its own, from 0");
        }
        if let Some(seat) = self.seats.get(&rank) {
            let what = format!(
                "rank {rank} is there already, on {}: this one is on {host}",
                seat.host
            );
            return refuse(what, "give each process a rank of its own, from 0");
        }
        if self.lost.contains(&rank) {
            return refuse(
                format!("rank {rank} was lost before, and cannot come back"),
                "start the run again",
            );
        }
        if self.phase != Phase::Gathering {
            return refuse(
                format!("rank {rank} comes too late: the load has begun"),
                "start all ranks together, or let rank 0 wait longer (--wait-for-ranks)",
            );
        }
        None
    }

    /// Lets a rank take part, or ends the run for all: a rank with another plan leaves it without one.
    fn compare(&mut self, link: LinkId, rank: u32, host: String, plan: &Value, now: Nanos) {
        let Some(place) = (self.terms.differ)(&self.terms.plan, plan) else {
            self.seat(link, rank, host, now);
            return;
        };
        let what = format!("rank {rank} has another plan than rank 0: {place}");
        let hint = "run the same document with the same options on every host";
        self.refuse(link, what.clone(), hint);
        self.fail(what, hint);
    }

    fn seat(&mut self, link: LinkId, rank: u32, host: String, now: Nanos) {
        self.doors.remove(&link);
        self.tell(Notice::Seated {
            rank,
            host: host.clone(),
        });
        let seat = Seat {
            link,
            host,
            heard: now,
            ready: 0,
            plan: None,
            error: 0,
            next_snapshot: (0, 0),
            is_done: false,
        };
        self.seats.insert(rank, seat);
        if self.missing().is_empty() {
            self.is_complete = true;
            self.tell_all(&Message::Joined);
            self.tell(Notice::Complete);
        }
    }

    fn refuse(&mut self, link: LinkId, what: String, hint: &str) {
        if let Some(door) = self.doors.remove(&link) {
            self.note(format!("{} was refused: {what}", door.peer));
        }
        let hint = hint.to_owned();
        self.out.push(Output::Send(link, Message::Refused { what, hint }));
        self.out.push(Output::Close(link));
    }
}
