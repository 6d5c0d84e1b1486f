//! Gives a load that arrives as a trace the instants of the rows of its dataset.

use std::sync::Arc;

use crate::config::{Config, RequestConfig};
use crate::dataset::Dataset;
use crate::error::{Mistake, Reason};
use crate::units::grouped;
use crate::workload::{Call, Prompts, Rows, Sampling};

/// Takes the instants, if the executor needs some. The seed and the options are known by now.
pub fn take_rows(config: &mut Config, mistakes: &mut Vec<Mistake>) {
    if config.executor.trace().is_none() {
        let is_timed = |request: &RequestConfig| rows_of(request).is_some_and(|rows| rows.dataset.is_timed());
        if config.requests.iter().any(is_timed) {
            let note = "the rows of the dataset have timestamps, which are not used: --replay sends each row when they say";
            config.notes.push(note.to_owned());
        }
        return;
    }
    let found = dataset(config).and_then(|dataset| check(&dataset).map(|()| dataset));
    let dataset = match found {
        // A dataset that was not read stands in for one whose rows do not matter.
        Ok(dataset) if dataset.is_empty() => None,
        Ok(dataset) => Some(dataset),
        Err(reason) => {
            mistakes.push(config.shape_place.mistake(reason));
            None
        }
    };
    let seed = config.seed;
    let Some(trace) = config.executor.trace_mut() else {
        return;
    };
    match dataset {
        Some(dataset) => {
            let at = |row: u32| dataset.at(u64::from(row)).unwrap_or(0);
            trace.take_rows(dataset.len() as u32, &at, seed);
        }
        // One row within any window: the executor must not cause a second mistake.
        None => {
            trace.settings.window = Default::default();
            trace.take_rows(1, &|_| 0, seed);
        }
    }
    let unsorted = trace.rows().unsorted();
    if unsorted > 0 {
        config.notes.push(format!(
            "{} rows of the trace stand below one with a later timestamp: rows are sent in the order of their timestamps",
            grouped(unsorted)
        ));
    }
}

/// Returns the dataset that all kinds of request take their rows from.
fn dataset(config: &Config) -> Result<Arc<Dataset>, Reason> {
    let with_rows = |request| Some((request, rows_of(request)?));
    let found: Option<(&RequestConfig, &Rows)> = config.requests.iter().find_map(with_rows);
    let Some((first, rows)) = found else {
        let what = "no dataset says when requests arrive";
        let hint = "add `--dataset mooncake:trace.jsonl` to the options, or `dataset: { format: mooncake, file: … }` to \
                    the document";
        return Err(Reason::new(what).hint(hint));
    };
    for request in &config.requests {
        match rows_of(request) {
            Some(other) if other.sampling != Sampling::Sequential => {
                let name = other.sampling.name();
                let what =
                    format!("contradicts `sample: {name}` of the dataset: the rows say when each is sent");
                return Err(Reason::new(what).hint("leave `sample` (`--dataset-sample`) out"));
            }
            Some(other) if other.dataset == rows.dataset => {}
            Some(_) => {
                let what = format!(
                    "requests `{}` and `{}` have different datasets",
                    first.name, request.name
                );
                return Err(
                    Reason::new(what).hint("a run replays one trace: start two runs at the same time")
                );
            }
            None => {
                let what = format!("request `{}` has no rows of the dataset", request.name);
                let hint = "every arrival of a trace is one of its rows: leave this kind of request out";
                return Err(Reason::new(what).hint(hint));
            }
        }
    }
    Ok(rows.dataset.clone())
}

fn rows_of(request: &RequestConfig) -> Option<&Rows> {
    match &request.call {
        Call::Chat(chat) => match &chat.prompts {
            Prompts::Rows(rows) => Some(rows),
            _ => None,
        },
        _ => None,
    }
}

/// Checks that each row of a dataset has an instant.
fn check(dataset: &Dataset) -> Result<(), Reason> {
    if dataset.is_empty() {
        return Ok(());
    }
    if !dataset.is_timed() {
        let what = "the rows of the dataset have no timestamps, so nothing says when to send them";
        return Err(Reason::new(what).hint("send them at a rate instead: `--rate 10`"));
    }
    let Some(first) = (0..dataset.len() as u64).find(|row| dataset.at(*row).is_none()) else {
        return Ok(());
    };
    let (row, all) = (grouped(first + 1), grouped(dataset.len() as u64));
    let what = format!("row {row} of {all} of the dataset has no timestamp");
    Err(Reason::new(what).hint(match dataset.sessions().are_single() {
        true => "add one to each row, or send them at a rate: `--rate 10`",
        false => "a row that follows the one before it in its session after a `delay` cannot be replayed yet",
    }))
}
