//! The subcommand `mock`: runs the mock as a process of its own.

use std::io::{Error, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::MockArgs;
use crate::error::{ExitCode, Failure, Reason, listen_failure};
use crate::host::preflight::ring_bytes;
use crate::host::{self, HostFacts, Io, IoChoice, IoUse, Need, allowed_cpus, plan_cpus, raise_open_files};
use crate::mock::budget::Budget;
use crate::mock::capacity::Capacity;
use crate::mock::fault::FaultPlan;
use crate::mock::{Mock, MockOptions};
use crate::net;
use crate::signals::{Phase, Signals};

/// The number of connections that the completion queue is sized for. More work as well.
const CONNECTIONS_EXPECTED: u32 = 8192;

/// Serves until a signal comes or `--max-seconds` are over. It prints its addresses on standard output first, one per
/// line.
pub fn run(args: &MockArgs, say: &mut dyn FnMut(&str)) -> Result<ExitCode, Failure> {
    args.check()?;
    let signals = Signals::watch(Phase::Load, |_| {})?;
    let cpus = cpus(args)?;
    let io = check_host(args.io, &cpus, args.listen.len(), say)?;
    raise_open_files();
    let counts = args.faults.as_ref().map_or(&[][..], |f| f.0.as_slice());
    let options = MockOptions {
        listen: args.listen[0],
        ttft: args.ttft,
        gap: args.gap,
        tokens: args.tokens,
        events_per_write: args.events_per_write,
        unpaced: args.unpaced,
        stamp: args.stamp,
        event_bytes: args.event_bytes as usize,
        faults: FaultPlan::new(counts, args.fault_cycle, args.seed),
        spread: args.spread,
        close_after_stream: args.close_after_stream,
        budget: args.token_rate.map(|rate| Arc::new(Budget::new(rate))),
        capacity: Arc::new(Capacity::new(args.capacity())),
        nagle: args.nagle,
        record: args.record as usize,
        prefix_cache: args.prefix_cache,
        reasoning: args.reasoning_tokens,
        tokenize: args.tokenize,
        metrics: args.metrics,
        miscount: args.miscount,
        io,
        cpus,
        connections: CONNECTIONS_EXPECTED,
    };
    let mut mocks = Vec::new();
    for listen in &args.listen {
        let options = MockOptions {
            listen: *listen,
            ..options.clone()
        };
        mocks.push(Mock::start(options).map_err(|e| listen_failure("--listen", *listen, &e))?);
    }
    say_addresses(&mocks)?;
    let wait = Duration::from_secs(args.max_seconds);
    if signals.received.recv_timeout(wait).is_err() {
        say("mock: stopped after --max-seconds");
    }
    mocks.into_iter().for_each(Mock::stop);
    Ok(ExitCode::Ok)
}

/// Returns the CPUs of the mock's threads: the first that this process may use, unless others are named.
fn cpus(args: &MockArgs) -> Result<Vec<usize>, Failure> {
    let named = args.cpus.as_ref().map(|list| list.0.as_slice());
    let one = named.is_none().then_some(1);
    Ok(plan_cpus(&allowed_cpus(), one, named, false)?.workers)
}

/// Checks that this host allows what the mock's threads need, as a load does, before one is started. Returns what
/// drives their sockets.
fn check_host(
    asked: IoChoice,
    cpus: &[usize],
    listeners: usize,
    say: &mut dyn FnMut(&str),
) -> Result<Io, Failure> {
    let mut need = Need {
        io: Io::Uring,
        vus: 1,
        cores: u32::try_from(cpus.len() * listeners).unwrap_or(u32::MAX),
        addresses: 1,
        sources: 1,
        closing: 0,
        ring_bytes: ring_bytes(net::SUBMISSIONS, net::completion_entries(CONNECTIONS_EXPECTED)),
        backlog: 0,
    };
    let mut facts = HostFacts::read_for(asked);
    let io = IoUse::choose(asked, &facts, &need);
    need.io = io.io;
    host::check(&mut facts, &need)?;
    io.note().iter().for_each(|note| say(&format!("mock: {note}")));
    Ok(io.io)
}

fn unwritten(e: &Error) -> Failure {
    let reason = Reason::new(format!("cannot write: {e}"));
    let hint = "the mock prints its addresses there: free some space, or redirect it elsewhere";
    Failure::new(ExitCode::Output, reason.hint(hint).at("standard output", 0))
}

/// Prints the address of each mock on standard output, one per line. Whoever started the mock may have closed its
/// output; then it still serves until its time is over.
fn say_addresses(mocks: &[Mock]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for mock in mocks {
        match writeln!(out, "listening http://{}", mock.address).and_then(|()| out.flush()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => return Err(unwritten(&e)),
            _ => {}
        }
    }
    Ok(())
}
