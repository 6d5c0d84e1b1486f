//! Parses, dispatches, prints, and chooses the exit code.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use llmload_uring::cli::{self, Command};
use llmload_uring::commands;
use llmload_uring::error::{ExitCode as Exit, Failure};
use llmload_uring::net::clock;
use llmload_uring::run;
use llmload_uring::server;
use llmload_uring::signals::{Phase, Signals};

fn main() -> ExitCode {
    let begun = clock::monotonic();
    let cli = cli::parse();
    let result = match cli.command {
        Some(Command::Llmsim(args)) => server::simulator::run(args).map_err(Failure::from).map(|()| 0),
        Some(Command::Supervise(args)) => server::supervisor::run(args).map_err(Failure::from),
        Some(Command::Compare(args)) => compare(&args),
        Some(Command::Baseline(args)) => commands::compare::baseline(&args).and_then(|text| deliver(&text)),
        Some(Command::Merge(args)) => merge(&args),
        Some(Command::ImportK6(args)) => import_k6(&args),
        Some(Command::Mock(args)) => commands::mock::run(&args, &mut say),
        Some(Command::Run(args)) => load(&args, begun),
        Some(Command::Config(args)) => commands::config_check::check(&args)
            .map_err(Failure::from)
            .and_then(|text| deliver(&text)),
        Some(Command::Profiles(args)) => commands::profiles::profiles(&args)
            .map_err(Failure::from)
            .and_then(|text| deliver(&text)),
        Some(Command::Probe(args)) => Ok(probe(&args)),
        Some(Command::Completions { shell }) => Ok(print(&cli::completions(shell))),
        Some(Command::Man) => cli::man().map(|page| print(&page)).map_err(Failure::internal),
        None => load(&cli.run, begun),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            say(failure.text.trim_end());
            ExitCode::from(failure.exit.code())
        }
    }
}

fn load(args: &cli::RunArgs, begun: u64) -> Result<u8, Failure> {
    let signals = Signals::watch(Phase::Setup, say)?;
    let finished = run::run(args, &signals, begun, &mut say)?;
    let mut exits = vec![finished.exit];
    let unprinted = deliver(&finished.summary).err();
    exits.extend(unprinted.as_ref().map(|failure| failure.exit));
    for failure in finished
        .errors
        .iter()
        .chain(&unprinted)
        .filter(|f| !f.text.is_empty())
    {
        say(failure.text.trim_end());
    }
    Ok(Exit::combine(&exits).code())
}

fn merge(args: &cli::MergeArgs) -> Result<u8, Failure> {
    let merged = commands::merge::run(args)?;
    print(merged.summary.as_bytes());
    if let Some(failure) = &merged.failure {
        say(failure.text.trim_end());
    }
    Ok(merged.exit.code())
}

fn import_k6(args: &cli::ImportK6Args) -> Result<u8, Failure> {
    let imported = commands::import_k6::run(args)?;
    imported.notes.iter().for_each(|note| say(note));
    Ok(print(imported.profile.as_bytes()))
}

fn compare(args: &cli::CompareArgs) -> Result<u8, Failure> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let compared = commands::compare::compare(args, std::io::stdout().is_terminal() && !no_color)?;
    deliver(&compared.text)?;
    compared.notes.iter().for_each(|note| say(note));
    Ok(compared.exit.code())
}

/// Output that was asked for and did not arrive is an error, but for a reader that has gone away.
fn deliver(text: &str) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            let what = format!("standard output: cannot write: {e}");
            Err(Failure::new(
                Exit::Output,
                what,
                None,
                "free space, or send it elsewhere",
            ))
        }
        _ => Ok(0),
    }
}

fn probe(args: &cli::ProbeArgs) -> u8 {
    let probed = commands::probe::probe(args);
    print(probed.text.as_bytes());
    match probed.lacks {
        Some(failure) => {
            say(failure.text.trim_end());
            failure.exit.code()
        }
        None => 0,
    }
}

/// A reader that has gone away is no reason to fail.
fn print(bytes: &[u8]) -> u8 {
    let _ = std::io::stdout().lock().write_all(bytes);
    0
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
