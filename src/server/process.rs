//! Runs a child process in its own process group, keeps the end of its log, and makes sure that it is never left
//! behind.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::error::{ExitCode, Failure, Reason, lossless, printable};
use crate::units::{Cut, Masks};

/// Number of lines of a child's log that an error shows.
const LOG_LINES_MAX: usize = 20;
/// Longest line that is kept, in bytes; the rest of a longer line is skipped.
const LINE_BYTES_MAX: usize = 400;
/// Time to wait for the end of a log. All output of a child that has ended is already in the pipe, but a grandchild may
/// keep the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A child process. Dropping it kills its whole group.
#[derive(Debug)]
pub(super) struct ChildProcess {
    name: String,
    child: Child,
    group: Pid,
    /// Held open, because the child ends when its stdin ends.
    stdin: Option<ChildStdin>,
    first_line: Receiver<String>,
    log: Arc<Mutex<VecDeque<String>>>,
    log_ended: Receiver<()>,
    /// Receives one message when the child has ended and waits to be reaped.
    ended: Receiver<()>,
    reaped: bool,
}

impl ChildProcess {
    /// Starts the child in its own process group, so that Ctrl-C on the terminal does not reach it. If the child asks
    /// for a parent-death signal, call this from the main thread, because that signal follows the thread.
    /// `masks` hides the run's secrets in what it logs.
    pub(super) fn spawn(
        name: impl Into<String>,
        mut command: Command,
        masks: &Masks,
    ) -> Result<Self, Failure> {
        let name = name.into();
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failure(format!("{name}: cannot be started: {e}")))?;
        let group = Pid::from_child(&child);
        let stdin = child.stdin.take();
        let (line_sender, first_line) = bounded(1);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || read_stdout(stdout, &line_sender));
        }
        let log = Arc::new(Mutex::new(VecDeque::with_capacity(LOG_LINES_MAX)));
        let (log_sender, log_ended) = bounded(1);
        if let Some(stderr) = child.stderr.take() {
            let (log, masks) = (log.clone(), masks.clone());
            std::thread::spawn(move || {
                keep_log(stderr, &masks, &log);
                drop(log_sender);
            });
        }
        let (end_sender, ended) = bounded(1);
        std::thread::spawn(move || {
            // NOWAIT leaves the zombie, so that its process id is not reused before the group is killed.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(group), options) {}
            let _ = end_sender.send(());
        });
        Ok(ChildProcess {
            name,
            child,
            group,
            stdin,
            first_line,
            log,
            log_ended,
            ended,
            reaped: false,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line on its stdout, and returns it without the line end.
    pub(super) fn first_line(&mut self, limit: Duration) -> Result<String, Failure> {
        match self.first_line.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {
                Err(self.error(&format!("not ready within {} s", limit.as_secs_f32())))
            }
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                let how = match self.wait(LAST_WORDS) {
                    Some(status) => describe(status),
                    None => "closed its output".to_owned(),
                };
                Err(self.error(&format!("{how} before it was ready")))
            }
        }
    }

    /// Returns an error about the child, with the end of its log.
    pub(super) fn error(&self, what: &str) -> Failure {
        if self.reaped {
            let _ = self.log_ended.recv_timeout(LAST_WORDS);
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log: Vec<&str> = log.iter().map(String::as_str).collect();
        failure(format!("{}: {what}", self.name)).because(&log.join("\n"))
    }

    /// Returns an error if the child has ended although nobody asked it to.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        match self.wait(Duration::ZERO) {
            None => Ok(()),
            Some(status) => Err(self.error(&format!("{} during the run", describe(status)))),
        }
    }

    /// Waits up to `limit` for its end. Returns how it ended, if it did.
    pub(super) fn ended_within(&mut self, limit: Duration) -> Option<String> {
        self.wait(limit).map(describe)
    }

    /// Tells a child that is a supervisor to kill its server at once, and waits up to `limit`. After that the
    /// supervisor continues on its own: killing it would leave the server behind.
    pub(super) fn leave_to_supervisor(&mut self, limit: Duration) {
        if self.reaped {
            return;
        }
        let _ = kill_process(self.group, Signal::INT);
        self.stdin = None;
        self.wait(limit);
        self.reaped = true;
    }

    /// Closes the child's stdin, asks it to end, waits up to `grace`, then kills the group.
    pub(super) fn stop(&mut self, grace: Duration) {
        self.stdin = None;
        if !self.reaped {
            let _ = kill_process(self.group, Signal::TERM);
            self.wait(grace);
        }
        self.kill();
    }

    /// Kills what is left of the group, and reaps the child.
    fn kill(&mut self) {
        self.stdin = None;
        if self.reaped {
            return;
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
        self.reaped = true;
    }

    /// Waits up to `limit` for the child's end, kills the rest of the group, and reaps the child. Returns `None` if it
    /// still runs.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        if !self.reaped {
            self.ended.recv_timeout(limit).ok()?;
            let _ = kill_process_group(self.group, Signal::KILL);
            self.reaped = true;
        }
        self.child.wait().ok()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the failure of a managed server that did not start or has ended.
pub(super) fn failure(what: String) -> Failure {
    let hint = "start a server yourself and load that: --no-server --target http://HOST:PORT";
    Failure::new(ExitCode::Target, Reason::new(what).hint(hint))
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Sends the first line, then continues to read so that the child never blocks on a full pipe.
fn read_stdout(stdout: impl Read, sender: &Sender<String>) {
    let mut lines = BufReader::new(stdout);
    if let Some((line, _)) = read_line(&mut lines) {
        let _ = sender.send(line);
        let _ = std::io::copy(&mut lines, &mut std::io::sink());
    }
}

fn keep_log(stderr: impl Read, masks: &Masks, log: &Mutex<VecDeque<String>>) {
    let mut lines = BufReader::new(stderr);
    while let Some((line, cut)) = read_line(&mut lines) {
        let line = masks.hide_in_part(&line, cut);
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_LINES_MAX {
            log.pop_front();
        }
        log.push_back(printable(&line, LINE_BYTES_MAX));
    }
}

/// Reads one line of at most `LINE_BYTES_MAX` bytes, and skips the rest of a longer one. Returns `None` at the end.
fn read_line(lines: &mut impl BufRead) -> Option<(String, Cut)> {
    let mut line = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    let taken = lines.by_ref().take(limit).read_until(b'\n', &mut line);
    if taken.ok()? == 0 {
        return None;
    }
    let mut cut = Cut::default();
    if line.pop_if(|last| *last == b'\n').is_none() && line.len() > LINE_BYTES_MAX {
        line.pop();
        cut.after = true;
        lines.skip_until(b'\n').ok()?;
    }
    Some((lossless(&line).into_owned(), cut))
}

/// Waits, in a child of ours, until the parent has closed its end of standard input. The kernel closes it for a parent
/// that is killed. Interrupted reads are retried; any other error also means that nobody holds the pipe.
pub(super) fn await_end_of_stdin() {
    let mut ignored = [0u8; 256];
    let mut stdin = std::io::stdin().lock();
    loop {
        match stdin.read(&mut ignored) {
            Ok(1..) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> ChildProcess {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let mut masks = Masks::new();
        masks.add("sk-CANARY");
        ChildProcess::spawn("server", command, &masks).unwrap()
    }

    const LONG: Duration = Duration::from_secs(20);

    /// Returns the lines of the child's log that a failure shows.
    fn log_in(error: &Failure) -> Vec<String> {
        let text = error.to_string();
        let log = text.lines().skip_while(|line| !line.starts_with("cause: "));
        log.filter_map(|line| line.strip_prefix("cause: ").or(line.strip_prefix("       ")))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_child_that_dies_early_is_named_with_its_last_output_escaped() {
        let mut child = shell("printf 'one\\n\\033[31mtwo\\n' >&2; exit 3");
        let error = child.first_line(LONG).unwrap_err();
        assert_eq!(
            error.to_string().lines().next(),
            Some("error: server: ended with exit code 3 before it was ready")
        );
        assert_eq!(log_in(&error), ["one", "\\u{1b}[31mtwo"]);
        assert_eq!(error.exit, ExitCode::Target);
    }

    #[test]
    fn a_key_in_its_log_is_not_shown_even_where_the_line_is_cut() {
        let mut child = shell(
            "echo 'got Bearer sk-CANARY, c2stQ0FOQVJZ' >&2; printf '%395d' 0 >&2; echo sk-CANARY >&2; exit 3",
        );
        let log = log_in(&child.first_line(LONG).unwrap_err());
        assert_eq!(log[0], "got Bearer ***, ***");
        assert!(log[1].ends_with("0***"), "{log:?}");
    }

    #[test]
    fn a_child_that_prints_nothing_reaches_the_limit() {
        let mut child = shell("read x");
        let error = child.first_line(Duration::from_millis(20)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("error: server: not ready within 0.02 s"),
            "{text}"
        );
    }

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut() {
        let mut child = shell(
            "i=0; while [ $i -lt 50 ]; do echo line $i >&2; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2",
        );
        let error = child.first_line(LONG).unwrap_err();
        let log = log_in(&error);
        assert_eq!(log.len(), LOG_LINES_MAX);
        assert_eq!(log[0], "line 32");
        assert_eq!(log[18].len(), LINE_BYTES_MAX);
        assert_eq!(log[19], "end");
    }

    #[test]
    fn closing_stdin_ends_a_child_before_it_is_killed() {
        let mut child = shell("trap '' TERM; echo up; read x; echo bye >&2");
        assert_eq!(child.first_line(LONG).unwrap(), "up");
        child.stop(LONG);
        assert_eq!(child.child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn a_child_that_ignores_its_end_is_killed_with_its_own_child_after_the_grace_period() {
        let mut child = shell("trap '' TERM; sleep 1000 & echo $!; while :; do wait; done");
        let grandchild: i32 = child.first_line(LONG).unwrap().parse().unwrap();
        let begin = Instant::now();
        child.stop(Duration::from_millis(50));
        assert!(begin.elapsed() < LONG);
        assert_ends(grandchild);
    }

    #[test]
    fn a_child_that_ends_by_itself_is_noticed_and_its_group_is_killed() {
        let mut child = shell("sleep 1000 & echo $!; read x; exit 7");
        let grandchild: i32 = child.first_line(LONG).unwrap().parse().unwrap();
        assert_eq!(child.check(), Ok(()));
        child.stdin = None;
        assert_eq!(child.wait(LONG).unwrap().code(), Some(7));
        let text = child.check().unwrap_err().to_string();
        assert!(text.contains("exit code 7 during the run"), "{text}");
        assert_ends(grandchild);
    }

    /// Waits for the end of a process through a pidfd, because init reaps a killed orphan some time later.
    fn assert_ends(pid: i32) {
        use rustix::event::{PollFd, PollFlags, poll};
        use rustix::process::{PidfdFlags, pidfd_open};
        let Ok(fd) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else {
            return;
        };
        let limit = LONG.try_into().unwrap();
        let ended = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap();
        assert_eq!(ended, 1, "process {pid} still runs");
    }
}
