//! Which rows belong together: the sessions of a dataset, each with its rows in the order of the file.

use crate::units::fnv;
use std::collections::HashMap;

/// The sessions of a dataset, numbered in the order in which they begin. A row without a session is one of its own.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The number of rows.
    rows: u32,
    /// All rows, session by session; empty if each row is a session of its own.
    order: Vec<u32>,
    /// Where each session begins in `order`; the last one is its end.
    starts: Vec<u32>,
    are_named: bool,
}

impl Sessions {
    /// Returns the number of sessions.
    pub fn len(&self) -> u32 {
        match self.are_single() {
            true => self.rows,
            false => self.starts.len() as u32 - 1,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Tells whether no session has more than one row.
    pub fn are_single(&self) -> bool {
        self.order.is_empty()
    }

    /// Tells whether any row says which session it belongs to.
    pub fn are_named(&self) -> bool {
        self.are_named
    }

    /// Returns how many rows a session has; at least one.
    pub fn turns(&self, session: u32) -> u32 {
        match self.are_single() {
            true => 1,
            false => self.starts[session as usize + 1] - self.starts[session as usize],
        }
    }

    /// Returns the index of a session's row number `turn`.
    pub fn row(&self, session: u32, turn: u32) -> u64 {
        match self.are_single() {
            true => u64::from(session),
            false => u64::from(self.order[(self.starts[session as usize] + turn) as usize]),
        }
    }
}

/// Gathers which row belongs to which session.
#[derive(Default)]
pub struct SessionsBuilder {
    /// The number of a session by the hash of its name: two names with one hash are as unlikely as one in 37 million
    /// among a million names.
    known: HashMap<u64, u32>,
    /// The session of each row, once a row has one; before, each row is its own.
    of_rows: Vec<u32>,
    rows: u32,
    sessions: u32,
    are_named: bool,
}

impl SessionsBuilder {
    pub fn push(&mut self, session: Option<&str>) {
        self.are_named |= session.is_some();
        if session.is_some() && self.of_rows.is_empty() {
            self.of_rows.extend(0..self.rows);
        }
        let next = self.sessions;
        let number = match session {
            None => next,
            Some(name) => *self.known.entry(fnv(name.as_bytes())).or_insert(next),
        };
        self.sessions += u32::from(number == next);
        self.rows += 1;
        if session.is_some() || !self.of_rows.is_empty() {
            self.of_rows.push(number);
        }
    }

    pub fn finish(self) -> Sessions {
        let rows = self.rows;
        if self.sessions == rows {
            return Sessions {
                rows,
                are_named: self.are_named,
                ..Sessions::default()
            };
        }
        // Counting sort: where each session begins, then each row into its session's next place.
        let mut starts = vec![0u32; self.sessions as usize + 1];
        for session in &self.of_rows {
            starts[*session as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0; rows as usize];
        for (row, session) in (0u32..).zip(&self.of_rows) {
            let place = &mut next[*session as usize];
            order[*place as usize] = row;
            *place += 1;
        }
        Sessions {
            rows,
            order,
            starts,
            are_named: self.are_named,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(names: &[Option<&str>]) -> Sessions {
        let mut builder = SessionsBuilder::default();
        names.iter().for_each(|name| builder.push(*name));
        builder.finish()
    }

    fn longest(found: &Sessions) -> Option<u32> {
        (0..found.len()).map(|session| found.turns(session)).max()
    }

    #[test]
    fn rows_of_a_session_are_found_in_their_order_however_they_are_mixed() {
        let found = sessions(&[None, Some("a"), Some("b"), Some("a"), None, Some("b"), Some("a")]);
        let rows = |session| -> Vec<u64> {
            (0..found.turns(session))
                .map(|turn| found.row(session, turn))
                .collect()
        };
        assert_eq!(found.len(), 4);
        assert!(found.are_named() && !sessions(&[None, None]).are_named());
        assert_eq!(
            (0..4).map(rows).collect::<Vec<_>>(),
            [vec![0], vec![1, 3, 6], vec![2, 5], vec![4]]
        );
        assert_eq!(longest(&found), Some(3));
    }

    #[test]
    fn rows_without_a_session_take_no_memory_for_one() {
        for names in [[None; 3], [Some("a"), Some("b"), None]] {
            let found = sessions(&names);
            assert!(found.are_single() && found.order.is_empty());
            assert_eq!(
                (found.len(), found.turns(2), found.row(2, 0), longest(&found)),
                (3, 1, 2, Some(1))
            );
        }
        assert!(sessions(&[]).is_empty());
    }
}
