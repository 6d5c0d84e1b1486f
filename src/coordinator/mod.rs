//! The threads and sockets by which several processes make one run. [`crate::coordination`] has the protocol.
//!
//! Rank 0 has a hub and every other rank a link: one thread that polls, in which nothing blocks for long. The run hears
//! [`Event`]s and gives [`Command`]s.

mod hub;
mod link;
mod session;
mod settings;
mod wire;

pub use settings::{COORDINATE_PORT, CoordinateConfig};

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use serde_json::Value;

use crate::coordination::{Ending, ProbeStep, RankDetails, RankFigures, RankLimits, Stop};
use crate::net::clock::timespec;
use crate::units::{MILLISECOND, Nanos, SECOND};

/// The time between two looks at the clock.
const TURN: Nanos = 100 * MILLISECOND;
/// The time in which a peer has to take our last words.
const CLOSE_MAX: Nanos = 2 * SECOND;

/// What the run hears of the other ranks.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A line for standard error.
    Note(String),
    /// A rank takes part.
    Seated {
        rank: u32,
        host: String,
    },
    /// All ranks are there: rank 0. This one is: any other.
    There,
    /// Rank 0 steers a probe.
    Probe {
        pass: u32,
        step: ProbeStep,
    },
    /// The load begins at `at` of our CLOCK_MONOTONIC, which is `wall_offset` before rank 0's CLOCK_REALTIME.
    Begin {
        at: Nanos,
        wall_offset: i64,
    },
    /// The load ends for all.
    Stop(Stop),
    Abort,
    /// A rank was lost, and the others go on.
    Lost {
        rank: u32,
        why: String,
    },
    /// The run does not take place, or this rank has no part in it.
    Over {
        what: String,
        hint: String,
        is_refused: bool,
    },
    /// A rank gives figures (rank 0), which has to be answered.
    Snapshot(RankFigures),
    /// The generator of a rank may have been the limit of a probe (rank 0).
    Limits(RankLimits),
    /// Rank 0 has taken the last snapshot.
    Taken,
    Document {
        rank: u32,
        document: Value,
    },
    /// Rank 0 wants the requests of this rank that follow.
    WantDetails,
    /// A rank gives requests (rank 0).
    Details(RankDetails),
    /// The exit code of the whole.
    Verdict {
        exit: u8,
    },
}

/// What the run asks of the thread.
#[derive(Clone, Debug)]
pub enum Command {
    /// All ranks take a step of a probe (rank 0).
    Probe { pass: u32, step: ProbeStep },
    /// A pass could begin, with this plan.
    Ready { pass: u32, plan: Value },
    /// What this rank has measured in a pass since its previous snapshot, for rank 0.
    Snapshot {
        pass: u32,
        until: Nanos,
        is_last: bool,
        figures: Value,
    },
    /// Why the generator of this rank may have been the limit of a probe, for rank 0.
    Limits { pass: u32, reasons: Value },
    /// The last snapshot of this rank has been taken (rank 0).
    Taken { rank: u32 },
    /// The figures of this rank cannot be read (rank 0).
    Unreadable { rank: u32, why: String },
    /// The load ends for all.
    Stop(Stop),
    /// Everything ends at once.
    Abort,
    /// The result of this rank, for rank 0.
    Document(Value),
    /// A rank should give its next requests (rank 0).
    WantDetails { rank: u32 },
    /// Some requests of this rank, for rank 0.
    Details {
        lines: String,
        is_last: bool,
        missing: Option<String>,
    },
    /// The run is over for all (rank 0).
    End(Ending),
    /// This process ends without a result.
    Leave,
    /// The thread moves to this CPU.
    Pin(usize),
}

/// The handle on the thread. The connections are closed when it is dropped.
#[derive(Debug)]
pub struct Coordination {
    pub rank: u32,
    pub events: Receiver<Event>,
    commands: Sender<Command>,
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// Where rank 0 listens.
    address: Option<SocketAddr>,
}

/// The thread's ends of the handle.
struct Ends {
    events: Sender<Event>,
    commands: Receiver<Command>,
    wake: Arc<OwnedFd>,
}

impl Ends {
    fn tell(&self, event: Event) {
        // Nobody listens any more, if this fails.
        let _ = self.events.send(event);
    }

    /// Waits until one of the files is ready, the run has a command, or the time is over. Returns the files with what
    /// they are ready for, in their order; none after an interruption, after which the next turn looks again.
    fn wait<'a>(&'a self, files: impl Iterator<Item = PollFd<'a>>, length: Nanos) -> Vec<PollFd<'a>> {
        let wake = PollFd::new(&*self.wake, PollFlags::IN);
        let mut all: Vec<PollFd<'_>> = std::iter::once(wake).chain(files).collect();
        if poll(&mut all, Some(&timespec(length))).is_err() {
            return Vec::new();
        }
        if !all.remove(0).revents().is_empty() {
            let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        }
        all
    }
}

impl Coordination {
    /// Starts the thread of this rank: it listens, or connects until `wait` is over. `plan` is what all have to agree
    /// on, and `differ` says where two plans do not.
    pub fn start(
        config: &CoordinateConfig,
        plan: Value,
        differ: fn(&Value, &Value) -> Option<String>,
    ) -> Result<Coordination, crate::error::Failure> {
        let internal = |e: &dyn std::fmt::Display| crate::error::Failure::internal(e);
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = Arc::new(wake.map_err(|e| internal(&e))?);
        let (events, heard) = unbounded();
        let (commands, asked) = unbounded();
        let ends = Ends {
            events,
            commands: asked,
            wake: wake.clone(),
        };
        let rank = config.shard.index();
        let builder = std::thread::Builder::new().name("ranks".into());
        let (thread, address) = if rank == 0 {
            let hub = hub::Hub::listen(config, plan, differ, ends)?;
            let address = hub.address();
            (builder.spawn(move || hub.run()), address)
        } else {
            let link = link::Link::new(config, plan, ends)?;
            (builder.spawn(move || link.run()), None)
        };
        Ok(Coordination {
            rank,
            events: heard,
            commands,
            wake,
            thread: Some(thread.map_err(|e| internal(&e))?),
            address,
        })
    }

    /// Returns where rank 0 listens, with the port that the system chose if none was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub fn ask(&self, command: Command) {
        // The thread is over, if one of these fails, and has said why.
        let _ = self.commands.send(command);
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Coordination {
    fn drop(&mut self) {
        self.ask(Command::Leave);
        if let Some(thread) = self.thread.take() {
            // It panicked, if this is an error, and the panic has been reported.
            let _ = thread.join();
        }
    }
}
