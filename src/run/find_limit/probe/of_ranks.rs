//! What a probe does in a search of several ranks: all begin together and give rank 0 their figures, and rank 0 says
//! when requests are not counted any more and when no new ones start.

use crossbeam_channel::never;

use super::super::finish::Before;
use super::super::seen::Seen;
use super::{Probe, Stop};
use crate::config::Config;
use crate::coordination::{self, ProbeStep, RankLimits};
use crate::coordinator::{self, Event};
use crate::engine::Command;
use crate::error::{ExitCode, Failure, Reason};
use crate::metrics::RankSnapshot;
use crate::net::clock;
use crate::result::LimitReason;
use crate::run::Ready;
use crate::run::exchange::Exchange;
use crate::run::ranks::{Beginning, Ranks, Reaction, lost};
use crate::signals::Phase as SignalPhase;
use crate::units::Nanos;

/// The other ranks of a probe, as its search knows them.
#[derive(Clone, Copy)]
pub struct With<'a> {
    pub ranks: &'a Ranks,
    pub config: &'a Config,
    /// The ranks that had been lost when the load was divided.
    pub lost: &'a [u32],
}

/// The other ranks while the load goes on.
pub struct Team<'a> {
    with: With<'a>,
    pass: u32,
    pub exchange: Exchange<'a>,
    /// Nothing more is heard of them.
    is_deaf: bool,
}

impl<'a> Probe<'a> {
    /// Begins with all other ranks. Returns false if the load has ended for all before that, or was interrupted here.
    pub(super) fn begin_with(
        &mut self,
        with: &With<'a>,
        pass: u32,
        ready: &mut Ready,
        say: &mut dyn FnMut(&str),
    ) -> Result<bool, Failure> {
        let ranks = with.ranks;
        let signals = self.around.signals;
        let prepared = clock::monotonic();
        match ranks.begin((with.config, self.plan), pass, ready, signals, say) {
            Ok(Beginning::Together { wall_offset, .. }) => self.engine.wall_offset = wall_offset,
            Ok(Beginning::Ended) => {
                self.ran.stop = Some(match ranks.ended() {
                    Some(why) => stop_of(&why),
                    None => {
                        let _ = signals.received.try_recv();
                        ranks.interrupted();
                        Stop::Signal { at_once: false }
                    }
                });
                return Ok(false);
            }
            Err(failure) if pass == 0 => return Err(failure),
            Err(failure) => {
                self.ran.stop = Some(Stop::Apart(failure));
                return Ok(false);
            }
        }
        if pass == 0 {
            self.ran.waited = clock::monotonic() - prepared;
            signals.enter(SignalPhase::Load);
        }
        let unsent = RankSnapshot::new(self.engine.cores(), 2 * self.kinds, false);
        self.heard = ranks.events().clone();
        self.team = Some(Team {
            with: *with,
            pass,
            exchange: Exchange::new(ranks, pass, unsent),
            is_deaf: false,
        });
        self.before = Before::now(ready);
        Ok(true)
    }

    /// Returns whether the probe goes on at other ranks, whose figures rank 0 waits for.
    pub(super) fn waits_for_ranks(&self) -> bool {
        let is_waiting = |team: &Team<'_>| !team.is_deaf && team.exchange.is_waiting();
        self.signals < 2 && self.team.as_ref().is_some_and(is_waiting)
    }

    /// Takes what is heard of another rank; `None` if nothing more will be.
    pub(super) fn hear(&mut self, event: Option<Event>, say: &mut dyn FnMut(&str)) {
        let Some(team) = &mut self.team else {
            return;
        };
        let Some(event) = event else {
            self.heard = never();
            team.is_deaf = true;
            return;
        };
        let (ranks, pass) = (team.with.ranks, team.pass);
        match ranks.take(event) {
            // That rank 0 was lost is an error of this rank.
            Reaction::Say(text) if !ranks.lost().contains_key(&0) => say(&text),
            Reaction::Stop(why) => {
                say(&match ranks.is_first() {
                    true => format!("stopping: {why}; the answer is what is known so far"),
                    false => format!("stopping: {why}"),
                });
                self.stop_for(stop_of(&why));
            }
            Reaction::Over(failure) => {
                team.is_deaf = true;
                self.stop_for(Stop::Apart(failure));
            }
            Reaction::Abort => {
                say("stopping at once: another rank was interrupted twice");
                self.signals = self.signals.max(2);
                self.ran.stop = Some(Stop::Signal { at_once: true });
                self.abort();
            }
            Reaction::Probe { pass: of, step } if of == pass => self.take_step(&step),
            Reaction::Snapshot(part) => {
                let seen = &mut self.ran.seen;
                team.exchange.receive(part, &mut into(seen));
            }
            Reaction::Limits(limits) if limits.pass == pass => self.take_limits(limits),
            Reaction::Taken => team.exchange.taken(),
            Reaction::Nothing
            | Reaction::Say(_)
            | Reaction::There
            | Reaction::Begin { .. }
            | Reaction::Probe { .. }
            | Reaction::Limits(_)
            | Reaction::WantDetails
            | Reaction::Details(_) => {}
        }
        self.look_for_losses(say);
        self.close_seconds_of_whole();
    }

    /// Does what rank 0 says.
    fn take_step(&mut self, step: &ProbeStep) {
        match step {
            ProbeStep::StopCounting => self.engine.send(Command::StopCounting),
            ProbeStep::Drain => self.drain(),
            ProbeStep::Prepare { .. } => {}
        }
    }

    fn stop_for(&mut self, why: Stop) {
        if self.ran.stop.is_none() {
            self.ran.stop = Some(why);
            self.drain();
        }
    }

    /// Ends a probe in which a rank was lost: its load is less than it should be.
    pub(super) fn look_for_losses(&mut self, say: &mut dyn FnMut(&str)) {
        let Some(team) = &mut self.team else {
            return;
        };
        team.exchange.lose();
        let With {
            ranks, lost: before, ..
        } = team.with;
        let all = ranks.lost();
        let new: Vec<u32> = all
            .keys()
            .filter(|rank| !before.contains(rank))
            .copied()
            .collect();
        if new == self.ran.lost {
            return;
        }
        self.ran.lost = new;
        if !ranks.is_first() {
            // Without rank 0 nobody chooses the next load.
            if let Some(why) = all.get(&0) {
                self.stop_for(Stop::Rank(first_lost(why)));
            }
        } else {
            // Before the first probe there is nothing to try again.
            if self.ran.stop.is_none() && !self.around.slos.is_empty() {
                say("the load was less than it should have been: it is tried again without that rank");
            }
            self.drain();
        }
    }

    /// Tells the others of a signal here.
    pub(super) fn tell_of_signal(&self) {
        if let Some(team) = &self.team {
            match self.signals {
                1 => team.with.ranks.interrupted(),
                _ => team.with.ranks.ask(coordinator::Command::Abort),
            }
        }
    }

    /// Asks all other ranks to take a step (rank 0).
    pub(super) fn ask_all(&self, step: ProbeStep) {
        if let Some(team) = self.team.as_ref().filter(|team| team.with.ranks.is_first()) {
            let pass = team.pass;
            team.with.ranks.ask(coordinator::Command::Probe { pass, step });
        }
    }

    /// Gives rank 0 the figures of this rank up to `elapsed`, and names ranks that are behind with theirs.
    pub(super) fn hand_out_second(&mut self, elapsed: Nanos, say: &mut dyn FnMut(&str)) {
        if !self.is_over {
            self.hand_out(elapsed, false);
        }
        let behind = self
            .team
            .iter_mut()
            .flat_map(|team| team.exchange.behind(elapsed));
        for name in behind {
            say(&format!(
                "{name} is behind with its figures: those of the whole wait for it"
            ));
        }
    }

    /// Gives rank 0 the last figures of this rank, and before them why its generator may have been the limit.
    pub(super) fn hand_out_last(&mut self, took: Nanos) {
        if let Some(team) = &self.team
            && !team.with.ranks.is_first()
            && !self.ran.limits.is_empty()
        {
            let pass = team.pass;
            let reasons = serde_json::to_value(&self.ran.limits).unwrap_or_default();
            team.with
                .ranks
                .ask(coordinator::Command::Limits { pass, reasons });
        }
        self.hand_out(took, true);
    }

    fn hand_out(&mut self, until: Nanos, is_last: bool) {
        let seen = &mut self.ran.seen;
        if let Some(team) = &mut self.team {
            team.exchange.hand_out(until, is_last, &mut into(seen));
        }
        self.close_seconds_of_whole();
    }

    /// Closes the seconds of which there are figures of every rank, and hands out what waited for that.
    fn close_seconds_of_whole(&mut self) {
        loop {
            while let Some(elapsed) = self.team.as_mut().and_then(|team| team.exchange.close()) {
                self.close_second(elapsed);
            }
            let seen = &mut self.ran.seen;
            let is_more = self
                .team
                .as_mut()
                .is_some_and(|team| team.exchange.flush(&mut into(seen)));
            if !is_more {
                return;
            }
        }
    }

    fn take_limits(&mut self, limits: RankLimits) {
        let Some(team) = &self.team else {
            return;
        };
        let (ranks, rank) = (team.with.ranks, limits.rank);
        match serde_json::from_value::<Vec<LimitReason>>(limits.reasons) {
            Ok(reasons) => {
                let name = ranks.name(rank);
                self.ran
                    .limits
                    .extend(reasons.into_iter().map(|reason| LimitReason {
                        found: format!("{name}: {}", reason.found),
                        ..reason
                    }));
            }
            Err(e) => ranks.ask(coordinator::Command::Unreadable {
                rank,
                why: e.to_string(),
            }),
        }
    }
}

/// Returns what adds the figures of each rank to those of the whole.
fn into(seen: &mut Seen) -> impl FnMut(u32, &RankSnapshot) {
    move |_, snapshot| seen.append(&snapshot.all().series, &snapshot.all().failures)
}

/// Returns the failure of a search that has no rank 0 any more.
pub fn first_lost(why: &str) -> Failure {
    let hint = "see the output of rank 0, which had all that was known, and start the search again";
    let what = format!("rank 0 was lost: {why}");
    Failure::new(ExitCode::RankLost, Reason::new(what).hint(hint))
}

/// Returns why a search ends for which the load has ended at all ranks.
pub fn stop_of(why: &coordination::Stop) -> Stop {
    match why {
        coordination::Stop::Signal { .. } => Stop::Signal { at_once: false },
        coordination::Stop::Lost { rank: 0, why } => Stop::Rank(first_lost(why)),
        // A search has no thresholds that end a load.
        coordination::Stop::Lost { .. } | coordination::Stop::Threshold { .. } => Stop::Rank(lost(why)),
    }
}
