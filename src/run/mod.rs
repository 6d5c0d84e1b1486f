//! A run from its plan to its exit code: it checks the host, finds or starts the server, starts the engine, listens to
//! it, builds the result and writes it.

mod beside;
mod exchange;
mod failures;
mod find_limit;
mod finish;
mod gathered;
mod histories;
mod listen;
mod load;
mod masks;
mod metrics_listen;
mod models;
mod notice;
mod progress;
mod push;
mod ranks;
mod server_metrics;
mod servers;
mod setup;
mod silence;
mod slots;
mod sources;
mod spooling;
mod start;
mod together;
mod tokenizer;
mod validation;
mod waiting;

pub use find_limit::find_limit;
pub use metrics_listen::Linger;

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use crate::cli::{RunArgs, Summary};
use crate::config::{Config, load_plan, to_plan};
use crate::error::{ExitCode, Failure, Mistakes, Reason, shown_path};
use crate::host::CpuQuota;
use crate::net::clock;
use crate::output::{Console, DetailSpool, OutputFiles};
use crate::plan::Plan;
use crate::profiles;
use crate::result::Grouping;
use crate::signals::{Phase, Signals};
use crate::units::Nanos;
use beside::Beside;
use finish::StartFacts;
use gathered::Files;
use listen::Books;
use load::{Load, PassContext};
use ranks::Ranks;
use setup::Ready;
use spooling::Spooling;
use validation::Asked;

/// The outcome of a run, for `main` to print.
#[derive(Debug)]
pub struct Finished {
    pub exit: ExitCode,
    /// The summary for standard output; empty with `--quiet`.
    pub summary: String,
    /// The summary goes to standard error, because a document goes to standard output.
    pub standard_output_taken: bool,
    /// The failures apart from the load itself, for standard error.
    pub errors: Vec<Failure>,
    /// What still answers scrapes when all that has been printed.
    pub linger: Option<Linger>,
}

/// Makes a run. `begun` is the start of the program in CLOCK_MONOTONIC; `console` prints progress and notes.
pub fn run(args: &RunArgs, signals: &Signals, begun: Nanos, console: &Console) -> Result<Finished, Failure> {
    let mut say = |line: &str| console.say(line);
    let (mut config, mut plan) = load_plan(args)?;
    let start_at = start::start_instant(args.sharding.start_at, clock::realtime())?;
    let files = Files::prepare(&config, args, OffsetDateTime::now_utc())?;
    signals.remove_on_exit(files.temporaries());
    let mut note = |note: &str| {
        if !args.quiet {
            say(note);
        }
    };
    config.notes.iter().for_each(|text| note(text));
    if config.run.details {
        check_spool(files.of_process(), args.details, &mut note)?;
    }
    notice::announce_shard(&plan, &mut note);
    let gateway = push::gateway(&config)?;
    let ranks = Ranks::join(&config, args, Value::Null, &mut note)?;
    let mut scraped = metrics_listen::start(&config, &plan, ranks.as_ref(), args.quiet, console)?;
    let mut ready = setup::set_up(&config, &plan, args, &mut note)?;
    // Both are asked, whatever the first one says.
    if models::adopt(&mut config, &ready.models) | setup::choose_tag(&mut config) {
        plan = to_plan(&config).map_err(Mistakes::new)?;
    }
    validate(&config, args, &plan, &mut ready, &mut note)?;
    tokenizer::measure(&config, &mut plan, &mut ready, &mut note)?;
    let plan = Arc::new(plan);
    pin_to(ready.cpus.reporter, ranks.as_ref(), console);
    metrics_listen::begin(&mut scraped, &config, &plan, ready.cpus.reporter);
    let pusher = push::start(gateway, &config, &plan, ranks.as_ref(), args.quiet)?;
    let screen = progress::screen(args, console);
    let books = Books {
        spool: spool(files.of_process(), &ready, &plan, &mut say)?,
        pusher,
        scraped,
        ..Books::default()
    };
    let passes = plan.passes(config.repeat, config.contention);
    let context = PassContext {
        args,
        signals,
        screen: screen.as_ref(),
        start_at,
        ranks: ranks.as_ref(),
        config: &config,
    };
    ready.quota = CpuQuota::read();
    let suspended = clock::suspended();
    let mut load = Load::run(&passes, books, &mut ready, &context, &mut say)?;
    if let Some(screen) = &screen {
        screen.clear();
    }
    let pushes = push::finish(&mut load, &config, signals, &mut say);
    let linger = metrics_listen::finish(&mut load, &config);
    signals.enter(Phase::Report);
    let start_facts = StartFacts {
        begun,
        start_at: start_at.or(load.books.asked),
        pushes,
        suspended,
        full_summary: args.summary == Summary::Full,
    };
    let how = (start_facts.full_summary, load.in_a_hurry);
    let whole = load.whole.take().map(|whole| whole.judged);
    let own = finish::finish(&config, &plan, ready, files.of_process(), load, start_facts);
    let mut finished = gathered::conclude(ranks.as_ref(), &files, (own, whole), how, &mut say);
    finished.linger = linger;
    if args.quiet {
        finished.summary.clear();
    }
    Ok(finished)
}

/// Moves this thread, and those that serve it, to a CPU away from the workers.
fn pin_to(cpu: usize, ranks: Option<&Ranks>, console: &Console) {
    setup::pin_to(cpu);
    console.pin_to(cpu);
    if let Some(ranks) = ranks {
        ranks.pin_to(cpu);
    }
}

/// Validates the targets if the configuration asks for it. Otherwise a built-in profile still asks targets that it does
/// not know for the members of a body that they take.
fn validate(
    config: &Config,
    args: &RunArgs,
    plan: &Plan,
    ready: &mut Ready,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let (targets, tls) = (ready.targets.clone(), ready.engine.tls.clone());
    let asked = Asked {
        targets: &targets,
        tls: &tls,
        sources: &config.source_address.addresses,
    };
    if !config.validate {
        if !args.server.no_validate && profiles::text(&config.profile).is_some() {
            let unknown = &ready.unknown_bodies;
            ready.targets = ready.managed.find_wording(plan, &asked, unknown, note).into();
        }
        return Ok(());
    }
    match ready.managed.validate(plan, &asked, note) {
        Ok(targets) => ready.targets = targets.into(),
        Err(e) => {
            let mut failures = vec![e];
            ready.managed.stop(&mut failures);
            return Err(failures.remove(0));
        }
    }
    Ok(())
}

/// Refuses details that have no file, or one that is not a regular file, before anything is sent.
fn check_spool(
    (files, beside): (&OutputFiles, &Beside),
    by_option: bool,
    note: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    if files.is_empty() && beside.lists_requests() {
        return beside.check_spool();
    }
    if files.is_empty() && by_option {
        let reason = Reason::new("there is no file for the details");
        let hint = "add `--output FILE` (`-` is standard output) or `--csv FOLDER`";
        return Err(Mistakes::from(reason.hint(hint).at("--details", 0)).into());
    }
    if files.is_empty() {
        note("`details: true` of the document has no effect: no file is written (--output FILE)");
    }
    files.check_spool()
}

/// Where each request is written to while the run goes on.
fn spool(
    (files, beside): (&OutputFiles, &Beside),
    ready: &Ready,
    plan: &Plan,
    say: &mut dyn FnMut(&str),
) -> Result<Option<Spooling>, Failure> {
    if !ready.engine.details || files.is_empty() && !beside.lists_requests() {
        return Ok(None);
    }
    let names = Grouping::from_plan(plan).names_in_details();
    // Each pass says which time of day its instants are.
    let beside_tables = || beside.spool_path().filter(|_| files.is_empty());
    let spool = match files.spool_path().or_else(beside_tables) {
        Some(path) => DetailSpool::create(&path, &names, 0)?,
        None => DetailSpool::unnamed(&names, 0)?,
    };
    if let Some(kept) = spool.kept() {
        let kept = shown_path(kept);
        say(&format!("details of a run that was killed are kept: {kept}"));
    }
    let spool = spool.with_ids(plan.executor.numbering(), plan.workload.kinds_in_mix());
    let spool = match setup::carry_ids(plan, ready) {
        Some((tag, sent)) => spool.with_sent_ids(tag, sent),
        None => spool,
    };
    Spooling::start(spool).map(Some)
}
