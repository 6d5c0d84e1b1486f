//! The program: parses the command line, runs the command, prints its text and ends with its exit code.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use llmload_uring::cli::{self, Command};
use llmload_uring::commands;
use llmload_uring::error::{ExitCode as Exit, Failure, Reason, escape, one_line};
use llmload_uring::net::clock;
use llmload_uring::run;
use llmload_uring::server;
use llmload_uring::signals::{Phase, Signals};

fn main() -> ExitCode {
    let begun = clock::monotonic();
    let cli = cli::parse();
    let result = match cli.command {
        Some(Command::Llmsim(args)) => server::simulator_child::run(args).map(|()| Exit::Ok),
        // The supervisor ends with the exit code of its server.
        Some(Command::Supervise(args)) => match server::supervisor::run(args) {
            Ok(code) => return ExitCode::from(code),
            Err(failure) => Err(failure),
        },
        Some(Command::Compare(args)) => compare(&args),
        Some(Command::Baseline(args)) => commands::compare::baseline(&args).and_then(|text| deliver(&text)),
        Some(Command::Merge(args)) => merge(&args),
        Some(Command::ImportK6(args)) => import_k6(&args),
        Some(Command::Mock(args)) => commands::mock::run(&args, &mut say),
        Some(Command::Run(args)) => load(&args, begun),
        Some(Command::Config(args)) => {
            warn_of_variables();
            let checked = commands::config_check::check(&args).map_err(Failure::from);
            checked.and_then(|text| deliver(&text))
        }
        Some(Command::Profiles(args)) => commands::profiles::profiles(&args)
            .map_err(Failure::from)
            .and_then(|text| deliver(&text)),
        Some(Command::Probe(args)) => Ok(probe(&args)),
        Some(Command::Completions { shell }) => Ok(print(&cli::completions(shell))),
        Some(Command::Man) => cli::man().map(|page| print(&page)).map_err(Failure::internal),
        None => load(&cli.run, begun),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => report_failure(&failure).into(),
    }
}

/// Prints a failure on standard error, and returns its exit code.
fn report_failure(failure: &Failure) -> Exit {
    for line in failure.to_string().lines() {
        say(line);
    }
    failure.exit
}

/// A mistyped variable changes nothing, which its user should know.
fn warn_of_variables() {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    cli::unknown_variables(names).iter().for_each(|line| say(line));
}

fn load(args: &cli::RunArgs, begun: u64) -> Result<Exit, Failure> {
    if !args.quiet {
        warn_of_variables();
    }
    let signals = Signals::watch(Phase::Setup, say)?;
    let finished = run::run(args, &signals, begun, &mut say)?;
    let mut exits = vec![finished.exit];
    let unprinted = deliver(&finished.summary).err();
    exits.extend(unprinted.as_ref().map(|failure| failure.exit));
    let failures = finished.errors.iter().chain(&unprinted);
    for failure in failures.filter(|failure| !failure.is_shown()) {
        report_failure(failure);
    }
    Ok(Exit::combine(&exits))
}

fn merge(args: &cli::MergeArgs) -> Result<Exit, Failure> {
    let merged = commands::merge::run(args)?;
    print(escape(&merged.summary).as_bytes());
    if let Some(failure) = &merged.failure {
        report_failure(failure);
    }
    Ok(merged.exit)
}

fn import_k6(args: &cli::ImportK6Args) -> Result<Exit, Failure> {
    let imported = commands::import_k6::run(args)?;
    imported.notes.iter().for_each(|note| say(note));
    Ok(print(escape(&imported.profile).as_bytes()))
}

fn compare(args: &cli::CompareArgs) -> Result<Exit, Failure> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let compared = commands::compare::compare(args, std::io::stdout().is_terminal() && !no_color)?;
    // Only our own colours are in the text: everything that comes from files was filtered when it was put in.
    deliver_unfiltered(&compared.text)?;
    compared.notes.iter().for_each(|note| say(note));
    Ok(compared.exit)
}

/// Writes text to standard output through the filter: a terminal gets plain lines, whatever the text holds.
fn deliver(text: &str) -> Result<Exit, Failure> {
    deliver_unfiltered(&escape(text))
}

/// Writes text to standard output. Output that was asked for and cannot be written is an error, but a closed pipe is
/// not: its reader has seen enough.
fn deliver_unfiltered(text: &str) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let reason =
                Reason::new(format!("cannot write: {e}")).hint("free some space, or redirect it elsewhere");
            Err(Failure::new(Exit::Output, reason.at("standard output", 0)))
        }
        _ => Ok(Exit::Ok),
    }
}

fn probe(args: &cli::ProbeArgs) -> Exit {
    let probed = commands::probe::probe(args);
    print(escape(&probed.text).as_bytes());
    probed.problems.as_ref().map_or(Exit::Ok, report_failure)
}

/// Writes to standard output, and ignores errors: a closed pipe is not a reason to fail.
fn print(bytes: &[u8]) -> Exit {
    let _ = std::io::stdout().lock().write_all(bytes);
    Exit::Ok
}

/// Prints one line on standard error, whatever the text holds. Apart from the live block and clap's own errors,
/// nothing else writes there.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", one_line(line));
}
