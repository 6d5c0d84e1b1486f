//! Supervises a server that is another program. The supervisor is this binary, run again with a hidden subcommand. It
//! starts the server, and ends it with everything that the server has started, either on request or when the process
//! that could request it has ended. Another program cannot be made to end with us; the supervisor can.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgrp, getpid, kill_process, kill_process_group,
    set_child_subreaper, wait,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Failure, printable};
use crate::server::{process, tree};

/// Name of the hidden subcommand.
pub const SUBCOMMAND: &str = "__supervise";
/// Prefixes of the only line on stdout, which gives the server's process id or the reason why it did not start.
pub(super) const STARTED: &str = "started ";
pub(super) const FAILED: &str = "failed ";

/// Time that the server has to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two rounds of killing. Children of a killed process become our children in the meantime.
const ROUND: Duration = Duration::from_millis(20);
/// A process that SIGKILL does not end within this time hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Added to the number of a signal to give an exit code, as shells do.
const EXIT_BY_SIGNAL: i32 = 128;

/// Arguments of the hidden subcommand `__supervise`.
#[derive(Clone, Debug, clap::Args)]
pub struct SuperviseArgs {
    /// The server's command line
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

enum Event {
    /// A request to end the server: SIGTERM, or the end of stdin, which the kernel closes when the parent has ended.
    Stop,
    /// A request to kill the server at once: SIGINT. It never comes from Ctrl-C, because this process is not in the
    /// terminal's foreground group.
    Kill,
    /// The server's process has ended.
    Ended(WaitStatus),
    /// No child is left, neither our own nor one that we inherited.
    Alone,
}

/// Runs the supervisor. It ends as the server ended, with the same exit code or by the same signal.
pub fn run(args: SuperviseArgs) -> Result<u8, Failure> {
    // Processes whose parents have ended become our children, so that none can escape.
    set_child_subreaper(Some(getpid())).map_err(|e| failed("prctl", &e))?;
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|e| failed("signals", &e))?;
    let (sender, events) = bounded(16);
    let server = match start(&args.command) {
        Ok(server) => server,
        Err(reason) => {
            announce(&format!("{FAILED}{reason}"))?;
            return Ok(1);
        }
    };
    watch(signals, server, &sender)?;
    announce(&format!("{STARTED}{}", server.as_raw_nonzero()))?;
    Ok(supervise(&events))
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    process::failure(format!("supervisor: {what}: {error}"))
}

/// Starts the server. Its stdout goes where its stderr goes, because both are logs and our stdout carries a message to
/// the parent.
fn start(command: &[OsString]) -> Result<Pid, String> {
    let (program, arguments) = command.split_first().ok_or("the command is empty")?;
    let log = std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|e| e.to_string())?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .spawn()
        .map_err(|e| e.to_string())?;
    // `reap` reaps it together with all others.
    Ok(Pid::from_child(&child))
}

fn announce(line: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", printable(line, 400))
        .and_then(|()| stdout.flush())
        .map_err(|e| failed("stdout", &e))
}

fn watch(mut signals: Signals, server: Pid, sender: &Sender<Event>) -> Result<(), Failure> {
    let on_signal = sender.clone();
    spawn("signals", move || {
        for signal in signals.forever() {
            let event = if signal == SIGINT {
                Event::Kill
            } else {
                Event::Stop
            };
            // If the channel is full, a request is already pending, and SIGKILL follows after the grace period.
            let _ = on_signal.try_send(event);
        }
    })?;
    let on_end = sender.clone();
    spawn("stdin", move || {
        process::await_end_of_stdin();
        let _ = on_end.send(Event::Stop);
    })?;
    let on_child = sender.clone();
    spawn("children", move || reap(server, &on_child))
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|e| failed("thread", &e))
}

fn reap(server: Pid, sender: &Sender<Event>) {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == server => {
                let _ = sender.send(Event::Ended(status));
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => {
                let _ = sender.send(Event::Alone);
                return;
            }
        }
    }
}

/// Waits for events and ends the server when necessary. Returns the exit code.
fn supervise(events: &Receiver<Event>) -> u8 {
    let mut server: Option<WaitStatus> = None;
    let is_requested = loop {
        match events.recv() {
            Ok(Event::Ended(status)) => server = Some(status),
            Ok(Event::Stop) => break true,
            Ok(Event::Kill) => {
                kill_all(events);
                return 0;
            }
            // No process is left, so the server has been reaped.
            Ok(Event::Alone) | Err(_) => return server.map_or(1, end_like),
        }
        if server.is_some() {
            break false;
        }
    };
    if !is_requested {
        // The server has ended by itself, and nobody needs the processes that it started.
        kill_all(events);
        return server.map_or(1, end_like);
    }
    // Each process of the group gets it once. So does this process, which takes it for another request.
    let _ = kill_process_group(getpgrp(), Signal::TERM);
    let deadline = Instant::now() + GRACE;
    loop {
        match events.recv_deadline(deadline) {
            Ok(Event::Stop | Event::Ended(_)) => {}
            Ok(Event::Alone) => return 0,
            Ok(Event::Kill) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                kill_all(events);
                return 0;
            }
        }
    }
}

/// Kills all descendants of this process, whatever group or session they are in.
fn kill_all(events: &Receiver<Event>) {
    let deadline = Instant::now() + KILL_LIMIT;
    while Instant::now() < deadline {
        for number in tree::descendants(getpid().as_raw_nonzero().get()) {
            if let Some(pid) = tree::pid(number) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let round = Instant::now() + ROUND;
        loop {
            match events.recv_deadline(round) {
                Ok(Event::Alone) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
    }
}

/// Ends this process by the same signal as the server, so that the parent sees how it ended. Without a signal, returns
/// the server's exit code.
fn end_like(status: WaitStatus) -> u8 {
    if let Some(signal) = status.terminating_signal() {
        // The server's own core dump is enough.
        let none = rustix::process::Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        return u8::try_from(EXIT_BY_SIGNAL + signal).unwrap_or(u8::MAX);
    }
    status
        .exit_status()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}
