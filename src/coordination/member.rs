//! The side of any rank but 0.

use super::{BEAT_EVERY, Best, Exchange, Key, Message, Offset, PROTOCOL, ProbeStep, SILENCE_MAX, Side, Stop};
use crate::units::{Nanos, format_duration};
use serde_json::Value;

/// What this rank says of itself.
#[derive(Clone, Debug)]
pub struct MemberTerms {
    pub rank: u32,
    pub ranks: u32,
    pub host: String,
    pub plan: Value,
    pub version: String,
    pub key: Key,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberOutput {
    Send(Message),
    /// Rank 0 knows the secret: its frames may be long.
    Trust,
    Tell(Heard),
}

/// What this rank's run has to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// All ranks are there.
    Joined,
    /// Rank 0 steers a probe, which is the one that it prepared last.
    Probe {
        pass: u32,
        step: ProbeStep,
    },
    /// A pass begins at this instant of our clock, which is `wall_offset` before rank 0's CLOCK_REALTIME.
    Begin {
        pass: u32,
        at: Nanos,
        wall_offset: i64,
        clock: Offset,
    },
    /// Rank 0 has taken the snapshot that was sent last.
    Taken,
    /// The requests that follow are wanted.
    WantDetails,
    Stop(Stop),
    Abort,
    Verdict {
        exit: u8,
    },
    /// Rank 0 does not take this process.
    Refused {
        what: String,
        hint: String,
    },
    /// The run does not take place, or ends without a result.
    Cancelled {
        what: String,
        hint: String,
    },
    /// Rank 0 is gone.
    Lost {
        why: String,
    },
}

/// A rank, without sockets or clocks. `now` is our CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct Member {
    terms: MemberTerms,
    binding: [u8; super::BINDING_BYTES],
    is_welcome: bool,
    heard: Nanos,
    beat_at: Nanos,
    clock: Offset,
    /// The pass and the number of the next snapshot.
    next_snapshot: (u32, u32),
    /// The probe that was prepared last.
    probe: Option<u32>,
    /// The pass that it is about to be ready for, while the clock is measured.
    measuring: Option<(u32, Best)>,
    is_over: bool,
    out: Vec<MemberOutput>,
}

impl Member {
    /// Takes the connection, whose TLS session derives `binding`, and says hello.
    pub fn new(terms: MemberTerms, binding: [u8; super::BINDING_BYTES], now: Nanos) -> Member {
        let hello = Message::Hello {
            protocol: PROTOCOL,
            version: terms.version.clone(),
            proof: terms.key.prove(Side::Rank, &binding),
        };
        Member {
            terms,
            binding,
            is_welcome: false,
            heard: now,
            beat_at: now + BEAT_EVERY,
            clock: Offset::default(),
            next_snapshot: (0, 0),
            probe: None,
            measuring: None,
            is_over: false,
            out: vec![MemberOutput::Send(hello)],
        }
    }

    /// Takes what is to be done since the last call.
    pub fn outputs(&mut self) -> Vec<MemberOutput> {
        std::mem::take(&mut self.out)
    }

    /// Takes a message.
    pub fn message(&mut self, message: Message, now: Nanos) {
        if self.is_over {
            return;
        }
        self.heard = now;
        match message {
            Message::Refused { what, hint } => self.end(Heard::Refused { what, hint }),
            Message::Welcome { proof, .. } if !self.is_welcome => self.welcome(&proof),
            // Whoever has not shown that it knows the secret gives no orders.
            _ if !self.is_welcome => self.end(Heard::Refused {
                what: "what answers there is no rank 0 of this program".to_owned(),
                hint: "check the address of --coordinate".to_owned(),
            }),
            Message::Cancelled { what, hint } => self.end(Heard::Cancelled { what, hint }),
            Message::Joined => self.tell(Heard::Joined),
            Message::Pong {
                sent,
                received,
                answered,
            } => self.pong(&Exchange {
                sent,
                received,
                answered,
                arrived: now,
            }),
            Message::Probe { pass, step } => self.probe(pass, step),
            Message::Begin {
                pass,
                at,
                wall_offset,
            } => self.tell(Heard::Begin {
                pass,
                at: self.clock.ours(at),
                wall_offset: wall_offset.saturating_add(self.clock.offset),
                clock: self.clock,
            }),
            // Taken is what was sent last: anything else is an answer that comes late.
            Message::Taken { pass, number } => {
                if number.checked_add(1).map(|next| (pass, next)) == Some(self.next_snapshot) {
                    self.tell(Heard::Taken);
                }
            }
            Message::WantDetails => self.tell(Heard::WantDetails),
            Message::Stop(why) => self.tell(Heard::Stop(why)),
            Message::Abort => self.tell(Heard::Abort),
            Message::Verdict { exit } => self.end(Heard::Verdict { exit }),
            Message::Beat => {}
            _ => self.end(Heard::Lost {
                why: "it said what only other ranks say".to_owned(),
            }),
        }
    }

    fn welcome(&mut self, proof: &str) {
        if !self.terms.key.verify(Side::Coordinator, &self.binding, proof) {
            self.end(Heard::Refused {
                what: "rank 0 does not know the secret".to_owned(),
                hint: "check the address of --coordinate: another program may answer there".to_owned(),
            });
            return;
        }
        self.is_welcome = true;
        self.out.push(MemberOutput::Trust);
        let MemberTerms {
            rank,
            ranks,
            host,
            plan,
            ..
        } = self.terms.clone();
        self.send(Message::Join {
            rank,
            ranks,
            host,
            plan,
        });
    }

    /// Takes a step of a probe. Each is prepared once, and what comes late of an earlier one is for nobody any more.
    fn probe(&mut self, pass: u32, step: ProbeStep) {
        let is_due = match step {
            ProbeStep::Prepare { .. } => self.probe.is_none_or(|last| pass > last),
            ProbeStep::StopCounting | ProbeStep::Drain => self.probe == Some(pass),
        };
        if is_due {
            self.probe = Some(pass);
            self.tell(Heard::Probe { pass, step });
        }
    }

    /// Says that this rank could begin a pass, once it has measured rank 0's clock: the setup may have taken minutes.
    pub fn ready(&mut self, pass: u32, plan: Value, now: Nanos) {
        self.terms.plan = plan;
        self.measuring = Some((pass, Best::default()));
        self.send(Message::Ping { sent: now });
    }

    fn pong(&mut self, exchange: &Exchange) {
        let Some((pass, best)) = &mut self.measuring else {
            return;
        };
        best.add(exchange);
        let Some(clock) = best.result() else {
            self.send(Message::Ping {
                sent: exchange.arrived,
            });
            return;
        };
        let pass = *pass;
        self.measuring = None;
        self.clock = clock;
        self.send(Message::Ready {
            pass,
            plan: self.terms.plan.clone(),
            error: clock.error,
        });
    }

    /// Gives rank 0 what was measured in a pass since the previous snapshot. The next one should wait for
    /// [`Heard::Taken`], so that a slow connection holds one at most; the last one of a pass need not.
    pub fn snapshot(&mut self, pass: u32, until: Nanos, is_last: bool, figures: Value) {
        let number = match self.next_snapshot {
            (same, number) if same == pass => number,
            _ => 0,
        };
        self.next_snapshot = (pass, number + 1);
        self.send(Message::Snapshot {
            pass,
            number,
            until,
            is_last,
            figures,
        });
    }

    /// Tells rank 0 why the generator of this rank may have been the limit of a probe.
    pub fn limits(&mut self, pass: u32, reasons: Value) {
        self.send(Message::Limits { pass, reasons });
    }

    /// Tells rank 0 that a signal ended the load here.
    pub fn interrupted(&mut self) {
        self.send(Message::Interrupted);
    }

    /// Gives rank 0 the result.
    pub fn document(&mut self, document: Value) {
        self.send(Message::Document { document });
    }

    /// Gives rank 0 the requests that it wants.
    pub fn details(&mut self, lines: String, is_last: bool, missing: Option<String>) {
        self.send(Message::Details {
            lines,
            is_last,
            missing,
        });
    }

    /// Tells rank 0 that there will be no result.
    pub fn leave(&mut self, why: String) {
        if self.is_welcome && !self.is_over {
            self.send(Message::Leave { why });
        }
        self.is_over = true;
    }

    /// Takes the end of the connection.
    pub fn closed(&mut self, why: &str) {
        if !self.is_over {
            self.end(Heard::Lost { why: why.to_owned() });
        }
    }

    /// Looks at the time: sends beats, and loses a silent rank 0.
    pub fn tick(&mut self, now: Nanos) {
        if self.is_over {
            return;
        }
        if now >= self.beat_at && self.is_welcome {
            self.beat_at = now + BEAT_EVERY;
            self.send(Message::Beat);
        }
        if now.saturating_sub(self.heard) > SILENCE_MAX {
            self.end(Heard::Lost {
                why: format!("nothing came from it for {}", format_duration(SILENCE_MAX)),
            });
        }
    }

    fn send(&mut self, message: Message) {
        self.out.push(MemberOutput::Send(message));
    }

    fn end(&mut self, heard: Heard) {
        self.is_over = true;
        self.tell(heard);
    }

    fn tell(&mut self, heard: Heard) {
        self.out.push(MemberOutput::Tell(heard));
    }
}
