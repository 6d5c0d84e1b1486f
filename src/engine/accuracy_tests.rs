//! Streams whose truth is known, in simulated time: the bytes of each answer are given to the reader with the instants
//! at which they arrive, and the figures must be exact. docs/EVIDENCE.md says which test is which case.

use super::finished::{Asked, sample};
use super::response::{Expected, Progress, ResponseReader, TokenSink};
use crate::api::Api;
use crate::metrics::{Merged, MetricId, Outcome, Recorder, Sample, SeriesTotals, TokenSource};
use crate::units::{MILLISECOND, Nanos, SECOND};
use statrs::distribution::{ContinuousCDF, Normal};

mod at_a_rate;

const MS: Nanos = MILLISECOND;
const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// A chunk with an event of these members of its delta, and of these besides its choices.
fn event(delta: &str, more: &str) -> String {
    chunk(&format!(
        "data: {{\"choices\":[{{\"delta\":{{{delta}}}}}]{more}}}\n\n"
    ))
}

fn token() -> String {
    event(r#""content":"tok""#, "")
}

/// The end of a good stream; `usage` is the server's count of tokens, if it gives one.
fn end(usage: Option<u32>) -> String {
    let usage = usage.map_or(String::new(), |n| {
        format!(",\"usage\":{{\"completion_tokens\":{n}}}")
    });
    let finish = format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}]{usage}}}\n\n");
    chunk(&finish) + &chunk("data: [DONE]\n\n") + "0\r\n\r\n"
}

/// How an answer ends, apart from its last bytes.
#[derive(Clone, Copy)]
enum Ending {
    /// With the last bytes.
    Read,
    /// Some time after the request was due, without more bytes.
    Cut(Outcome, Nanos),
    /// The peer closes the connection then.
    Closed(Nanos),
}

struct Gaps<'a>(&'a mut Recorder);

impl TokenSink for Gaps<'_> {
    fn gap(&mut self, gap: Nanos) {
        self.0.gap(0, gap);
    }
    fn coalesced(&mut self) {
        self.0.counters().coalesced_events += 1;
    }
    fn token(&mut self, _: &[u8], _: Nanos) {
        self.0.counters().token_events += 1;
    }
}

/// A core in simulated time.
struct Core {
    recorder: Recorder,
    reader: ResponseReader,
    asked: u32,
}

impl Core {
    fn new(index: u16) -> Core {
        Core {
            recorder: Recorder::new(index, 1, false),
            reader: ResponseReader::new(),
            asked: 0,
        }
    }

    /// Sends a request at `sent` that was due at `due`, whose answer's bytes arrive so long after it was due.
    fn stream(&mut self, (due, sent): (Nanos, Nanos), reads: &[(Nanos, String)], ending: Ending) -> Sample {
        let asked = Asked {
            vu: self.asked,
            due,
            ready: due,
            sent: Some(sent),
            ..Asked::default()
        };
        self.asked += 1;
        self.recorder.started(0);
        self.reader.begin(Expected::Stream(Api::Chat));
        let mut over = None;
        for (after, bytes) in reads {
            let sink = &mut Gaps(&mut self.recorder);
            match self.reader.read(bytes.as_bytes(), due + after, sink) {
                Progress::More => {}
                Progress::Over { outcome, .. } => over = Some((outcome, self.reader.arrivals.last)),
            }
        }
        let (outcome, done) = match (ending, over) {
            (Ending::Read, Some(over)) => over,
            (Ending::Cut(outcome, after), None) => (outcome, due + after),
            (Ending::Closed(after), None) => (self.reader.eof().unwrap_or(Outcome::Reset), due + after),
            _ => panic!("the answer does not end as it should: {over:?}"),
        };
        let sample = sample(&asked, &self.reader, outcome, done);
        self.recorder.finish(&sample);
        self.reader.release();
        sample
    }

    /// A stream of one token, which arrives with the end, so long after the request.
    fn answer(&mut self, due: Nanos, after: Nanos) -> Sample {
        let bytes = HEAD.to_owned() + &token() + &end(Some(1));
        self.stream((due, due), &[(after, bytes)], Ending::Read)
    }

    fn totals(self) -> SeriesTotals {
        merged([self]).total
    }
}

fn merged<const N: usize>(cores: [Core; N]) -> Merged {
    let mut merged = Merged::new(N, 1);
    for core in cores {
        merged.append_snapshot(&core.recorder.into_snapshot());
    }
    assert_eq!(merged.ledger(&[], true).imbalance(), [""; 0]);
    merged
}

/// The quantile is the value of its rank, and at most 0.1 % above it.
#[track_caller]
fn is(totals: &SeriesTotals, metric: MetricId, quantile: f64, truth: Nanos) {
    let found = totals.metric(metric).quantile(quantile).unwrap();
    let most = truth + truth / 1_000 + 1_000;
    assert!(
        (truth..=most).contains(&found),
        "{} p{}: {found} ns, true {truth} ns",
        metric.key(),
        quantile * 100.0
    );
}

#[track_caller]
fn is_always(totals: &SeriesTotals, metric: MetricId, truth: Nanos) {
    let found = totals.metric(metric);
    assert_eq!(
        (found.min(), found.max()),
        (Some(truth), Some(truth)),
        "{}",
        metric.key()
    );
}

#[test]
fn the_quantiles_of_an_exact_set_are_exact_in_any_order() {
    const N: u64 = 2_000;
    let normal = Normal::new(0.0, 1.0).unwrap();
    // Log-normal around 300 ms, scaled so that the extremes are 100 and 900 ms.
    let width = 3f64.ln() / normal.inverse_cdf(1.0 - 0.5 / N as f64);
    let value = |k: u64| {
        let z = normal.inverse_cdf((k as f64 + 0.5) / N as f64);
        (300.0 * (width * z).exp() * MS as f64).round() as Nanos
    };
    let mut core = Core::new(0);
    for i in 0..N {
        // 1,237 and 2,000 have no common divisor, so this is an order of all of them.
        core.answer(i * SECOND, value(i * 1_237 % N));
    }
    let totals = core.totals();
    assert_eq!(totals.metric(MetricId::Latency).offered(), N);
    for quantile in [0.5, 0.9, 0.99, 1.0] {
        let rank = (quantile * N as f64).ceil() as u64;
        is(&totals, MetricId::Latency, quantile, value(rank - 1));
    }
    assert_eq!(totals.metric(MetricId::Latency).max(), Some(value(N - 1)));
}

#[test]
fn two_modes_are_not_averaged() {
    let mut core = Core::new(0);
    for i in 0..1_000 {
        let slow = i % 50 == 17;
        core.answer(i * SECOND, if slow { 2 * SECOND } else { 50 * MS });
    }
    let totals = core.totals();
    is(&totals, MetricId::Latency, 0.9, 50 * MS);
    is(&totals, MetricId::Latency, 0.98, 50 * MS);
    is(&totals, MetricId::Latency, 0.99, 2 * SECOND);
    assert_eq!(totals.metric(MetricId::Latency).mean(), Some(89e6));
}

#[test]
fn a_stall_is_one_long_gap_and_spreads_over_the_time_per_token() {
    let mut core = Core::new(0);
    let mut reads = vec![(MS, HEAD.to_owned())];
    for n in 0..50u64 {
        let stalled = if n >= 25 { 960 * MS } else { 0 };
        reads.push((300 * MS + n * 40 * MS + stalled, token()));
    }
    let (last, bytes) = reads.pop().unwrap();
    reads.push((last, bytes + &end(Some(50))));
    core.stream((0, 0), &reads, Ending::Read);
    let totals = core.totals();
    is_always(&totals, MetricId::Ttfb, MS);
    is_always(&totals, MetricId::Ttft, 300 * MS);
    is(&totals, MetricId::Tbt, 0.5, 40 * MS);
    is(&totals, MetricId::Tbt, 0.979, 40 * MS);
    assert_eq!(totals.metric(MetricId::Tbt).max(), Some(SECOND));
    assert_eq!(totals.metric(MetricId::Tbt).offered(), 49);
    is_always(&totals, MetricId::Tpot, (48 * 40 * MS + SECOND) / 49);
    is_always(&totals, MetricId::Latency, 3_220 * MS);
}

#[test]
fn neither_a_role_nor_a_ping_is_a_first_token() {
    let mut core = Core::new(0);
    let mut reads = vec![(
        0,
        HEAD.to_owned() + &event(r#""role":"assistant","content":"""#, ""),
    )];
    reads.extend((1..5).map(|n| (n * 100 * MS, chunk(": ping\n\n"))));
    reads.push((500 * MS, token() + &end(Some(1))));
    let sample = core.stream((0, 0), &reads, Ending::Read);
    assert_eq!((sample.first_byte, sample.first_event), (Some(0), Some(0)));
    let totals = core.totals();
    is_always(&totals, MetricId::Ttft, 500 * MS);
    is_always(&totals, MetricId::Latency, 500 * MS);
    assert!(totals.metric(MetricId::Tbt).is_empty());
}

#[test]
fn thoughts_are_tokens_but_no_answer() {
    for key in ["reasoning_content", "reasoning"] {
        let mut core = Core::new(0);
        let mut reads = vec![(MS, HEAD.to_owned())];
        let thought = event(&format!("\"{key}\":\"hm\""), "");
        reads.extend((0..20).map(|n| (200 * MS + n * 10 * MS, thought.clone())));
        reads.extend((0..5).map(|n| (400 * MS + n * 10 * MS, token())));
        reads.push((450 * MS, end(Some(25))));
        core.stream((0, 0), &reads, Ending::Read);
        let totals = core.totals();
        is_always(&totals, MetricId::Ttft, 200 * MS);
        is_always(&totals, MetricId::Ttfa, 400 * MS);
        is_always(&totals, MetricId::Tbt, 10 * MS);
    }
}

/// A stream of 64 tokens, one per 10 ms, in events of `n` tokens, with or without the server's count of tokens so far.
fn in_events_of(n: u32, counted: bool) -> (Sample, SeriesTotals) {
    let mut core = Core::new(0);
    let mut reads = vec![(0, HEAD.to_owned())];
    for tokens in (1..=64 / n).map(|event| event * n) {
        let usage = match counted {
            true => format!(",\"usage\":{{\"completion_tokens\":{tokens}}}"),
            false => String::new(),
        };
        let at = Nanos::from(tokens) * 10 * MS;
        reads.push((
            at,
            event(&format!("\"content\":\"{}\"", "tok ".repeat(n as usize)), &usage),
        ));
    }
    reads.push((650 * MS, end(counted.then_some(64))));
    let sample = core.stream((0, 0), &reads, Ending::Read);
    (sample, core.totals())
}

#[test]
fn tokens_per_event_change_neither_the_count_nor_the_time_per_token() {
    for n in [1, 4, 16] {
        let (sample, totals) = in_events_of(n, true);
        assert_eq!(
            (sample.output_tokens, sample.token_source),
            (64, TokenSource::Server),
            "{n}"
        );
        is_always(&totals, MetricId::Tpot, 10 * MS);
        is_always(&totals, MetricId::Tbt, Nanos::from(n) * 10 * MS);
        // Without the server's count there are as many tokens as events, and the figure says so.
        let (sample, totals) = in_events_of(n, false);
        assert_eq!(
            (sample.output_tokens, sample.token_source),
            (64 / n, TokenSource::Events),
            "{n}"
        );
        is_always(&totals, MetricId::Tpot, Nanos::from(n) * 10 * MS);
    }
}

#[test]
fn tokens_that_come_in_one_read_have_gaps_of_0_and_a_true_time_per_token() {
    let mut core = Core::new(0);
    let mut reads = vec![(MS, HEAD.to_owned())];
    reads.extend((1..=10).map(|write| (write * 400 * MS, token().repeat(10))));
    reads.push((4_000 * MS, end(Some(100))));
    core.stream((0, 0), &reads, Ending::Read);
    assert_eq!(core.recorder.counters().coalesced_events, 90);
    let totals = core.totals();
    let gaps = totals.metric(MetricId::Tbt);
    assert_eq!(
        (gaps.offered(), gaps.min(), gaps.max()),
        (99, Some(0), Some(400 * MS))
    );
    is(&totals, MetricId::Tbt, 0.9, 0);
    is(&totals, MetricId::Tbt, 0.91, 400 * MS);
    is_always(&totals, MetricId::Tpot, 40 * MS);
}

#[test]
fn a_thousand_requests_with_known_faults_are_counted_exactly() {
    let mut core = Core::new(0);
    let good = HEAD.to_owned() + &token().repeat(20) + &end(Some(20));
    let half = HEAD.to_owned() + &token().repeat(10);
    let error = chunk("data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n");
    for i in 0..1_000u64 {
        let at = (i * SECOND, i * SECOND);
        // 337 and 1,000 have no common divisor, so each number comes once.
        match i * 337 % 1_000 {
            0..37 => {
                let refused = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
                core.stream(at, &[(5 * MS, refused)], Ending::Read)
            }
            37..48 => core.stream(at, &[(5 * MS, half.clone())], Ending::Cut(Outcome::Reset, 6 * MS)),
            48..53 => core.stream(at, &[(5 * MS, half.clone())], Ending::Closed(6 * MS)),
            53..56 => {
                let answer = HEAD.to_owned() + &error + &chunk("data: [DONE]\n\n") + "0\r\n\r\n";
                core.stream(at, &[(5 * MS, answer)], Ending::Read)
            }
            _ => core.stream(at, &[(5 * MS, good.clone())], Ending::Read),
        };
    }
    let totals = core.totals();
    let counts = [
        (Outcome::Http503, 37),
        (Outcome::Reset, 11),
        (Outcome::Truncated, 5),
        (Outcome::StreamError, 3),
        (Outcome::Ok, 944),
    ];
    for (outcome, count) in counts {
        assert_eq!(totals.outcome(outcome), count, "{outcome:?}");
    }
    assert_eq!(
        (totals.finished(), totals.ok(), totals.failed()),
        (1_000, 944, 56)
    );
    // The streams that were cut have sent half of theirs.
    assert_eq!(totals.output_tokens, 944 * 20 + 16 * 10);
    assert_eq!(totals.metric(MetricId::Latency).offered(), 1_000);
    assert_eq!(totals.metric(MetricId::LatencyOk).offered(), 944);
}

#[test]
fn requests_in_flight_at_the_end_are_a_lower_bound_and_never_dropped() {
    let mut core = Core::new(0);
    core.answer(0, 70 * MS);
    for i in 0..20 {
        let reads = [(MS, HEAD.to_owned() + &token())];
        core.stream(
            (i * SECOND, i * SECOND),
            &reads,
            Ending::Cut(Outcome::Interrupted, (60 - i) * SECOND),
        );
    }
    let totals = core.totals();
    assert_eq!((totals.ok(), totals.interrupted(), totals.failed()), (1, 20, 0));
    assert_eq!(totals.interrupted_elapsed_max, 60 * SECOND);
    is_always(&totals, MetricId::Latency, 70 * MS);
    // What was seen of them counts.
    assert_eq!(totals.metric(MetricId::Ttft).offered(), 21);
}

#[test]
fn timeouts_count_with_the_time_they_took_but_not_among_good_answers() {
    let mut core = Core::new(0);
    for i in 0..1_000u64 {
        if i % 20 == 3 {
            let at = (i * SECOND, i * SECOND);
            core.stream(at, &[], Ending::Cut(Outcome::TimeoutTotal, SECOND));
        } else {
            core.answer(i * SECOND, 100 * MS);
        }
    }
    let totals = core.totals();
    assert_eq!((totals.ok(), totals.timeouts()), (950, 50));
    is(&totals, MetricId::Latency, 0.95, 100 * MS);
    is(&totals, MetricId::Latency, 0.951, SECOND);
    is_always(&totals, MetricId::LatencyOk, 100 * MS);
    assert_eq!(totals.metric(MetricId::LatencyOk).offered(), 950);
}

/// The histograms of one load on so many cores.
fn on_cores<const N: usize>() -> Vec<String> {
    let mut cores: [Core; N] = std::array::from_fn(|index| Core::new(index as u16));
    for i in 0..4_000u64 {
        let due = i * MS;
        let mut reads = vec![(MS, HEAD.to_owned())];
        let first = (20 + i * 7_919 % 997) * MS / 10;
        reads.extend((0..4).map(|n| (first + n * (1 + i * 31 % 17) * MS, token())));
        let last = reads[4].0;
        reads.push((last, end(Some(4))));
        cores[i as usize % N].stream((due, due + i % 3), &reads, Ending::Read);
    }
    let merged = merged(cores);
    let metrics = [
        MetricId::Latency,
        MetricId::LatencyOk,
        MetricId::ServiceTime,
        MetricId::Ttft,
        MetricId::Tbt,
        MetricId::Tpot,
        MetricId::ScheduleLag,
    ];
    let encoded = |id| merged.total.metric(id).to_v2_compressed_base64();
    metrics.into_iter().map(encoded).collect()
}

#[test]
fn the_merge_of_2_4_and_8_cores_is_that_of_one_to_the_last_byte() {
    let one = on_cores::<1>();
    assert_eq!(on_cores::<2>(), one);
    assert_eq!(on_cores::<4>(), one);
    assert_eq!(on_cores::<8>(), one);
}

/// Every accuracy test that the page on evidence names exists, for each of A1 to A18.
#[test]
fn the_evidence_names_a_test_for_each_case() {
    use crate::documents_tests::{document, rows, sources};
    let sources = sources();
    let rows = rows(&document("docs/EVIDENCE.md"), "### Exact in simulated time");
    let cases: Vec<String> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(cases, (1..=18).map(|n| format!("A{n}")).collect::<Vec<_>>());
    for row in rows {
        let tests: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row:?}");
        for test in tests {
            assert!(
                sources.contains(&format!("fn {test}()")),
                "{}: there is no test `{test}`",
                row[0]
            );
        }
    }
}
