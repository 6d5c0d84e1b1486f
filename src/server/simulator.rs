//! Runs the embedded simulator in a child process. This is the parent's side.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::args::SimOptions;
use super::environment;
use super::process::ChildProcess;
use super::simulator_child::READY;
use super::totals::ServerTotals;
use crate::blocking_http::Peer;
use crate::error::{Failure, printable};
use crate::units::Masks;

/// Path of our own binary, which works even if the file was replaced or removed in the meantime.
pub const OWN_EXE: &str = "/proc/self/exe";

/// Time limit from the start to the first answer. It takes 0.2 s on an idle host, nearly all of it for the tokenizers,
/// and many times that on a busy one.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Time limit of one request to a server that may be saturated.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Time limit for the child's end; it needs at most 200 ms.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running simulator. `stop` asks it to end, and dropping it kills it. It also ends when this process ends, in
/// whatever way.
#[derive(Debug)]
pub struct SimulatorServer {
    process: ChildProcess,
    address: SocketAddr,
    authority: String,
    baseline: ServerTotals,
    startup: Duration,
}

impl SimulatorServer {
    /// Starts `exe` (`OWN_EXE`) with the hidden subcommand, and waits until it is healthy. Port 0 takes a free port.
    /// Call it from the main thread, because the kernel kills the child when the thread that started it ends.
    pub fn start(exe: &Path, port: u16, options: &SimOptions) -> Result<Self, Failure> {
        options.validate()?;
        // The child would report it as well, but as a server that did not start.
        super::simulator_child::check(options)?;
        let begin = Instant::now();
        let mut command = Command::new(exe);
        command
            .arg0("llmload-uring")
            .args(options.to_args(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        environment::only_what_runs_it(&mut command);
        // It knows no secret that its log could show.
        let mut process = ChildProcess::spawn("simulator", command, &Masks::new())?;
        let line = process.first_line(READY_LIMIT)?;
        let address: SocketAddr = line
            .strip_prefix(READY)
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| process.error(&format!("printed `{}`", printable(&line, 80))))?;
        let mut server = SimulatorServer {
            process,
            address,
            authority: address.to_string(),
            baseline: ServerTotals::default(),
            startup: Duration::ZERO,
        };
        let health = server.peer().get("/health");
        match health {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => {
                let what = format!("/health answered {}: {}", answer.status, answer.excerpt());
                return Err(server.process.error(&what));
            }
            Err(e) => return Err(server.process.error(&format!("/health did not answer: {e}"))),
        }
        server.baseline = ServerTotals::read(&server.peer())?;
        server.startup = begin.elapsed();
        Ok(server)
    }

    fn peer(&self) -> Peer<'_> {
        Peer {
            address: self.address,
            authority: &self.authority,
            headers: &[],
            limit: ANSWER_LIMIT,
            tls: None,
            sources: &[],
        }
    }

    /// Returns `http://127.0.0.1:PORT`, which is resolved like any other target.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns the time from its start until it was healthy.
    pub fn startup(&self) -> Duration {
        self.startup
    }

    /// Returns an error with its last log lines if it has ended by itself. It is cheap, because it makes no system
    /// call.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.process.check()
    }

    /// Returns its counts since `start` returned or since `reset_baseline`, without our own probes.
    pub fn totals(&self) -> Result<ServerTotals, Failure> {
        Ok(ServerTotals::read(&self.peer())?.since(self.baseline))
    }

    /// Excludes everything counted until now from `totals`.
    pub fn reset_baseline(&mut self) -> Result<(), Failure> {
        self.baseline = ServerTotals::read(&self.peer())?;
        Ok(())
    }

    /// Ends the simulator. Returns an error if it had ended by itself before.
    pub fn stop(mut self) -> Result<(), Failure> {
        let alive = self.process.check();
        self.process.stop(STOP_GRACE);
        alive
    }
}
