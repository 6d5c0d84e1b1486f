//! The program as a process of its own: started, watched, signalled, waited for.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::results::read_back;
use super::{get_json, program, wait_until};

/// Killed when a test fails before it ended.
pub struct Live {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// How it ended, and everything it said.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Live {
    pub fn start(args: &[&str]) -> Live {
        let mut command = program();
        command.args(args);
        Live::spawn(&mut command)
    }

    /// Of `program()`, or of something that ends up as it.
    pub fn spawn(command: &mut Command) -> Live {
        let mut child = command.spawn().unwrap();
        Live {
            stdout: Stream::of(child.stdout.take().unwrap()),
            stderr: Stream::of(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Its standard error is somebody else's.
    pub fn without_stderr(mut child: Child) -> Live {
        Live {
            stdout: Stream::of(child.stdout.take().unwrap()),
            stderr: Stream::of(std::io::empty()),
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn stdout(&self) -> String {
        self.stdout.text.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text.lock().unwrap().clone()
    }

    pub fn wait_for_stderr(&mut self, part: &str) {
        wait_until(part, || {
            assert!(
                self.stderr().contains(part) || !self.is_over(),
                "ended without `{part}`: {}",
                self.stderr()
            );
            self.stderr().contains(part)
        });
    }

    /// Where the simulator listens that this run has started.
    pub fn simulator(&mut self) -> SocketAddr {
        let before = "simulator llmsim at http://";
        self.wait_for_stderr(" on CPU ");
        let stderr = self.stderr();
        let after = stderr.split_once(before).unwrap().1;
        after.split_once(' ').unwrap().0.parse().unwrap()
    }

    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn wait(mut self) -> Ended {
        wait_until("the program has ended", || self.is_over());
        let status = self.child.wait().unwrap();
        assert!(
            matches!((status.code(), status.signal()), (Some(_), _) | (None, Some(9))),
            "ended by {status}"
        );
        Ended {
            code: status.code(),
            stdout: self.stdout.end(),
            stderr: self.stderr.end(),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Stream {
        let text = Arc::new(Mutex::new(String::new()));
        let grows = text.clone();
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                grows
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk[..n]));
            }
        });
        Stream {
            text,
            reader: Some(reader),
        }
    }

    /// All of it: whoever held the other end is gone.
    fn end(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap();
        std::mem::take(&mut self.text.lock().unwrap())
    }
}

impl Ended {
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Exactly one error and at most one hint for it.
    #[track_caller]
    pub fn one_error(&self, part: &str) {
        let errors: Vec<&str> = self.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        assert!(errors[0].contains(part), "`{part}` is not in: {}", self.stderr);
        assert!(self.stderr.matches("hint: ").count() <= 1, "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// The program, whose files may have so many blocks of 512 bytes (of 1 KiB in some shells).
pub fn with_file_limit(blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_llmload-uring"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

/// Runs it to its end.
pub fn ran(args: &[&str]) -> Ended {
    Live::start(args).wait()
}

/// Removed with everything in it.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("llmload-e2e-{}-{next}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Dir(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).into_os_string().into_string().unwrap()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A result document, whose sums are checked, and which is the same once it is read and written again.
#[track_caller]
pub fn document(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    read_back(path);
    let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let count = |key: &str| document["totals"][key].as_u64().unwrap();
    // Absent if nobody cancels.
    let cancelled = document["totals"]["cancelled"].as_u64().unwrap_or(0);
    assert_eq!(
        count("requests"),
        count("ok") + count("failed") + count("interrupted") + cancelled
    );
    assert_eq!(count("in_flight"), 0);
    let by_outcome = document["totals"]["by_outcome"].as_object().unwrap();
    let outcomes: u64 = by_outcome.values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(count("requests"), outcomes);
    document
}

/// Of processes and ports, what a run must not leave behind. A killed child is reaped in its own time.
pub fn wait_until_refused(address: SocketAddr) {
    wait_until("nobody listens there any more", || {
        TcpStream::connect(address).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
    });
}

pub fn wait_until_gone(pid: u32) {
    wait_until("the child is gone", || {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat
                .rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X'])),
            Err(_) => true,
        }
    });
}

/// Completions that a mock, or a simulator, has been asked for.
pub fn mock_requests(address: SocketAddr) -> u64 {
    get_json(address, "/mock/stats")["requests"].as_u64().unwrap()
}

pub fn simulator_requests(address: SocketAddr) -> u64 {
    get_json(address, "/llmsim/stats")["total_requests"]
        .as_u64()
        .unwrap()
}

/// Connections to `port` on the loopback that wait for their SYN to be answered.
pub fn connecting_to(port: u16) -> usize {
    let address = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    // Field 3 is the remote end, field 4 the state; 02 is SYN_SENT.
    let wanted = format!(" {address:08X}:{port:04X} 02 ");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().filter(|line| line.contains(&wanted)).count()
}
