//! The answer in words, a table of the probes, and a chart, for a terminal.

use std::fmt::Write as _;

use crate::error::one_line;
use crate::limit::evidence::Decision;
use crate::limit::row::{Answer, Knee, LimitResult, ProbeRow, SearchRank, SloRow};
use crate::limit::search::{End, LessSure, Over};
use crate::units::{decimal, grouped};

/// The columns of a bar.
const BAR: usize = 30;

/// Returns a load with its unit: `12 users`, `85/s`.
pub fn load(over: Over, level: f64) -> String {
    match over {
        Over::Users if level == 1.0 => "1 user".to_owned(),
        Over::Users => format!("{level:.0} users"),
        Over::Rate => format!("{}/s", decimal(level)),
    }
}

/// Returns the whole text.
pub fn text(result: &LimitResult) -> String {
    let mut out = String::new();
    let over = result.search.over;
    line(&mut out, &verdict(&result.answer, over));
    line(
        &mut out,
        &format!(
            "{} at {}, over {}, {} probes in {}{}",
            one_line(&result.run.profile),
            one_line(&result.run.target),
            match over {
                Over::Users => "users",
                Over::Rate => "the rate",
            },
            result.probes.len(),
            minutes(result.run.duration_seconds),
            match result.run.ranks.len() {
                0 => String::new(),
                ranks => format!(", by {ranks} ranks"),
            }
        ),
    );
    out.push('\n');
    for (label, text) in facts(result) {
        line(&mut out, &format!("{label:<12}{text}"));
    }
    if !result.probes.is_empty() {
        out.push('\n');
        table(&mut out, result);
        servers(&mut out, result);
        out.push('\n');
        chart(&mut out, result);
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn minutes(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 99.5 => format!("{seconds:.0} s"),
        seconds => format!(
            "{:.0} min {:.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        ),
    }
}

/// Returns the answer in one line.
fn verdict(answer: &Answer, over: Over) -> String {
    let at = |level: f64| load(over, level);
    let Some(limit) = answer.limit else {
        return not_found(answer, over);
    };
    let more = match answer.ended_by {
        End::ReachedTo => " or more",
        _ => "",
    };
    let hold = if limit == 1.0 || over == Over::Rate {
        "holds"
    } else {
        "hold"
    };
    format!("LIMIT  {}{more} {hold} ({})", at(limit), interval(answer, over))
}

fn not_found(answer: &Answer, over: Over) -> String {
    let Some(lowest) = answer.broke_first.as_ref().map(|broke| broke.level) else {
        return "LIMIT  not found".to_owned();
    };
    let at_lowest = |end: &LessSure| end.level == lowest;
    let sure = match answer.less_sure.high.filter(at_lowest) {
        _ if answer.high == Some(lowest) => with(answer.confidence),
        Some(end) => with(end.confidence),
        None => "by its figures; too few requests to be sure".to_owned(),
    };
    let at = load(over, lowest);
    match (answer.ended_by, over, lowest) {
        (End::NothingHolds, Over::Users, 1.0) => format!("LIMIT  not even one user holds ({sure})"),
        (End::NothingHolds, ..) => format!("LIMIT  not even {at} holds, the lowest load tried ({sure})"),
        _ => format!("LIMIT  not found: {at} did not hold ({sure})"),
    }
}

/// Tells whether the search knows what limits the server: a load that holds next to one that does not, or that not even
/// the lowest one holds.
fn found_an_edge(answer: &Answer) -> bool {
    let is_edge = answer.limit.is_some() || answer.ended_by == End::NothingHolds;
    is_edge && answer.broke_first.is_some()
}

/// Returns how much confidence there is, in words.
fn with(confidence: f64) -> String {
    format!("with {} % confidence", decimal(confidence * 100.0))
}

/// Returns both ends of the interval, each with its confidence.
fn interval(answer: &Answer, over: Over) -> String {
    let at = |level: f64| load(over, level);
    let sure = |level: f64| LessSure {
        level,
        confidence: answer.confidence,
    };
    if let (Some(low), Some(high)) = (answer.low, answer.high) {
        return format!(
            "at least {} and less than {} {}",
            at(low),
            at(high),
            with(answer.confidence)
        );
    }
    let low = answer.low.map(sure).or(answer.less_sure.low);
    let high = answer.high.map(sure).or(answer.less_sure.high);
    if low.is_none() && high.is_none() {
        return "too few requests for an interval".to_owned();
    }
    let end = |end: Option<LessSure>, what: &str, none: &str| match end {
        Some(end) => format!("{what} {} {}", at(end.level), with(end.confidence)),
        None => format!("no {none} end found"),
    };
    let (low, high) = (end(low, "at least", "lower"), end(high, "less than", "upper"));
    format!("{low}, {high}")
}

/// Returns what to do about an end of the interval that is missing or less sure.
fn advice(result: &LimitResult) -> Option<String> {
    let Answer {
        low, high, ended_by, ..
    } = &result.answer;
    let wants_high = *ended_by != End::ReachedTo;
    let is_cut = matches!(
        ended_by,
        End::Interrupted | End::Server | End::RankLost | End::Failure
    );
    if result.answer.limit.is_none() || is_cut || low.is_some() && (high.is_some() || !wants_high) {
        return None;
    }
    if result.probes.iter().all(|probe| probe.seems_to_hold) {
        return Some(format!(
            "no load failed by then: raise --max-time (now {}), or begin higher (--from)",
            minutes(result.search.max_seconds)
        ));
    }
    let requests: Vec<u64> = result.probes.iter().map(|probe| probe.requests).collect();
    let (least, most) = (requests.iter().min()?, requests.iter().max()?);
    let counts = match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    };
    Some(format!(
        "a probe had {counts} requests, too few to show more; raise --max-time (now {}) or --probe-time (now at most {})",
        minutes(result.search.max_seconds),
        minutes(result.search.probe_max_seconds)
    ))
}

fn facts(result: &LimitResult) -> Vec<(&'static str, String)> {
    let (answer, over) = (&result.answer, result.search.over);
    let mut facts = Vec::new();
    let mut label = "SLOs";
    for slo in &result.search.slos {
        let added = match slo.added {
            true => "  (added, because no SLO is about failures)",
            false => "",
        };
        facts.push((
            label,
            format!("{}: {}{added}", one_line(&slo.metric), one_line(&slo.expression)),
        ));
        label = "";
    }
    facts.extend(advice(result).map(|text| ("interval", text)));
    let mut label = "broke first";
    if let Some(broke) = &answer.broke_first {
        for slo in &broke.slos {
            facts.push((label, broken(slo, broke.level, over)));
            label = "";
        }
        if let Some(failure) = &broke.failure {
            facts.push((label, one_line(failure).into_owned()));
        }
    }
    facts.extend(answer.knee.map(|knee| ("knee", in_words(knee, over))));
    let generator = match &answer.generator_first {
        None if found_an_edge(answer) => "fit at the edge: the limit is the server's".to_owned(),
        None => "fit in every probe".to_owned(),
        Some(first) => {
            let reasons: Vec<String> = first
                .reasons
                .iter()
                .map(|reason| format!("{} ({})", one_line(&reason.found), reason.rule))
                .collect();
            format!(
                "the generator was the limit first, at {}: {}; the server may hold more",
                load(over, first.level),
                reasons.join("; ")
            )
        }
    };
    if !result.probes.is_empty() {
        let driven = match result.client.io.is_uring() {
            true => String::new(),
            false => format!("; sockets driven by {}", one_line(&result.client.io.driver)),
        };
        facts.push(("generator", generator + &driven));
    }
    let losses = result.run.ranks.iter().filter_map(SearchRank::loss);
    facts.extend(losses.map(|text| ("rank lost", text)));
    if let Some(before) = answer.degraded_from {
        let text = format!(
            "{} held at first, and did not after an overload: the server does not recover",
            load(over, before)
        );
        facts.push(("degraded", text));
    }
    if let Some(expected) = &answer.expected {
        let met = if expected.ok { "met" } else { "not met" };
        let decided = match expected.decided {
            true => "",
            false => ", but the interval lies on both sides of it",
        };
        facts.push(("expected", format!("{}: {met}{decided}", expected.expression)));
    }
    facts.extend(ended(answer, result).map(|text| ("ended", text)));
    facts
}

fn broken(slo: &SloRow, level: f64, over: Over) -> String {
    let figure = slo.shown.as_deref().unwrap_or("no values");
    let of = match &slo.worst_kind {
        Some(kind) => format!(", most of all `{}`", one_line(kind)),
        None => String::new(),
    };
    let lost = match (slo.violated_percent, lost(slo)) {
        (Some(percent), Some(lost)) => {
            format!("; with {lost}, {} % violate it", decimal(round(percent)))
        }
        _ => String::new(),
    };
    let slo = one_line(&slo.slo);
    format!("{slo} at {}: {figure}{of}{lost}", load(over, level))
}

/// Returns which requests are not in the figure of an SLO, and violate it all the same.
fn lost(slo: &SloRow) -> Option<String> {
    let count = |count: u64, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{} {many}", grouped(count))),
    };
    let dropped = count(
        slo.dropped,
        "arrival that no user could take",
        "arrivals that no user could take",
    );
    let cut = count(slo.cut, "request that did not end", "requests that did not end");
    let both: Vec<String> = dropped.into_iter().chain(cut).collect();
    (!both.is_empty()).then(|| both.join(" and "))
}

fn in_words(knee: Knee, over: Over) -> String {
    format!(
        "at {}: {} good answers/s; no load gives more than {}",
        load(over, knee.level),
        decimal(round(knee.ok_per_second)),
        decimal(round(knee.most_per_second))
    )
}

/// Rounds to what a reader takes in.
fn round(x: f64) -> f64 {
    if x.abs() >= 100.0 {
        x.round()
    } else {
        (x * 100.0).round() / 100.0
    }
}

fn ended(answer: &Answer, result: &LimitResult) -> Option<String> {
    Some(match answer.ended_by {
        End::Found | End::NothingHolds => return None,
        End::ReachedTo => format!(
            "at the highest load to try, {}; --to raises it",
            load(result.search.over, result.search.to)
        ),
        End::ProbesUsedUp => "after the most probes; the interval is what they say".to_owned(),
        End::MaxTime => format!(
            "after --max-time, {}; the interval is what is known by then",
            minutes(result.search.max_seconds)
        ),
        End::Interrupted => "by a signal; the interval is what was known by then".to_owned(),
        End::Server => match result.probes.last() {
            Some(last) => format!(
                "because the server does not answer any more, since {}; whether that load was the reason is not known",
                load(result.search.over, last.level)
            ),
            None => "because the server does not answer any more".to_owned(),
        },
        End::RankLost => "because a rank was lost; the interval is what was known before".to_owned(),
        End::Failure => "by a bug of this program".to_owned(),
    })
}

fn word(probe: &ProbeRow) -> &'static str {
    match (probe.decision, probe.seems_to_hold) {
        (Decision::Holds, _) => "holds",
        (Decision::Fails, _) => "fails",
        (Decision::Open, true) => "may hold",
        (Decision::Open, false) => "may fail",
    }
}

fn ms(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(ms) if ms < 99.95 => format!("{ms:.1}"),
        Some(ms) => format!("{ms:.0}"),
    }
}

fn table(out: &mut String, result: &LimitResult) {
    let unit = match result.search.over {
        Over::Users => "users",
        Over::Rate => "rate/s",
    };
    line(
        out,
        &format!(
            "{:>3} {unit:>8} {:<9} {:>6} {:>8} {:>7} {:>8} {:>9} {:>9} {:>9}",
            "", "", "s", "requests", "failed", "ok/s", "TTFT p50", "p95", "lat. p95"
        ),
    );
    for (number, probe) in result.probes.iter().enumerate() {
        let level = match result.search.over {
            Over::Users => format!("{:.0}", probe.level),
            Over::Rate => decimal(probe.level),
        };
        let unfit = match (probe.ended_early, probe.generator_limits.is_empty()) {
            (true, _) => "  ended early",
            (false, false) => "  generator unfit",
            (false, true) => "",
        };
        line(
            out,
            &format!(
                "{:>3} {level:>8} {:<9} {:>6.0} {:>8} {:>7} {:>8} {:>9} {:>9} {:>9}{unfit}",
                number + 1,
                word(probe),
                probe.counted_seconds,
                probe.requests,
                probe.failed + probe.cut + probe.dropped,
                decimal(round(probe.ok_per_second)),
                ms(probe.ttft.p50),
                ms(probe.ttft.p95),
                ms(probe.latency.p95)
            ),
        );
    }
}

/// Says what servers that show metrics held at the loads that decide: the highest that holds, and the lowest that does
/// not.
fn servers(out: &mut String, result: &LimitResult) {
    let holds = result.probes.iter().filter(|probe| {
        probe.decision == Decision::Holds || probe.seems_to_hold && probe.decision == Decision::Open
    });
    let fails = result.probes.iter().filter(|probe| {
        probe.decision == Decision::Fails || !probe.seems_to_hold && probe.decision == Decision::Open
    });
    let highest = holds.max_by(|a, b| a.level.total_cmp(&b.level));
    let lowest = fails.min_by(|a, b| a.level.total_cmp(&b.level));
    for probe in highest.into_iter().chain(lowest) {
        for server in &probe.servers {
            let decimals = |value: f64| format!("{value:.1}");
            let parts = [
                server.running.map(|mean| format!("{} running", decimals(mean))),
                server.waiting.map(|mean| {
                    let most = server.waiting_max.unwrap_or(mean);
                    format!("{} waiting (most {most:.0})", decimals(mean))
                }),
                server
                    .kv_cache_usage_max
                    .map(|share| format!("KV cache up to {:.1} %", share * 100.0)),
                server
                    .preemptions
                    .filter(|count| *count > 0.0)
                    .map(|count| format!("{count:.0} preemptions")),
                server
                    .queue_time_mean
                    .map(|mean| format!("{} ms in the queue", ms(Some(mean)))),
            ];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            let text = format!(
                "{} at {}, by its own account: {}",
                one_line(&server.url),
                decimal(probe.level),
                parts.join(", ")
            );
            line(out, &text);
        }
    }
}

/// Draws throughput and the p95 of TTFT (or of latency, where nothing streams) over the load, as bars.
fn chart(out: &mut String, result: &LimitResult) {
    let mut probes: Vec<&ProbeRow> = result.probes.iter().collect();
    probes.sort_by(|a, b| a.level.total_cmp(&b.level));
    // Of the probes of a load, the last.
    let mut levels: Vec<&ProbeRow> = Vec::new();
    for probe in probes {
        match levels.last_mut() {
            Some(last) if last.level == probe.level => *last = probe,
            _ => levels.push(probe),
        }
    }
    let streams = levels.iter().any(|probe| probe.ttft.p95.is_some());
    let time = |probe: &ProbeRow| match streams {
        true => probe.ttft.p95,
        false => probe.latency.p95,
    };
    let most = |of: &dyn Fn(&ProbeRow) -> f64| levels.iter().map(|probe| of(probe)).fold(0.0, f64::max);
    let rates = most(&|probe| probe.ok_per_second);
    let times = most(&|probe| time(probe).unwrap_or(0.0));
    let name = if streams {
        "TTFT p95, ms"
    } else {
        "latency p95, ms"
    };
    line(
        out,
        &format!("{:>12}  {:<w$} {name}", "", "good answers/s", w = BAR + 1),
    );
    for probe in levels {
        let (rate, ttft) = (probe.ok_per_second, time(probe));
        let mark = match result.answer.limit == Some(probe.level) {
            true => "  <- limit",
            false => "",
        };
        line(
            out,
            &format!(
                "{:>12}  {:<w$} {}{mark}",
                load(result.search.over, probe.level),
                bar(rate, rates, &decimal(round(rate))),
                bar(ttft.unwrap_or(0.0), times, &ms(ttft)),
                w = BAR + 1
            ),
        );
    }
}

/// Returns a bar as long as `value` is of `most`, with the value after it.
fn bar(value: f64, most: f64, text: &str) -> String {
    let room = BAR.saturating_sub(8);
    let columns = if most > 0.0 {
        (value / most * room as f64).round() as usize
    } else {
        0
    };
    let mut bar = "#".repeat(columns.min(room));
    if columns > 0 {
        bar.push(' ');
    }
    let _ = write!(bar, "{text}");
    bar
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
