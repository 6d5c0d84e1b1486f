//! `find-limit`: the search of [`crate::limit`] against real servers. They are found or started once; each probe is a
//! load of its own on them.

mod asked;
mod finish;
mod member;
mod order;
mod probe;
mod seen;

use std::net::SocketAddr;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::cli::FindLimitArgs;
use crate::config::to_plan;
use crate::coordination::ProbeStep;
use crate::coordinator::Command;
use crate::error::{ExitCode, Failure, Mistakes};
use crate::limit::{Decision, End, Next, ProbeRow, ProbeRules, Purpose, Search, load};
use crate::net::clock;
use crate::output::{Console, OutputFile, OutputFiles};
use crate::plan::Plan;
use crate::run::beside::Beside;
use crate::run::ranks::Ranks;
use crate::run::{Finished, Ready, models, notice, pin_to, setup, tokenizer, validate};
use crate::signals::{Phase, Signals};
use crate::units::{Nanos, SECOND, seconds};
use asked::{Asked, first_settling};
use finish::Destinations;
use member::Member;
use order::Order;
use probe::{Around, Stop, With};

/// The state of a search.
struct Hunt<'a> {
    asked: &'a Asked,
    ready: Ready,
    /// The other ranks of a search of several; this is rank 0.
    ranks: Option<&'a Ranks>,
    signals: &'a Signals,
    search: Search,
    rows: Vec<ProbeRow>,
    /// Probes in which a rank was lost.
    lost_rows: Vec<ProbeRow>,
    failures: Vec<Failure>,
    /// CLOCK_MONOTONIC.
    begun: Nanos,
    in_a_hurry: bool,
    quiet: bool,
    lines: bool,
}

/// Searches the highest load that meets the SLOs. `begun` is the start of the program in CLOCK_MONOTONIC.
pub fn find_limit(
    args: &FindLimitArgs,
    signals: &Signals,
    begun: Nanos,
    console: &Console,
) -> Result<Finished, Failure> {
    let mut asked = asked::asked(args)?;
    let quiet = args.run.quiet;
    let mut say = |line: &str| console.say(line);
    let mut note = |line: &str| {
        if !quiet {
            console.say(line);
        }
    };
    let now = OffsetDateTime::now_utc();
    let (files, picture, beside) = prepare_files(&asked, args, now)?;
    let pictures = picture.iter().flat_map(OutputFile::temporaries);
    let others = pictures.chain(beside.temporaries());
    signals.remove_on_exit(files.temporaries().into_iter().chain(others).collect());
    asked.config.notes.iter().for_each(|text| note(text));
    notice::announce_shard(&asked.plan, &mut note);
    let ranks = Ranks::join(&asked.config, &args.run, order::agreed(&asked), &mut note)?;
    let ranks = ranks.as_ref();
    let ready = prepare(&mut asked, args, &mut note)?;
    pin_to(ready.cpus.reporter, ranks, console);
    let lines = !quiet && args.run.progress != crate::cli::Progress::None;
    match ranks {
        Some(ranks) if !ranks.is_first() => {
            let member = Member {
                asked: &asked,
                ranks,
                ready,
                signals,
                quiet,
                lines,
                probes: 0,
                requests: 0,
            };
            return member.take_part(&mut say);
        }
        // A signal ends the program until all ranks have begun.
        Some(_) => {}
        None => signals.enter(Phase::Load),
    }
    let mut hunt = Hunt {
        ranks,
        search: Search::new(asked.range, asked.slos.clone(), asked.probes_max()),
        asked: &asked,
        ready,
        signals,
        rows: Vec::new(),
        lost_rows: Vec::new(),
        failures: Vec::new(),
        begun: clock::monotonic(),
        in_a_hurry: false,
        quiet,
        lines,
    };
    let end = hunt.run(&mut say)?;
    signals.enter(Phase::Report);
    let to = Destinations {
        files: &files,
        picture: picture.as_ref(),
        beside: &beside,
    };
    Ok(finish::finish(args, hunt, end, to, begun, now))
}

/// Prepares the files of the answer, which rank 0 of several writes.
fn prepare_files(
    asked: &Asked,
    args: &FindLimitArgs,
    now: OffsetDateTime,
) -> Result<(OutputFiles, Option<OutputFile>, Beside), Failure> {
    let coordinate = asked.config.run.coordinate.as_ref();
    if coordinate.is_some_and(|coordinate| coordinate.shard.index() > 0) {
        return Ok((OutputFiles::prepare(None, None)?, None, Beside::default()));
    }
    let results = asked.config.results_dir.as_deref().map(|folder| (folder, now));
    let files = OutputFiles::prepare(asked.config.run.output.as_deref(), results)?;
    let picture = args.svg.as_deref().map(OutputFile::prepare).transpose()?;
    let beside = Beside::of_search(&args.run, &files)?;
    Ok((files, picture, beside))
}

/// Returns the plan of this rank's part of a load. It is larger than what the host was checked for, if ranks were lost.
fn part_of(order: &Order, asked: &Asked, ready: &mut Ready) -> Result<Arc<Plan>, Failure> {
    let (level, part) = (order.level(), order.part_of(asked.plan.shard));
    let (Some(level), Some(shard)) = (level, part) else {
        return Err(Failure::internal("a load has no part for this rank"));
    };
    let plan = Plan {
        shard,
        ..Plan::clone(&asked.plan_at(level, order.counted))
    };
    if !order.lost().is_empty() {
        setup::check_part(&asked.config, &plan, ready)?;
    }
    Ok(Arc::new(plan))
}

/// Finds or starts the servers, for the highest load.
fn prepare(asked: &mut Asked, args: &FindLimitArgs, note: &mut dyn FnMut(&str)) -> Result<Ready, Failure> {
    let mut ready = setup::set_up(&asked.config, &asked.plan, &args.run, note)?;
    if models::adopt(&mut asked.config, &ready.models) | setup::choose_tag(&mut asked.config) {
        let plan = to_plan(&asked.config).map_err(Mistakes::new)?;
        asked.plan = Plan {
            thresholds: Vec::new(),
            steps: Vec::new(),
            ..plan
        };
    }
    let plan = asked.plan.clone();
    validate(&asked.config, &args.run, &plan, &mut ready, note)?;
    tokenizer::measure(&asked.config, &mut asked.plan, &mut ready, note)?;
    Ok(ready)
}

impl Hunt<'_> {
    /// Makes one probe after the other until the search has its answer, or cannot go on.
    fn run(&mut self, say: &mut dyn FnMut(&str)) -> Result<End, Failure> {
        if let Some(end) = self.warm_up(say)? {
            return Ok(end);
        }
        loop {
            let (level, purpose) = match self.search.next() {
                Next::Probe { level, purpose } => (level, purpose),
                Next::Done(end) => return Ok(end),
            };
            let left = self
                .asked
                .max_time
                .saturating_sub(clock::monotonic() - self.begun);
            if left < self.asked.settle + self.asked.probe.min {
                return Ok(self.search.cut_by(End::MaxTime));
            }
            if let Some(end) = self.probe(level, purpose, say)? {
                return Ok(end);
            }
        }
    }

    /// Lets the server answer the lowest load for a while, so that its first probe is not its first work.
    fn warm_up(&mut self, say: &mut dyn FnMut(&str)) -> Result<Option<End>, Failure> {
        let time = first_settling(&self.asked.config, self.asked.settle);
        if time == 0 {
            return Ok(None);
        }
        let rules = ProbeRules {
            min: 0,
            max: 0,
            error: self.search.error_of_probe(),
        };
        let settle = time.saturating_sub(SECOND);
        let order = self.order(None, self.asked.range.from, [settle, time]);
        let around = Around {
            slos: &[],
            rules,
            settle,
            until: Nanos::MAX,
            signals: self.signals,
            label: None,
            with: with(self.ranks, self.asked, &order),
        };
        let plan = self.divide(&order)?;
        let ran = probe::run(&plan, &around, &mut self.ready, say)?;
        self.begun += ran.waited;
        Ok(ran.stop.map(|stop| self.stopped(stop)))
    }

    fn probe(
        &mut self,
        level: f64,
        purpose: Purpose,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<End>, Failure> {
        let asked = self.asked;
        let began = clock::monotonic();
        let left = asked.max_time.saturating_sub(began - self.begun);
        let max = asked.longest(purpose, left);
        let number = self.rows.len() + 1;
        let order = self.order(Some(number), level, [asked.settle, max]);
        let label = format!("probe {number}: {}", load(asked.range.over, level));
        let around = Around {
            slos: &asked.slos,
            rules: ProbeRules {
                min: asked.probe.min,
                max,
                error: self.search.error_of_probe(),
            },
            settle: asked.settle,
            until: self.begun + asked.max_time,
            signals: self.signals,
            label: self.lines.then_some(label.as_str()),
            with: with(self.ranks, asked, &order),
        };
        let plan = match self.divide(&order) {
            Ok(plan) => plan,
            Err(failure) => return Ok(Some(self.stopped(Stop::Rank(failure)))),
        };
        let mut ran = probe::run(&plan, &around, &mut self.ready, say)?;
        self.begun += ran.waited;
        let stop = ran.stop.take();
        let mut row = finish::row(
            self,
            &plan,
            &ran,
            (level, purpose),
            seconds(began.saturating_sub(self.begun)),
        );
        let is_whole = ran.lost.is_empty();
        row.ended_early = stop.is_some() || !is_whole;
        let has_begun = row.requests + row.cut + row.dropped > 0;
        if self.lines && is_whole && (stop.is_none() || has_begun) {
            say(&finish::line(&label, &row));
        }
        let end = match stop {
            Some(stop) => Some(self.stopped(stop)),
            None => self.has_vanished(&row).then_some(End::Server),
        };
        if !is_whole {
            self.lost_rows.push(row);
            return Ok(end);
        }
        // What a server shows that ended, or that was about to, says nothing about the load.
        if matches!(end, None | Some(End::Interrupted)) {
            self.search.record(ran.seen.watch.into_probed(level, &asked.slos));
        }
        if end.is_none() || has_begun {
            self.rows.push(row);
        }
        Ok(end)
    }

    fn order(&self, number: Option<usize>, level: f64, times: [Nanos; 2]) -> Order {
        let lost = self.ranks.map(|ranks| ranks.lost().into_keys().collect());
        Order::new(number, level, times, lost.unwrap_or_default())
    }

    /// Returns the plan of this process's part of a load, and asks the other ranks to prepare theirs.
    fn divide(&mut self, order: &Order) -> Result<Arc<Plan>, Failure> {
        let plan = part_of(order, self.asked, &mut self.ready)?;
        if let Some(ranks) = self.ranks {
            let load = order.clone().into_value();
            ranks.ask(Command::Probe {
                pass: self.ready.loads,
                step: ProbeStep::Prepare { load },
            });
        }
        Ok(plan)
    }

    /// Tells whether a server takes no connection any more, after a load that it did not answer. One that has answered
    /// some of it may only be busy, unless it refuses.
    fn has_vanished(&mut self, row: &ProbeRow) -> bool {
        if row.failed == 0 {
            return false;
        }
        let is_silent = row.failed == row.requests;
        let targets = self.ready.targets.clone();
        let is_gone = |addresses: &[SocketAddr]| match is_silent {
            true => !finish::accepts(addresses),
            false => finish::refuses(addresses),
        };
        let gone = targets.iter().find(|target| is_gone(&target.addresses));
        if let Some(target) = gone {
            self.failures.push(finish::vanished(&target.origin));
        }
        gone.is_some()
    }

    fn stopped(&mut self, stop: Stop) -> End {
        match stop {
            Stop::Signal { at_once } => {
                self.in_a_hurry = at_once;
                End::Interrupted
            }
            Stop::Server(failure) => {
                self.failures.push(failure);
                End::Server
            }
            Stop::Rank(failure) | Stop::Apart(failure) => {
                self.failures.push(failure);
                End::RankLost
            }
            Stop::Failure(failure) => {
                self.failures.push(failure);
                End::Failure
            }
        }
    }

    /// Returns the exit code of the search by itself.
    fn exit(&self, end: End, is_expected: bool, unfit: bool) -> Vec<ExitCode> {
        let mut exits: Vec<ExitCode> = self.failures.iter().map(|failure| failure.exit).collect();
        let is_found = self.search.found().limit.is_some();
        exits.push(match end {
            End::NothingHolds => ExitCode::NothingHolds,
            End::ProbesUsedUp | End::MaxTime if !is_found => ExitCode::NothingHolds,
            End::Interrupted => ExitCode::Interrupted,
            End::Server => ExitCode::Target,
            End::RankLost => ExitCode::RankLost,
            End::Failure => ExitCode::Internal,
            End::Found | End::ReachedTo | End::ProbesUsedUp | End::MaxTime => ExitCode::Ok,
        });
        if !is_expected {
            exits.push(ExitCode::ThresholdFailed);
        }
        if unfit {
            exits.push(ExitCode::NotTrustworthy);
        }
        exits
    }
}

/// Returns what a probe has to know of the other ranks.
fn with<'a>(ranks: Option<&'a Ranks>, asked: &'a Asked, order: &'a Order) -> Option<With<'a>> {
    Some(With {
        ranks: ranks?,
        config: &asked.config,
        lost: order.lost(),
    })
}

/// Returns the word for a decision in a line of progress.
fn decided(row: &ProbeRow) -> &'static str {
    match (row.decision, row.seems_to_hold) {
        (Decision::Holds, _) => "holds",
        (Decision::Fails, _) => "does not hold",
        (Decision::Open, true) => "seems to hold",
        (Decision::Open, false) => "seems not to hold",
    }
}
