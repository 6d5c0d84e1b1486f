//! Checks counts of requests, and the rates that follow from them.

use super::{Result, ensure, ensure_not_negative};
use crate::metrics::{AfterLoad, GoodCounts, Outcome, TokenUsage};
use crate::result::{Ordered, Rates, Totals, Traffic};

/// The relative difference between a rate and its counts that counts as rounding.
const ROUNDING: f64 = 1e-9;

/// The counts of requests, of all or of a group.
pub(super) struct Counted<'a> {
    pub requests: u64,
    pub dropped_iterations: u64,
    pub ok: u64,
    pub failed: u64,
    pub interrupted: u64,
    pub cancelled: u64,
    chosen_to_cancel: u64,
    /// Number of requests that may have no outcome.
    pub in_flight_max: u64,
    /// True if exactly that many have none.
    is_exact: bool,
    pub output_tokens: u64,
    pub goodput: GoodCounts,
    usage: TokenUsage,
    /// Arrivals, requests that went out, late ones and queued ones.
    sending: [u64; 4],
    after_load: AfterLoad,
    by_outcome: &'a Ordered<u64>,
    by_status: &'a Ordered<u64>,
    interrupted_elapsed_max_seconds: f64,
}

impl<'a> Counted<'a> {
    pub fn from_totals(t: &'a Totals) -> Counted<'a> {
        Counted {
            requests: t.requests,
            dropped_iterations: t.dropped_iterations,
            ok: t.ok,
            failed: t.failed,
            interrupted: t.interrupted,
            cancelled: t.cancelled,
            chosen_to_cancel: t.chosen_to_cancel,
            in_flight_max: t.in_flight,
            is_exact: true,
            output_tokens: t.output_tokens,
            goodput: t.goodput,
            usage: t.usage,
            sending: [t.offered, t.sent, t.late, t.queued],
            after_load: t.after_load,
            by_outcome: &t.by_outcome,
            by_status: &t.by_status,
            interrupted_elapsed_max_seconds: t.interrupted_elapsed_max_seconds,
        }
    }

    /// Takes a group's counts. A document does not say which group its requests in flight belong to.
    pub fn from_traffic(t: &'a Traffic, in_flight_max: u64) -> Counted<'a> {
        Counted {
            requests: t.requests,
            dropped_iterations: t.dropped_iterations,
            ok: t.ok,
            failed: t.failed,
            interrupted: t.interrupted,
            cancelled: t.cancelled,
            chosen_to_cancel: t.chosen_to_cancel,
            in_flight_max,
            is_exact: false,
            output_tokens: t.output_tokens,
            goodput: t.goodput,
            usage: t.usage,
            sending: [t.offered, t.sent, t.late, t.queued],
            after_load: t.after_load,
            by_outcome: &t.by_outcome,
            by_status: &t.by_status,
            interrupted_elapsed_max_seconds: t.interrupted_elapsed_max_seconds,
        }
    }

    /// Returns the number of ok and failed requests.
    pub fn completed(&self) -> u128 {
        u128::from(self.ok) + u128::from(self.failed)
    }

    /// Returns the number of requests that have an outcome.
    pub fn ended(&self) -> u128 {
        self.completed() + u128::from(self.interrupted) + u128::from(self.cancelled)
    }

    fn outcome(&self, outcome: Outcome) -> u64 {
        self.by_outcome.get(outcome.name()).copied().unwrap_or(0)
    }
}

pub(super) fn check_counts(key: &str, c: &Counted<'_>) -> Result {
    let (requests, ended, open) = (u128::from(c.requests), c.ended(), u128::from(c.in_flight_max));
    let adds_up = match c.is_exact {
        true => requests == ended + open,
        false => (ended..=ended + open).contains(&requests),
    };
    ensure(adds_up, format!("{key}.requests"), || {
        format!(
            "{requests} is not the sum of {} ok, {} failed, {} interrupted, {} cancelled and {open} in flight",
            c.ok, c.failed, c.interrupted, c.cancelled
        )
    })?;
    let sum = |counts: &Ordered<u64>| counts.iter().map(|(_, n)| u128::from(*n)).sum::<u128>();
    let all = sum(c.by_outcome);
    ensure(all == ended, format!("{key}.by_outcome"), || {
        format!("{all} outcomes of {ended} requests that have ended")
    })?;
    for (name, n, outcome) in [
        ("ok", c.ok, Outcome::Ok),
        ("interrupted", c.interrupted, Outcome::Interrupted),
        ("cancelled", c.cancelled, Outcome::Cancelled),
    ] {
        let of_outcome = c.outcome(outcome);
        ensure(n == of_outcome, format!("{key}.{name}"), || {
            format!("{n} is not that of `{key}.by_outcome`, {of_outcome}")
        })?;
    }
    check_sending(key, c)?;
    let chosen = c.chosen_to_cancel;
    ensure(
        c.cancelled <= chosen && chosen <= c.requests,
        format!("{key}.chosen_to_cancel"),
        || {
            format!(
                "{chosen} of {} requests, of which {} were cancelled",
                c.requests, c.cancelled
            )
        },
    )?;
    let GoodCounts { judged, good } = c.goodput;
    ensure(
        u128::from(judged) <= c.completed(),
        format!("{key}.goodput.judged"),
        || format!("{judged} of {} ok and failed requests", c.completed()),
    )?;
    ensure(good <= judged.min(c.ok), format!("{key}.goodput.good"), || {
        format!("{good} of {judged} judged and {} ok requests", c.ok)
    })?;
    let after = &c.after_load;
    for (name, late, all) in [
        ("ok", after.ok, c.ok),
        ("failed", after.failed, c.failed),
        ("good", after.good, good),
        ("output_tokens", after.output_tokens, c.output_tokens),
        ("prompt_tokens", after.prompt_tokens, c.usage.prompt.tokens),
        ("texts", after.texts, c.usage.texts),
    ] {
        ensure(late <= all, format!("{key}.after_load.{name}"), || {
            format!("{late} of {all}")
        })?;
    }
    check_usage(key, c)?;
    let answered = sum(c.by_status);
    ensure(answered <= requests, format!("{key}.by_status"), || {
        format!("{answered} statuses of {requests} requests")
    })?;
    ensure_not_negative(
        format!("{key}.interrupted_elapsed_max_seconds"),
        c.interrupted_elapsed_max_seconds,
    )
}

/// Checks what was sent. Older documents say nothing of it.
fn check_sending(key: &str, c: &Counted<'_>) -> Result {
    let [offered, sent, late, queued] = c.sending;
    let due = u128::from(c.requests) + u128::from(c.dropped_iterations);
    ensure(
        offered == 0 || u128::from(offered) == due,
        format!("{key}.offered"),
        || format!("{offered} is not the sum of requests and dropped ones, {due}"),
    )?;
    for (name, n, of, what) in [
        ("sent", sent, c.requests, "requests"),
        ("late", late, sent, "sent requests"),
        ("queued", queued, c.requests, "requests"),
    ] {
        ensure(n <= of, format!("{key}.{name}"), || format!("{n} of {of} {what}"))?;
    }
    Ok(())
}

/// Checks what servers state of tokens.
fn check_usage(key: &str, c: &Counted<'_>) -> Result {
    let TokenUsage {
        prompt,
        cached,
        reasoning,
        texts: _,
    } = c.usage;
    let all = (u64::MAX, c.requests);
    let of_output = (c.output_tokens, c.requests);
    let of_prompts = (prompt.tokens, prompt.requests);
    for (name, tokens, requests, (tokens_most, requests_most)) in [
        ("prompt", prompt.tokens, prompt.requests, all),
        ("cached", cached.of, cached.requests, of_prompts),
        ("reasoning", reasoning.of, reasoning.requests, of_output),
    ] {
        let fits = tokens <= tokens_most && requests <= requests_most && (tokens == 0 || requests > 0);
        ensure(fits, format!("{key}.usage.{name}"), || {
            format!(
                "{tokens} tokens of {requests} requests, of {tokens_most} tokens of {requests_most} requests"
            )
        })?;
    }
    for (name, part) in [("cached", cached), ("reasoning", reasoning)] {
        ensure(
            part.requests > 0 || part.tokens == 0,
            format!("{key}.usage.{name}"),
            || format!("{} tokens of no requests", part.tokens),
        )?;
    }
    Ok(())
}

/// Checks that the groups of `key` add up to all of the requests.
pub(super) fn check_sum<'a, I: Iterator<Item = Counted<'a>>>(
    key: &str,
    total: &Counted<'_>,
    each: impl Fn() -> I,
) -> Result {
    type Pick = fn(&Counted<'_>) -> u64;
    let counts: [(&str, Pick); 29] = [
        ("requests", |c| c.requests),
        ("dropped_iterations", |c| c.dropped_iterations),
        ("ok", |c| c.ok),
        ("failed", |c| c.failed),
        ("interrupted", |c| c.interrupted),
        ("cancelled", |c| c.cancelled),
        ("chosen_to_cancel", |c| c.chosen_to_cancel),
        ("output_tokens", |c| c.output_tokens),
        ("offered", |c| c.sending[0]),
        ("sent", |c| c.sending[1]),
        ("late", |c| c.sending[2]),
        ("queued", |c| c.sending[3]),
        ("goodput.judged", |c| c.goodput.judged),
        ("goodput.good", |c| c.goodput.good),
        ("after_load.good", |c| c.after_load.good),
        ("after_load.ok", |c| c.after_load.ok),
        ("after_load.failed", |c| c.after_load.failed),
        ("after_load.output_tokens", |c| c.after_load.output_tokens),
        ("after_load.prompt_tokens", |c| c.after_load.prompt_tokens),
        ("after_load.texts", |c| c.after_load.texts),
        ("usage.texts", |c| c.usage.texts),
        ("usage.prompt.requests", |c| c.usage.prompt.requests),
        ("usage.prompt.tokens", |c| c.usage.prompt.tokens),
        ("usage.cached.requests", |c| c.usage.cached.requests),
        ("usage.cached.tokens", |c| c.usage.cached.tokens),
        ("usage.cached.of", |c| c.usage.cached.of),
        ("usage.reasoning.requests", |c| c.usage.reasoning.requests),
        ("usage.reasoning.tokens", |c| c.usage.reasoning.tokens),
        ("usage.reasoning.of", |c| c.usage.reasoning.of),
    ];
    for (name, pick) in counts {
        let sum: u128 = each().map(|c| u128::from(pick(&c))).sum();
        ensure(sum == u128::from(pick(total)), format!("totals.{name}"), || {
            format!("{} is not the sum over `{key}`, {sum}", pick(total))
        })?;
    }
    for (list, counts) in [("by_outcome", total.by_outcome), ("by_status", total.by_status)] {
        for (name, n) in counts.iter() {
            let of = |c: &Counted<'_>| match list {
                "by_outcome" => c.by_outcome.get(name).copied().unwrap_or(0),
                _ => c.by_status.get(name).copied().unwrap_or(0),
            };
            let sum: u128 = each().map(|c| u128::from(of(&c))).sum();
            ensure(sum == u128::from(*n), format!("totals.{list}.{name}"), || {
                format!("{n} is not the sum over `{key}`, {sum}")
            })?;
        }
    }
    Ok(())
}

/// Checks the rates; `duration` is that of the run in seconds, of which the load is a part.
pub(super) fn check_rates(key: &str, c: &Counted<'_>, rates: &Rates, duration: f64) -> Result {
    let seconds = rates.load_seconds.unwrap_or(duration);
    let is_part = (0.0..=duration * (1.0 + ROUNDING)).contains(&seconds);
    ensure(is_part, format!("{key}.load_seconds"), || {
        format!("{seconds} of a run of {duration}")
    })?;
    let completed = c.completed() as f64;
    let after = &c.after_load;
    let within = |n: u128, late: u64| n.saturating_sub(u128::from(late)) as f64;
    let completed_within = within(c.completed(), after.ok.saturating_add(after.failed));
    let share = |n: u64| {
        if completed > 0.0 {
            n as f64 / completed
        } else {
            0.0
        }
    };
    let per_second = |n: f64| if seconds > 0.0 { n / seconds } else { 0.0 };
    let contention = Outcome::ALL.into_iter().filter(|o| o.is_contention_error());
    let contention = contention
        .map(|outcome| c.outcome(outcome))
        .fold(0, u64::saturating_add);
    for (name, said, meant, of) in [
        (
            "error_rate",
            rates.error_rate,
            share(c.failed),
            "failed over ok and failed",
        ),
        (
            "contention_error_rate",
            rates.contention_error_rate,
            share(contention),
            "timeouts and 503s over ok and failed",
        ),
        (
            "requests_per_second",
            rates.requests_per_second,
            per_second(completed_within),
            "ok and failed within the load over its time",
        ),
        (
            "ok_requests_per_second",
            rates.ok_requests_per_second,
            per_second(within(c.ok.into(), after.ok)),
            "ok within the load over its time",
        ),
        (
            "output_tokens_per_second",
            rates.output_tokens_per_second,
            per_second(within(c.output_tokens.into(), after.output_tokens)),
            "output tokens within the load over its time",
        ),
    ] {
        let is_near = (said - meant).abs() <= meant.abs() * ROUNDING;
        ensure(is_near, format!("{key}.{name}"), || {
            format!("{said} is not {of}, {meant}")
        })?;
    }
    check_optional(key, c, rates, seconds)
}

/// A rate or share: its key, what the document says, what it has to be, and what that is.
type RateOf = (&'static str, Option<f64>, Option<f64>, &'static str);

/// Returns the rates and shares of tokens and texts, as servers count them.
fn token_rates(c: &Counted<'_>, rates: &Rates, per_second: impl Fn(u64) -> f64) -> [RateOf; 5] {
    let usage = &c.usage;
    let states_prompts = usage.prompt.requests > 0;
    let input = usage.prompt.tokens.saturating_sub(c.after_load.prompt_tokens);
    let output = c.output_tokens.saturating_sub(c.after_load.output_tokens);
    [
        (
            "input_tokens_per_second",
            rates.input_tokens_per_second,
            states_prompts.then(|| per_second(input)),
            "prompt tokens within the load over its time",
        ),
        (
            "total_tokens_per_second",
            rates.total_tokens_per_second,
            states_prompts.then(|| per_second(input.saturating_add(output))),
            "prompt and output tokens within the load over its time",
        ),
        (
            "texts_per_second",
            rates.texts_per_second,
            (usage.texts > 0).then(|| per_second(usage.texts.saturating_sub(c.after_load.texts))),
            "texts within the load over its time",
        ),
        (
            "cached_share",
            rates.cached_share,
            usage.cached.share(),
            "cached over prompt tokens of the answers that state both",
        ),
        (
            "reasoning_share",
            rates.reasoning_share,
            usage.reasoning.share(),
            "reasoning over output tokens of the answers that state both",
        ),
    ]
}

/// Checks the rates that a document may omit; `seconds` is the time of the load.
fn check_optional(key: &str, c: &Counted<'_>, rates: &Rates, seconds: f64) -> Result {
    let share = c.goodput.share();
    let per_second = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
    let within = per_second(c.goodput.good.saturating_sub(c.after_load.good));
    let [offered, sent, late, _] = c.sending;
    let late = (sent > 0).then(|| late as f64 / sent as f64);
    let is_older = rates.sent_per_second.is_none();
    let others = [
        (
            "offered_per_second",
            rates.offered_per_second,
            (offered > 0).then(|| per_second(offered)),
            "arrivals over the time of the load",
        ),
        (
            "sent_per_second",
            rates.sent_per_second,
            (!is_older).then(|| per_second(sent)),
            "sent requests over the time of the load",
        ),
        ("late", rates.late, late, "late over sent requests"),
        ("goodput", rates.goodput, share, "good over judged requests"),
        (
            "good_requests_per_second",
            rates.good_requests_per_second,
            share.map(|_| within),
            "good ones within the load over its time",
        ),
    ];
    for (name, said, meant, of) in others.into_iter().chain(token_rates(c, rates, per_second)) {
        let is_near = match (said, meant) {
            (Some(said), Some(meant)) => (said - meant).abs() <= meant * ROUNDING,
            (said, meant) => said.is_none() && meant.is_none(),
        };
        ensure(is_near, format!("{key}.{name}"), || {
            let shown = |figure: Option<f64>| figure.map_or("absent".to_owned(), |x| x.to_string());
            format!("{} is not {of}, {}", shown(said), shown(meant))
        })?;
    }
    Ok(())
}
