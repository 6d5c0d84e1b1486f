//! The subcommand `mock`: runs the mock as a process of its own.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::MockArgs;
use crate::error::{ExitCode, Failure, Reason};
use crate::host::{allowed_cpus, raise_open_files};
use crate::mock::budget::Budget;
use crate::mock::fault::FaultPlan;
use crate::mock::{Mock, MockOptions};
use crate::signals::{Phase, Signals};

/// The number of connections that the completion queue is sized for. More work as well.
const CONNECTIONS_EXPECTED: u32 = 8192;

/// Serves until a signal comes or `--max-seconds` are over. It prints its addresses on standard output first, one per
/// line.
pub fn run(args: &MockArgs, say: &mut dyn FnMut(&str)) -> Result<ExitCode, Failure> {
    args.check()?;
    let signals = Signals::watch(Phase::Load, |_| {})?;
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
        nagle: args.nagle,
        cpus: match &args.cpus {
            Some(list) => list.0.clone(),
            None => allowed_cpus().into_iter().take(1).collect(),
        },
        connections: CONNECTIONS_EXPECTED,
    };
    let mut mocks = Vec::new();
    for listen in &args.listen {
        let options = MockOptions {
            listen: *listen,
            ..options.clone()
        };
        mocks.push(Mock::start(options).map_err(|e| {
            let reason = Reason::new(format!("`{listen}`: {e}"))
                .hint("name a free port, or use port 0 for any free port");
            Failure::new(ExitCode::Host, reason.at("--listen", 0))
        })?);
    }
    let mut out = std::io::stdout().lock();
    for mock in &mocks {
        // Whoever started the mock may have closed its output; then it still serves until its time is over.
        let _ = writeln!(out, "listening http://{}", mock.address).and_then(|()| out.flush());
    }
    drop(out);
    let wait = Duration::from_secs(args.max_seconds);
    if signals.received.recv_timeout(wait).is_err() {
        say("mock: stopped after --max-seconds");
    }
    mocks.into_iter().for_each(Mock::stop);
    Ok(ExitCode::Ok)
}
