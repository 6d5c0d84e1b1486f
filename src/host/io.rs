//! What sockets are driven by on this host: io_uring, or epoll where it is not to be had.

use clap::ValueEnum;
use serde::Serialize;

use super::facts::HostFacts;
use super::preflight::{HostError, Need, memlock_needed};
use super::uring::UringRefusal;

/// What a core's sockets are driven by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    Uring,
    Epoll,
}

impl Io {
    /// Returns the name that results and messages use.
    pub fn name(self) -> &'static str {
        match self {
            Io::Uring => "io_uring",
            Io::Epoll => "epoll",
        }
    }

    /// Returns true if no worker starts where this call is refused: glommio sets its limits itself.
    pub(super) fn needs_call(self, name: &str) -> bool {
        self == Io::Uring || name != "prlimit64"
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IoChoice {
    /// io_uring, or epoll where this host does not allow it
    #[default]
    Auto,
    /// io_uring, or the run is refused
    Uring,
    /// epoll, which every host has
    Epoll,
}

/// What is used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoUse {
    pub io: Io,
    pub asked: IoChoice,
    /// Why it is epoll though nobody asked for it.
    pub reason: Option<String>,
}

impl IoUse {
    /// Decides from the facts about this host and what the run needs of it besides.
    pub fn choose(asked: IoChoice, facts: &HostFacts, need: &Need) -> IoUse {
        let reason = match asked {
            IoChoice::Auto => why_not_uring(facts, need),
            IoChoice::Uring | IoChoice::Epoll => None,
        };
        let io = match asked {
            IoChoice::Epoll => Io::Epoll,
            IoChoice::Auto if reason.is_some() => Io::Epoll,
            IoChoice::Auto | IoChoice::Uring => Io::Uring,
        };
        IoUse { io, asked, reason }
    }

    /// Says what is used and why, in one line, where that is not what a reader expects.
    pub fn note(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        Some(format!(
            "sockets are driven by epoll, because io_uring cannot be used here: {reason} (--io uring says how to allow it)"
        ))
    }
}

/// Returns what keeps a run from io_uring that would not keep it from epoll.
fn why_not_uring(facts: &HostFacts, need: &Need) -> Option<String> {
    match &facts.uring {
        // Epoll has no descriptor either.
        Err(UringRefusal::Files) => return None,
        Err(refusal) => return Some(refusal.reason().what),
        Ok(_) => {}
    }
    if let Some((name, reason)) = &facts.refused_call
        && !Io::Epoll.needs_call(name)
    {
        return Some(format!("its executor needs {name}, which is refused ({reason})"));
    }
    let need = Need {
        io: Io::Uring,
        ..*need
    };
    let needed = memlock_needed(facts.ipc_lock, &need);
    // The soft limit can be raised up to the hard one.
    let found = facts.memlock.hard.filter(|hard| *hard < needed)?;
    let missing = HostError::Memlock {
        found,
        needed,
        cores: need.cores,
    };
    Some(missing.reason().what)
}
