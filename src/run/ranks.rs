//! A run of several ranks: waits for the others, begins with them, and hears of them during the load.

mod results;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde_json::{Value, json};

use crate::cli::RunArgs;
use crate::config::Config;
use crate::coordination::{Ending, ProbeStep, RankDetails, RankFigures, RankLimits, Stop};
use crate::coordinator::{Command, CoordinateConfig, Coordination, Event};
use crate::error::{ExitCode, Failure, Mistakes, Reason, one_line};
use crate::export::{Needs, kept};
use crate::limit::SearchRank;
use crate::merge::{common_config_of, difference_of};
use crate::net::clock;
use crate::plan::Plan;
use crate::run::Ready;
use crate::signals::Signals;
use crate::units::{MILLISECOND, Nanos, SECOND, format_duration};

pub use results::{NO_DETAILS, own_document};

/// The time between two looks at the server while this rank waits for others.
const LOOK_EVERY: Nanos = 250 * MILLISECOND;
/// The most ranks that a message lists.
const SHOWN_MAX: usize = 8;

/// What the run does because of another rank.
#[derive(Clone, Debug, PartialEq)]
pub enum Reaction {
    Nothing,
    Say(String),
    There,
    /// Rank 0 steers a probe.
    Probe {
        pass: u32,
        step: ProbeStep,
    },
    Begin {
        at: Nanos,
        wall_offset: i64,
    },
    Snapshot(RankFigures),
    Limits(RankLimits),
    /// Rank 0 has taken the last snapshot of this rank.
    Taken,
    /// Rank 0 wants the next requests of this rank.
    WantDetails,
    Details(RankDetails),
    Stop(Stop),
    Abort,
    Over(Failure),
}

/// How a pass begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// All ranks begin together: CLOCK_REALTIME of rank 0 minus our CLOCK_MONOTONIC, and the instant by that clock.
    Together { wall_offset: i64, at: Nanos },
    /// The load has ended for all between two passes.
    Ended,
}

#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<u32, String>,
    lost: BTreeMap<u32, String>,
    documents: BTreeMap<u32, Value>,
    verdict: Option<u8>,
    is_stopping: bool,
    /// Why the load has ended for all between two passes.
    ended: Option<Stop>,
}

/// The ranks of a run, as this one knows them.
#[derive(Debug)]
pub struct Ranks {
    coordination: Coordination,
    pub config: CoordinateConfig,
    /// The settings of the search that the ranks make; null if it is a run.
    search: Value,
    state: RefCell<State>,
}

impl Ranks {
    /// Waits until all ranks are there (rank 0), or this one is. Nothing has been asked of a server yet.
    pub fn join(
        config: &Config,
        args: &RunArgs,
        search: Value,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<Ranks>, Failure> {
        let Some(coordinate) = &config.run.coordinate else {
            return Ok(None);
        };
        check(config, args, coordinate.gather_details)?;
        let plan = agreed((config, &search), None, None);
        let ranks = Ranks {
            coordination: Coordination::start(coordinate, plan, difference_of)?,
            config: coordinate.clone(),
            search,
            state: RefCell::default(),
        };
        ranks.wait_for_all(args.quiet, say)?;
        Ok(Some(ranks))
    }

    pub fn rank(&self) -> u32 {
        self.config.shard.index()
    }

    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Returns where events come from. Each has to go through [`Self::take`].
    pub fn events(&self) -> &Receiver<Event> {
        &self.coordination.events
    }

    fn wait_for_all(&self, quiet: bool, say: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        let (count, wait) = (self.config.shard.count(), self.config.wait);
        let begun = clock::monotonic();
        if !quiet {
            let at = self.coordination.address().map(|address| address.to_string());
            say(&match at {
                Some(at) => format!("rank 0 of {count} waits at {at} for the others"),
                None => format!(
                    "rank {} of {count} joins rank 0 at {}",
                    self.rank(),
                    self.config.shown()
                ),
            });
        }
        loop {
            // Rank 0 says when the time is over; a rank that has not found it says so itself, a little later.
            let limit = if self.is_first() {
                wait
            } else {
                wait.saturating_mul(2).saturating_add(10 * SECOND)
            };
            let left = limit.saturating_sub(clock::monotonic() - begun);
            match self.events().recv_timeout(Duration::from_nanos(left)) {
                Ok(event) => match self.take(event) {
                    Reaction::There => return Ok(()),
                    Reaction::Over(failure) => return Err(failure),
                    Reaction::Say(text) => say(&text),
                    Reaction::Stop(why) => return Err(lost(&why)),
                    _ => {}
                },
                Err(RecvTimeoutError::Timeout) => return Err(self.too_few()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::internal("the thread of the ranks has ended"));
                }
            }
        }
    }

    fn too_few(&self) -> Failure {
        let (count, wait) = (self.config.shard.count(), format_duration(self.config.wait));
        let state = self.state.borrow();
        let missing: Vec<u32> = (1..count)
            .filter(|rank| !state.hosts.contains_key(rank))
            .collect();
        let what = format!("{} of {count} did not come within {wait}", listed(&missing));
        let hint = "start all ranks, see what those print, or wait longer with --wait-for-ranks";
        self.ask(Command::End(Ending::Cancelled {
            what: what.clone(),
            hint: hint.to_owned(),
        }));
        Failure::new(
            ExitCode::RankLost,
            Reason::new(what).hint(hint).at("--coordinate", 0),
        )
    }

    /// Says that this rank could begin a pass, and waits for the instant at which all do. Once the first one has begun,
    /// a signal or the end of the load for all ends the wait.
    pub fn begin(
        &self,
        (config, plan): (&Config, &Plan),
        pass: u32,
        ready: &mut Ready,
        signals: &Signals,
        say: &mut dyn FnMut(&str),
    ) -> Result<Beginning, Failure> {
        let stamps = ready.engine.kernel_stamps;
        let tokens = plan.workload.fingerprint_of_costs();
        let plan = agreed((config, &self.search), tokens, Some(stamps));
        self.ask(Command::Ready { pass, plan });
        let begin = match self.wait_for_begin(pass, ready, signals, say) {
            Ok(begin) => begin,
            Err(failure) => {
                let mut failures = vec![failure];
                ready.managed.stop(&mut failures);
                return Err(failures.remove(0));
            }
        };
        let Some((at, wall_offset)) = begin else {
            return Ok(Beginning::Ended);
        };
        let left = at.saturating_sub(clock::monotonic());
        std::thread::sleep(Duration::from_nanos(left));
        let asked = i128::from(at) + i128::from(wall_offset);
        let at = asked.clamp(0, i128::from(Nanos::MAX)) as Nanos;
        Ok(Beginning::Together { wall_offset, at })
    }

    fn wait_for_begin(
        &self,
        pass: u32,
        ready: &mut Ready,
        signals: &Signals,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<(Nanos, i64)>, Failure> {
        loop {
            match self.events().recv_timeout(Duration::from_nanos(LOOK_EVERY)) {
                Ok(event) => match self.take(event) {
                    Reaction::Begin { at, wall_offset } => return Ok(Some((at, wall_offset))),
                    Reaction::Over(failure) => return Err(failure),
                    Reaction::Stop(why) if pass > 0 => {
                        self.state.borrow_mut().ended = Some(why);
                        return Ok(None);
                    }
                    Reaction::Stop(why) => return Err(lost(&why)),
                    Reaction::Say(text) => say(&text),
                    _ => {}
                },
                // The signal itself is for whoever carries out the pass.
                Err(RecvTimeoutError::Timeout) if pass > 0 && !signals.received.is_empty() => {
                    return Ok(None);
                }
                Err(RecvTimeoutError::Timeout) => ready.managed.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::internal("the thread of the ranks has ended"));
                }
            }
        }
    }

    /// Returns, once, why the load has ended for all between two passes.
    pub fn ended(&self) -> Option<Stop> {
        self.state.borrow_mut().ended.take()
    }

    /// Keeps what an event says, and returns what is to be done about it.
    pub fn take(&self, event: Event) -> Reaction {
        let mut state = self.state.borrow_mut();
        match event {
            Event::Note(text) => Reaction::Say(one_line(&text).into_owned()),
            Event::Seated { rank, host } => {
                let text = format!("rank {rank} on {} is there", one_line(&host));
                state.hosts.insert(rank, host);
                Reaction::Say(text)
            }
            Event::Stop(why) => {
                if let Stop::Lost { rank, why } = &why {
                    state.lost.insert(*rank, why.clone());
                }
                match std::mem::replace(&mut state.is_stopping, true) {
                    true => Reaction::Say(one_line(&why.to_string()).into_owned()),
                    false => Reaction::Stop(why),
                }
            }
            Event::Lost { rank, why } => {
                let text = format!("rank {rank} was lost: {}; the others go on", one_line(&why));
                state.lost.insert(rank, why);
                Reaction::Say(text)
            }
            Event::Over {
                what,
                hint,
                is_refused,
            } => {
                let exit = match is_refused {
                    true => ExitCode::Config,
                    false => ExitCode::RankLost,
                };
                let reason = Reason::new(what).hint(hint).at("--coordinate", 0);
                Reaction::Over(Failure::new(exit, reason))
            }
            Event::Document { rank, document } => {
                state.documents.insert(rank, document);
                Reaction::Nothing
            }
            Event::Verdict { exit } => {
                state.verdict = Some(exit);
                Reaction::Nothing
            }
            Event::There
            | Event::Probe { .. }
            | Event::Begin { .. }
            | Event::Snapshot(_)
            | Event::Limits(_)
            | Event::Taken
            | Event::WantDetails
            | Event::Details(_)
            | Event::Abort => passed_on(event),
        }
    }

    /// Moves the thread of the ranks to a CPU away from the workers.
    pub fn pin_to(&self, cpu: usize) {
        self.ask(Command::Pin(cpu));
    }

    pub fn ask(&self, command: Command) {
        self.coordination.ask(command);
    }

    /// Tells the others that a signal ends the load.
    pub fn interrupted(&self) {
        self.state.borrow_mut().is_stopping = true;
        let rank = self.rank();
        self.ask(Command::Stop(Stop::Signal { rank }));
    }

    /// Returns the exit code of the whole, once rank 0 has told it.
    pub fn verdict(&self) -> Option<u8> {
        self.state.borrow().verdict
    }

    /// Returns the ranks that were lost, and why.
    pub fn lost(&self) -> BTreeMap<u32, String> {
        self.state.borrow().lost.clone()
    }

    /// Returns the ranks of which no more figures come: those that were lost, and those that have given their result.
    pub fn silent(&self) -> Vec<u32> {
        let state = self.state.borrow();
        state.lost.keys().chain(state.documents.keys()).copied().collect()
    }

    /// Returns the ranks of a search as its document has them (rank 0).
    pub fn of_search(&self) -> Vec<SearchRank> {
        let state = self.state.borrow();
        let own = rustix::system::uname();
        let host = |rank: u32| match rank {
            0 => Some(own.nodename().to_string_lossy().into_owned()),
            _ => state.hosts.get(&rank).cloned(),
        };
        let ranks = (0..self.config.shard.count()).map(|rank| SearchRank {
            rank,
            host: host(rank).unwrap_or_default(),
            lost: state.lost.get(&rank).cloned(),
        });
        ranks.collect()
    }

    /// Returns the name of a rank as the whole document has it.
    pub fn name(&self, rank: u32) -> String {
        match self.state.borrow().hosts.get(&rank) {
            Some(host) => format!("rank {rank} ({})", one_line(host)),
            None => format!("rank {rank}"),
        }
    }
}

/// Returns what an event says of which nothing is kept.
fn passed_on(event: Event) -> Reaction {
    match event {
        Event::There => Reaction::There,
        Event::Probe { pass, step } => Reaction::Probe { pass, step },
        Event::Begin { at, wall_offset } => Reaction::Begin { at, wall_offset },
        Event::Snapshot(figures) => Reaction::Snapshot(figures),
        Event::Limits(limits) => Reaction::Limits(limits),
        Event::Taken => Reaction::Taken,
        Event::WantDetails => Reaction::WantDetails,
        Event::Details(details) => Reaction::Details(details),
        Event::Abort => Reaction::Abort,
        _ => Reaction::Nothing,
    }
}

/// Returns whether this process gives Prometheus figures: rank 0 has those of all ranks, and from the others they would
/// count twice.
pub fn shows_figures(ranks: Option<&Ranks>) -> bool {
    ranks.is_none_or(Ranks::is_first)
}

/// Returns the failure of a rank that was lost.
pub fn lost(why: &Stop) -> Failure {
    let hint = "see the output of that rank; --on-rank-loss continue lets the others go on";
    Failure::new(ExitCode::RankLost, Reason::new(why.to_string()).hint(hint))
}

/// What all ranks have to agree on: the configuration, and what only shows once the servers have been found.
fn agreed(
    (config, search): (&Config, &Value),
    token_counts: Option<String>,
    kernel_stamps: Option<bool>,
) -> Value {
    let config = serde_json::to_value(config).unwrap_or(Value::Null);
    json!({
        "search": search,
        "config": common_config_of(&config),
        "token_counts": token_counts,
        "kernel_stamps": kernel_stamps,
    })
}

/// Refuses what several ranks cannot do.
fn check(config: &Config, args: &RunArgs, gathers: bool) -> Result<(), Failure> {
    if gathers {
        check_gathering(config)?;
    }
    let (what, hint) = if args.sharding.start_at.is_some() {
        let what = "contradicts `--start-at`: the ranks agree on the instant themselves";
        (what.to_owned(), "remove one of them")
    } else if kept(&args.exports) > Needs::Figures && !gathers {
        let what = "an export of single requests cannot be made: they stay with the ranks";
        let hint = "add `--details` and `--gather-details`, which writes them into rank 0's document";
        (what.to_owned(), hint)
    } else {
        return Ok(());
    };
    Err(Mistakes::from(Reason::new(what).hint(hint).at("--coordinate", 0)).into())
}

/// Refuses to gather what no rank will have.
fn check_gathering(config: &Config) -> Result<(), Failure> {
    let output = config.run.output.as_deref();
    let reason = if !config.run.details {
        Reason::new("there are no details to gather").hint("add `--details`")
    } else if output.and_then(|output| own_path(output, 0)).is_none() {
        let hint = "add `--output FILE`: each rank keeps its own part beside it";
        Reason::new("the ranks have no files with their details").hint(hint)
    } else {
        return Ok(());
    };
    Err(Mistakes::from(reason.at("--gather-details", 0)).into())
}

/// Lists ranks, for example as `ranks 1, 3 and 7 more`.
fn listed(ranks: &[u32]) -> String {
    let shown: Vec<String> = ranks.iter().take(SHOWN_MAX).map(u32::to_string).collect();
    let word = if ranks.len() == 1 { "rank" } else { "ranks" };
    match ranks.len() - shown.len() {
        0 => format!("{word} {}", shown.join(", ")),
        more => format!("{word} {} and {more} more", shown.join(", ")),
    }
}

/// Returns the name of a rank's own document: `out.rank-2.json` for `out.json`. Standard output and devices have no
/// place for one.
pub fn own_path(output: &Path, rank: u32) -> Option<PathBuf> {
    let is_device = output.starts_with("/dev") || output.as_os_str() == "-";
    let stem = output.file_stem().filter(|_| !is_device)?;
    let mut name = stem.to_os_string();
    name.push(format!(".rank-{rank}"));
    if let Some(extension) = output.extension() {
        name.push(".");
        name.push(extension);
    }
    Some(output.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rank_has_a_document_of_its_own() {
        let own = |path: &str| own_path(Path::new(path), 2).map(|path| path.display().to_string());
        assert_eq!(own("out.json").as_deref(), Some("out.rank-2.json"));
        assert_eq!(own("/r/a.b.json").as_deref(), Some("/r/a.b.rank-2.json"));
        assert_eq!(own("r/out").as_deref(), Some("r/out.rank-2"));
        assert_eq!(own("-"), None);
        assert_eq!(own("/dev/null"), None);
        assert_eq!(own("/dev/fd/3"), None);
    }

    #[test]
    fn ranks_are_listed_up_to_a_limit() {
        assert_eq!(listed(&[3]), "rank 3");
        assert_eq!(listed(&[1, 3]), "ranks 1, 3");
        let many: Vec<u32> = (1..100).collect();
        assert_eq!(listed(&many), "ranks 1, 2, 3, 4, 5, 6, 7, 8 and 91 more");
    }
}
