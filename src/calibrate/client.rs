//! A run of this program in a child process, whose document is read from its standard output.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, select};

use crate::error::{ExitCode, Failure, Reason, lossless, printable};
use crate::host::Io;
use crate::result::{self, RunResult};
use crate::units::{MILLISECOND, Nanos, format_duration};

/// The hidden subcommand: a run that ends when its parent does.
pub const SUBCOMMAND: &str = "__load";
/// A run that takes this much longer than its load does not end by itself.
const END_WITHIN: Duration = Duration::from_secs(20);
/// How often its memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of a child's last words an error shows, in characters.
const LINE_CHARS_MAX: usize = 400;

/// The load of one measurement.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Users who ask again when they have their answer.
    Users(u32),
    /// Requests per second, and the most in flight.
    Rate(f64, u32),
}

/// What a run is made with.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub io: Io,
    pub target: SocketAddr,
    pub cpu: usize,
    pub load: Load,
    pub duration: Nanos,
    pub tokens: u32,
    /// How long requests in flight may take at its end.
    pub grace: Nanos,
    /// Its figures are compared with the server's.
    pub verify: bool,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    pub result: RunResult,
    /// The most resident memory that was seen, in bytes.
    pub memory: u64,
}

/// Why there is no result.
#[derive(Debug)]
pub enum Stopped {
    /// A signal came.
    Interrupted,
    Failed(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Stopped {
        Stopped::Failed(failure)
    }
}

/// Kills the child when it goes, so that nothing is left behind on any way out.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes the run. Call it from the main thread: the child asks for a signal at the end of the thread that started it.
pub fn run(job: &Job, signals: &Receiver<i32>) -> Result<Ran, Stopped> {
    let mut child = Running(spawn(job)?);
    let document = document(job);
    if let Some(mut stdin) = child.0.stdin.take() {
        // A child that does not read it says why on its standard error.
        let _ = stdin.write_all(document.as_bytes());
    }
    let output = read_to_end(child.0.stdout.take());
    let errors = read_to_end(child.0.stderr.take());
    let limit = Instant::now() + Duration::from_nanos(job.duration) + END_WITHIN;
    let mut memory = 0;
    let output = loop {
        select! {
            recv(output) -> bytes => break bytes.unwrap_or_default(),
            recv(signals) -> _ => return Err(Stopped::Interrupted),
            default(LOOK_EVERY) => memory = memory.max(peak_memory(child.0.id())),
        }
        if Instant::now() > limit {
            let load = format_duration(job.duration);
            return Err(failure(format!("the client did not end after a load of {load}"), "").into());
        }
    };
    let status = child
        .0
        .wait()
        .map_err(|e| failure(format!("the client: {e}"), ""))?;
    match result::read(output.as_slice()) {
        Ok(result) => Ok(Ran { result, memory }),
        Err(_) => {
            let errors = errors.recv().unwrap_or_default();
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            let exit = code
                .and_then(ExitCode::from_code)
                .filter(|exit| *exit != ExitCode::Ok);
            let what = format!("the client could not make its load: {status}");
            let exit = exit.unwrap_or(ExitCode::Internal);
            Err(Stopped::Failed(failure_with(exit, what, &lossless(&errors))))
        }
    }
}

fn failure(what: String, cause: &str) -> Failure {
    failure_with(ExitCode::Internal, what, cause)
}

fn failure_with(exit: ExitCode, what: String, cause: &str) -> Failure {
    let hint = "`llmload-uring probe` says what this host does not allow";
    let lines: Vec<String> = cause
        .lines()
        .map(|line| printable(line, LINE_CHARS_MAX))
        .collect();
    Failure::new(exit, Reason::new(what).hint(hint)).because(&lines.join("\n"))
}

fn spawn(job: &Job) -> Result<Child, Failure> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("llmload-uring")
        .arg(SUBCOMMAND)
        // A profile writes no files of its own, as a document under `--config` does.
        .arg("/dev/stdin")
        .args(["--output", "-", "--quiet", "--no-validate"])
        .args(["--target", &format!("http://{}", job.target)])
        .args(["--cpus", &job.cpu.to_string()])
        .args(["--io", if job.io == Io::Uring { "uring" } else { "epoll" }])
        // Variables that set options are for the user's own runs.
        .env_clear()
        // Ctrl-C is for the parent, which ends the child.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if job.verify {
        command.arg("--verify-stamps");
    }
    let failed = |e| failure(format!("the client cannot be started: {e}"), "");
    command.spawn().map_err(failed)
}

/// Returns the run as a document.
fn document(job: &Job) -> String {
    let load = match job.load {
        Load::Users(users) => format!("executor: constant-vus\nvus: {users}\n"),
        Load::Rate(rate, in_flight) => format!(
            "executor: constant-arrival-rate\nrate: {rate:.3}\npre_allocated_vus: {in_flight}\nmax_vus: {in_flight}\n"
        ),
    };
    format!(
        "{load}duration: {}ms\ngraceful_stop: {}ms\nthink_time: 0s\nmodels: [mock]\nrequests:\n  - {{name: \
         stream, weight: 1, kind: chat, stream: true, max_tokens: {}, timeout: 60s, prompts: [Hi]}}\n",
        job.duration / MILLISECOND,
        job.grace / MILLISECOND,
        job.tokens
    )
}

/// Reads on a thread of its own, so that neither pipe fills up. The bytes come when the pipe has been closed.
fn read_to_end(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, bytes) = bounded(1);
    if let Some(mut pipe) = pipe {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = pipe.read_to_end(&mut all);
            let _ = send.send(all);
        });
    }
    bytes
}

/// Returns the most resident memory that a process has had, in bytes; 0 if it has ended.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
