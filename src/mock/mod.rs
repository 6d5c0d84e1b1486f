//! Implements a server with a known timeline, for tests and benchmarks. It reports when it sent what, and can fail on
//! purpose.

pub mod budget;
pub mod capacity;
mod dialect;
pub mod exposition;
pub mod fault;
mod prefix_cache;
mod received;
mod request;
mod script;
mod serve;
pub mod tokens;
mod told;
mod truth;
mod writes;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Sender;
use socket2::{Domain, Protocol, Socket, Type};

use crate::api::Api;
use crate::engine::CoreFailure;
use crate::engine::runtime::{Core, spawn, yield_now};
use crate::host::Io;
use crate::net::{Acks, Kick, Net, Options};
use crate::units::{MICROSECOND, Nanos};
use budget::Budget;
use capacity::Capacity;
use dialect::Counted;
use exposition::MetricsForm;
use fault::FaultPlan;
use prefix_cache::PrefixCache;
use received::ReceivedRequests;
use script::Script;
use serve::{MockCore, Shared, serve};
use tokens::TokenizeForm;
use truth::Truth;

/// Longest listen queue that the kernel accepts, so that 10,000 connects at once do not lead to SYN retransmits after a
/// second.
const BACKLOG: i32 = 65_535;
/// Sends may be this late, which the mock's own figures show. Waking up for each of 100,000 sends per second kept the
/// core busy with setting timers for more than half of its time.
const TIMER_SLACK: Nanos = 50 * MICROSECOND;
/// A core that has not started after this time has failed.
const START_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct MockOptions {
    /// What drives the sockets.
    pub io: Io,
    pub listen: SocketAddr,
    /// Time from the arrival of a request to its first token.
    pub ttft: Nanos,
    /// Time between two writes.
    pub gap: Nanos,
    pub tokens: u32,
    /// Token events per write, at least 1.
    pub events_per_write: u32,
    /// Sends as fast as the sockets accept data, without a timeline.
    pub unpaced: bool,
    /// Puts the instant of the send into each event.
    pub stamp: bool,
    /// Size to which token events are padded.
    pub event_bytes: usize,
    pub faults: FaultPlan,
    /// Spreads the connections' timelines evenly over a gap, so that they don't all send at the same time.
    pub spread: bool,
    /// Closes the connection after each complete stream although it promised to keep it, as llama.cpp does.
    pub close_after_stream: bool,
    /// Tokens for all streams together, including those of all mocks that share the budget.
    pub budget: Option<Arc<Budget>>,
    /// What the number of requests does to answers, including those of all mocks that share it.
    pub capacity: Arc<Capacity>,
    /// Leaves Nagle's algorithm on, as some servers do.
    pub nagle: bool,
    /// Keeps this many of the newest requests, for `GET /mock/requests`.
    pub record: usize,
    /// Counts the tokens of prompts, and states which of them a cache of prefixes has.
    pub prefix_cache: bool,
    /// Has a `/tokenize` like this server's, and counts the tokens of prompts by it.
    pub tokenize: Option<TokenizeForm>,
    /// States that this many tokens of each answer are thoughts.
    pub reasoning: Option<u32>,
    /// What `GET /metrics` shows.
    pub metrics: MetricsForm,
    /// The share of requests and tokens that it does not count there.
    pub miscount: f64,
    /// CPUs of the threads, one each; not empty.
    pub cpus: Vec<usize>,
    /// Expected number of connections.
    pub connections: u32,
}

/// A running mock, which ends by `stop` or when it is dropped.
pub struct Mock {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    kicks: Vec<Kick>,
    cores: Vec<Core>,
}

impl Mock {
    pub fn start(options: MockOptions) -> io::Result<Mock> {
        let first = first_listener(options.listen)?;
        let address = first
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("the listener has no IP address"))?;
        let cpus = options.cpus.clone();
        let mut listeners = vec![OwnedFd::from(first)];
        for _ in 1..cpus.len() {
            listeners.push(listener(address)?.into());
        }
        let counted = Counted {
            reasoning: options.reasoning,
            ..Counted::plain(options.tokens)
        };
        let shared = Arc::new(Shared {
            scripts: Api::ALL.map(|api| Script::new(api, &counted, options.stamp, options.event_bytes)),
            counted,
            prefixes: options.prefix_cache.then(PrefixCache::default),
            answer: dialect::text(options.tokens),
            faults: options.faults.clone(),
            completions: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            received: Mutex::new(ReceivedRequests::new(options.record)),
            truths: cpus.iter().map(|_| Mutex::new(Truth::default())).collect(),
            options,
        });
        let mut mock = Mock {
            address,
            stop: Arc::new(AtomicBool::new(false)),
            kicks: Vec::new(),
            cores: Vec::new(),
        };
        let (ready, started) = crossbeam_channel::bounded(cpus.len());
        for (core, (cpu, listener)) in cpus.iter().zip(listeners).enumerate() {
            let (kick, kick_end) = Kick::new()?;
            mock.kicks.push(kick);
            let setup = CoreSetup {
                shared: shared.clone(),
                core,
                listener,
                kick_end,
                stop: mock.stop.clone(),
                ready: ready.clone(),
            };
            let ready = ready.clone();
            let ended = move |result: Result<(), CoreFailure>| {
                if let Err(failure) = result {
                    // Whoever waits for the start hears of it at once; later nobody asks.
                    let _ = ready.try_send(Err(io::Error::other(failure.what)));
                }
            };
            let main = move || async {
                run_core(setup).await;
                Ok(())
            };
            let thread = Core::spawn((*cpu, shared.options.io), &format!("mock-{core}"), main, ended);
            mock.cores
                .push(thread.map_err(|failure| io::Error::other(failure.what))?);
        }
        for _ in &cpus {
            started
                .recv_timeout(START_TIMEOUT)
                .map_err(|_| io::Error::other("a core of the mock did not start"))??;
        }
        Ok(mock)
    }

    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Release);
        for kick in &self.kicks {
            kick.kick();
        }
        for core in self.cores.drain(..) {
            // A core that failed has reported it at its start, or its clients have noticed.
            let _ = core.join();
        }
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.end();
    }
}

/// Shared ports are for the mock's own cores: bound without sharing, it is refused where anybody is at the port, who
/// would otherwise get a part of the connections. Shared afterwards, the other cores join.
fn first_listener(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier mock that still linger are in nobody's way.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn listener(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

struct CoreSetup {
    shared: Arc<Shared>,
    core: usize,
    listener: OwnedFd,
    kick_end: OwnedFd,
    stop: Arc<AtomicBool>,
    ready: Sender<io::Result<()>>,
}

async fn run_core(setup: CoreSetup) {
    let CoreSetup {
        shared,
        core,
        listener,
        kick_end,
        stop,
        ready,
    } = setup;
    let net = match Net::new(Options {
        io: shared.options.io,
        kernel_stamps: true,
        nagle: shared.options.nagle,
        acks: Acks::AsTheKernelDoes,
        min_wait_us: 0,
        timer_slack: TIMER_SLACK,
        connections: shared.options.connections,
        addresses: Vec::new(),
        sources: Vec::new(),
        sends_at_once: false,
        connects_in_flight_max: 1,
        connect_turn_max: Nanos::MAX,
    }) {
        Ok(net) => net,
        Err(e) => {
            let _ = ready.send(Err(e));
            return;
        }
    };
    let acceptor = net.new_task();
    let kicked = net.new_task();
    let armed = net
        .listen(listener, acceptor)
        .and_then(|()| net.watch_kick(kick_end, kicked));
    if ready.send(armed).is_err() {
        return;
    }
    let this = Rc::new(MockCore {
        shared,
        core,
        net: net.clone(),
    });
    net.note_runnable();
    spawn(async move {
        while let Some((conn, task)) = this.net.accept(acceptor).await {
            spawn(serve(this.clone(), conn, task));
            this.net.note_runnable();
        }
    });
    // A failure of the ring ends the mock, and its clients see closed connections.
    let _ = net
        .drive(yield_now, || stop.load(Ordering::Acquire), |_| None, |_| ())
        .await;
}
