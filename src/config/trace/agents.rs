//! Replays traces of agents, and other sessions of which nothing says when they began: each once, as many at a time as
//! users.

use super::rows_of;
use crate::config::Config;
use crate::config::document::in_flight_default;
use crate::error::{Mistake, Reason};
use crate::plan::{Rounds, TraceSettings, Window};
use crate::units::{format_duration, grouped};
use crate::workload::{Call, Prompts};

/// Lowers the default limit of sessions in flight where each has several requests in flight, so that no more
/// connections are needed than usually.
pub(super) fn limit_sessions(config: &mut Config) {
    let widths = config
        .requests
        .iter()
        .filter_map(|request| match rows_of(request) {
            Some(rows) => Some(rows.dataset.graph()?.width()),
            None => None,
        });
    let width = widths.max().unwrap_or(1).max(1);
    let default = in_flight_default(config.servers().len());
    if let Some(open) = config.executor.open_loop_mut()
        && open.max_vus == default
    {
        open.limit_vus((default / width).max(1));
    }
}

/// Makes the replay of a trace that of its sessions, graphs or conversations. What a trace with instants can do and
/// this one cannot is refused.
pub(super) fn replay(config: &mut Config, sessions: u64, mistakes: &mut Vec<Mistake>) {
    let Some(trace) = config.executor.trace() else {
        return;
    };
    let settings = trace.settings;
    let executor = trace.of_sessions(sessions);
    let wrong: Vec<Reason> = refused(&settings).collect();
    if !wrong.is_empty() {
        let place = &config.shape_place;
        mistakes.extend(wrong.into_iter().map(|reason| place.mistake(reason)));
    }
    config.executor = executor;
    if settings.delay_scale != 1.0 {
        scale_delays(config, settings.delay_scale);
    }
    let users = config.executor.vus_of_all();
    config.notes.push(format!(
        "the trace does not say when its sessions began: {} of {} are carried out at a time (--vus)",
        grouped(u64::from(users)),
        grouped(sessions)
    ));
}

/// Gives the sessions the factor of delays that the executor has.
fn scale_delays(config: &mut Config, scale: f64) {
    for request in &mut config.requests {
        if let (Some(dataset), Call::Chat(chat)) = (&mut request.dataset, &mut request.call)
            && let Prompts::Rows(rows) = &mut chat.prompts
        {
            match &mut chat.conversation {
                Some(conversation) => drop(conversation.delay_scale.get_or_insert(scale)),
                None => {
                    dataset.delay_scale = scale;
                    rows.replaying.delay_scale = scale;
                }
            }
        }
    }
}

/// Returns what needs instants of the whole trace, and was asked for.
fn refused(settings: &TraceSettings) -> impl Iterator<Item = Reason> {
    let TraceSettings {
        time_scale,
        delay_scale: _,
        window,
        rounds,
        spread,
        duration,
    } = *settings;
    let no_instants = |what: String, hint: &str| {
        let what = format!("{what} has no effect: the trace does not say when its sessions began");
        Reason::new(what).hint(hint)
    };
    let scaled = (time_scale != 1.0).then(|| {
        let hint = "`delay_scale` (`--delay-scale`) changes the delays within sessions, `vus` how many there are at a \
                    time";
        no_instants(format!("a time scale of {time_scale}"), hint)
    });
    let cut = (window != Window::default()).then(|| {
        let hint = "cut the file, or end the load with `duration` (`--duration`)";
        no_instants(format!("the window {window}"), hint)
    });
    let spread = (spread > 0).then(|| {
        let hint = "leave `trace_spread` (`--trace-spread`) out";
        no_instants(format!("the spread within {}", format_duration(spread)), hint)
    });
    let endless = (rounds == Rounds::UntilEnd && duration.is_none()).then(|| {
        let what = "a trace that is repeated until the end needs one";
        Reason::new(what).hint("add `duration` (`--duration 1h`), or say how often: 3")
    });
    [scaled, cut, spread, endless].into_iter().flatten()
}
