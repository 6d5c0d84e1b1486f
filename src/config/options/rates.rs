//! Applies the options of an open loop: `--rate`, stages with rates, `--replay`, `--arrival`, `--max-in-flight`,
//! `--when-full`.

use crate::cli::{RunArgs, StageList};
use crate::config::Config;
use crate::config::document::in_flight_default;
use crate::config::options::trace::{overlay_trace, replayed, trace_contradictions};
use crate::error::{Mistake, Reason};
use crate::plan::{Executor, OpenLoop, VUS_MAX, WhenFull};
use crate::units::{Rate, within};

/// Applies the options to the executor. Returns true if the shape is an open loop afterwards, which no other option
/// about users then changes.
pub fn overlay_rates(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) -> bool {
    let before = mistakes.len();
    contradictions(config, args, mistakes);
    trace_contradictions(config, args, mistakes);
    if mistakes.len() > before {
        return true;
    }
    let open = config.executor.open_loop().copied().unwrap_or(OpenLoop {
        max_vus: in_flight_default(config.servers().len()),
        ..OpenLoop::default()
    });
    let executor = match (&args.rate, &args.stages) {
        (Some(rate), _) => Some(Executor::ConstantArrivalRate {
            rate: *rate,
            duration: args.duration.unwrap_or(config.executor.duration()),
            open,
        }),
        (None, Some(StageList::Rates(stages))) => Some(Executor::RampingArrivalRate {
            start_rate: Rate::per_second_of(0.0),
            stages: stages.clone(),
            open,
        }),
        (None, Some(StageList::Vus(_))) => return false,
        (None, None) if args.trace.replay => {
            let trace = replayed(&config.executor, open);
            trace.open_for(args.duration)
        }
        (None, None) => config.executor.open_for(args.duration),
    };
    let Some(mut executor) = executor else {
        return false;
    };
    if let Some(open) = executor.open_loop_mut() {
        *open = with_options(*open, args);
    }
    if let Some(arrival) = args.arrival {
        executor.set_arrival(arrival);
    }
    overlay_trace(&mut executor, &args.trace);
    config.executor = executor;
    true
}

fn with_options(mut open: OpenLoop, args: &RunArgs) -> OpenLoop {
    if let Some(max) = args.max_in_flight.or(args.vus) {
        open.limit_vus(max);
    }
    match args.when_full.as_deref() {
        Some("queue") => open.when_full = WhenFull::Queue,
        Some(_) => open.when_full = WhenFull::Drop,
        None => {}
    }
    open
}

fn contradictions(config: &Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let mut wrong = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
    let remove = "remove one of them (check LLMLOAD_… variables as well)";
    if args.rate.is_some() && args.stages.is_some() {
        let what = "contradicts `--stages`: stages have their own targets";
        wrong(
            "--rate",
            Reason::new(what).hint("write `--stages 1m:50/s` for stages of rates"),
        );
    }
    let has_rate_stages = matches!(args.stages, Some(StageList::Rates(_)));
    if args.trace.replay && (args.rate.is_some() || args.stages.is_some()) {
        return;
    }
    if let Some(rates) = config.executor.rates_by_kind() {
        for (option, given) in [
            ("--rate", args.rate.is_some()),
            ("--stages", args.stages.is_some()),
            ("--iterations", args.iterations.is_some()),
            ("--replay", args.trace.replay),
        ] {
            if given {
                let names: Vec<&str> = rates.kinds().iter().map(|kind| kind.name.as_str()).collect();
                let what = "contradicts the document, in which each kind of request has a rate of its own";
                let hint = format!(
                    "change the rates of {} there; --duration and --time-scale change their time",
                    names.join(", ")
                );
                wrong(option, Reason::new(what).hint(hint));
            }
        }
        return;
    }
    let becomes_open = args.rate.is_some() || has_rate_stages || args.trace.replay;
    let stays_open = config.executor.open_loop().is_some() && args.stages.is_none();
    if args.iterations.is_some() && (becomes_open || stays_open) {
        let what = "contradicts a rate: arrivals end by time, not by a count";
        let hint = match args.trace.replay || config.executor.trace().is_some() {
            true => "use --trace-window for a part of the trace, or --duration",
            false => "use --duration; 1000 requests at 50/s take 20s",
        };
        wrong("--iterations", Reason::new(what).hint(hint));
    }
    if args.vus.is_some() && args.max_in_flight.is_some() {
        let what = "contradicts `--vus`: both limit the requests in flight at a rate";
        wrong("--max-in-flight", Reason::new(what).hint(remove));
    }
    if let Some(max) = args.max_in_flight
        && let Err(reason) = within(Some(max), &max.to_string(), &(1..=VUS_MAX))
    {
        wrong("--max-in-flight", reason);
    }
    if becomes_open || stays_open {
        return;
    }
    for (option, given) in [
        ("--arrival", args.arrival.is_some()),
        ("--max-in-flight", args.max_in_flight.is_some()),
        ("--when-full", args.when_full.is_some()),
    ] {
        if given {
            let what = "has no effect: the load has no rate, and users wait for their answers";
            wrong(
                option,
                Reason::new(what).hint("add --rate, --stages with rates, or --replay"),
            );
        }
    }
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
