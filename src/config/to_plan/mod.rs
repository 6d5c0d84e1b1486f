//! Makes a plan from a config, with the checks that need more than one value. All mistakes are reported at once.

mod endpoints;
mod fit;
mod paired;
pub(super) mod shard;

use crate::api::Setting;
use crate::config::{Config, RequestConfig};
use crate::error::{Mistake, Reason};
use crate::plan::{
    Executor, Numbering, Plan, Plateau, Selector, Shard, THRESHOLD_TRENDS_MAX, THRESHOLDS_MAX, Threshold,
    ThresholdMetric, check_run_length,
};
use crate::workload::{CancelAt, Chat, Conversation, HistoryMode, Prompts, RequestKind, Timeouts, Workload};
use endpoints::Built;
pub use fit::{check_apis, check_options, check_vocabularies};
use fit::{check_batch_size, check_cache_bust, check_system};

/// Makes the plan. Everything that the plan's types promise is checked here, wherever the config came from.
pub fn to_plan(config: &Config) -> Result<Plan, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    for reason in config.executor.mistakes() {
        mistakes.push(config.shape_place.mistake(reason));
    }
    if let Err(reason) = check_run_length("the graceful stop", config.graceful_stop) {
        mistakes.push(config.shape_place.mistake(reason));
    }
    let built = endpoints::build(config, &mut mistakes);
    mistakes.extend(two_ids(config));
    let assignment = paired::assignment(config, &mut mistakes);
    let thresholds = build_thresholds(config, &built, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let workload = Workload {
        servers: built.servers,
        kinds: built.kinds,
        think_time: config.think_time,
        each_kind_first: config.each_kind_first,
        users: match config.executor.numbering() {
            Numbering::ByVu => config.executor.vus_of_all().max(1),
            Numbering::Together | Numbering::ByKind => 1,
        },
        is_warm_up: false,
        load: 0,
    };
    workload.invariants();
    let shard = config.run.shard.unwrap_or(Shard::WHOLE);
    Ok(Plan {
        profile: config.profile.clone(),
        seed: config.seed,
        executor: config.executor.clone(),
        graceful_stop: config.graceful_stop,
        workload,
        warmup: config.warmup,
        assignment,
        connection: config.connection,
        thresholds,
        steps: match config.steps {
            true => plateaus(&config.executor, shard),
            false => Vec::new(),
        },
        shard,
    })
}

/// Returns the levels with the shard's share of the VUs. A level at which the shard has none cannot be judged here.
fn plateaus(executor: &Executor, shard: Shard) -> Vec<Plateau> {
    let of_shard = |level: Plateau| Plateau {
        vus: shard.vus_of(level.vus),
        ..level
    };
    let levels = executor.plateaus().into_iter().map(of_shard);
    levels.filter(|level| level.vus > 0).collect()
}

/// Refuses to cancel what cannot be cancelled.
fn check_cancel(name: &str, chat: &Chat) -> Option<Reason> {
    let cancel = chat.cancel.as_deref()?;
    let (what, hint) = match cancel.at {
        _ if chat.is_graph() => (
            "is a session of a trace, whose requests wait for one another",
            "remove `cancel`",
        ),
        CancelAt::Tokens(_) if !chat.stream => (
            "is not streamed, so that its tokens come together",
            "write `after: 500ms`, or `stream: true`",
        ),
        _ => return None,
    };
    let what = format!(
        "request `{name}` {what}, and cannot be cancelled after {}",
        cancel.at
    );
    Some(Reason::new(what).hint(hint))
}

/// Refuses a conversation that contradicts the rest of the request.
fn check_conversation(request: &RequestConfig, chat: &Chat) -> Vec<Reason> {
    let Some(conversation) = &chat.conversation else {
        return Vec::new();
    };
    let name = &request.name;
    let mut wrong = Vec::new();
    if request.dataset.is_none() {
        wrong.extend(needs_dataset(name, conversation));
    }
    if matches!(chat.prompts, Prompts::Ids { .. } | Prompts::Shared(_)) {
        let what = format!("request `{name}` is a conversation, whose turns are texts made for it alone");
        wrong.push(
            Reason::new(what).hint("remove `token_ids` and the keys of shared prefixes, or `conversation`"),
        );
    }
    wrong
}

/// Refuses to name a session in a header that the request has already.
fn check_affinity(request: &RequestConfig) -> Option<Reason> {
    let header = request.affinity_header()?;
    let mut sent = request.sent.iter();
    sent.find(|sent| sent.name.eq_ignore_ascii_case(header))?;
    let name = &request.name;
    let what = format!("request `{name}` has `{header}` in its headers and as `affinity_header`");
    Some(Reason::new(what).hint("remove one of them"))
}

/// Refuses sessions that are named in the header that the ids of requests have.
fn two_ids(config: &Config) -> Vec<Mistake> {
    let Some(ids) = &config.request_id_header else {
        return Vec::new();
    };
    let both = config.requests.iter().filter(|request| {
        let header = request.affinity_header();
        header.is_some_and(|header| header.eq_ignore_ascii_case(ids))
    });
    both.map(|request| {
        let what = format!(
            "request `{}` names its sessions in `{ids}`, in which each request has its id",
            request.name
        );
        let hint = "use another `affinity_header`, or another header for ids (`request_id_header`, --request-id-header)";
        request.place.mistake(Reason::new(what).hint(hint))
    })
    .collect()
}

/// Returns what a conversation without a dataset lacks.
fn needs_dataset(name: &str, conversation: &Conversation) -> Vec<Reason> {
    let mut wrong = Vec::new();
    if conversation.turns.is_none() {
        let what =
            format!("request `{name}` is a conversation, and nothing says how many turns a session has");
        let hint = "add `turns: 5` (`--turns 5`), or take sessions from a dataset, with as many turns as they have: \
                    `dataset: multi_turn:FILE` (`--dataset multi_turn:FILE`)";
        wrong.push(Reason::new(what).hint(hint));
    }
    let keys = [
        ("history: dataset", conversation.history == HistoryMode::Dataset),
        ("delay_scale", conversation.delay_scale.is_some()),
    ];
    for (key, _) in keys.into_iter().filter(|(_, is_given)| *is_given) {
        let what = format!("request `{name}` has `conversation.{key}` and no `dataset`");
        wrong.push(Reason::new(what).hint("remove it, or add `dataset: FORMAT:FILE`"));
    }
    wrong
}

/// Builds a kind of request, at endpoint 0.
pub(super) fn build_kind(request: &RequestConfig) -> Result<RequestKind, Vec<Reason>> {
    let mut wrong = Vec::new();
    let name = &request.name;
    if let Some(chat) = request.call.chat() {
        wrong.extend(check_settings(name, chat));
        wrong.extend(check_cancel(name, chat));
        if chat.models.is_empty() {
            let what = format!("request `{name}` has no models");
            wrong.push(Reason::new(what).hint("add `models:`, or `--model NAME`"));
        }
        if matches!(&chat.prompts, Prompts::List(texts) if texts.is_empty()) {
            let what = format!("request `{name}` has no prompts");
            wrong.push(Reason::new(what).hint("add `prompts:` or `dataset:`, or `--prompt TEXT`"));
        }
        if !request.has_limit {
            let what = format!("request `{name}` has no token limit");
            let hint = "add `max_tokens:`, for example `50` or `50-200`, or `--max-tokens N`";
            wrong.push(Reason::new(what).hint(hint));
        }
        wrong.extend(check_conversation(request, chat));
        wrong.extend(check_affinity(request));
    }
    if request.weight == 0 {
        wrong.push(Reason::new(format!("request `{name}` has weight 0")).hint("leave it out"));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let timeouts = Timeouts {
        connect: Some(request.connect_timeout.min(request.timeout)),
        first_token: request.first_token_timeout,
        idle: request.idle_timeout,
        total: request.timeout,
    };
    Ok(RequestKind {
        name: name.clone(),
        // A warm-up draws kinds with rates as often as their rates say.
        weight: match &request.arrivals {
            Some(arrivals) => (arrivals.highest_rate().per_second() * 1e3).round().max(1.0) as u32,
            None => request.weight,
        },
        call: request.call.clone(),
        timeouts,
        goodput: request.goodput.clone(),
        headers: request
            .sent
            .iter()
            .map(|header| (header.name.clone(), header.value.expose().to_owned()))
            .collect(),
        server: 0,
    })
}

/// Refuses settings of a body that contradict the rest of the request.
fn check_settings(name: &str, chat: &Chat) -> Vec<Reason> {
    let wrong = [
        check_min_tokens(name, chat),
        check_system(name, chat),
        check_batch_size(name, chat),
        check_cache_bust(name, chat),
    ];
    wrong.into_iter().flatten().collect()
}

/// Refuses answers that would have to be longer than they may be.
fn check_min_tokens(name: &str, chat: &Chat) -> Option<Reason> {
    let least = chat.settings.value(Setting::MinTokens)?;
    let limit = chat.max_tokens.min();
    if least.parse().is_ok_and(|least: u32| least <= limit) {
        return None;
    }
    let what = format!("request `{name}`: `min_tokens`, {least}, is above the lowest `max_tokens`, {limit}");
    Some(Reason::new(what).hint("lower it, or raise `max_tokens` (`--max-tokens`)"))
}

fn build_thresholds(config: &Config, built: &Built, mistakes: &mut Vec<Mistake>) -> Vec<Threshold> {
    if config.thresholds.len() > THRESHOLDS_MAX {
        let what = format!(
            "{} thresholds are more than the limit of {THRESHOLDS_MAX}",
            config.thresholds.len()
        );
        mistakes.push(config.thresholds[0].place.mistake(Reason::new(what)));
        return Vec::new();
    }
    let mut out = Vec::with_capacity(config.thresholds.len());
    for asked in &config.thresholds {
        let parsed = Threshold::parse(&asked.metric, &asked.expression).and_then(|mut threshold| {
            threshold.selector.resolve(&built.servers);
            // If a kind is wrong and left out, a name that is not found may be its name.
            if built.complete {
                threshold.selector.check(&built.kinds, &built.servers)?;
                check_goodput(&threshold, &built.kinds)?;
            }
            threshold.selector.check_phases(&config.executor)?;
            check_pairs(&threshold, config.paired, asked.abort_on_fail)?;
            Ok(threshold)
        });
        match parsed {
            Ok(threshold) => out.push(Threshold {
                abort_after: asked.abort_on_fail.then(|| asked.delay_abort_eval.unwrap_or(0)),
                ..threshold
            }),
            Err(reason) => mistakes.push(asked.place.mistake(reason)),
        }
    }
    if let (Some(first), Err(reason)) = (config.thresholds.first(), check_distributions(&out)) {
        mistakes.push(first.place.mistake(reason));
    }
    out
}

/// Refuses a threshold on pairs in a run without any, and one that should end the run: pairs are judged at its end.
fn check_pairs(threshold: &Threshold, paired: bool, aborts: bool) -> Result<(), Reason> {
    let name = threshold.metric.name();
    if threshold.metric.is_of_pairs() && !paired {
        let what = format!("`{name}` compares two servers, and this run has no pairs");
        let hint = "add `--paired` (`paired: true`), with two servers in the document";
        return Err(Reason::new(what).hint(hint));
    }
    if threshold.metric.is_of_pairs() && aborts {
        let what = format!("`{name}` is known at the end of the run, so it cannot end it");
        return Err(Reason::new(what).hint("remove `abortOnFail`"));
    }
    Ok(())
}

/// Refuses a threshold on goodput if no request that it looks at has limits.
fn check_goodput(threshold: &Threshold, kinds: &[RequestKind]) -> Result<(), Reason> {
    let mut selected = kinds.iter().filter(|kind| threshold.selector.selects(kind));
    if !threshold.metric.is_of_goodput() || selected.any(|kind| !kind.goodput.is_empty()) {
        return Ok(());
    }
    let what = format!(
        "`{}` needs limits that say what a good request is, and there are none",
        threshold.key
    );
    Err(Reason::new(what).hint(
        "add `goodput: { ttft: 500ms, tpot: 30ms }` to the document, or `--goodput 'ttft:500 tpot:30'`",
    ))
}

/// Checks the number of distributions. Thresholds on the same metric of the same requests share one.
fn check_distributions(thresholds: &[Threshold]) -> Result<(), Reason> {
    let mut seen: Vec<(ThresholdMetric, &Selector)> = Vec::new();
    for threshold in thresholds {
        let key = (threshold.metric, &threshold.selector);
        if matches!(threshold.metric, ThresholdMetric::Trend(_)) && !seen.contains(&key) {
            seen.push(key);
        }
    }
    if seen.len() <= THRESHOLD_TRENDS_MAX {
        return Ok(());
    }
    let what = format!(
        "thresholds on {} different distributions are more than the limit of {THRESHOLD_TRENDS_MAX}",
        seen.len()
    );
    Err(Reason::new(what).hint("use fewer combinations of metric and tags"))
}
