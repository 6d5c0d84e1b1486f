//! A run from its plan to its exit code: it checks the host, finds or starts the server, starts the engine, listens to
//! it, builds the result and writes it.

mod finish;
mod listen;
mod load;
mod models;
mod notice;
mod progress;
mod push;
mod servers;
mod setup;
mod silence;
mod start;

use std::sync::Arc;

use time::OffsetDateTime;

use crate::cli::RunArgs;
use crate::config::{load_plan, to_plan};
use crate::error::{ExitCode, Failure, Mistakes};
use crate::host::CpuQuota;
use crate::net::clock;
use crate::output::{DetailSpool, OutputFiles};
use crate::plan::Plan;
use crate::result::Grouping;
use crate::signals::{Phase, Signals};
use crate::units::Nanos;
use finish::StartFacts;
use listen::Books;
use load::{Load, PassContext};
use setup::Ready;

/// The outcome of a run, for `main` to print.
#[derive(Debug)]
pub struct Finished {
    pub exit: ExitCode,
    /// The summary for standard output; empty with `--quiet`.
    pub summary: String,
    /// The failures for standard error: everything that went wrong apart from the load itself.
    pub errors: Vec<Failure>,
}

/// Makes a run. `begun` is when the program started, on CLOCK_MONOTONIC. `say` prints a line of progress or a note at
/// once.
pub fn run(
    args: &RunArgs,
    signals: &Signals,
    begun: Nanos,
    say: &mut dyn FnMut(&str),
) -> Result<Finished, Failure> {
    let (mut config, mut plan) = load_plan(args)?;
    let start_at = start::start_instant(args.sharding.start_at, clock::realtime())?;
    let now = OffsetDateTime::now_utc();
    let results = config.results_dir.as_deref().map(|folder| (folder, now));
    let files = OutputFiles::prepare(config.run.output.as_deref(), results)?;
    let mut note = |note: &str| {
        if !args.quiet {
            say(note);
        }
    };
    if config.run.details && files.spool_path().is_none() {
        note("--details: ignored, because it needs --output with a regular file");
    }
    notice::announce_shard(&plan, &mut note);
    let gateway = push::gateway(&config)?;
    let mut ready = setup::set_up(&config, &plan, args, &mut note)?;
    if models::adopt(&mut config, &ready.models) {
        plan = to_plan(&config).map_err(Mistakes::new)?;
    }
    let plan = Arc::new(plan);
    if config.validate {
        let (targets, tls) = (&ready.targets, &ready.engine.tls);
        match ready.managed.validate(&plan, targets, tls, &mut note) {
            Ok(targets) => ready.targets = targets.into(),
            Err(e) => {
                let mut failures = vec![e];
                ready.managed.stop(&mut failures);
                return Err(failures.remove(0));
            }
        }
    }
    setup::pin_to(ready.cpus.reporter);
    let pusher = push::start(gateway, &config, &plan, args.quiet)?;
    let screen = progress::screen(args);
    let mut say = |line: &str| match &screen {
        Some(screen) => screen.above(|| say(line)),
        None => say(line),
    };
    let books = Books {
        spool: spool(&files, &ready, &plan)?,
        pusher,
        ..Books::default()
    };
    let passes = plan.passes(config.repeat, config.contention);
    let context = PassContext {
        args,
        signals,
        screen: screen.as_ref(),
        start_at,
    };
    ready.quota = CpuQuota::read();
    let suspended = clock::suspended();
    let mut load = Load::run(&passes, books, &mut ready, &context, &mut say)?;
    if let Some(screen) = &screen {
        screen.clear();
    }
    let pushes = push::finish(&mut load, &config, signals, &mut say);
    signals.enter(Phase::Report {
        temporaries: files.temporaries(),
    });
    let start_facts = StartFacts {
        begun,
        start_at,
        pushes,
        suspended,
    };
    let mut finished = finish::finish(&config, &plan, ready, &files, load, start_facts);
    if args.quiet {
        finished.summary.clear();
    }
    Ok(finished)
}

/// Creates the file that each request is written to during the run; `None` if requests are not kept.
fn spool(files: &OutputFiles, ready: &Ready, plan: &Plan) -> Result<Option<DetailSpool>, Failure> {
    Ok(match files.spool_path() {
        // The offset is 0 because each pass sets its own offset to the wall clock when it begins.
        Some(path) if ready.engine.details => {
            let spool = DetailSpool::create(&path, &Grouping::from_plan(plan).names_in_details(), 0)?;
            Some(spool.ids_by_iteration(plan.executor.shared_iterations().is_some()))
        }
        _ => None,
    })
}
