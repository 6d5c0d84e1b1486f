//! Runs a server that the user's command line starts.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::environment;
use super::process::ChildProcess;
use super::supervisor::{FAILED, STARTED, SUBCOMMAND};
use crate::blocking_http::{Peer, ProbeError};
use crate::discover::{Url, lookup};
use crate::error::{ExitCode, Failure, Place, Reason, printable};
use crate::units::Masks;

/// Time limit from the start of the supervisor to the start of the server.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Time limit of one health request; a server that loads a model may not answer for a while.
const HEALTH_LIMIT: Duration = Duration::from_secs(2);
/// Time between two health requests.
const HEALTH_EVERY: Duration = Duration::from_millis(100);
/// The supervisor gives the server five seconds to end, and then takes up to five seconds to kill what is left.
const STOP_GRACE: Duration = Duration::from_secs(11);
/// The supervisor kills within milliseconds. Nobody waits longer, because it finishes by itself.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// The options that say how the user's server is started, and how to find out that it is ready.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandOptions {
    /// Program and arguments; not empty.
    pub words: Vec<String>,
    pub health_url: String,
    /// Time that it may take to be ready.
    pub wait: Duration,
}

/// A running server. `stop` asks it to end, and dropping it kills it. It also ends when this process ends, in whatever
/// way.
#[derive(Debug)]
pub struct CommandServer {
    process: ChildProcess,
    origin: String,
    name: String,
    startup: Duration,
    stopped: bool,
}

impl CommandServer {
    /// Starts the server with `exe` (`OWN_EXE`) as its supervisor, and waits until its health URL answers 200.
    /// `headers` are sent with each health request, and `masks` hides the run's secrets in its log.
    pub fn start(
        exe: &Path,
        options: &CommandOptions,
        headers: &[(String, String)],
        masks: &Masks,
    ) -> Result<Self, Failure> {
        let begin = Instant::now();
        let url = Url::parse(&options.health_url, &Place::option("--health-url"))?;
        check_is_free(&url)?;
        let program = options.words.first().map_or("", String::as_str);
        let name = printable(program.rsplit('/').next().unwrap_or(program), 40);
        let mut command = Command::new(exe);
        command
            .arg0("llmload-uring")
            .arg(SUBCOMMAND)
            .arg("--")
            .args(&options.words);
        environment::without_ours(&mut command);
        let mut process = ChildProcess::spawn(format!("server `{name}`"), command, masks)?;
        let line = process.first_line(START_LIMIT)?;
        if let Some(reason) = line.strip_prefix(FAILED) {
            return Err(process.error(&format!("cannot be started: {}", printable(reason, 200))));
        }
        if !line.starts_with(STARTED) {
            let what = format!("its supervisor printed `{}`", printable(&line, 80));
            return Err(process.error(&what));
        }
        let mut server = CommandServer {
            process,
            origin: url.origin(),
            name,
            startup: Duration::ZERO,
            stopped: false,
        };
        server.wait_until_healthy(&url, options.wait, headers)?;
        server.startup = begin.elapsed();
        Ok(server)
    }

    fn wait_until_healthy(
        &mut self,
        url: &Url,
        limit: Duration,
        headers: &[(String, String)],
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        let path = match url.path.as_str() {
            "" => format!("/{}", url.query),
            path => format!("{path}{}", url.query),
        };
        let mut last = "was not asked yet".to_owned();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!(
                    "not healthy within {} s: {}{} {last}",
                    limit.as_secs_f32(),
                    url.origin(),
                    url.path
                );
                // The end of its log is complete only once it has ended.
                self.end();
                return Err(self.process.error(&what));
            }
            match health_status(url, &path, headers, left.min(HEALTH_LIMIT)) {
                Ok(200) => return Ok(()),
                Ok(status) => last = format!("answered {status}"),
                Err(reason) => last = format!("did not answer: {reason}"),
            }
            if let Some(how) = self.process.ended_within(HEALTH_EVERY.min(left)) {
                return Err(self.process.error(&format!("{how} before it was healthy")));
            }
        }
    }

    /// Returns the origin of its health URL.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the process id of its supervisor. The server's processes descend from it.
    pub fn supervisor_pid(&self) -> u32 {
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

    /// Ends the server. Returns an error if it had ended by itself before.
    pub fn stop(mut self) -> Result<(), Failure> {
        let alive = self.process.check();
        self.end();
        alive
    }

    /// Has the server killed without waiting, for a program that must end at once.
    pub fn abandon(mut self) {
        self.stopped = true;
        self.process.leave_to_supervisor(Duration::ZERO);
    }

    fn end(&mut self) {
        self.stopped = true;
        self.process.stop(STOP_GRACE);
    }
}

impl Drop for CommandServer {
    fn drop(&mut self) {
        if !self.stopped {
            self.process.leave_to_supervisor(KILL_GRACE);
        }
    }
}

/// Refuses an address that already accepts connections, because that other server would be taken for ours.
fn check_is_free(url: &Url) -> Result<(), Failure> {
    let found = lookup(url).map_err(|e| {
        let what = format!("--health-url: {}: {e}", url.origin());
        Failure::new(ExitCode::Target, Reason::new(what).hint("check the host in it"))
    })?;
    for address in found {
        let connected = std::net::TcpStream::connect_timeout(&address, HEALTH_LIMIT);
        if connected.is_ok() {
            let what = format!(
                "--server-cmd: {} is in use: something listens there although the server was not started yet",
                url.origin()
            );
            let hint = format!(
                "stop it, give the server another port, or load what is there: --no-server --target {}",
                url.origin()
            );
            return Err(Failure::new(ExitCode::Target, Reason::new(what).hint(hint)));
        }
    }
    Ok(())
}

/// Returns the status of a health request, or why there is none. The name is resolved each time, because it may not
/// exist before the server is up.
fn health_status(
    url: &Url,
    path: &str,
    headers: &[(String, String)],
    limit: Duration,
) -> Result<u16, String> {
    let addresses = lookup(url).map_err(|e| e.to_string())?;
    let mut reason = ProbeError::Refused.to_string();
    for address in addresses {
        let peer = Peer {
            address,
            authority: &url.authority,
            headers,
            limit,
            tls: None,
            sources: &[],
        };
        match peer.get(path) {
            Ok(answer) => return Ok(answer.status),
            Err(e) => reason = e.to_string(),
        }
    }
    Err(reason)
}

/// Splits a command line into words as a shell does. No shell runs it: variables, pipes and redirections are ordinary
/// words.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    if line.contains('\0') {
        return Err("it contains a zero byte");
    }
    match shlex::split(line) {
        None => Err("a quote is not closed, or it ends with a backslash"),
        Some(words) if words.first().is_none_or(String::is_empty) => Err("it names no program"),
        Some(words) => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_as_a_shell_splits_it() {
        let words = split(r#"llama-server -m "my model.gguf" --alias 'a "b"' --port 8081 x\ y"#).unwrap();
        let expected = [
            "llama-server",
            "-m",
            "my model.gguf",
            "--alias",
            "a \"b\"",
            "--port",
            "8081",
            "x y",
        ];
        assert_eq!(words, expected);
        // These are not expanded.
        assert_eq!(split("a $HOME > b").unwrap(), ["a", "$HOME", ">", "b"]);
    }

    #[test]
    fn invalid_command_lines_are_refused() {
        for line in [
            "",
            "  ",
            "a 'b",
            "a \"b",
            "a \\",
            "''",
            "a\0b",
            "# only a comment",
        ] {
            assert!(split(line).is_err(), "{line:?}");
        }
    }
}
