//! Which requests of a session wait for which. A session of an agent is a graph and no list, because its subagents run
//! beside one another.
//!
//! A trace says when things began and how long they took, and not what waited for what. So a request waits for what had
//! ended when it began, in its own agent or before that was started, and not for what went on then. Requests that are
//! sent at these instants to a server as fast as the trace's make the trace again.

use crate::units::{MILLISECOND, Nanos};

/// The most requests of a session.
pub const NODES_MAX: usize = u16::MAX as usize - 1;
/// Instants and durations are rounded, so something that ended by so much after the next began had ended before it:
/// this long, or a tenth of the time that it took if that is less.
const ROUNDING_MAX: Nanos = 100 * MILLISECOND;

/// One request of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The numbers of the requests that must have ended before; without one it waits for the beginning of the session.
    pub after: Vec<u16>,
    /// From the last of their ends on.
    pub delay: Nanos,
}

/// One session, and what the trace says about the whole of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionGraph {
    /// In the order of the rows.
    pub nodes: Vec<Node>,
    /// From the beginning of its first request to the end of its last.
    pub recorded: Nanos,
    /// The most requests that can be in flight at once.
    pub width: u32,
    /// The most tokens of a prompt.
    pub input_tokens: u32,
}

/// The sessions of a dataset. Each is a part of its rows, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Where each session begins in the rows; the last one is the end of all.
    starts: Vec<u32>,
    recorded: Vec<Nanos>,
    /// Of each row.
    delays: Vec<Nanos>,
    /// Where the numbers of what each row waits for begin in `after`; the last one is the end of all.
    befores: Vec<u32>,
    after: Vec<u16>,
    width: u32,
    input_tokens: u32,
}

impl Default for Graph {
    fn default() -> Graph {
        Graph {
            starts: vec![0],
            recorded: Vec::new(),
            delays: Vec::new(),
            befores: vec![0],
            after: Vec::new(),
            width: 0,
            input_tokens: 0,
        }
    }
}

impl Graph {
    /// Adds the session whose rows follow those of the one before.
    pub fn push(&mut self, session: &SessionGraph) {
        let SessionGraph {
            nodes,
            recorded,
            width,
            input_tokens,
        } = session;
        for Node { after, delay } in nodes {
            self.delays.push(*delay);
            self.after.extend_from_slice(after);
            // Less than the rows times a small number; a file that had more would be beyond any memory.
            self.befores.push(self.after.len() as u32);
        }
        self.starts.push(self.delays.len() as u32);
        self.recorded.push(*recorded);
        self.width = self.width.max(*width);
        self.input_tokens = self.input_tokens.max(*input_tokens);
    }

    /// Returns the number of sessions.
    pub fn len(&self) -> usize {
        self.recorded.len()
    }

    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// Returns the row that a session begins with.
    pub fn first_row(&self, session: usize) -> u32 {
        self.starts[session]
    }

    /// Returns the session that a row belongs to.
    pub fn session_of(&self, row: u32) -> usize {
        self.starts
            .partition_point(|start| *start <= row)
            .saturating_sub(1)
    }

    /// Returns the number of requests of a session.
    pub fn nodes(&self, session: usize) -> u16 {
        // At most `NODES_MAX`.
        (self.starts[session + 1] - self.starts[session]) as u16
    }

    /// Returns the most requests of a session.
    pub fn nodes_max(&self) -> u16 {
        (0..self.len())
            .map(|session| self.nodes(session))
            .max()
            .unwrap_or(0)
    }

    /// Returns the numbers of the requests that a row waits for, and how long it waits after the last of them.
    pub fn waits(&self, row: u32) -> (&[u16], Nanos) {
        let row = row as usize;
        let [from, to] = [self.befores[row], self.befores[row + 1]];
        (&self.after[from as usize..to as usize], self.delays[row])
    }

    /// Returns how long a session took in the trace.
    pub fn recorded(&self, session: usize) -> Nanos {
        self.recorded[session]
    }

    /// Returns the most tokens of a prompt.
    pub fn input_tokens(&self) -> u32 {
        self.input_tokens
    }

    /// Returns the most requests of one session that can be in flight at once.
    pub fn width(&self) -> u32 {
        self.width
    }
}

/// A request that what follows may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    pub node: u16,
    /// When it had ended; `None` if the trace does not say.
    pub end: Option<Nanos>,
}

/// A request of an agent, or all of a subagent.
#[derive(Clone, Debug)]
struct Item {
    start: Nanos,
    /// When what began had to wait for it no more; not before `start`.
    end: Nanos,
    /// What follows waits for these: the last requests of a subagent.
    last: Vec<Past>,
}

/// What an agent did so far, in the order in which it began.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Those that something may still have to wait for.
    open: Vec<Item>,
    /// When requests began and ended, with how many of them could be in flight.
    edges: Vec<(Nanos, i64)>,
}

impl Timeline {
    /// Returns what something that began at `start` waits for: what had ended by then, without what one of these had
    /// waited for itself. `start` never decreases.
    pub fn before(&mut self, start: Nanos) -> Vec<Past> {
        let had_ended = |item: &Item| item.end <= start;
        let is_before_another = |index: usize, item: &Item, items: &[Item]| {
            items[index + 1..]
                .iter()
                .any(|other| had_ended(other) && other.start >= item.end)
        };
        // What another one waited for is waited for with it, by all that comes later as well.
        let kept = (0..self.open.len())
            .filter(|index| !is_before_another(*index, &self.open[*index], &self.open))
            .map(|index| self.open[index].clone());
        self.open = kept.collect();
        let ended = self.open.iter().filter(|item| had_ended(item));
        ended.flat_map(|item| item.last.iter().copied()).collect()
    }

    /// Adds something that began at `start` and ended at `end`, if the trace says when. `width` requests of it could be
    /// in flight at once. What has no requests is left out: nothing can wait for it.
    pub fn push(&mut self, (start, end): (Nanos, Option<Nanos>), last: Vec<Past>, width: u32) {
        if last.is_empty() {
            return;
        }
        let took = end.map_or(0, |end| end.saturating_sub(start));
        let end = start + took.saturating_sub(ROUNDING_MAX.min(took / 10));
        let width = i64::from(width);
        self.edges.extend([(start, width), (end.max(start + 1), -width)]);
        self.open.push(Item { start, end, last });
    }

    /// Returns what nothing of the agent waits for, and how many of its requests can be in flight at once.
    pub fn finish(mut self) -> (Vec<Past>, u32) {
        // What ends when another begins is not beside it, and its edge sorts first.
        self.edges.sort_unstable();
        let (mut now, mut most) = (0i64, 0i64);
        for (_, change) in &self.edges {
            now += change;
            most = most.max(now);
        }
        (self.before(Nanos::MAX), u32::try_from(most).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
