//! The parent's side of the embedded simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::args::SimOptions;
use super::process::ChildProcess;
use super::simulator::READY;
use super::totals::{self, ServerTotals};
use crate::blocking_http::Peer;
use crate::error::{Failure, printable};

/// Our own binary, also when its file was replaced or removed meanwhile.
pub const OWN_EXE: &str = "/proc/self/exe";

/// From the start to the first answer: 0.2 s on a quiet host, nearly all of it for the tokenizers, and many
/// times that on a crowded one.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// For one question to a server that may be saturated.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The child needs at most 200 ms once it was asked.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running simulator. `stop` ends it kindly, dropping it by force; it ends by itself when this process
/// does, however that comes about.
#[derive(Debug)]
pub struct ManagedServer {
    process: ChildProcess,
    address: SocketAddr,
    authority: String,
    baseline: ServerTotals,
    startup: Duration,
}

impl ManagedServer {
    /// Starts `exe` (`OWN_EXE`) with the hidden subcommand and waits until it is healthy. Port 0 takes a
    /// free one. To be called from the main thread: the kernel kills the child when the thread that started
    /// it ends.
    pub fn start(exe: &Path, port: u16, options: &SimOptions) -> Result<Self, Failure> {
        options.validate()?;
        // The child would say it, too, but as a server that did not start.
        super::simulator::check(options)?;
        let begin = Instant::now();
        let mut command = Command::new(exe);
        command
            .arg0("llmload-uring")
            .args(options.to_args(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        let mut process = ChildProcess::spawn("simulator", command)?;
        let line = process.first_line(READY_LIMIT)?;
        let address: SocketAddr = line
            .strip_prefix(READY)
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| process.error(&format!("said `{}`", printable(&line, 80))))?;
        let mut server = ManagedServer {
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
                let what = format!("health answered {}: {}", answer.status, answer.excerpt());
                return Err(server.process.error(&what));
            }
            Err(e) => return Err(server.process.error(&format!("health: {e}"))),
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
        }
    }

    /// `http://127.0.0.1:PORT`, to be resolved like any other target.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// From its start until it was healthy.
    pub fn startup(&self) -> Duration {
        self.startup
    }

    /// `Err` with its last log lines when it has ended by itself. Cheap: no system call.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.process.check()
    }

    /// All of `/llmsim/stats`, since its start.
    pub fn stats(&self) -> Result<serde_json::Value, Failure> {
        totals::stats(&self.peer())
    }

    /// Its counts since `start` returned, or since `rebase`: our own probes are not in them.
    pub fn totals(&self) -> Result<ServerTotals, Failure> {
        Ok(ServerTotals::read(&self.peer())?.since(self.baseline))
    }

    /// What was counted until now does not count.
    pub fn rebase(&mut self) -> Result<(), Failure> {
        self.baseline = ServerTotals::read(&self.peer())?;
        Ok(())
    }

    /// Ends it; `Err` when it had ended before, by itself.
    pub fn stop(mut self) -> Result<(), Failure> {
        let alive = self.process.check();
        self.process.stop(STOP_GRACE);
        alive
    }
}
