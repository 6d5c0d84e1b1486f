//! What the requests of a probe show: those of this process, or at rank 0 of several those of all.

use crate::limit::{Decision, Period, ProbeRules, ProbeWatch, Slo};
use crate::metrics::{Failures, SeriesTotals};
use crate::units::{Nanos, SECOND, seconds};

/// The requests of a probe, second by second.
pub struct Seen {
    pub watch: ProbeWatch,
    /// The requests that are counted, by kind.
    pub counted: Vec<SeriesTotals>,
    /// Good answers and their tokens while requests were counted, and for how long that was.
    pub ok: u64,
    pub tokens: u64,
    pub counted_for: Nanos,
    /// Those of all requests, with the time of settling.
    pub failures: Failures,
    /// Since the last second that was closed, which ended at `closed`.
    open: Vec<SeriesTotals>,
    closed: Nanos,
}

impl Seen {
    pub fn new(rules: ProbeRules, slos: &[Slo], kinds: usize) -> Seen {
        let empty = || (0..kinds).map(|_| SeriesTotals::new()).collect();
        Seen {
            watch: ProbeWatch::new(rules, slos),
            counted: empty(),
            ok: 0,
            tokens: 0,
            counted_for: 0,
            failures: Failures::default(),
            open: empty(),
            closed: 0,
        }
    }

    /// Adds figures: the series of the requests that are counted come first.
    pub fn append(&mut self, series: &[SeriesTotals], failures: &Failures) {
        for (open, more) in self.open.iter_mut().zip(series) {
            open.merge(more);
        }
        self.failures.merge(failures);
    }

    /// Adds what has come since the last second to good answers and tokens, if requests were counted all the time until
    /// `elapsed`.
    pub fn count_until(&mut self, elapsed: Nanos, settle: Nanos) {
        if self.closed >= settle {
            self.ok += self.open.iter().map(SeriesTotals::ok).sum::<u64>();
            self.tokens += self.open.iter().map(|series| series.output_tokens).sum::<u64>();
            self.counted_for += elapsed.saturating_sub(self.closed);
        }
    }

    /// Closes the second that ends at `elapsed`; of several processes it may be several. What it shows is evidence,
    /// unless the load had been shown not to hold: what comes later was under less load.
    pub fn close(&mut self, elapsed: Nanos, slos: &[Slo], is_draining: bool) {
        if !is_draining || self.watch.decision(slos) != Decision::Fails {
            // The last one is shorter, and counts as a second.
            let length = seconds(elapsed.saturating_sub(self.closed).max(SECOND));
            let seen: Vec<Period> = slos.iter().map(|slo| slo.period(&self.open, length)).collect();
            self.watch.push(seen);
        }
        for (counted, open) in self.counted.iter_mut().zip(&mut self.open) {
            counted.merge(open);
            open.reset();
        }
        self.closed = elapsed;
    }

    /// Adds the requests that were cut while they ran to the evidence.
    pub fn push_cut(&mut self, slos: &[Slo]) {
        let cut = slos.iter().map(|slo| slo.period_of_cut(&self.counted));
        self.watch.push(cut.collect());
    }

    /// Returns how many counted requests have no outcome yet.
    pub fn counted_left(&self) -> u64 {
        let counted = self.counted.iter();
        counted
            .map(|series| series.started.saturating_sub(series.finished()))
            .sum()
    }

    pub fn completed(&self) -> u64 {
        self.counted.iter().map(SeriesTotals::completed).sum()
    }

    pub fn interrupted(&self) -> u64 {
        self.counted.iter().map(SeriesTotals::interrupted).sum()
    }

    /// Returns a count of the time of counting, per second.
    pub fn per_second(&self, count: u64) -> f64 {
        match self.counted_for {
            0 => 0.0,
            time => count as f64 / seconds(time),
        }
    }
}
