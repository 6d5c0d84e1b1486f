//! Applies the options of a trace that is replayed: `--replay`, `--trace-window` and those next to it.

use crate::cli::{RunArgs, TraceArgs};
use crate::config::{Config, RequestConfig};
use crate::error::{Mistake, Reason};
use crate::plan::{Executor, OpenLoop, TIME_SCALE, TRACE_SPREAD_MAX, Trace, TraceSettings};
use crate::units::{check_duration, within};

/// Returns the replay of a dataset's rows: the document's own, or one as the rows have it.
pub fn replayed(executor: &Executor, open: OpenLoop) -> Executor {
    match executor.trace() {
        Some(_) => executor.clone(),
        None => Executor::Trace(Trace::new(TraceSettings::default(), open)),
    }
}

/// Lays the options over the settings of a trace. Another executor has none.
pub fn overlay_trace(executor: &mut Executor, args: &TraceArgs) {
    let Some(trace) = executor.trace_mut() else {
        return;
    };
    let settings = &mut trace.settings;
    if let Some(window) = args.trace_window {
        settings.window = window;
    }
    if let Some(rounds) = args.trace_loop {
        settings.rounds = rounds;
    }
    if let Some(spread) = args.trace_spread {
        settings.spread = spread;
    }
    if let Some(scale) = args.delay_scale {
        settings.delay_scale = scale;
    }
}

/// Reports options of a trace that contradict others, are beyond their limits, or have no trace.
pub fn trace_contradictions(config: &Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let mut wrong = |option: &str, reason: Reason| mistakes.push(reason.at(option, 0));
    let shapes = [
        ("--rate", args.rate.is_some()),
        ("--stages", args.stages.is_some()),
    ];
    for (other, _) in shapes
        .into_iter()
        .filter(|(_, given)| *given && args.trace.replay)
    {
        let what = format!("contradicts `{other}`: the rows of the dataset say when requests arrive");
        let hint = "remove one of them; --time-scale 0.5 replays a trace twice as fast";
        wrong("--replay", Reason::new(what).hint(hint));
    }
    if let Some(scale) = args.trace.delay_scale
        && let Err(reason) = within(Some(scale), &scale.to_string(), &(0.0..=*TIME_SCALE.end()))
    {
        wrong("--delay-scale", reason);
    }
    if let Some(spread) = args.trace.trace_spread
        && let Err(reason) = check_duration(spread, &(0..=TRACE_SPREAD_MAX))
    {
        wrong("--trace-spread", reason);
    }
    let replaced = args.rate.is_some() || args.stages.is_some();
    let is_replayed = args.trace.replay || config.executor.trace().is_some() && !replaced;
    if is_replayed {
        if args.arrival.is_some() {
            let what = "has no effect: the rows of the dataset say when requests arrive";
            let hint = "remove it; --rate 50 sends the rows at a rate with a pattern instead";
            wrong("--arrival", Reason::new(what).hint(hint));
        }
        return;
    }
    // The delays of agents are those of their sessions, whatever the load is.
    let given = args.datasets.dataset.as_ref().map(|dataset| dataset.format);
    let own = config
        .requests
        .iter()
        .filter_map(|request| request.dataset.as_ref());
    let formats = given.into_iter().chain(own.map(|dataset| dataset.format));
    let has_graphs = formats.into_iter().any(|format| format.row().is_graph);
    // Those of conversations are laid over them later.
    let talks = |request: &RequestConfig| request.call.conversation().is_some();
    let has_sessions = has_graphs || args.turns.is_some() || config.requests.iter().any(talks);
    let is_used = |option: &str| option == "--delay-scale" && has_sessions;
    for option in args.trace.given().into_iter().filter(|option| !is_used(option)) {
        let what = "has no effect: no trace is replayed";
        wrong(
            option,
            Reason::new(what).hint("add --replay and --dataset FORMAT:FILE"),
        );
    }
}
