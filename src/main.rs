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
use rustix::process::{Signal, set_parent_process_death_signal};

fn main() -> ExitCode {
    let begun = clock::monotonic();
    // With a handler, a file that is larger than `ulimit -f` allows is an error of its write, not the end.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    std::panic::set_hook(Box::new(print_panic));
    let result = match cli::parse() {
        Ok(cli) => dispatch(cli, begun),
        Err(cli::Stop::Shown(help)) => show_help(&help),
        Err(cli::Stop::Refused(failure)) => Err(failure),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => print_failure(&failure).into(),
    }
}

fn dispatch(cli: cli::Cli, begun: u64) -> Result<Exit, Failure> {
    // A run says it by a thread of its own, and may be quiet; what other programs read is left as it is.
    use Command::{Baseline, Calibrate, Compare, Config, Merge, Mock, Probe, Report, Show};
    use Command::{Import, ImportInferencePerf, ImportK6};
    if let Some(
        Baseline(_)
        | Calibrate(_)
        | Compare(_)
        | Config(_)
        | Merge(_)
        | Mock(_)
        | Probe(_)
        | Report(_)
        | Show(_)
        | Import(_)
        | ImportInferencePerf(_)
        | ImportK6(_),
    ) = cli.command
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
        Some(Command::Load(args)) => {
            // The kernel sends this signal when the thread that started us ends, which is its main thread.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            run_load(&args, begun)
        }
        Some(Command::Calibrate(args)) => calibrate(&args),
        Some(Command::Compare(args)) => compare(&args),
        Some(Command::Baseline(args)) => commands::compare::baseline(&args).and_then(|text| deliver(&text)),
        Some(Command::Merge(args)) => merge(&args),
        Some(Command::Report(args)) => {
            commands::report::run(&args).and_then(|line| line.map_or(Ok(Exit::Ok), |line| deliver(&line)))
        }
        Some(Command::Show(args)) => show(&args),
        Some(Command::ImportK6(args)) => imported(commands::import::run_k6(&args)),
        Some(Command::ImportInferencePerf(args)) => imported(commands::import::run_inference_perf(&args)),
        Some(Command::Import(args)) => imported(commands::import::run(&args.action)),
        Some(Command::Mock(args)) => commands::mock::run(&args, &mut say),
        Some(Command::Run(args)) => run_load(&args, begun),
        Some(Command::FindLimit(args)) => load(args.run.quiet, |signals, console| {
            run::find_limit(&args, signals, begun, console)
        }),
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
        None => run_load(&cli.run, begun),
    }
}

/// Reports a panic on one line, filtered like all text, because its message may repeat what a server has sent.
fn print_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("without a message");
    let place = panic
        .location()
        .map_or(String::new(), |place| format!(" at {place}"));
    say(&format!(
        "thread `{}` panicked{place}: {message}",
        thread.name().unwrap_or("unnamed")
    ));
    // The backtrace is empty unless RUST_BACKTRACE asks for it.
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        trace.to_string().lines().for_each(say);
    }
}

/// Prints a failure, and returns its exit code.
fn print_failure(failure: &Failure) -> Exit {
    print_failure_with(failure, &say)
}

fn print_failure_with(failure: &Failure, say: &dyn Fn(&str)) -> Exit {
    // A mistake in a variable is reported at the variable, because nobody has typed the option.
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

/// Warns about mistyped variables, which have no effect.
fn warn_of_variables(say: &dyn Fn(&str)) {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    cli::unknown_variables(names).iter().for_each(|line| say(line));
}

/// The time to wait at the end for a reader of standard error, which a thread of its own writes during a run.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// The time to wait for that reader after a signal, which has to end the program within 100 ms.
const LEAVE_WITHIN: Duration = Duration::from_millis(50);

fn run_load(args: &cli::RunArgs, begun: u64) -> Result<Exit, Failure> {
    load(args.quiet, |signals, console| {
        run::run(args, signals, begun, console)
    })
}

/// Runs `run` with what every load needs: a thread for its lines, and signals.
fn load(
    quiet: bool,
    run: impl FnOnce(&Signals, &Console) -> Result<run::Finished, Failure>,
) -> Result<Exit, Failure> {
    let console = Console::start();
    let say = |line: &str| console.say(line);
    if !quiet {
        warn_of_variables(&say);
    }
    let of_signals = console.clone();
    let signals = Signals::watch(Phase::Setup, move |line| {
        of_signals.say(line);
        of_signals.drain(Some(LEAVE_WITHIN));
    })?;
    let exit = match run(&signals, &console) {
        Ok(finished) => {
            let exit = report(&finished, &console);
            if let Some(linger) = finished.linger {
                linger.wait(&signals, quiet, &say);
            }
            exit
        }
        Err(failure) => print_failure_with(&failure, &say),
    };
    console.drain(Some(READ_WITHIN));
    Ok(exit)
}

/// Prints the result of a run, whose documents have already been written.
fn report(finished: &run::Finished, console: &Console) -> Exit {
    let say = |line: &str| console.say(line);
    let mut exits = vec![finished.exit];
    let unprinted = match finished.standard_output_taken {
        true => {
            finished.summary.lines().for_each(say);
            None
        }
        false => {
            // On a terminal the block has to be removed before the summary is printed, and both wait for one reader.
            let same = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
            console.drain((!same).then_some(READ_WITHIN));
            deliver_as_it_is(finished.summary.as_bytes()).err()
        }
    };
    exits.extend(unprinted.as_ref().map(|failure| failure.exit));
    let failures = finished.errors.iter().chain(&unprinted);
    for failure in failures.filter(|failure| !failure.is_shown()) {
        print_failure_with(failure, &say);
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
        // The colours are ours; text from the runs was filtered when it was inserted.
        false => deliver_as_it_is(merged.summary.as_bytes()),
    };
    if let Some(failure) = &merged.failure {
        print_failure(failure);
    }
    Ok(Exit::combine(&[
        merged.exit,
        delivered.unwrap_or_else(|failure| print_failure(&failure)),
    ]))
}

fn calibrate(args: &cli::CalibrateArgs) -> Result<Exit, Failure> {
    let calibrated = commands::calibrate::run(args, &mut say)?;
    let delivered = match calibrated.standard_output_taken {
        true => {
            calibrated.text.lines().for_each(say);
            Ok(Exit::Ok)
        }
        false => deliver(&calibrated.text),
    };
    let unwritten = calibrated.unwritten.as_ref().map_or(Exit::Ok, print_failure);
    let delivered = delivered.unwrap_or_else(|failure| print_failure(&failure));
    Ok(Exit::combine(&[calibrated.exit, unwritten, delivered]))
}

fn imported(imported: Result<commands::import::Printed, Failure>) -> Result<Exit, Failure> {
    let imported = imported?;
    imported.notes.iter().for_each(|note| say(note));
    deliver(&imported.profile)
}

fn show(args: &cli::ShowArgs) -> Result<Exit, Failure> {
    let shown = commands::show::show(args)?;
    let mut out = std::io::stdout().lock();
    // The colours are ours; text from the document is filtered where it is written.
    arrived(shown.write_to(&mut out).and_then(|()| out.flush()))
}

fn compare(args: &cli::CompareArgs) -> Result<Exit, Failure> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let compared = commands::compare::compare(args, std::io::stdout().is_terminal() && !no_color)?;
    // The colours are ours; text from the runs was filtered when it was inserted.
    let delivered = deliver_as_it_is(compared.text.as_bytes());
    compared.notes.iter().for_each(|note| say(note));
    Ok(Exit::combine(&[
        compared.exit,
        delivered.unwrap_or_else(|failure| print_failure(&failure)),
    ]))
}

/// Writes text to standard output through the filter, so that a terminal gets plain lines whatever the text contains.
fn deliver(text: &str) -> Result<Exit, Failure> {
    deliver_as_it_is(escape(text).as_bytes())
}

/// Writes text to standard output. Fails if it cannot be written, unless the reader has closed the pipe.
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
        print_failure(problems);
    }
    let found = probed.problems.as_ref().map_or(Exit::Ok, |failure| failure.exit);
    Ok(Exit::combine(&[
        found,
        delivered.unwrap_or_else(|failure| print_failure(&failure)),
    ]))
}

/// Help and version are output that was asked for. A command without the word that has to follow shows its help as an
/// error, with exit code 2.
fn show_help(error: &clap::Error) -> Result<Exit, Failure> {
    if error.use_stderr() {
        error.exit();
    }
    arrived(error.print().and_then(|()| std::io::stdout().flush()))
}

/// Prints one line on standard error, whatever the text contains. Apart from the live block and clap's own errors,
/// nothing else writes there.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", one_line(line));
}
