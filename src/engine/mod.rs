//! Runs the load on pinned cores. Each has its VU tasks on an async executor, its sockets on a ring or on epoll, and
//! its figures in a recorder.
//!
//! The engine prints nothing, writes nothing and takes no lock. It talks to the reporter by messages only.

mod body;
mod cancel;
mod conductor;
mod connections;
mod core;
mod dispatch;
mod exchange;
mod expected;
mod failing;
mod finished;
mod followers;
mod graph;
mod kept;
mod limits;
mod memory;
mod paired;
mod planned;
mod reading;
pub mod response;
mod rest;
mod routes;
pub mod runtime;
#[cfg(debug_assertions)]
mod sabotage;
mod secure;
mod session;
mod traffic;
mod vu;
mod witness;
mod workers;

#[cfg(test)]
mod accuracy_tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use self::core::{CoreSetup, run_core};
use self::memory::{AnswerMemory, HistoryMemory};
use crate::host::Io;
use crate::metrics::Snapshot;
use crate::net::{Features, Kick, Stamping, clock};
use crate::plan::Plan;
use crate::tls::TlsTarget;
use crate::units::{Masks, Nanos};
use crate::workload::Target;
use runtime::Core;
pub use traffic::{CoreTraffic, Traffic, traffic_to};

/// Number of snapshots per core: one being filled, one with the reporter, and one spare while the reporter is slow.
const SNAPSHOTS_PER_CORE: usize = 3;
/// A core that is not ready after this time has failed.
const START_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What drives the sockets.
    pub io: Io,
    /// CPUs of the workers, one each; not empty.
    pub cpus: Vec<usize>,
    pub kernel_stamps: bool,
    pub min_wait_us: u32,
    pub quickack: bool,
    /// Bytes that unfinished answers of all users may take together.
    pub answer_bytes_max: usize,
    /// Bytes that the histories of all sessions may take together.
    pub history_bytes_max: usize,
    /// Keeps each sample for the details file.
    pub details: bool,
    /// Keeps the gaps between the tokens of each as well.
    pub gaps: bool,
    /// Compares arrival times with the send stamps that the mock writes.
    pub verify_stamps: bool,
    /// The addresses of this host that connections are made from, in turn by user; empty if the system chooses. If
    /// there are any, each address of a target has at least one of its family.
    pub source_addresses: Vec<IpAddr>,
    /// Requests that are due within this time from the start, or after [`Command::StopCounting`], are recorded apart,
    /// in
    /// as many further series as the plan has. `None` records all in the plan's series.
    pub settle: Option<Nanos>,
    /// TLS settings of each target; `None` means plain text.
    pub tls: Vec<Option<TlsTarget>>,
    /// The header with each request's id; `None` sends none.
    pub request_ids: Option<RequestIds>,
    /// The secrets that no figure may be named with.
    pub masks: Arc<Masks>,
}

/// How requests tell the server their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestIds {
    /// Name of the header.
    pub header: String,
    /// What each id begins with, so that it is unique among all runs and passes.
    pub prefix: String,
}

impl EngineOptions {
    /// Returns the number of series that a core records.
    fn series(&self, plan: &Plan) -> usize {
        let kinds = plan.workload.kinds.len();
        match self.settle {
            Some(_) => 2 * kinds,
            None => kinds,
        }
    }
}

/// A command of the reporter to a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The run begins at this instant.
    Start(Nanos),
    /// Requests that are due from now on are recorded apart.
    StopCounting,
    /// No new requests start. Those in flight may take as long as the graceful stop.
    Stop,
    /// Everything ends now.
    Abort,
}

/// A message of a core to the reporter.
#[derive(Debug)]
pub enum Report {
    Ready {
        features: Features,
        wall_offset: i64,
    },
    Snapshot(Box<Snapshot>),
    /// The last report of a core.
    Done,
    /// The last report of a core that could not continue.
    Failed(CoreFailure),
}

/// The reason why a core could not start or continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreFailure {
    pub what: String,
    /// The error of the operating system behind it, if there is one. Before the load it may be a shortage of this host.
    pub errno: Option<i32>,
}

/// The reporter's handle to all cores.
pub struct Engine {
    cores: Vec<Core>,
    commands: Vec<(Sender<Command>, Kick)>,
    recycle: Vec<Sender<Box<Snapshot>>>,
    pub reports: Receiver<Report>,
    /// What is in flight, by core.
    pub traffic: Vec<CoreTraffic>,
    pub features: Features,
    /// CLOCK_REALTIME - CLOCK_MONOTONIC, for labels.
    pub wall_offset: i64,
    /// Held so that the kernel keeps stamping between connections as well.
    _stamping: Option<Stamping>,
}

fn empty_snapshot(core: u16, plan: &Plan, options: &EngineOptions) -> Box<Snapshot> {
    Snapshot::of_phases(core, options.series(plan), plan.is_phased(), options.details)
}

impl Engine {
    /// Starts the cores and waits until all are ready. Requests go out only after `begin`. `targets` has one entry for
    /// each server of the plan, in order.
    pub fn start(
        plan: Arc<Plan>,
        targets: Arc<[Target]>,
        options: EngineOptions,
    ) -> Result<Engine, CoreFailure> {
        assert_eq!(
            targets.len(),
            plan.workload.servers.len(),
            "the plan needs one target per server"
        );
        assert_eq!(
            targets.len(),
            options.tls.len(),
            "each target needs a TLS setting"
        );
        let count = options.cpus.len();
        let (report, reports) = bounded(count * (SNAPSHOTS_PER_CORE + 3));
        let shared_iterations = Arc::new(AtomicU64::new(0));
        let memory = Arc::new(AnswerMemory::new(options.answer_bytes_max));
        let histories = Arc::new(HistoryMemory::new(options.history_bytes_max));
        let mut engine = Engine {
            cores: Vec::new(),
            commands: Vec::new(),
            recycle: Vec::new(),
            reports,
            traffic: CoreTraffic::of_cores(options.cpus.len(), targets.len()),
            features: Features {
                io: options.io,
                defer_taskrun: false,
                min_wait: false,
            },
            wall_offset: 0,
            _stamping: options.kernel_stamps.then(Stamping::switch_on).flatten(),
        };
        for (index, cpu) in options.cpus.iter().enumerate() {
            let (recycle, recycled) = bounded(SNAPSHOTS_PER_CORE);
            for _ in 1..SNAPSHOTS_PER_CORE {
                let empty = empty_snapshot(index as u16, &plan, &options);
                recycle.send(empty).map_err(|e| CoreFailure::of(e.to_string()))?;
            }
            let (command, commands) = bounded(4);
            let (kick, kick_end) = Kick::new().map_err(|e| CoreFailure::io("no eventfd", &e))?;
            let setup = CoreSetup {
                index: index as u16,
                plan: plan.clone(),
                targets: targets.clone(),
                options: options.clone(),
                shared_iterations: shared_iterations.clone(),
                memory: memory.clone(),
                histories: histories.clone(),
                traffic: engine.traffic[index].clone(),
                report: report.clone(),
                recycled,
                commands,
                kick_end,
            };
            let name = format!("worker-{index}");
            let report = report.clone();
            let index = index as u16;
            let ended = move |result: Result<(), CoreFailure>| {
                let last = match result {
                    Ok(()) => Report::Done,
                    Err(failure) => Report::Failed(failure.of_core(index)),
                };
                // Fails only if the reporter has ended.
                let _ = report.send(last);
            };
            let core = Core::spawn((*cpu, options.io), &name, move || run_core(setup), ended)
                .map_err(|failure| failure.of_core(index))?;
            engine.cores.push(core);
            engine.commands.push((command, kick));
            engine.recycle.push(recycle);
        }
        engine.await_ready()?;
        Ok(engine)
    }

    fn await_ready(&mut self) -> Result<(), CoreFailure> {
        for _ in 0..self.cores.len() {
            match self.reports.recv_timeout(START_TIMEOUT) {
                Ok(Report::Ready {
                    features,
                    wall_offset,
                }) => {
                    self.features = features;
                    self.wall_offset = wall_offset;
                }
                Ok(Report::Failed(failure)) => return Err(failure),
                Ok(other) => {
                    let what = format!("a core sent {other:?} before it was ready");
                    return Err(CoreFailure::of(what));
                }
                Err(_) => return Err(CoreFailure::of("a core did not start in time")),
            }
        }
        Ok(())
    }

    pub fn cores(&self) -> usize {
        self.recycle.len()
    }

    /// Starts all cores together. Returns the instant from which elapsed time counts.
    pub fn begin(&self) -> Nanos {
        let t0 = clock::monotonic();
        self.send(Command::Start(t0));
        t0
    }

    /// Sends a command to all cores.
    pub fn send(&self, command: Command) {
        for (commands, kick) in &self.commands {
            // A core that is done has dropped its end; one with a full queue already has a command to stop.
            let _ = commands.try_send(command);
            kick.kick();
        }
    }

    /// Empties a snapshot and hands it back to its core.
    pub fn recycle(&self, mut snapshot: Box<Snapshot>) {
        let core = usize::from(snapshot.core);
        snapshot.reset();
        // A core that is done needs none.
        let _ = self.recycle[core].try_send(snapshot);
    }

    /// Waits for the threads. Returns the first error that was not sent as a report.
    pub fn join(self) -> Result<(), CoreFailure> {
        let mut result = Ok(());
        for core in self.cores {
            result = result.and(core.join());
        }
        result
    }
}
