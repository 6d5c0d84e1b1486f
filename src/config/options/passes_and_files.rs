//! Applies the options of a run that are not about its load: warm-up, repetition, contention, files.

use crate::cli::RunArgs;
use crate::config::Config;
use crate::error::{Mistake, Place, Reason};
use crate::export::Needs;
use crate::plan::{DURATION_MAX, PairedPrompts, REPEAT_MAX};
use crate::units::{check_duration, format_duration, within};
use std::path::PathBuf;

/// The directory of results of a run with `--config` whose document names no other.
const RESULTS_DIR_DEFAULT: &str = "results";

pub fn overlay_run(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    overlay_files(config, args, mistakes);
    let asked = &args.document;
    if let Some(repeat) = asked.repeat {
        match within(Some(repeat), &repeat.to_string(), &(1..=REPEAT_MAX)) {
            Ok(repeat) => config.repeat = repeat,
            Err(reason) => mistakes.push(reason.at("--repeat", 0)),
        }
    }
    if let Some(warmup) = asked.warmup {
        match check_duration(warmup, &(0..=DURATION_MAX)) {
            Ok(()) => config.warmup = warmup,
            Err(reason) => mistakes.push(reason.at("--warmup", 0)),
        }
    }
    config.contention |= asked.contention;
    overlay_paired(config, args);
    check_length(config, mistakes);
    if config.contention {
        check_contention(config, asked.contention, mistakes);
    }
}

fn overlay_files(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let asked = &args.document;
    if args.files.results_dir.is_some() {
        config.results_dir.clone_from(&args.files.results_dir);
    } else if asked.config.is_some() && config.results_dir.is_none() {
        config.results_dir = Some(PathBuf::from(RESULTS_DIR_DEFAULT));
    }
    if args.output.is_some() {
        config.output.clone_from(&args.output);
    }
    let from_requests = args
        .exports
        .iter()
        .find(|export| export.format.keeps > Needs::Figures);
    if let (true, Some(export)) = (args.files.no_details, from_requests) {
        let what = format!(
            "contradicts `{}`, which is made from single requests",
            export.place()
        );
        mistakes.push(Reason::new(what).hint("remove one of them").at("--no-details", 0));
    } else if args.files.no_details && args.details {
        let reason = Reason::new("contradicts `--details`")
            .hint("remove one of them (check LLMLOAD_… variables as well)");
        mistakes.push(reason.at("--no-details", 0));
    } else if args.files.no_details {
        config.details = Some(false);
    } else if args.details || from_requests.is_some() {
        config.details = Some(true);
    }
    config.run.output.clone_from(&config.output);
    let lists = config.results_dir.is_some() || args.csv.is_some();
    config.run.details = config.details.unwrap_or(lists);
}

fn check_length(config: &Config, mistakes: &mut Vec<Mistake>) {
    let whole = config.warmup.saturating_add(config.executor.duration());
    if config.warmup > 0 && whole > DURATION_MAX && config.executor.duration() <= DURATION_MAX {
        let what = format!(
            "with a warm-up of {}, the run takes {}, longer than the limit of {}",
            format_duration(config.warmup),
            format_duration(whole),
            format_duration(DURATION_MAX)
        );
        mistakes.push(config.shape_place.mistake(Reason::new(what)));
    }
}

fn overlay_paired(config: &mut Config, args: &RunArgs) {
    let asked = &args.document;
    if asked.paired {
        config.paired = true;
        config.paired_place = Place::option("--paired");
    }
    if let Some(prompts) = asked.paired_prompts.as_deref().and_then(PairedPrompts::of_name) {
        config.paired_prompts = prompts;
        if !config.paired {
            config.paired_place = Place::option("--paired-prompts");
        }
    }
    let weights = config.servers().iter().map(|server| server.weight);
    if config.paired && weights.clone().min() != weights.max() {
        let note = "`weight` of the servers has no effect with `paired`: every request goes to both";
        config.notes.push(note.to_owned());
    }
}

fn check_contention(config: &Config, by_option: bool, mistakes: &mut Vec<Mistake>) {
    let mut wrong = |reason: Reason| {
        mistakes.push(match by_option {
            true => reason.at("--contention", 0),
            false => config.shape_place.mistake(reason),
        });
    };
    let servers = config.servers().len();
    if servers < 2 {
        let what = format!("contention needs at least two servers, but the document has {servers}");
        wrong(Reason::new(what).hint("list them under `servers`"));
        return;
    }
    let vus = config.executor.vus_of_all();
    if (vus as usize) < servers {
        let what =
            format!("contention gives each server its own users: {vus} are too few for {servers} servers");
        wrong(Reason::new(what).hint("use at least one user per server"));
    }
    if config.executor.open_loop().is_some() {
        let what = format!(
            "contention gives each server its own users, but executor `{}` has a rate",
            config.executor.name()
        );
        wrong(Reason::new(what).hint("use `workload`, `constant-vus` or `ramping-vus`"));
    }
    if config.executor.iterations_of_all().is_some() {
        let what = format!(
            "contention compares equal times, but executor `{}` ends by a count",
            config.executor.name()
        );
        wrong(Reason::new(what).hint("use `workload`, `constant-vus` or `ramping-vus`"));
    }
}

#[cfg(test)]
#[path = "passes_and_files_tests.rs"]
mod tests;
