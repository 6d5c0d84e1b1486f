//! The counts and values of the parts, added up.

use std::collections::BTreeSet;

use crate::error::Reason;
use crate::merge::{Part, timeline};
use crate::metrics::{
    ByPhase, ClientErrors, Distribution, METRICS, Sending, SeriesCounts, SeriesTotals, TlsFailure,
};
use crate::paired::PairFindings;
use crate::plan::{Assignment, Plan};
use crate::result::{
    Client, CoreFigures, ErrorBudget, ErrorFigures, GroupFigures, IoFigures, ManagedServerFigures,
    MetricFigures, Ordered, PairEvidence, Paired, PhaseFigures, ServerCounts, SessionFigures, StampSource,
    TlsFigures, Totals, Traffic, traffic,
};
use crate::sessions::SessionTotals;
use crate::units::{Nanos, seconds};
use crate::workload::{PlannedHistories, RequestKind};

/// Returns one series for each kind of the plan, all parts together.
pub fn series(parts: &[Part], plan: &Plan) -> Result<Vec<SeriesTotals>, Reason> {
    let of_kind = |kind: &RequestKind| {
        let mut sum = SeriesTotals::new();
        for part in parts {
            let key = format!("kinds.{}", kind.name);
            let group = part.document.kinds.get(&kind.name);
            let group = group.ok_or_else(|| part.bad_figure(&key, "is missing"))?;
            merge_group(&mut sum, group)
                .map_err(|(under, what)| part.bad_figure(&format!("{key}.{under}"), &what))?;
        }
        Ok(sum)
    };
    plan.workload.kinds.iter().map(of_kind).collect()
}

/// Returns the figures by phase, all parts together; `None` if a part has none, as the load was the same in all.
pub fn phases(parts: &[Part], plan: &Plan) -> Result<Option<ByPhase>, Reason> {
    if parts.iter().any(|part| part.document.phases.is_none()) {
        return Ok(None);
    }
    let of_parts = || {
        parts
            .iter()
            .filter_map(|part| Some((part, part.document.phases.as_ref()?)))
    };
    let mut ramp = SeriesTotals::new();
    for (part, PhaseFigures { ramp: theirs, .. }) in of_parts() {
        merge_figures(&mut ramp, &theirs.totals, &theirs.metrics)
            .map_err(|(under, what)| part.bad_figure(&format!("phases.ramp.{under}"), &what))?;
    }
    let of_kind = |kind: &RequestKind| {
        let mut sum = SeriesTotals::new();
        for (part, phases) in of_parts() {
            let key = format!("phases.steady.kinds.{}", kind.name);
            let group = phases.steady.kinds.get(&kind.name);
            let group = group.ok_or_else(|| part.bad_figure(&key, "is missing"))?;
            merge_group(&mut sum, group)
                .map_err(|(under, what)| part.bad_figure(&format!("{key}.{under}"), &what))?;
        }
        Ok(sum)
    };
    let steady = plan
        .workload
        .kinds
        .iter()
        .map(of_kind)
        .collect::<Result<_, Reason>>()?;
    Ok(Some(ByPhase { ramp, steady }))
}

/// Adds the figures of a group. The error is the key within the group and what is wrong with it.
fn merge_group(sum: &mut SeriesTotals, group: &GroupFigures) -> Result<(), (String, String)> {
    merge_figures(sum, &group.totals, &group.metrics)
}

fn merge_figures(
    sum: &mut SeriesTotals,
    totals: &Traffic,
    metrics: &Ordered<MetricFigures>,
) -> Result<(), (String, String)> {
    let counts = counts(totals).map_err(|what| ("totals.by_status".to_owned(), what))?;
    sum.merge_counts(&counts)
        .map_err(|(what, name)| (format!("totals.by_{what}"), format!("unknown {what} `{name}`")))?;
    for metric in &METRICS {
        let key = || format!("metrics.{}", metric.key);
        let figures = match metrics.get(metric.key) {
            Some(figures) => figures,
            None if metric.rare => continue,
            None => return Err((key(), "is missing".to_owned())),
        };
        let values = figures.distribution().map_err(|what| (key(), what))?;
        sum.merge_values(metric.id, &values, figures.independent());
    }
    Ok(())
}

fn counts(from: &Traffic) -> Result<SeriesCounts, String> {
    let status = |(status, n): (&str, &u64)| match status.parse() {
        Ok(status) => Ok((status, *n)),
        Err(_) => Err(format!("`{status}` is not an HTTP status")),
    };
    let listed = |counts: &Ordered<u64>| counts.iter().map(|(name, n)| (name.to_owned(), *n)).collect();
    Ok(SeriesCounts {
        started: from.requests,
        dropped_iterations: from.dropped_iterations,
        chosen_to_cancel: from.chosen_to_cancel,
        sending: Sending {
            offered: from.offered,
            late: from.late,
            queued: from.queued,
        },
        by_outcome: listed(&from.by_outcome),
        by_cause: listed(&from.by_cause),
        by_finish: listed(&from.by_finish),
        by_status: from.by_status.iter().map(status).collect::<Result<_, _>>()?,
        output_tokens: from.output_tokens,
        goodput: from.goodput,
        lengths: from.lengths,
        usage: from.usage,
        after_load: from.after_load,
        ok_without_text: from.ok_without_text,
        tokens_without_text: from.tokens_without_text,
        untyped_streams: from.untyped_streams,
        token_sources: from.token_source.each().to_vec(),
        interrupted_elapsed_max: timeline::nanos(from.interrupted_elapsed_max_seconds),
    })
}

/// Returns all requests of all parts.
pub fn total(parts: &[Part], series: &[SeriesTotals]) -> SeriesTotals {
    let mut total = SeriesTotals::new();
    series.iter().for_each(|s| total.merge(s));
    // These are counts of requests and are in no histogram.
    for timings in parts
        .iter()
        .filter_map(|part| part.document.server_timings.as_ref())
    {
        total.server_prompt_over += timings.prompt.server_over;
        total.server_decode_over += timings.decode.server_over;
    }
    total
}

/// Returns the totals of the merged document.
pub fn totals(parts: &[Part], total: &SeriesTotals) -> Totals {
    let sum = |pick: fn(&Totals) -> u64| parts.iter().map(|part| pick(&part.document.totals)).sum::<u64>();
    Totals {
        in_flight: sum(|t| t.in_flight),
        stale_reconnects: sum(|t| t.stale_reconnects),
        token_events: sum(|t| t.token_events),
        coalesced_events: sum(|t| t.coalesced_events),
        bytes_sent: sum(|t| t.bytes_sent),
        bytes_received: sum(|t| t.bytes_received),
        connections_opened: sum(|t| t.connections_opened),
        // Sums of peaks are upper bounds, as they are over the cores of one process.
        peak_connections: sum(|t| t.peak_connections),
        peak_vus: sum(|t| t.peak_vus),
        peak_waiting: sum(|t| t.peak_waiting),
        ..Totals::from(traffic(total))
    }
}

/// Returns the figures about the generators, which are not yet judged.
pub fn client(parts: &[Part]) -> Result<Client, Reason> {
    let clients = || parts.iter().map(|part| &part.document.client);
    let sum = |pick: fn(&Client) -> u64| clients().map(pick).sum::<u64>();
    let user_stamps = clients().any(|c| c.stamp_source == StampSource::User);
    Ok(Client {
        limit: false,
        limit_reasons: Vec::new(),
        fit_required: false,
        stamp_source: match user_stamps {
            true => StampSource::User,
            false => StampSource::Kernel,
        },
        io: io(clients()),
        quickack: clients().all(|c| c.quickack),
        stamps_missing: sum(|c| c.stamps_missing),
        clock_steps: sum(|c| c.clock_steps),
        suspended_seconds: clients().map(|c| c.suspended_seconds).fold(0.0, f64::max),
        quota_periods: clients().map(|c| c.quota_periods).fold(None, sum_of_known),
        throttled_periods: clients().map(|c| c.throttled_periods).fold(None, sum_of_known),
        details_lost: sum(|c| c.details_lost),
        out_of_range: sum(|c| c.out_of_range),
        reap_lag: lag(parts, "client.reap_lag", |c| &c.reap_lag)?,
        stamp_lag: lag(parts, "client.stamp_lag", |c| &c.stamp_lag)?,
        errors: errors(parts)?,
        error_budget: error_budget(clients()),
        tls: tls(clients()),
        cores: parts.iter().flat_map(cores).collect(),
    })
}

/// Returns what drove the sockets of all parts; `None` if no part says it.
fn io<'a>(clients: impl Iterator<Item = &'a Client> + Clone) -> Option<IoFigures> {
    let known = || clients.clone().filter_map(|c| c.io.as_ref());
    let drivers: BTreeSet<&str> = known().map(|io| io.driver.as_str()).collect();
    let drivers: Vec<&str> = drivers.into_iter().collect();
    (!drivers.is_empty()).then(|| IoFigures {
        driver: drivers.join(", "),
        reason: known().find_map(|io| io.reason.clone()),
    })
}

/// Returns how far the figures of all parts are from the truth, where servers said what that is.
fn errors(parts: &[Part]) -> Result<Option<ErrorFigures>, Reason> {
    let mut all = ClientErrors::default();
    for part in parts {
        let Some(figures) = &part.document.client.errors else {
            continue;
        };
        let errors = figures
            .restored()
            .map_err(|(under, what)| part.bad_figure(&format!("client.errors.{under}"), &what))?;
        match errors {
            Some(errors) => all.merge(&errors),
            None => return Ok(None),
        }
    }
    Ok(ErrorFigures::from_errors(&all))
}

/// Returns what the calibrations say about the whole; `None` if a part cites none, because nothing is known of it.
fn error_budget<'a>(mut clients: impl Iterator<Item = &'a Client>) -> Option<ErrorBudget> {
    let first = clients.next()?.error_budget.clone();
    clients.fold(first, |all, client| {
        Some(all?.merge(client.error_budget.as_ref()?))
    })
}

/// Of parts that do not all have the count.
fn sum_of_known(sum: Option<u64>, next: Option<u64>) -> Option<u64> {
    match (sum, next) {
        (Some(sum), Some(next)) => Some(sum.saturating_add(next)),
        (sum, next) => sum.or(next),
    }
}

fn lag(parts: &[Part], key: &str, pick: fn(&Client) -> &MetricFigures) -> Result<MetricFigures, Reason> {
    let mut all = Distribution::new();
    for part in parts {
        let values = pick(&part.document.client).distribution();
        all.merge(&values.map_err(|what| part.bad_figure(key, &what))?);
    }
    Ok(MetricFigures::from_distribution(&all, 0))
}

fn cores(part: &Part) -> impl Iterator<Item = CoreFigures> {
    let shard = Some(part.shard.number());
    let cores = part.document.client.cores.iter();
    cores.map(move |core| CoreFigures {
        shard,
        ..core.clone()
    })
}

fn tls<'a>(clients: impl Iterator<Item = &'a Client>) -> Option<TlsFigures> {
    let figures: Vec<&TlsFigures> = clients.filter_map(|client| client.tls.as_ref()).collect();
    if figures.is_empty() {
        return None;
    }
    let of = |name: &str| {
        figures
            .iter()
            .filter_map(|tls| tls.failures.get(name))
            .sum::<u64>()
    };
    Some(TlsFigures {
        verified: figures.iter().all(|tls| tls.verified),
        handshakes: figures.iter().map(|tls| tls.handshakes).sum(),
        resumed: figures.iter().map(|tls| tls.resumed).sum(),
        failures: TlsFailure::ALL
            .into_iter()
            .map(|reason| (reason.name(), of(reason.name())))
            .filter(|(_, n)| *n > 0)
            .collect(),
    })
}

/// Returns the counts of the managed servers if every shard has one. Their memory and CPU time cannot be added and stay
/// in the parts.
pub fn managed_server(parts: &[Part]) -> Option<ManagedServerFigures> {
    let counts = parts.iter().map(|part| part.document.managed_server?.counts);
    let counts: Option<Vec<ServerCounts>> = counts.collect();
    counts.map(|counts| ManagedServerFigures {
        counts: counts.into_iter().reduce(ServerCounts::merge),
        resources: None,
    })
}

/// Returns the pairs of all parts, if every request went to two servers.
pub fn pairs(parts: &[Part], plan: &Plan) -> Result<Option<PairEvidence>, Reason> {
    if !matches!(plan.assignment, Assignment::Paired(_)) {
        return Ok(None);
    }
    let mut sum: Option<PairEvidence> = None;
    for part in parts {
        let paired = part.document.paired.as_ref();
        let paired = paired.ok_or_else(|| part.bad_figure("paired", "is missing"))?;
        let evidence = paired
            .evidence()
            .map_err(|(under, what)| part.bad_figure(&format!("paired.{under}"), &what))?;
        match &mut sum {
            None => sum = Some(evidence),
            Some(sum) => sum.merge(&evidence),
        }
    }
    Ok(sum)
}

/// Returns the servers compared by these pairs, in which this was found.
pub fn paired(pairs: &PairEvidence, found: &PairFindings, plan: &Plan) -> Option<Paired> {
    let Assignment::Paired(prompts) = plan.assignment else {
        return None;
    };
    let names = plan.server_names();
    let [base, other] = names.as_slice() else {
        return None;
    };
    Some(Paired::from_evidence([base, other], prompts, pairs, found))
}

/// Returns the figures of conversations, if a part has any.
pub fn sessions(parts: &[Part], loaded: Nanos) -> Result<Option<SessionFigures>, Reason> {
    let mut sum: Option<(SessionTotals, PlannedHistories)> = None;
    for part in parts {
        let Some(sessions) = &part.document.sessions else {
            continue;
        };
        let totals = sessions
            .totals()
            .map_err(|(under, what)| part.bad_figure(&format!("sessions.{under}"), &what))?;
        let planned = sessions.histories.planned();
        match &mut sum {
            None => sum = Some((totals, planned)),
            Some((all, plan)) => {
                all.merge(&totals);
                *plan = plan.merge(planned);
            }
        }
    }
    Ok(sum.map(|(totals, planned)| SessionFigures::from_totals(&totals, &planned, seconds(loaded))))
}
