//! Applies the options of the command line to the document's load and requests.

use std::num::NonZeroU32;

use crate::api::{TokenLimitKey, Wording};
use crate::cli::{RunArgs, StageList};
use crate::config::Config;
use crate::config::document::reader::check_text;
use crate::config::document::thresholds::read_options;
use crate::config::document::{GRACEFUL_DEFAULT, MAX_DURATION_DEFAULT, MODEL_BYTES_MAX};
use crate::config::options::dataset::overlay_dataset;
use crate::config::options::lengths::overlay_lengths;
use crate::config::options::mix::set_streaming_ratio;
use crate::config::options::rates::overlay_rates;
use crate::config::options::refuse_without_chat;
use crate::error::{Mistake, Place, Reason};
use crate::plan::{DURATION_MAX, Executor, ITERATIONS_MAX, THINK_TIME_MAX, TIME_SCALE, VUS_MAX};
use crate::units::{MILLISECOND, check_duration, within};
use crate::workload::{BATCH_MAX, Call, CancelAt, Chat, PROMPT_BYTES_MAX, Prompts, Share};

/// Applies `args` to `config`. An option that cannot be applied is reported, and the document's value stays.
pub fn overlay(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    overlay_shape(config, args, mistakes);
    overlay_requests(config, args, mistakes);
    overlay_lengths(config, args, mistakes);
    overlay_dataset(config, args, mistakes);
    overlay_goodput(config, args, mistakes);
    overlay_cancel(config, args, mistakes);
    overlay_batch_size(config, args, mistakes);
    config.validate &= !args.server.no_validate;
    config.require_fit |= args.require_fit;
    config.require_decided |= args.require_decided;
    config.analysis.fail_on_findings |= args.fail_on_findings;
    read_options(&args.thresholds, &mut config.thresholds, mistakes);
    if let Some(seed) = args.seed {
        config.seed = seed;
    }
    if let Some(graceful_stop) = args.graceful_stop {
        match check_duration(graceful_stop, &(0..=DURATION_MAX)) {
            Ok(()) => config.graceful_stop = graceful_stop,
            Err(reason) => mistakes.push(reason.at("--graceful-stop", 0)),
        }
    }
    if let Some(think_time) = args.think_time {
        match check_duration(think_time.max, &(0..=THINK_TIME_MAX)) {
            Ok(()) => config.think_time = think_time,
            Err(reason) => mistakes.push(reason.at("--think-time", 0)),
        }
    }
}

fn overlay_shape(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let before = mistakes.len();
    contradictions(args, mistakes);
    limits(args, mistakes);
    if mistakes.len() > before {
        return;
    }
    // If the shape is wrong after this, the option that made it is to blame.
    if let Some(option) = shaping_option(args) {
        config.shape_place = Place::option(option);
    }
    let peak = config.executor.vus_of_all();
    let vus = args.vus.unwrap_or(peak);
    if overlay_rates(config, args, mistakes) {
        // An open loop.
    } else if let Some(StageList::Vus(stages)) = &args.stages {
        config.executor = config.executor.with_stages(stages.clone(), GRACEFUL_DEFAULT);
    } else if let Some(iterations) = args.iterations {
        // Without --vus, no more of the profile's VUs than there is work for.
        let most = u32::try_from(iterations).unwrap_or(VUS_MAX);
        let vus = args.vus.unwrap_or(peak.min(most));
        let max_duration = args.duration.unwrap_or(MAX_DURATION_DEFAULT);
        config.executor = Executor::SharedIterations {
            vus,
            iterations,
            max_duration,
        };
    } else if let Some(duration) = args.duration {
        config.executor = Executor::ConstantVus { vus, duration };
    } else if let Some(vus) = args.vus {
        config.executor.scale_vus(vus);
    }
    if let Some(factor) = args.time_scale {
        config.executor.scale_time(factor);
    }
    config.copy_rates();
}

/// Reports pairs of options that contradict each other.
fn contradictions(args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let has_rates = matches!(args.stages, Some(StageList::Rates(_)));
    let others = [
        (
            "--duration",
            args.duration.is_some(),
            "stages have their own durations",
        ),
        (
            "--iterations",
            args.iterations.is_some(),
            "stages end by time, not by a count",
        ),
        (
            "--vus",
            args.vus.is_some() && !has_rates,
            "stages give the number of VUs",
        ),
    ];
    for (other, given, why) in others {
        if given && args.stages.is_some() {
            let reason = Reason::new(format!("contradicts `{other}`: {why}"))
                .hint("remove one of them (check LLMLOAD_… variables as well)");
            mistakes.push(reason.at("--stages", 0));
        }
    }
}

fn limits(args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let mut check = |option: &str, result: Result<(), Reason>| {
        if let Err(reason) = result {
            mistakes.push(reason.at(option, 0));
        }
    };
    if let Some(vus) = args.vus {
        check(
            "--vus",
            within(Some(vus), &vus.to_string(), &(1..=VUS_MAX)).map(drop),
        );
    }
    if let Some(count) = args.iterations {
        check(
            "--iterations",
            within(Some(count), &count.to_string(), &(1..=ITERATIONS_MAX)).map(drop),
        );
    }
    if let Some(duration) = args.duration {
        check(
            "--duration",
            check_duration(duration, &(MILLISECOND..=DURATION_MAX)),
        );
    }
    if let Some(factor) = args.time_scale {
        check(
            "--time-scale",
            within(Some(factor), &factor.to_string(), &TIME_SCALE).map(drop),
        );
    }
}

fn shaping_option(args: &RunArgs) -> Option<&'static str> {
    let options = [
        (args.stages.is_some(), "--stages"),
        (args.rate.is_some(), "--rate"),
        (args.trace.trace_window.is_some(), "--trace-window"),
        (args.trace.trace_loop.is_some(), "--trace-loop"),
        (args.trace.replay, "--replay"),
        (args.iterations.is_some(), "--iterations"),
        (args.duration.is_some(), "--duration"),
        (args.vus.is_some(), "--vus"),
        (args.time_scale.is_some(), "--time-scale"),
    ];
    options
        .into_iter()
        .find(|(given, _)| *given)
        .map(|(_, option)| option)
}

fn overlay_requests(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let before = mistakes.len();
    let mut check = |option: &str, result: Result<(), Reason>| {
        if let Err(reason) = result {
            mistakes.push(reason.at(option, 0));
        }
    };
    for model in &args.models {
        check("--model", check_text(model, MODEL_BYTES_MAX).map(drop));
    }
    for prompt in &args.prompts {
        check("--prompt", check_text(prompt, PROMPT_BYTES_MAX).map(drop));
    }
    if let Some(ratio) = args.streaming_ratio {
        let set = match config.executor.rates_by_kind() {
            Some(_) => Err(Reason::new(
                "has no effect: each kind of request has a rate of its own, not a weight",
            )
            .hint("change `rate` of the kinds in the document")),
            None => set_streaming_ratio(&mut config.requests, ratio),
        };
        check("--streaming-ratio", set);
    }
    let chat_options = [
        (!args.models.is_empty(), "--model"),
        (!args.prompts.is_empty(), "--prompt"),
        (args.lengths.prompt_tokens.is_some(), "--prompt-tokens"),
        (args.lengths.token_ids.is_some(), "--token-ids"),
        (args.lengths.prefix_groups.is_some(), "--prefix-groups"),
        (args.max_tokens.is_some(), "--max-tokens"),
        (args.turns.is_some(), "--turns"),
        (args.max_tokens_key.is_some(), "--max-tokens-key"),
        (args.stream_options.is_some(), "--stream-options"),
    ];
    let given = chat_options.into_iter().filter(|(given, _)| *given);
    refuse_without_chat(config, given.map(|(_, option)| option), mistakes);
    if mistakes.len() > before {
        return;
    }
    change_chats(config, args);
}

/// Changes every chat request as the options say, which have been checked.
fn change_chats(config: &mut Config, args: &RunArgs) {
    let asked = Wording {
        token_limit: args.max_tokens_key.as_deref().and_then(TokenLimitKey::from_name),
        stream_options: args.stream_options,
    };
    for request in &mut config.requests {
        if let Call::Chat(Chat {
            models,
            prompts,
            wording,
            ..
        }) = &mut request.call
        {
            *wording = asked.or(*wording);
            if !args.models.is_empty() {
                models.clone_from(&args.models);
            }
            if !args.prompts.is_empty() {
                *prompts = Prompts::List(args.prompts.clone());
                request.prompts_file = None;
            }
        }
    }
}

/// Gives every kind of request the limits of `--goodput`, in place of its own. Light requests get those that are not
/// about text.
fn overlay_goodput(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let Some(goodput) = &args.goodput else {
        return;
    };
    for request in &mut config.requests {
        request.goodput = match request.call.is_chat() {
            true => goodput.clone(),
            false => goodput.without_text(),
        };
    }
    if config.requests.iter().all(|request| request.goodput.is_empty()) {
        let what = "the profile has no chat request, and only these have tokens";
        let hint = "use limits of latency, service_time or ttfb";
        mistakes.push(Reason::new(what).hint(hint).at("--goodput", 0));
    }
}

/// Gives every kind of request the share of `--cancel`, in place of its own. One that is cancelled at a token must be
/// streamed.
fn overlay_cancel(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let Some(cancel) = args.cancel else {
        return;
    };
    let by_token = matches!(cancel.at, CancelAt::Tokens(_));
    let mut any = cancel.share == Share::NONE;
    for request in &mut config.requests {
        if let Call::Chat(chat) = &mut request.call {
            let fits = cancel.share != Share::NONE && (chat.stream || !by_token);
            chat.cancel = fits.then(|| Box::new(cancel));
            any |= fits;
        }
    }
    if !any {
        let what = "the profile has no streamed request, and only these have tokens on the way";
        let hint = "cancel after a time: `10% after 500ms`";
        mistakes.push(Reason::new(what).hint(hint).at("--cancel", 0));
    }
}

/// Gives every chat request the number of texts of `--batch-size`.
fn overlay_batch_size(config: &mut Config, args: &RunArgs, mistakes: &mut Vec<Mistake>) {
    let Some(texts) = args.batch_size else { return };
    if let Err(reason) = within(Some(texts), &texts.to_string(), &(1..=BATCH_MAX)) {
        mistakes.push(reason.at("--batch-size", 0));
        return;
    }
    for request in &mut config.requests {
        if let Call::Chat(chat) = &mut request.call {
            chat.batch_size = NonZeroU32::new(texts);
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
