//! The load of the sample document: 90 requests, recorded as a core records them.

use super::{KINDS, LOADED, STEADY};
use crate::metrics::{
    Answer, AskedTokens, Cause, FinishWord, Outcome, Periods, Recorder, Sample, Snapshot, TlsFailure,
    TokenSource,
};
use crate::report::Aggregator;
use crate::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};

/// Makes a run on one core: 90 requests in three seconds, some of them not ok, and `slower` percent slower.
pub(super) fn load(slower: u64) -> Aggregator {
    let mut aggregator = Aggregator::new(1, KINDS.len());
    let mut recorder = Recorder::of_phases(0, KINDS.len(), true, false);
    recorder.end_load(LOADED);
    recorder.hold(vec![STEADY]);
    recorder.keep_pace(Periods {
        begin: 0,
        length: 6 * SECOND / 10,
        count: 5,
    });
    for second in 0..3 {
        for n in second * 30..(second + 1) * 30 {
            request(&mut recorder, n, slower);
        }
        let counters = recorder.counters();
        counters.wall_ns += SECOND;
        counters.busy_ns += 900 * MILLISECOND;
        counters.reads += 30;
        counters.tls_handshakes += 2;
        counters.tls_failures[TlsFailure::ALL[0] as usize] += 1;
        counters.set_vus_running(5);
        counters.set_waiting(2);
        aggregator.append_snapshot(&recorder.take(Snapshot::of_phases(0, KINDS.len(), true, false)));
        aggregator.tick((second + 1) * SECOND, 5);
    }
    aggregator
}

fn outcome_of(n: u64) -> Outcome {
    match n {
        n if n % 29 == 28 => Outcome::Http503,
        n if n % 31 == 30 => Outcome::TimeoutTotal,
        89 => Outcome::Interrupted,
        10 | 50 => Outcome::Cancelled,
        _ => Outcome::Ok,
    }
}

fn events(recorder: &mut Recorder, due: Nanos, first: Nanos, last: Nanos) {
    recorder.counters().token_events += 3;
    recorder.counters().coalesced_events += 1;
    recorder.reap_lag(40 * MICROSECOND);
    recorder.stamp_lag(MICROSECOND);
    recorder.error(|errors| &mut errors.arrival, due + 30 * MICROSECOND, due);
    recorder.error(|errors| &mut errors.ttft, first, first - 40 * MICROSECOND);
    recorder.error(|errors| &mut errors.gap, last - first, last - first + MICROSECOND);
    recorder.error(|errors| &mut errors.latency, last, last - 50 * MICROSECOND);
}

fn request(recorder: &mut Recorder, n: u64, slower: u64) {
    let series = (n % 3) as u16;
    let outcome = outcome_of(n);
    let due = n * 30 * MILLISECOND;
    let first = due + (5 + n % 7) * MILLISECOND * (100 + slower) / 100;
    let last = first + (20 + n % 50) * MILLISECOND * (100 + slower) / 100;
    let streamed = series != 1 && outcome == Outcome::Ok;
    let slot = recorder.slot(series, due);
    recorder.started(slot);
    recorder.arrived(slot, due);
    if n % 30 == 3 {
        recorder.dropped(slot, due);
    }
    recorder.connect(slot, 150 * MICROSECOND);
    recorder.tls(slot, 900 * MICROSECOND);
    if streamed {
        recorder.gap(slot, last - first);
        recorder.gap(slot, 0);
        events(recorder, due, first, last);
    }
    recorder.finish(&Sample {
        vu: (n % 5) as u32,
        iteration: n / 5,
        series,
        status: match outcome {
            Outcome::Http503 => 503,
            Outcome::TimeoutTotal => 0,
            _ => 200,
        },
        due,
        sent: Some(due + 10 * MICROSECOND),
        first_byte: Some(first),
        first_event: streamed.then_some(first),
        first_token: streamed.then_some(first),
        last_token: streamed.then_some(last),
        schedule_lag: 10 * MICROSECOND,
        queue_wait: Some(n % 3 * MILLISECOND),
        output_tokens: if streamed { 2 } else { 0 },
        gaps: if streamed { 2 } else { 0 },
        asked: AskedTokens {
            prompt: 8,
            output: 2,
            texts: 3,
        },
        prompt_tokens: streamed.then_some(8),
        cached_tokens: streamed.then_some(3),
        reasoning_tokens: streamed.then_some(1),
        token_source: [TokenSource::None, TokenSource::Server][usize::from(streamed)],
        server_prompt: streamed.then_some(4 * MILLISECOND),
        server_decode: streamed.then_some(last - first),
        first_answer: streamed.then_some(first),
        first_thought: streamed.then_some(first),
        first_call: streamed.then_some(first),
        answer: Answer {
            finish: (outcome == Outcome::Ok).then_some(FinishWord::STOP),
            cause: outcome.is_failure().then_some(Cause::CutInBody),
            ..Answer::default()
        },
        chosen_to_cancel: n == 52 || outcome == Outcome::Cancelled,
        good: (!outcome.is_cut()).then_some(outcome == Outcome::Ok && n.is_multiple_of(2)),
        ..Sample::ended(outcome, last + MILLISECOND)
    });
}
