//! Any rank of a search but rank 0: it makes its part of every load that rank 0 asks for, and ends with its exit code.

use std::time::Duration;

use crossbeam_channel::select;
use serde_json::Value;

use super::asked::Asked;
use super::order::Order;
use super::part_of;
use super::probe::{self, Around, Stop, With};
use crate::coordination::ProbeStep;
use crate::coordinator::Event;
use crate::error::{ExitCode, Failure, Reason};
use crate::limit::ProbeRules;
use crate::run::ranks::{Ranks, Reaction};
use crate::run::{Finished, Ready};
use crate::signals::Signals;
use crate::units::Nanos;

/// The time between two looks at the server while nothing is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// This rank's part of a search.
pub struct Member<'a> {
    pub asked: &'a Asked,
    pub ranks: &'a Ranks,
    pub ready: Ready,
    pub signals: &'a Signals,
    pub quiet: bool,
    /// A line is printed for each probe.
    pub lines: bool,
    /// The probes so far, and the requests of this rank in them.
    pub probes: usize,
    pub requests: u64,
}

/// Why nothing more is to be done.
enum Over {
    /// Rank 0 has said so, with the exit code of the search.
    Verdict(u8),
    Interrupted,
}

impl Member<'_> {
    /// Does what rank 0 asks for until the search is over.
    pub fn take_part(mut self, say: &mut dyn FnMut(&str)) -> Result<Finished, Failure> {
        let over = self.serve(say);
        let mut errors = Vec::new();
        match &over {
            Ok(Over::Verdict(_)) => self.ready.managed.stop(&mut errors),
            Ok(Over::Interrupted) | Err(_) => self.ready.managed.kill(),
        }
        let exit = match over? {
            Over::Verdict(exit) => ExitCode::from_code(exit).unwrap_or(ExitCode::Internal),
            Over::Interrupted => ExitCode::Interrupted,
        };
        let exits = errors.iter().map(|failure| failure.exit);
        let exit = ExitCode::combine(&exits.chain([exit]).collect::<Vec<_>>());
        let (rank, all) = (self.ranks.rank(), self.ranks.config.shard.count());
        let summary = format!(
            "rank {rank} of {all}: {} requests in {} probes; rank 0 has the answer\n",
            self.requests, self.probes
        );
        Ok(Finished {
            exit,
            summary: if self.quiet { String::new() } else { summary },
            standard_output_taken: false,
            errors,
            linger: None,
        })
    }

    fn serve(&mut self, say: &mut dyn FnMut(&str)) -> Result<Over, Failure> {
        let (events, signals) = (self.ranks.events().clone(), self.signals.received.clone());
        let mut signalled = 0;
        loop {
            select! {
                recv(events) -> event => {
                    let event = event.map_err(|_| Failure::internal("the thread of the ranks has ended"))?;
                    if let Some(over) = self.hear(event, say)? {
                        return Ok(over);
                    }
                }
                recv(signals) -> _ => {
                    signalled += 1;
                    if signalled > 1 {
                        return Ok(Over::Interrupted);
                    }
                    say("stopping: rank 0 ends the search; Ctrl-C again does not wait for it");
                    self.ranks.interrupted();
                }
                default(LOOK_EVERY) => self.ready.managed.check()?,
            }
        }
    }

    fn hear(&mut self, event: Event, say: &mut dyn FnMut(&str)) -> Result<Option<Over>, Failure> {
        match self.ranks.take(event) {
            Reaction::Probe {
                pass,
                step: ProbeStep::Prepare { load },
            } => return self.probe(pass, load, say),
            Reaction::Over(failure) => return Err(failure),
            Reaction::Abort => return Ok(Some(Over::Interrupted)),
            Reaction::Say(text) if !self.ranks.lost().contains_key(&0) => say(&text),
            // Rank 0 gives the verdict, as soon as it has written the answer.
            Reaction::Stop(why) => say(&format!("stopping: {why}")),
            _ => {}
        }
        if let Some(why) = self.ranks.lost().get(&0) {
            return Err(probe::first_lost(why));
        }
        Ok(self.ranks.verdict().map(Over::Verdict))
    }

    /// Makes this rank's part of a load.
    fn probe(&mut self, pass: u32, load: Value, say: &mut dyn FnMut(&str)) -> Result<Option<Over>, Failure> {
        let order = Order::read(load, self.asked).map_err(|why| {
            let reason = Reason::new(format!("rank 0 asks for what this rank cannot do: {why}"));
            Failure::new(
                ExitCode::RankLost,
                reason.hint("start all ranks with the same program"),
            )
        })?;
        let plan = part_of(&order, self.asked, &mut self.ready)?;
        self.ready.loads = pass;
        let around = Around {
            slos: &[],
            rules: ProbeRules {
                min: 0,
                max: 0,
                error: 1.0,
            },
            settle: order.settle,
            until: Nanos::MAX,
            signals: self.signals,
            label: None,
            with: Some(With {
                ranks: self.ranks,
                config: &self.asked.config,
                lost: order.lost(),
            }),
        };
        let ran = probe::run(&plan, &around, &mut self.ready, say)?;
        self.requests += ran.own_requests();
        if let Some(label) = order.label(self.asked.range.over) {
            self.probes += 1;
            if self.lines {
                let (rank, all) = (self.ranks.rank(), self.ranks.config.shard.count());
                say(&format!(
                    "{label}: {} requests of rank {rank} of {all}",
                    ran.own_requests()
                ));
            }
        }
        match ran.stop {
            Some(Stop::Signal { at_once: true }) => Ok(Some(Over::Interrupted)),
            // Rank 0 has heard of it, and gives the verdict.
            None | Some(Stop::Signal { at_once: false }) => Ok(self.ranks.verdict().map(Over::Verdict)),
            Some(Stop::Rank(failure)) => match self.ranks.lost().contains_key(&0) {
                true => Err(failure),
                false => Ok(self.ranks.verdict().map(Over::Verdict)),
            },
            Some(Stop::Server(failure) | Stop::Apart(failure) | Stop::Failure(failure)) => Err(failure),
        }
    }
}
