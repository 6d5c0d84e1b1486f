//! Two servers compared request by request: what differs, by how much, and how certain that is.

mod words;

use crate::metrics::{Differences, Distribution, Exact, MetricId, PAIRED_METRICS};
use crate::paired::{
    BlockRows, CONFIDENCE, Difference, ErrorRow, Estimate, Orders, PairCounts, PairFindings, PairTotals,
    Side, TimeRow,
};
use crate::plan::PairedPrompts;
use crate::result::Ordered;
use crate::units::{Nanos, SECOND, is_zero, seconds};
use serde::{Deserialize, Serialize};

/// The section of the document, if every request went to both of two servers. A difference is the other's value minus
/// the base's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Name of the first server of the document.
    pub base: String,
    /// Name of the second.
    pub other: String,
    pub prompts: PairedPrompts,
    /// Pairs of which neither request was interrupted.
    pub pairs: u64,
    pub both_ok: u64,
    /// Of these, those whose answers have the same number of tokens.
    pub same_length: u64,
    /// Pairs of which neither request failed and at least one was cancelled, as planned.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    pub failed_at_base: u64,
    pub failed_at_other: u64,
    pub failed_at_both: u64,
    /// Pairs of which a request was interrupted or never sent.
    pub incomplete: u64,
    /// Pairs that were not compared, because the reporter was too slow.
    pub lost: u64,
    /// The confidence with which all intervals hold together, 0 to 1.
    pub confidence: f64,
    /// By the key of the metric, of the pairs that failed on neither side.
    pub differences: Ordered<PairedFigures>,
    pub errors: PairedErrors,
    /// Length of the blocks of time.
    pub block_seconds: f64,
    /// Some interval does not include 0.
    pub difference_shown: bool,
    /// The finding in a sentence or two.
    pub verdict: String,
}

/// What the pairs show about one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    Slower,
    Faster,
    More,
    Fewer,
    NoDifference,
    TooFew,
}

/// The differences of a metric in milliseconds; null without pairs, and an interval also if they are too few.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedFigures {
    pub pairs: u64,
    pub verdict: Shown,
    pub median: Option<f64>,
    pub median_low: Option<f64>,
    pub median_high: Option<f64>,
    pub mean: Option<f64>,
    pub mean_low: Option<f64>,
    pub mean_high: Option<f64>,
    /// By how much the second request of a pair was slower than the first, at either server.
    pub second: Option<f64>,
    /// Of the pairs in which the base was asked first.
    pub base_first: SignedFigures,
    pub other_first: SignedFigures,
    pub blocks: Vec<BlockFigures>,
}

/// A distribution of differences by their sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedFigures {
    /// The differences below 0, without their sign.
    pub below: SizeFigures,
    pub above: SizeFigures,
}

/// The sizes of differences in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeFigures {
    pub count: u64,
    pub min: Option<f64>,
    pub mean: Option<f64>,
    pub max: Option<f64>,
    /// How many of `count` are over one hour, and not in `hdr`.
    pub out_of_range: u64,
    /// Histogram in microseconds: base64 of HdrHistogram's V2 compressed form.
    pub hdr: Option<String>,
}

/// A block of time, from which it is estimated how much neighbours have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockFigures {
    pub base_first: BlockSide,
    pub other_first: BlockSide,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockSide {
    pub pairs: u64,
    /// Twice the number below the median of all pairs of this order; one at the median counts once.
    pub twice_below: u64,
    /// Sum of the differences.
    pub sum: f64,
}

/// The difference of the shares of failed requests, -1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedErrors {
    pub verdict: Shown,
    pub difference: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub blocks: Vec<ErrorBlock>,
}

/// How many pairs of a block failed at one server alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBlock {
    pub base: u64,
    pub other: u64,
}

/// Everything that the figures are computed from. The parts of a run in shards add up.
#[derive(Clone, Debug)]
pub(crate) struct PairEvidence {
    pub counts: PairCounts,
    pub differences: [Orders; PAIRED_METRICS.len()],
    pub rows: BlockRows,
}

impl PairEvidence {
    pub fn findings(&self) -> PairFindings {
        PairFindings::new(&self.counts, &self.differences, &self.rows)
    }

    pub fn merge(&mut self, other: &PairEvidence) {
        let PairEvidence {
            counts,
            differences,
            rows,
        } = other;
        self.counts.merge(counts);
        for (mine, theirs) in self
            .differences
            .iter_mut()
            .flatten()
            .zip(differences.iter().flatten())
        {
            mine.merge(theirs);
        }
        self.rows.merge(rows);
    }
}

impl Paired {
    /// Compares the servers of these names by the pairs of a run.
    pub fn from_pairs(names: [&str; 2], prompts: PairedPrompts, pairs: &PairTotals) -> Paired {
        let evidence = PairEvidence {
            counts: *pairs.counts(),
            differences: pairs.differences().clone(),
            rows: pairs.rows(),
        };
        Paired::from_evidence(names, prompts, &evidence, &evidence.findings())
    }

    /// Makes the section of what was found in the evidence.
    pub(crate) fn from_evidence(
        [base, other]: [&str; 2],
        prompts: PairedPrompts,
        from: &PairEvidence,
        found: &PairFindings,
    ) -> Paired {
        let metrics = PAIRED_METRICS.iter().zip(&from.differences).zip(&from.rows.times);
        let differences = metrics
            .zip(found.differences)
            .map(|(((id, orders), rows), found)| {
                let figures = PairedFigures::new(orders, rows, found);
                (id.key(), figures)
            });
        let counts = &from.counts;
        let mut paired = Paired {
            base: base.to_owned(),
            other: other.to_owned(),
            prompts,
            pairs: counts.ended,
            both_ok: counts.both_ok,
            same_length: counts.same_length,
            cancelled: counts.cancelled,
            failed_at_base: counts.failed_alone[0],
            failed_at_other: counts.failed_alone[1],
            failed_at_both: counts.both_failed,
            incomplete: counts.incomplete,
            lost: counts.lost,
            confidence: CONFIDENCE,
            differences: differences.collect(),
            errors: PairedErrors::new(&from.rows.errors, found.errors),
            block_seconds: seconds(from.rows.length),
            difference_shown: false,
            verdict: String::new(),
        };
        let shown = paired.verdicts().any(|(_, shown)| shown.is_a_difference());
        paired.difference_shown = shown;
        paired.verdict = words::verdict(&paired);
        paired
    }

    /// Returns what is shown about each figure, by its key.
    fn verdicts(&self) -> impl Iterator<Item = (&str, Shown)> {
        let times = self.differences.iter().map(|(key, found)| (key, found.verdict));
        times.chain([("errors", self.errors.verdict)])
    }

    /// Returns what the figures were computed from. The error is a key and what is wrong with it.
    pub(crate) fn evidence(&self) -> Result<PairEvidence, (String, String)> {
        let mut evidence = PairEvidence {
            counts: PairCounts {
                ended: self.pairs,
                both_ok: self.both_ok,
                same_length: self.same_length,
                cancelled: self.cancelled,
                failed_alone: [self.failed_at_base, self.failed_at_other],
                both_failed: self.failed_at_both,
                incomplete: self.incomplete,
                lost: self.lost,
            },
            differences: Default::default(),
            rows: BlockRows {
                length: (self.block_seconds * SECOND as f64).round() as Nanos,
                times: Default::default(),
                errors: self.errors.blocks.iter().map(ErrorBlock::row).collect(),
            },
        };
        for (index, id) in PAIRED_METRICS.iter().enumerate() {
            let key = format!("differences.{}", id.key());
            let Some(figures) = self.differences.get(id.key()) else {
                return Err((key, "is missing".to_owned()));
            };
            let sides = [
                ("base_first", &figures.base_first),
                ("other_first", &figures.other_first),
            ];
            for (orders, (side, signed)) in evidence.differences[index].iter_mut().zip(sides) {
                let restored = signed.restored();
                *orders = restored.map_err(|(sign, what)| (format!("{key}.{side}.{sign}"), what))?;
            }
            evidence.rows.times[index] = figures.blocks.iter().map(BlockFigures::rows).collect();
        }
        Ok(evidence)
    }
}

impl Shown {
    pub fn is_a_difference(self) -> bool {
        !matches!(self, Shown::NoDifference | Shown::TooFew)
    }

    fn of(estimates: &[Estimate], [above, below]: [Shown; 2]) -> Shown {
        let mut sides = estimates.iter().map(Estimate::side);
        let clear = |side: &Option<Side>| matches!(side, Some(Side::Above | Side::Below));
        match sides.clone().find(clear).flatten() {
            Some(Side::Above) => above,
            Some(Side::Below) => below,
            _ if sides.any(|side| side.is_some()) => Shown::NoDifference,
            _ => Shown::TooFew,
        }
    }
}

impl PairedFigures {
    fn new(orders: &Orders, rows: &[[TimeRow; 2]], found: Option<Difference>) -> PairedFigures {
        let (median, mean) = (found.map(|found| found.median), found.map(|found| found.mean));
        let low = |estimate: Option<Estimate>| Some(millis(estimate?.interval?.0));
        let high = |estimate: Option<Estimate>| Some(millis(estimate?.interval?.1));
        // The median decides; the mean only where the median shows nothing.
        let estimates: Vec<Estimate> = median.into_iter().chain(mean).collect();
        PairedFigures {
            pairs: orders.iter().map(Differences::count).sum(),
            verdict: Shown::of(&estimates, [Shown::Slower, Shown::Faster]),
            median: median.map(|median| millis(median.value)),
            median_low: low(median),
            median_high: high(median),
            mean: mean.map(|mean| millis(mean.value)),
            mean_low: low(mean),
            mean_high: high(mean),
            second: found.and_then(|found| found.second).map(millis),
            base_first: SignedFigures::new(&orders[0]),
            other_first: SignedFigures::new(&orders[1]),
            blocks: rows.iter().map(BlockFigures::new).collect(),
        }
    }

    /// Returns the median's interval, if it lies on one side of 0.
    fn clear_median(&self) -> Option<(f64, f64)> {
        clear(self.median_low?, self.median_high?)
    }

    fn clear_mean(&self) -> Option<(f64, f64)> {
        clear(self.mean_low?, self.mean_high?)
    }
}

fn clear(low: f64, high: f64) -> Option<(f64, f64)> {
    (low > 0.0 || high < 0.0).then_some((low, high))
}

impl SignedFigures {
    fn new(differences: &Differences) -> SignedFigures {
        SignedFigures {
            below: SizeFigures::new(&differences.below),
            above: SizeFigures::new(&differences.above),
        }
    }

    fn restored(&self) -> Result<Differences, (&'static str, String)> {
        SizeFigures::differences(&self.below, &self.above)
    }
}

impl SizeFigures {
    /// Returns the differences of these sizes. The error is the key of a side and what is wrong with it.
    pub(super) fn differences(
        below: &SizeFigures,
        above: &SizeFigures,
    ) -> Result<Differences, (&'static str, String)> {
        Ok(Differences {
            below: below.distribution().map_err(|what| ("below", what))?,
            above: above.distribution().map_err(|what| ("above", what))?,
        })
    }

    pub(super) fn new(sizes: &Distribution) -> SizeFigures {
        SizeFigures {
            count: sizes.offered(),
            min: sizes.min().map(|ns| millis(ns as f64)),
            mean: sizes.mean().map(millis),
            max: sizes.max().map(|ns| millis(ns as f64)),
            out_of_range: sizes.above(),
            hdr: (!sizes.is_empty()).then(|| sizes.to_v2_compressed_base64()),
        }
    }

    fn distribution(&self) -> Result<Distribution, String> {
        if self.count == 0 {
            return Ok(Distribution::new());
        }
        let (Some(hdr), Some(min), Some(mean), Some(max)) = (&self.hdr, self.min, self.mean, self.max) else {
            return Err(format!(
                "counts {} values, but has no figures of them",
                self.count
            ));
        };
        let ns = |ms: f64| (ms * 1e6).round() as u64;
        let exact = Exact {
            count: self.count,
            above: self.out_of_range,
            min: ns(min),
            max: ns(max),
            mean: mean * 1e6,
        };
        Distribution::restored(hdr, exact).map_err(|e| e.to_string())
    }
}

impl BlockFigures {
    fn new(row: &[TimeRow; 2]) -> BlockFigures {
        let side = |row: TimeRow| BlockSide {
            pairs: row.pairs,
            twice_below: row.twice_below,
            sum: millis(row.sum_ns),
        };
        BlockFigures {
            base_first: side(row[0]),
            other_first: side(row[1]),
        }
    }

    fn rows(&self) -> [TimeRow; 2] {
        [self.base_first, self.other_first].map(|side| TimeRow {
            pairs: side.pairs,
            twice_below: side.twice_below,
            sum_ns: side.sum * 1e6,
        })
    }
}

impl PairedErrors {
    fn new(rows: &[ErrorRow], found: Option<Estimate>) -> PairedErrors {
        let block = |row: &ErrorRow| ErrorBlock {
            base: row.alone[0],
            other: row.alone[1],
        };
        PairedErrors {
            verdict: Shown::of(found.as_slice(), [Shown::More, Shown::Fewer]),
            difference: found.map(|found| found.value),
            low: found.and_then(|found| found.interval).map(|(low, _)| low),
            high: found.and_then(|found| found.interval).map(|(_, high)| high),
            blocks: rows.iter().map(block).collect(),
        }
    }
}

impl ErrorBlock {
    fn row(&self) -> ErrorRow {
        ErrorRow {
            alone: [self.base, self.other],
        }
    }
}

fn millis(ns: f64) -> f64 {
    ns / 1e6
}

/// Returns the name of a compared metric in a sentence.
pub fn paired_name(key: &str) -> &str {
    match MetricId::from_key(key) {
        Some(MetricId::Ttft) => "TTFT",
        Some(MetricId::Tpot) => "gaps",
        _ => key,
    }
}

#[cfg(test)]
#[path = "paired/paired_tests.rs"]
mod tests;
