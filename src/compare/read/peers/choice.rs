//! Which run of a file is meant: some tools write several into one.

use crate::compare::read::error::{Result, wrong};
use crate::error::Reason;

/// The number of a run, from 1; `None` if the file is to have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice(pub Option<u64>);

impl Choice {
    /// Tells whether the run of this number is to be read; without a choice it is the first.
    pub fn wants(self, number: u64) -> bool {
        number == self.0.unwrap_or(1)
    }

    /// Refuses a file of several runs of which none was chosen, and a choice that the file does not have.
    pub fn check(self, runs: u64) -> Result<()> {
        match self.0 {
            _ if runs == 0 => Err(wrong("has no run")),
            None if runs > 1 => Err(
                Reason::new(format!("holds {runs} runs, and one is compared")).hint(format!(
                    "choose one by its number behind the name: FILE#1 to FILE#{runs}"
                )),
            ),
            Some(number) if number == 0 || number > runs => {
                let hint = match runs {
                    1 => "leave `#` and the number out".to_owned(),
                    _ => format!("choose one of FILE#1 to FILE#{runs}"),
                };
                let them = if runs == 1 {
                    "one run".to_owned()
                } else {
                    format!("{runs} runs")
                };
                Err(Reason::new(format!("has no run {number}: it holds {them}")).hint(hint))
            }
            _ => Ok(()),
        }
    }
}
