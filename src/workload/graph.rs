//! What may be sent next of a session whose requests wait for one another, and what it waited for in the end. Time is
//! an argument.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::conversation::{BYTES_PER_TOKEN, OnFailure, PlannedHistories};
use super::random::keyed;
use super::types::{Chat, Draw, Prompts, Workload};
use crate::dataset::Graph;
use crate::units::Nanos;

/// Separates the lengths of answers that a session's rows do not say from other choices.
const NODE: u64 = 0x6e6f_6465;

/// The bytes that are kept of a session, and of each of its requests: whom it waits for and who waits for it.
const SESSION_BYTES: u64 = 2_048;
const NODE_BYTES: u64 = 64;

/// How the sessions of a dataset are replayed whose requests wait for one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Replaying {
    /// Factor of the delays between requests.
    pub delay_scale: f64,
    pub on_failure: OnFailure,
    /// The header that names the session to gateways which keep sessions together.
    pub affinity_header: Option<String>,
}

impl Default for Replaying {
    fn default() -> Replaying {
        Replaying {
            delay_scale: 1.0,
            on_failure: OnFailure::End,
            affinity_header: None,
        }
    }
}

impl Chat {
    /// Tells whether its requests are sessions whose requests wait for one another.
    pub fn is_graph(&self) -> bool {
        self.graph().is_some()
    }

    fn graph(&self) -> Option<(&Graph, &Replaying)> {
        match &self.prompts {
            Prompts::Rows(rows) => Some((rows.dataset.graph()?, &rows.replaying)),
            _ => None,
        }
    }
}

impl Workload {
    /// Returns how the sessions of a kind go, if they are graphs of a dataset's rows.
    pub fn graph(&self, kind: u16) -> Option<(&Graph, &Replaying)> {
        self.kinds[usize::from(kind)].call.chat()?.graph()
    }

    /// Returns the header in which requests of a kind name their session, if they have sessions and a header for that.
    pub(super) fn affinity_header(&self, kind: u16) -> Option<&str> {
        let of_graph = || self.graph(kind)?.1.affinity_header.as_deref();
        match self.conversation(kind) {
            Some(conversation) => conversation.affinity_header.as_deref(),
            None => of_graph(),
        }
    }

    /// Returns the most requests that a user has in flight at once.
    pub fn requests_per_user(&self) -> u32 {
        let widths = (0..self.kinds.len() as u16).filter_map(|kind| Some(self.graph(kind)?.0.width()));
        widths.max().unwrap_or(1).max(1)
    }

    /// Plans the memory of `sessions` sessions at a time: what is kept of each, and the requests that it can have in
    /// flight, if all are as long as the longest. `None` if no kind of request has such sessions.
    pub fn planned_graphs(&self, sessions: u64) -> Option<PlannedHistories> {
        let graphs = (0..self.kinds.len() as u16).filter_map(|kind| Some(self.graph(kind)?.0));
        let bytes = graphs.map(|graph| {
            let request = u64::from(graph.input_tokens()) * BYTES_PER_TOKEN;
            let each = SESSION_BYTES + u64::from(graph.nodes_max()) * NODE_BYTES;
            (request.saturating_mul(u64::from(graph.width())), each)
        });
        let (requests, each) = bytes.max()?;
        Some(PlannedHistories {
            sessions,
            each,
            all: each.saturating_mul(sessions),
            requests: requests.saturating_mul(sessions),
        })
    }

    /// Draws request `node` of the session that `first` begins.
    pub fn draw_node(&self, seed: u64, first: &Draw, node: u16) -> Draw {
        let row = first.prompt + u64::from(node);
        let max_tokens = match self.kinds[usize::from(first.kind)].call.chat() {
            Some(chat) => chat.max_tokens.draw(keyed([seed, NODE, row, 0])),
            None => first.max_tokens,
        };
        self.with_lengths_of_row(Draw {
            prompt: row,
            max_tokens,
            think: 0,
            ..*first
        })
    }
}

/// A request that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready {
    pub due: Nanos,
    /// Its number in the session.
    pub node: u16,
}

/// What is known of a request that has not begun.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    /// How many of those that it waits for have not ended.
    left: u16,
    /// When the last of them ended that have.
    since: Nanos,
    /// The delays on the way to that end from the beginning of the session, each of which had to pass before the next.
    delays: Nanos,
}

/// How far a session has come.
#[derive(Debug)]
pub struct Progress {
    scale: f64,
    waits: Vec<Waiting>,
    /// The delay of each request.
    delays: Vec<Nanos>,
    /// What waits for each request begins here in `followers`; the last one is the end of all.
    starts: Vec<u32>,
    followers: Vec<u16>,
    ready: BinaryHeap<Reverse<Ready>>,
    in_flight: u16,
    made: u16,
    /// The latest end, and the delays on the way to it.
    last: (Nanos, Nanos),
    is_stopped: bool,
}

impl Progress {
    /// Begins a session of the graph. `scale` is the factor of its delays.
    pub fn begin(graph: &Graph, session: usize, begun: Nanos, scale: f64) -> Progress {
        let (first, nodes) = (graph.first_row(session), graph.nodes(session));
        let rows = || (0..nodes).map(|node| (node, graph.waits(first + u32::from(node))));
        let mut starts = vec![0u32; usize::from(nodes) + 1];
        for (_, (after, _)) in rows() {
            for before in after {
                starts[usize::from(*before) + 1] += 1;
            }
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut followers = vec![0; starts.last().map_or(0, |end| *end as usize)];
        for (node, (after, _)) in rows() {
            for before in after {
                let place = &mut next[usize::from(*before)];
                followers[*place as usize] = node;
                *place += 1;
            }
        }
        let mut progress = Progress {
            scale,
            waits: rows()
                .map(|(_, (after, _))| Waiting {
                    // At most as many as there are requests.
                    left: after.len() as u16,
                    since: begun,
                    delays: 0,
                })
                .collect(),
            delays: rows().map(|(_, (_, delay))| delay).collect(),
            starts,
            followers,
            ready: BinaryHeap::new(),
            in_flight: 0,
            made: 0,
            last: (begun, 0),
            is_stopped: false,
        };
        for node in 0..nodes {
            if progress.waits[usize::from(node)].left == 0 {
                progress.release(node);
            }
        }
        progress
    }

    fn release(&mut self, node: u16) {
        let index = usize::from(node);
        // Conversion to an integer saturates.
        let delay = match self.scale {
            1.0 => self.delays[index],
            scale => (self.delays[index] as f64 * scale).round() as Nanos,
        };
        let waiting = &mut self.waits[index];
        waiting.delays = waiting.delays.saturating_add(delay);
        let due = waiting.since.saturating_add(delay);
        self.ready.push(Reverse(Ready { due, node }));
    }

    /// Takes the request that is due first of those that wait for nothing but their time.
    pub fn take(&mut self) -> Option<Ready> {
        if self.is_stopped {
            return None;
        }
        let Reverse(ready) = self.ready.pop()?;
        self.in_flight += 1;
        Some(ready)
    }

    /// Returns how many requests wait for nothing but their time.
    pub fn ready(&self) -> usize {
        match self.is_stopped {
            true => 0,
            false => self.ready.len(),
        }
    }

    /// Notes that a request that was taken was sent and has ended.
    pub fn ended(&mut self, node: u16, at: Nanos) {
        self.in_flight -= 1;
        self.made += 1;
        let delays = self.waits[usize::from(node)].delays;
        if at >= self.last.0 {
            self.last = (at, delays);
        }
        let [from, to] = [usize::from(node), usize::from(node) + 1].map(|i| self.starts[i] as usize);
        for index in from..to {
            let follower = self.followers[index];
            let waiting = &mut self.waits[usize::from(follower)];
            if at >= waiting.since {
                (waiting.since, waiting.delays) = (at, delays);
            }
            waiting.left -= 1;
            if waiting.left == 0 {
                self.release(follower);
            }
        }
    }

    /// Gives back a request that was taken and not sent. The session makes no further ones.
    pub fn give_up(&mut self) {
        self.in_flight -= 1;
        self.stop();
    }

    /// Lets no further request begin.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Tells whether nothing is in flight and nothing will be.
    pub fn is_over(&self) -> bool {
        self.in_flight == 0 && self.ready() == 0
    }

    /// Returns how many requests were sent and have ended.
    pub fn made(&self) -> u16 {
        self.made
    }

    /// Tells whether all requests have ended.
    pub fn is_complete(&self) -> bool {
        usize::from(self.made) == self.waits.len()
    }

    /// Returns how long the delays took on the way to the end of the session: those between requests each of which
    /// waited for the one before it. The rest of its time it waited for answers.
    pub fn delays_on_path(&self) -> Nanos {
        self.last.1
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
