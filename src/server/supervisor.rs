//! The keeper of a server that is not ours: this binary, run again with a hidden subcommand. It starts the
//! server, and ends it with everything that the server has started when it is asked to or when nobody is left
//! to ask. A server of somebody else's cannot be told to die with us; its keeper can.

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
/// What the one line on stdout begins with: the server's process, or why there is none.
pub(super) const STARTED: &str = "started ";
pub(super) const FAILED: &str = "failed ";

/// The server may take this long to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// Between two rounds of killing: what a killed process leaves behind becomes a child of ours.
const ROUND: Duration = Duration::from_millis(20);
/// A process that a signal 9 does not end by then hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Shells say it so.
const EXIT_BY_SIGNAL: i32 = 128;

/// Arguments of the hidden subcommand `__supervise`.
#[derive(Clone, Debug, clap::Args)]
pub struct SuperviseArgs {
    /// The server's command line
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

enum Event {
    /// Asked to end the server: by SIGTERM, or by the end of stdin, which the kernel closes when nobody is
    /// left that could ask.
    Stop,
    /// Asked to do so without any grace, by SIGINT. No Ctrl-C comes here: the group is not the terminal's.
    Kill,
    /// The process that was started has ended.
    Ended(WaitStatus),
    /// No child is left, of those either that were handed down to us.
    Alone,
}

/// Ends as the server ended: by the same exit code or the same signal.
pub fn run(args: SuperviseArgs) -> Result<u8, Failure> {
    // Processes whose parents have ended come to us, so that none is lost whatever it did to get away.
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

/// Its stdout goes where its stderr goes: both are log, and our stdout is a message to the parent.
fn start(command: &[OsString]) -> Result<Pid, String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
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
    // Reaped by `reap`, with all the others.
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
            // Full: there is something to do already, and SIGKILL comes after the grace.
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

/// The exit code to end with.
fn supervise(events: &Receiver<Event>) -> u8 {
    let mut server: Option<WaitStatus> = None;
    let asked = loop {
        match events.recv() {
            Ok(Event::Ended(status)) => server = Some(status),
            Ok(Event::Stop) => break true,
            Ok(Event::Kill) => {
                kill_all(events);
                return 0;
            }
            // Nobody to end: it can only be that the server was reaped before.
            Ok(Event::Alone) | Err(_) => return server.map_or(1, end_alike),
        }
        if server.is_some() {
            break false;
        }
    };
    if !asked {
        // The server is over by its own doing, and what it has started is of no use to anybody.
        kill_all(events);
        return server.map_or(1, end_alike);
    }
    // To each of the group once; it reaches this process too, which takes it for one more request.
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

/// Ends all that descends from this process, wherever it hides.
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

/// By the same signal, so that whoever started us sees how the server ended; else gives its exit code.
fn end_alike(status: WaitStatus) -> u8 {
    if let Some(signal) = status.terminating_signal() {
        // One core dump of the server's is enough.
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
