//! The program: parses the command line, runs the command, prints its text and ends with its exit code.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use llmload_uring::cli::{self, Command};
use llmload_uring::commands;
use llmload_uring::error::{ExitCode as Exit, Failure, Reason, escape, one_line};
use llmload_uring::net::clock;
use llmload_uring::output::Console;
use llmload_uring::run;
use llmload_uring::server;
use llmload_uring::signals::{Phase, Signals};

fn main() -> ExitCode {
    let begun = clock::monotonic();
    // With a handler, a file that is larger than `ulimit -f` allows is an error of its write, not the end.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    std::panic::set_hook(Box::new(tell_panic));
    let result = match cli::parse() {
        Ok(cli) => dispatch(cli, begun),
        Err(cli::Stop::Shown(help)) => told_by_clap(&help),
        Err(cli::Stop::Refused(failure)) => Err(failure),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => tell(&failure).into(),
    }
}

fn dispatch(cli: cli::Cli, begun: u64) -> Result<Exit, Failure> {
    // A run says it by a thread of its own, and may be quiet; what other programs read is left as it is.
    use Command::{Baseline, Compare, Config, ImportK6, Merge, Mock, Probe};
    if let Some(Baseline(_) | Compare(_) | Config(_) | ImportK6(_) | Merge(_) | Mock(_) | Probe(_)) =
        cli.command
    {
        warn_of_variables(&say);
    }
    match cli.command {
        Some(Command::Llmsim(args)) => server::simulator_child::run(args).map(|()| Exit::Ok),
        // The supervisor ends with the exit code of its server.
        Some(Command::Supervise(args)) => match server::supervisor::run(args) {
            Ok(code) => std::process::exit(i32::from(code)),
            Err(failure) => Err(failure),
        },
        Some(Command::Compare(args)) => compare(&args),
        Some(Command::Baseline(args)) => commands::compare::baseline(&args).and_then(|text| deliver(&text)),
        Some(Command::Merge(args)) => merge(&args),
        Some(Command::ImportK6(args)) => import_k6(&args),
        Some(Command::Mock(args)) => commands::mock::run(&args, &mut say),
        Some(Command::Run(args)) => load(&args, begun),
        Some(Command::Config(args)) => {
            let checked = commands::config_check::check(&args).map_err(Failure::from);
            checked.and_then(|text| deliver(&text))
        }
        Some(Command::Profiles(args)) => commands::profiles::profiles(&args)
            .map_err(Failure::from)
            .and_then(|text| deliver(&text)),
        Some(Command::Probe(args)) => probe(&args),
        Some(Command::Completions { shell }) => deliver_as_it_is(&cli::completions(shell)),
        Some(Command::Man) => cli::man()
            .map_err(Failure::internal)
            .and_then(|page| deliver_as_it_is(&page)),
        None => load(&cli.run, begun),
    }
}

/// Tells of a panic on a line of its own, filtered like all text: its message may repeat what a server has sent.
fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("without a message");
    let place = panic
        .location()
        .map_or(String::new(), |place| format!(" at {place}"));
    say(&format!(
        "thread `{}` panicked{place}: {message}",
        thread.name().unwrap_or("unnamed")
    ));
    // Empty unless RUST_BACKTRACE asks for it.
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        trace.to_string().lines().for_each(say);
    }
}

/// Shows a failure, and gives its exit code.
fn tell(failure: &Failure) -> Exit {
    tell_by(failure, &say)
}

fn tell_by(failure: &Failure, say: &dyn Fn(&str)) -> Exit {
    // A mistake in a variable is told at the variable: nobody has typed the option.
    for line in failure
        .clone()
        .with_places(cli::place_in_environment)
        .to_string()
        .lines()
    {
        say(line);
    }
    failure.exit
}

/// A mistyped variable changes nothing, which its user should know.
fn warn_of_variables(say: &dyn Fn(&str)) {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    cli::unknown_variables(names).iter().for_each(|line| say(line));
}

/// A run leaves what it has to say to a thread of its own. Whoever does not read standard error is waited for only this
/// long at the end.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// A signal that ends the program does so within 100 ms.
const LEAVE_WITHIN: Duration = Duration::from_millis(50);

fn load(args: &cli::RunArgs, begun: u64) -> Result<Exit, Failure> {
    let console = Console::start();
    let say = |line: &str| console.say(line);
    if !args.quiet {
        warn_of_variables(&say);
    }
    let of_signals = console.clone();
    let signals = Signals::watch(Phase::Setup, move |line| {
        of_signals.say(line);
        of_signals.drain(Some(LEAVE_WITHIN));
    })?;
    let exit = match run::run(args, &signals, begun, &console) {
        Ok(finished) => report(&finished, &console),
        Err(failure) => tell_by(&failure, &say),
    };
    console.drain(Some(READ_WITHIN));
    Ok(exit)
}

/// Prints what a run has come to. Its documents are written by now.
fn report(finished: &run::Finished, console: &Console) -> Exit {
    let say = |line: &str| console.say(line);
    let mut exits = vec![finished.exit];
    let unprinted = match finished.standard_output_taken {
        true => {
            finished.summary.lines().for_each(say);
            None
        }
        false => {
            // On one terminal the block has to be gone before the summary comes, and both wait for the same reader.
            let same = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
            console.drain((!same).then_some(READ_WITHIN));
            deliver_as_it_is(finished.summary.as_bytes()).err()
        }
    };
    exits.extend(unprinted.as_ref().map(|failure| failure.exit));
    let failures = finished.errors.iter().chain(&unprinted);
    for failure in failures.filter(|failure| !failure.is_shown()) {
        tell_by(failure, &say);
    }
    Exit::combine(&exits)
}

fn merge(args: &cli::MergeArgs) -> Result<Exit, Failure> {
    let merged = commands::merge::run(args)?;
    merged.notes.iter().for_each(|note| say(note));
    let delivered = match merged.standard_output_taken {
        true => {
            merged.summary.lines().for_each(say);
            Ok(Exit::Ok)
        }
        // The colours are ours; what it says of the runs was filtered where it was put in.
        false => deliver_as_it_is(merged.summary.as_bytes()),
    };
    if let Some(failure) = &merged.failure {
        tell(failure);
    }
    Ok(Exit::combine(&[
        merged.exit,
        delivered.unwrap_or_else(|failure| tell(&failure)),
    ]))
}

fn import_k6(args: &cli::ImportK6Args) -> Result<Exit, Failure> {
    let imported = commands::import_k6::run(args)?;
    imported.notes.iter().for_each(|note| say(note));
    deliver(&imported.profile)
}

fn compare(args: &cli::CompareArgs) -> Result<Exit, Failure> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let compared = commands::compare::compare(args, std::io::stdout().is_terminal() && !no_color)?;
    // The colours are ours; what it says of the runs was filtered where it was put in.
    let delivered = deliver_as_it_is(compared.text.as_bytes());
    compared.notes.iter().for_each(|note| say(note));
    Ok(Exit::combine(&[
        compared.exit,
        delivered.unwrap_or_else(|failure| tell(&failure)),
    ]))
}

/// Writes text to standard output through the filter: a terminal gets plain lines, whatever the text holds.
fn deliver(text: &str) -> Result<Exit, Failure> {
    deliver_as_it_is(escape(text).as_bytes())
}

/// Output that was asked for and did not arrive is an error, but for a reader that has gone away.
fn deliver_as_it_is(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    arrived(out.write_all(bytes).and_then(|()| out.flush()))
}

fn arrived(written: std::io::Result<()>) -> Result<Exit, Failure> {
    match written {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let reason =
                Reason::new(format!("cannot write: {e}")).hint("free some space, or redirect it elsewhere");
            Err(Failure::new(Exit::Output, reason.at("standard output", 0)))
        }
        _ => Ok(Exit::Ok),
    }
}

fn probe(args: &cli::ProbeArgs) -> Result<Exit, Failure> {
    let probed = commands::probe::probe(args);
    let delivered = deliver(&probed.text);
    if let Some(problems) = &probed.problems {
        tell(problems);
    }
    let found = probed.problems.as_ref().map_or(Exit::Ok, |failure| failure.exit);
    Ok(Exit::combine(&[
        found,
        delivered.unwrap_or_else(|failure| tell(&failure)),
    ]))
}

/// Help and version are output that was asked for. A command without the word that has to follow shows its help as an
/// error, with exit code 2.
fn told_by_clap(error: &clap::Error) -> Result<Exit, Failure> {
    if error.use_stderr() {
        error.exit();
    }
    arrived(error.print().and_then(|()| std::io::stdout().flush()))
}

/// Prints one line on standard error, whatever the text holds. Apart from the live block and clap's own errors,
/// nothing else writes there.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", one_line(line));
}
