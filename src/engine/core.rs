//! Sets up the ring and recorder of one core, then runs its VUs, conductor and driver to the end.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crossbeam_channel::{Receiver, Sender};

use super::cancel::Cancels;
use super::conductor::conduct;
use super::dispatch::{self, Dispatch};
use super::memory::{AnswerMemory, HistoryMemory};
use super::reading::{self, Lent};
use super::routes::Routes;
use super::traffic::CoreTraffic;
use super::vu::VuTable;
use super::{Command, CoreFailure, EngineOptions, Report};
use crate::engine::runtime::{spawn, yield_now};
use crate::metrics::{NumberedBy, Recorder, RequestId, Snapshot, TlsFailure};
use crate::net::{Acks, ConnId, Net, NetCounters, Options, Route, TaskId, clock};
use crate::plan::{Plan, WhenFull};
use crate::units::{MILLISECOND, Nanos};
use crate::workload::{Draw, RequestKind, SentId, Target};

/// Limit of concurrent connects per core: enough to keep both sides busy, but few enough that we measure the connect
/// and not our own queue. 9,500 connects on one core take half a second with 16, 32 and 128 alike, but their median is
/// 0.6 ms with 32 and 3.2 ms with 128. It holds at a rate as well, and with a connection for each request: thousands of
/// connects at once overflow the server's queue of connections, and those that are lost try again a second later.
const CONNECTS_IN_FLIGHT_MAX: u32 = 32;

/// A connect is one of these for so long at most. So 3,200 connects a second and core begin however far away a server
/// is.
const CONNECT_TURN_MAX: Nanos = 10 * MILLISECOND;

pub struct CoreSetup {
    pub index: u16,
    pub plan: Arc<Plan>,
    pub targets: Arc<[Target]>,
    pub options: EngineOptions,
    pub shared_iterations: Arc<AtomicU64>,
    pub memory: Arc<AnswerMemory>,
    pub histories: Arc<HistoryMemory>,
    pub traffic: CoreTraffic,
    pub report: Sender<Report>,
    pub recycled: Receiver<Box<Snapshot>>,
    pub commands: Receiver<Command>,
    pub kick_end: OwnedFd,
}

/// State that the tasks of one core share.
pub struct CoreState {
    pub index: u16,
    pub cores: u16,
    pub plan: Arc<Plan>,
    /// One target for each server of the plan, in order.
    pub targets: Arc<[Target]>,
    pub options: EngineOptions,
    /// Decides which target a request goes to.
    pub routes: RefCell<Routes>,
    pub net: Net,
    pub recorder: RefCell<Recorder>,
    pub vus: RefCell<VuTable>,
    /// The arrivals of an open loop that are still to come.
    pub dispatch: RefCell<Option<Dispatch>>,
    /// Decides which requests are cancelled.
    pub cancels: RefCell<Cancels>,
    pub shared_iterations: Arc<AtomicU64>,
    pub memory: Arc<AnswerMemory>,
    /// The memory for what the servers of all sessions have said so far, and this core's part of it.
    pub histories: Arc<HistoryMemory>,
    pub histories_here: Cell<usize>,
    /// What this core has in flight.
    pub traffic: CoreTraffic,
    /// Request bodies are built here, so that the buffer grows once per core and not per VU.
    pub body_scratch: RefCell<Vec<u8>>,
    /// A request before encryption, or a read after decryption.
    pub plain_scratch: RefCell<Vec<u8>>,
    /// Buffers for incomplete TLS records of the connections.
    pub tls_pool: crate::tls::Pool,
    /// The readers of answers that the loop reads.
    pub lent: RefCell<Lent>,
    /// Why the request that ends now failed by TLS.
    pub tls_failure: Cell<Option<TlsFailure>>,
    /// Requests that are due from the first of these instants and before the second are recorded in the plan's series.
    pub counted: Cell<[Nanos; 2]>,
    /// The run is over for this core.
    pub over: Cell<bool>,
    /// The message of a task that panicked, which makes the run invalid.
    pub failed: RefCell<Option<String>>,
    pub conductor: TaskId,
    pub report: Sender<Report>,
    pub recycled: Receiver<Box<Snapshot>>,
    /// The ring's counters, the time and the CPU time at the last call of `record_net_counters`.
    last_counters: Cell<(NetCounters, Nanos, Nanos)>,
    /// The run delay at that time.
    last_delay: Cell<Nanos>,
}

impl CoreState {
    /// Tells whether arrivals wait for a free user.
    pub fn may_queue(&self) -> bool {
        let open = self.plan.executor.open_loop();
        open.is_some_and(|open| open.when_full == WhenFull::Queue)
    }

    /// Returns the two ends of a user's connect number `connects` to a target. The target's addresses are used in turn,
    /// and users take turns with the source addresses so that each pair of both gets its share.
    pub fn route(&self, target: u16, vu: u32, connects: u32) -> Route {
        let (before, rest) = self.targets.split_at(usize::from(target));
        let first: usize = before.iter().map(|target| target.addresses.len()).sum();
        let count = rest[0].addresses.len();
        Route {
            address: first + (vu as usize + connects as usize) % count,
            source_turn: vu as usize / count,
        }
    }

    /// Returns what stands for the user in the content of a sequence of arrivals, which no user owns.
    pub fn owner(&self, sequence: u16) -> u32 {
        let rates = self.plan.executor.rates_by_kind();
        rates.map_or(0, |rates| rates.owner(sequence))
    }

    /// Returns the target of an iteration of user `local`, and what is asked there. Must be called once for each
    /// request, in order.
    pub fn next_request(&self, local: u32, owner: u32, (sequence, iteration): (u16, u64)) -> (u16, Draw) {
        let target = self.routes.borrow_mut().next(sequence, local, iteration);
        (target, self.draw(owner, (sequence, iteration), target))
    }

    /// Draws the request of an iteration, if it goes to `target`. `sequence` is that of the arrival, if it is one.
    pub fn draw(&self, owner: u32, (sequence, iteration): (u16, u64), target: u16) -> Draw {
        let lights = self.targets[usize::from(target)].light_paths.len();
        let (seed, workload) = (self.plan.seed, &self.plan.workload);
        match self.plan.executor.rates_by_kind() {
            Some(_) => {
                let kind = workload.kind_at(target, sequence);
                workload.draw_of_kind(seed, owner, iteration, kind, lights)
            }
            None => workload.draw(seed, owner, iteration, target, lights),
        }
    }

    /// Returns what numbers the requests of this VU and kind.
    pub fn numbered_by(&self, vu: u32, kind: u16) -> NumberedBy {
        let in_mix = self.plan.workload.in_mix(kind);
        self.plan.executor.numbering().of(vu, in_mix)
    }

    /// Returns how a request tells its id, if it does.
    pub fn sent_id(&self, id: RequestId) -> Option<SentId<'_>> {
        let ids = self.options.request_ids.as_ref()?;
        Some(SentId {
            header: &ids.header,
            prefix: &ids.prefix,
            id,
        })
    }

    /// Returns the series in which a request of this kind is recorded.
    pub fn series_of(&self, kind: u16, due: Nanos) -> u16 {
        let [from, until] = self.counted.get();
        match (from..until).contains(&due) {
            true => kind,
            // There are at most `KINDS_MAX` kinds.
            false => kind + self.plan.workload.kinds.len() as u16,
        }
    }

    /// Returns the kind of request that is recorded in a series.
    pub fn kind_of(&self, series: u16) -> &RequestKind {
        let kinds = &self.plan.workload.kinds;
        &kinds[usize::from(series) % kinds.len()]
    }

    /// Sends the figures recorded since the last snapshot, if there is an empty snapshot to continue with. Otherwise
    /// they are kept and go out with the next one.
    pub fn send_snapshot(&self) {
        let Ok(empty) = self.recycled.try_recv() else {
            return;
        };
        self.record_net_counters();
        let full = self.recorder.borrow_mut().take(empty);
        self.send(Report::Snapshot(full));
    }

    /// Sends the figures since the last snapshot if there are so many details that one is due.
    pub fn send_details(&self) {
        let is_due = self.recorder.borrow().details_due();
        if is_due {
            self.send_snapshot();
        }
    }

    /// Sends all figures not yet sent, at the end of this core.
    pub fn send_last_snapshot(&self) {
        self.record_net_counters();
        let series = self.options.series(&self.plan);
        let phased = self.plan.is_phased();
        let empty = Snapshot::of_phases(self.index, series, phased, false);
        let full = self.recorder.borrow_mut().take(empty);
        self.send(Report::Snapshot(full));
    }

    fn send(&self, report: Report) {
        // The channel has room for all snapshots, so sending fails only if the reporter has ended.
        let _ = self.report.send(report);
    }

    /// Adds what the ring has counted since the last call to the recorder.
    fn record_net_counters(&self) {
        let now = self.net.counters();
        let (wall, cpu) = (clock::monotonic(), clock::thread_cpu());
        let (was, wall_was, cpu_was) = self.last_counters.replace((now, wall, cpu));
        let delay_was = self.last_delay.get();
        let delay = clock::run_delay().unwrap_or(delay_was);
        self.last_delay.set(delay);
        let mut recorder = self.recorder.borrow_mut();
        let c = recorder.counters();
        c.connections_opened += now.connections_opened - was.connections_opened;
        c.bytes_sent += now.bytes_sent - was.bytes_sent;
        c.bytes_received += now.bytes_received - was.bytes_received;
        c.reads += now.reads - was.reads;
        c.buffer_shortages += now.buffer_shortages - was.buffer_shortages;
        c.cq_overflows += now.cq_overflows - was.cq_overflows;
        c.stamps_missing += now.stamps_missing - was.stamps_missing;
        c.clock_steps += now.clock_steps - was.clock_steps;
        c.loop_stalls += now.loop_stalls - was.loop_stalls;
        c.longest_stall_ns = c.longest_stall_ns.max(now.longest_stall);
        c.run_delay_ns += delay.saturating_sub(delay_was);
        c.completions += now.completions - was.completions;
        c.waits += now.waits - was.waits;
        // To poll for the next arrival is to wait, though it takes CPU time.
        let polled = now.polling - was.polling;
        c.busy_ns += cpu.saturating_sub(cpu_was).saturating_sub(polled);
        c.wall_ns += wall - wall_was;
        c.connections_peak = c.connections_peak.max(now.connections_peak);
        c.set_connections_open(now.connections_open);
    }
}

/// Returns when the core is done. Whoever started it reports that, as it does a panic in here.
pub async fn run_core(setup: CoreSetup) -> Result<(), CoreFailure> {
    // Timers may be late by the timer slack, which is 50 us by default.
    let _ = rustix::thread::set_current_timer_slack(Some(std::num::NonZeroU64::MIN));
    let commands = setup.commands.clone();
    let io = setup.options.io.name();
    let core = set_up(setup)?;
    let Ok(Command::Start(t0)) = commands.recv() else {
        // The reporter ended before the run began.
        return Ok(());
    };
    core.net.note_runnable();
    spawn(conduct(core.clone(), commands, t0));
    let over = || core.over.get();
    let release = |now| dispatch::release_due(&core, now);
    let read = |arrived: &[ConnId]| reading::read_arrived(&core, arrived);
    core.net
        .drive(yield_now, over, release, read)
        .await
        .map_err(|e| CoreFailure::io(&format!("{io} failed"), &e))?;
    core.send_last_snapshot();
    let failed = core.failed.borrow_mut().take();
    match failed {
        Some(reason) => Err(CoreFailure::of(reason)),
        None => Ok(()),
    }
}

/// Returns the options of the ring of a core with this many users.
fn net_options(plan: &Plan, targets: &[Target], options: &EngineOptions, vus: u32) -> Options {
    Options {
        io: options.io,
        kernel_stamps: options.kernel_stamps,
        acks: match options.quickack {
            true => Acks::AtOnce,
            false => Acks::Delayed,
        },
        nagle: false,
        // Without kernel stamps, a wait would show in the figures.
        min_wait_us: if options.kernel_stamps {
            options.min_wait_us
        } else {
            0
        },
        timer_slack: 0,
        connections: vus.saturating_mul(plan.connections_per_user()),
        addresses: targets
            .iter()
            .flat_map(|target| target.addresses.clone())
            .collect(),
        sends_at_once: plan.executor.open_loop().is_some(),
        sources: options.source_addresses.clone(),
        connects_in_flight_max: CONNECTS_IN_FLIGHT_MAX,
        connect_turn_max: CONNECT_TURN_MAX,
    }
}

fn recorder(core: u16, plan: &Plan, options: &EngineOptions) -> Recorder {
    let (series, phased) = (options.series(plan), plan.is_phased());
    Recorder::of_phases(core, series, phased, options.details)
}

fn set_up(setup: CoreSetup) -> Result<Rc<CoreState>, CoreFailure> {
    let CoreSetup {
        index,
        plan,
        targets,
        options,
        shared_iterations,
        memory,
        histories,
        traffic,
        report,
        recycled,
        commands: _,
        kick_end,
    } = setup;
    let cores = options.cpus.len() as u16;
    let vus = plan.vus_on((u32::from(index), u32::from(cores)));
    let net = Net::new(net_options(&plan, &targets, &options, vus))
        .map_err(|e| CoreFailure::io(&format!("{} cannot be set up", options.io.name()), &e))?;
    let conductor = net.new_task();
    net.watch_kick(kick_end, conductor)
        .map_err(|e| CoreFailure::io("the eventfd cannot be read", &e))?;
    let recorder = recorder(index, &plan, &options);
    let ready = Report::Ready {
        features: net.features(),
        wall_offset: net.wall_offset(),
    };
    report.send(ready).map_err(|e| CoreFailure::of(e.to_string()))?;
    Ok(Rc::new(CoreState {
        index,
        cores,
        recorder: RefCell::new(recorder),
        vus: RefCell::new(VuTable::default()),
        dispatch: RefCell::new(None),
        cancels: RefCell::new(Cancels::new(&plan)),
        body_scratch: RefCell::new(Vec::new()),
        plain_scratch: RefCell::new(Vec::new()),
        tls_pool: crate::tls::Pool::default(),
        lent: RefCell::new(Lent::default()),
        tls_failure: Cell::new(None),
        counted: Cell::new([0, Nanos::MAX]),
        over: Cell::new(false),
        failed: RefCell::new(None),
        last_counters: Cell::new((NetCounters::default(), clock::monotonic(), clock::thread_cpu())),
        last_delay: Cell::new(clock::run_delay().unwrap_or(0)),
        routes: RefCell::new(Routes::new(&plan, u32::from(index), u32::from(cores))),
        plan,
        targets,
        options,
        net,
        shared_iterations,
        memory,
        histories,
        histories_here: Cell::new(0),
        traffic,
        conductor,
        report,
        recycled,
    }))
}
