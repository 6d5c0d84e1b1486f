//! A server started by a command line of the user's.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::process::ChildProcess;
use super::supervisor::{FAILED, STARTED, SUBCOMMAND};
use crate::blocking_http::{Peer, ProbeError};
use crate::discover::{Url, lookup};
use crate::error::{ExitCode, Failure, Place, Reason, printable};

/// From the start of the keeper to the start of the server.
const START_LIMIT: Duration = Duration::from_secs(30);
/// For one question about its health: one that loads a model may not answer for a while.
const HEALTH_LIMIT: Duration = Duration::from_secs(2);
/// Between two questions.
const HEALTH_EVERY: Duration = Duration::from_millis(100);
/// The keeper gives the server five seconds to end, then what is left of it as long again to be killed.
const STOP_GRACE: Duration = Duration::from_secs(11);
/// The keeper kills in milliseconds. Longer nobody waits: it does its work by itself.
const KILL_GRACE: Duration = Duration::from_secs(1);

/// How a server of the user's is started, and how one sees that it is ready.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandOptions {
    /// Program and arguments; not empty.
    pub words: Vec<String>,
    pub health_url: String,
    /// How long it may take to be ready.
    pub wait: Duration,
}

/// A running server. `stop` ends it kindly, dropping it by force; it ends by itself when this process does,
/// however that comes about.
#[derive(Debug)]
pub struct CommandServer {
    process: ChildProcess,
    origin: String,
    name: String,
    startup: Duration,
    stopped: bool,
}

impl CommandServer {
    /// Starts it with `exe` (`OWN_EXE`) as its keeper and waits until its health URL answers 200. `headers`
    /// are sent along with the question.
    pub fn start(
        exe: &Path,
        options: &CommandOptions,
        headers: &[(String, String)],
    ) -> Result<Self, Failure> {
        let begin = Instant::now();
        let url = Url::parse(&options.health_url, &Place::option("--health-url"))?;
        refuse_taken(&url)?;
        let program = options.words.first().map_or("", String::as_str);
        let name = printable(program.rsplit('/').next().unwrap_or(program), 40);
        let mut command = Command::new(exe);
        command
            .arg0("llmload-uring")
            .arg(SUBCOMMAND)
            .arg("--")
            .args(&options.words);
        let mut process = ChildProcess::spawn(format!("server `{name}`"), command)?;
        let line = process.first_line(START_LIMIT)?;
        if let Some(reason) = line.strip_prefix(FAILED) {
            return Err(process.error(&format!("cannot be started: {}", printable(reason, 200))));
        }
        if !line.starts_with(STARTED) {
            return Err(process.error(&format!("its keeper said `{}`", printable(&line, 80))));
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
        let mut last = "not asked yet".to_owned();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!(
                    "not healthy within {} s: {}{} said {last}",
                    limit.as_secs_f32(),
                    url.origin(),
                    url.path
                );
                // Its last words come with the end of it.
                self.end();
                return Err(self.process.error(&what));
            }
            match ask(url, &path, headers, left.min(HEALTH_LIMIT)) {
                Ok(200) => return Ok(()),
                Ok(status) => last = status.to_string(),
                Err(reason) => last = reason,
            }
            if let Some(how) = self.process.ended_within(HEALTH_EVERY.min(left)) {
                return Err(self.process.error(&format!("{how} before it was healthy")));
            }
        }
    }

    /// Where its health URL is.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of its keeper: the server is what descends from it.
    pub fn keeper_pid(&self) -> u32 {
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

    /// Ends it; `Err` when it had ended before, by itself.
    pub fn stop(mut self) -> Result<(), Failure> {
        let alive = self.process.check();
        self.end();
        alive
    }

    /// Has it killed, and waits for nothing: for a program that must be gone at once.
    pub fn abandon(mut self) {
        self.stopped = true;
        self.process.leave_to_keeper(Duration::ZERO);
    }

    fn end(&mut self) {
        self.stopped = true;
        self.process.stop(STOP_GRACE);
    }
}

impl Drop for CommandServer {
    fn drop(&mut self) {
        if !self.stopped {
            self.process.leave_to_keeper(KILL_GRACE);
        }
    }
}

/// Whoever answers there now would be taken for the server.
fn refuse_taken(url: &Url) -> Result<(), Failure> {
    let found = lookup(url).map_err(|e| {
        let what = format!("--health-url: {}: {e}", url.origin());
        Failure::new(ExitCode::Target, Reason::new(what).hint("check its host"))
    })?;
    for address in found {
        let connected = std::net::TcpStream::connect_timeout(&address, HEALTH_LIMIT);
        if connected.is_ok() {
            let what = format!(
                "--server-cmd: {} is in use: something listens there before the server was started",
                url.origin()
            );
            let hint = format!(
                "stop it, give the server another port, or run against it: --no-server --target {}",
                url.origin()
            );
            return Err(Failure::new(ExitCode::Target, Reason::new(what).hint(hint)));
        }
    }
    Ok(())
}

/// Status, or why there is none. Names are looked up each time: there may be none before the server is up.
fn ask(url: &Url, path: &str, headers: &[(String, String)], limit: Duration) -> Result<u16, String> {
    let addresses = lookup(url).map_err(|e| e.to_string())?;
    let mut reason = ProbeError::Refused.to_string();
    for address in addresses {
        let peer = Peer {
            address,
            authority: &url.authority,
            headers,
            limit,
            tls: None,
        };
        match peer.get(path) {
            Ok(answer) => return Ok(answer.status),
            Err(e) => reason = e.to_string(),
        }
    }
    Err(reason)
}

/// Splits a command line as a shell does, which does not run it: variables, pipes and redirections are words
/// like others.
pub fn split(line: &str) -> Result<Vec<String>, &'static str> {
    if line.contains('\0') {
        return Err("it holds a zero byte");
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
        // Nobody expands them.
        assert_eq!(split("a $HOME > b").unwrap(), ["a", "$HOME", ">", "b"]);
    }

    #[test]
    fn lines_that_are_no_command_are_refused() {
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
