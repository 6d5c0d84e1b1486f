//! The end of a run of several ranks: each has its result, and rank 0 makes the whole of them.

mod details;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

use serde_json::Value;
use time::OffsetDateTime;

use super::finish::write;
use super::ranks::{Ranks, lost, own_path};
use crate::cli::RunArgs;
use crate::config::Config;
use crate::coordination::{Ending, OnLoss, Stop};
use crate::coordinator::Command;
use crate::error::{ExitCode, Failure, Reason};
use crate::merge::{LiveJudged, Part, imbalance, merge_live};
use crate::output::{self, OutputFiles, Spooled, View};
use crate::result::RunResult;
use crate::run::Finished;
use crate::run::beside::Beside;

/// The files of a run: those of this process, and those of the whole, which rank 0 writes.
pub struct Files {
    pub own: OutputFiles,
    /// The document of this rank of several.
    own_path: Option<PathBuf>,
    pub beside: Beside,
    pub whole: Option<(OutputFiles, Beside)>,
}

impl Files {
    /// Prepares the files, before anything is sent.
    pub fn prepare(config: &Config, args: &RunArgs, now: OffsetDateTime) -> Result<Files, Failure> {
        let output = config.run.output.as_deref();
        let results = config.results_dir.as_deref().map(|folder| (folder, now));
        let Some(coordinate) = &config.run.coordinate else {
            let own = OutputFiles::prepare(output, results)?;
            let beside = Beside::of_run(args, &own)?;
            return Ok(Files {
                own,
                own_path: None,
                beside,
                whole: None,
            });
        };
        let rank = coordinate.shard.index();
        let own = output.and_then(|output| own_path(output, rank));
        let whole = match rank {
            0 => {
                let files = OutputFiles::prepare(output, results)?;
                let beside = Beside::of_run(args, &files)?;
                if coordinate.gather_details {
                    files.check_spool()?;
                }
                Some((files, beside))
            }
            _ => None,
        };
        Ok(Files {
            own: OutputFiles::prepare(own.as_deref(), results.filter(|_| rank > 0))?,
            own_path: own,
            beside: Beside::default(),
            whole,
        })
    }

    /// Returns the files that this process writes for its own part.
    pub fn of_process(&self) -> (&OutputFiles, &Beside) {
        (&self.own, &self.beside)
    }

    /// Returns the files that exist only while this process has the names.
    pub fn temporaries(&self) -> Vec<std::path::PathBuf> {
        let whole = self.whole.iter();
        let whole = whole.flat_map(|(files, beside)| [files.temporaries(), beside.temporaries()].concat());
        let own = [self.own.temporaries(), self.beside.temporaries()].concat();
        own.into_iter().chain(whole).collect()
    }
}

/// Ends a run: of several ranks, rank 0 makes the whole. `own` is what this process has measured, and `live` what rank
/// 0 has judged on the whole.
pub fn conclude(
    ranks: Option<&Ranks>,
    files: &Files,
    ((finished, own), live): ((Finished, RunResult), Option<LiveJudged>),
    (full, in_a_hurry): (bool, bool),
    say: &mut dyn FnMut(&str),
) -> Finished {
    match (ranks, &files.whole) {
        (None, _) => finished,
        (Some(ranks), Some(whole)) => {
            let own = (finished, &own, live.as_ref());
            of_whole(ranks, (whole, files), own, (full, in_a_hurry), say)
        }
        (Some(ranks), None) => of_member(ranks, files, (finished, &own), in_a_hurry, say),
    }
}

/// Gives rank 0 the result. This rank ends well if its part did: the verdict is rank 0's to give.
fn of_member(
    ranks: &Ranks,
    files: &Files,
    (mut finished, own): (Finished, &RunResult),
    in_a_hurry: bool,
    say: &mut dyn FnMut(&str),
) -> Finished {
    let document = serde_json::to_value(own).unwrap_or(Value::Null);
    if in_a_hurry {
        ranks.ask(Command::Document(document));
        return finished;
    }
    let requests = own.totals.requests;
    if !ranks.deliver(document, files.own_path.as_deref(), say) {
        let why = ranks.lost().remove(&0);
        let why = why.unwrap_or_else(|| "it ended without a verdict".to_owned());
        let hint = "the result of this rank alone is in its own file; `merge` joins those of all ranks";
        let failure = Failure::new(
            ExitCode::RankLost,
            Reason::new(format!("rank 0 was lost: {why}")).hint(hint),
        );
        if !says_rank_lost(&finished) {
            finished.errors.push(failure);
        }
        finished.exit = ExitCode::combine(&[finished.exit, ExitCode::RankLost]);
        return finished;
    }
    // Thresholds are judged on the whole.
    if matches!(
        finished.exit,
        ExitCode::ThresholdFailed | ExitCode::NothingSucceeded
    ) {
        finished.exit = ExitCode::Ok;
    }
    finished
        .errors
        .retain(|error| error.exit != ExitCode::NothingSucceeded);
    finished.summary = format!(
        "rank {} of {}: {requests} requests; rank 0 has the result of all\n",
        ranks.rank(),
        ranks.config.shard.count()
    );
    finished
}

fn says_rank_lost(finished: &Finished) -> bool {
    let mut errors = finished.errors.iter();
    errors.any(|error| error.exit == ExitCode::RankLost)
}

/// Joins the results of all ranks, writes the whole, and gives the verdict.
fn of_whole(
    ranks: &Ranks,
    (whole, all): (&(OutputFiles, Beside), &Files),
    (mut finished, own, live): (Finished, &RunResult, Option<&LiveJudged>),
    (full, in_a_hurry): (bool, bool),
    say: &mut dyn FnMut(&str),
) -> Finished {
    let (files, beside) = whole;
    let mut documents = ranks.results(!in_a_hurry, say);
    documents.insert(0, serde_json::to_value(own).unwrap_or(Value::Null));
    let (mut result, parts) = match join(ranks, documents, live) {
        Ok(joined) => joined,
        Err(reason) => {
            let hint = "each rank has its own document: `merge` joins them";
            let reason = Reason::new(format!("the ranks' results cannot be joined: {reason}")).hint(hint);
            finished.errors.push(Failure::new(ExitCode::Config, reason));
            finished.exit = ExitCode::combine(&[finished.exit, ExitCode::Config]);
            ranks.ask(Command::End(Ending::Verdict(finished.exit.code())));
            return finished;
        }
    };
    let spooled = match ranks.config.gather_details {
        true if in_a_hurry => {
            result
                .warnings
                .push(details::warning("a second signal ended the run"));
            None
        }
        true => gather(ranks, (whole, all), &parts, (&mut result, &mut finished), say),
        false => None,
    };
    result.summary = output::summary(&result, &View::plain(false));
    finished
        .errors
        .retain(|error| error.exit != ExitCode::NothingSucceeded);
    if result.run.exit_code == ExitCode::NothingSucceeded {
        finished.errors.extend(result.failure());
    }
    if result.run.exit_code == ExitCode::RankLost
        && !says_rank_lost(&finished)
        && let Some((rank, why)) = ranks.lost().pop_first()
    {
        finished.errors.push(lost(&Stop::Lost { rank, why }));
    }
    let saved = write(&result, (files, beside), spooled.as_ref(), &mut finished.errors);
    let exits = finished.errors.iter().map(|failure| failure.exit);
    finished.exit = ExitCode::combine(&exits.chain([result.run.exit_code]).collect::<Vec<_>>());
    finished.standard_output_taken = files.use_standard_output() || beside.uses_standard_output();
    let view = View {
        exit: Some(finished.exit),
        saved,
        ..View::of_terminal(full, !finished.standard_output_taken)
    };
    finished.summary = output::summary(&result, &view);
    ranks.ask(Command::End(Ending::Verdict(finished.exit.code())));
    finished
}

/// Gathers the requests of all ranks. What cannot be gathered is a warning, and what cannot be written a failure: the
/// ranks have theirs.
fn gather(
    ranks: &Ranks,
    ((files, beside), all): (&(OutputFiles, Beside), &Files),
    parts: &[Part],
    (result, finished): (&mut RunResult, &mut Finished),
    say: &mut dyn FnMut(&str),
) -> Option<Spooled> {
    let place = files.spool_path().or_else(|| beside.spool_path());
    match details::gather(ranks, all.own_path.as_deref(), place, parts, say) {
        Ok((spooled, warning)) => {
            result.warnings.extend(warning);
            Some(spooled)
        }
        Err(failure) => {
            result
                .warnings
                .push(details::warning("they could not be written"));
            finished.errors.push(failure);
            None
        }
    }
}

/// Joins the documents of the ranks that are there. Returns them as well, in the order of the ranks.
fn join(
    ranks: &Ranks,
    documents: BTreeMap<u32, Value>,
    live: Option<&LiveJudged>,
) -> Result<(RunResult, Vec<Part>), Reason> {
    let mut parts = Vec::new();
    for (rank, document) in documents {
        let bytes = serde_json::to_vec(&document).map_err(|e| Reason::new(e.to_string()))?;
        parts.push(Part::read(&ranks.name(rank), || Ok(Cursor::new(&bytes)))?);
    }
    let is_partial = parts.len() < ranks.config.shard.count() as usize;
    // What was judged live has the requests of lost ranks as well.
    let live = live.filter(|_| !is_partial);
    let mut result = merge_live(&mut parts, is_partial, live)?;
    let figures = imbalance(&result, &parts);
    if let Some(failure) = Failure::imbalance("the requests of the ranks do not add up", &figures) {
        return Err(Reason::new(failure.to_string()));
    }
    let lost = ranks.lost();
    // One that is lost after its load, and before its result is here, is missing as well.
    if ranks.config.on_loss == OnLoss::Stop && !lost.is_empty() {
        result.run.exit_code = ExitCode::combine(&[result.run.exit_code, ExitCode::RankLost]);
        result.run.verdict = result.run.exit_code.verdict().to_owned();
    }
    let lost: Vec<String> = lost
        .iter()
        .map(|(rank, why)| format!("{}: {why}", ranks.name(*rank)))
        .collect();
    let missing = result
        .warnings
        .iter_mut()
        .find(|warning| warning.rule == "shards_missing");
    if let Some(warning) = missing.filter(|_| !lost.is_empty()) {
        warning
            .message
            .push_str(&format!("; lost were {}", lost.join(", ")));
    }
    Ok((result, parts))
}
