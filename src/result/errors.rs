//! How far the figures of a run are from the truth: as measured against a server that knows it, and as a calibration of
//! the host says.

use crate::metrics::{ClientErrors, Differences};
use crate::result::paired::SizeFigures;
use crate::units::{MILLISECOND, millis};
use serde::{Deserialize, Serialize};

/// The errors of four figures, where the server's events say what the truth is (`--verify-stamps`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorFigures {
    pub arrival: DifferenceFigures,
    pub ttft: DifferenceFigures,
    pub gap: DifferenceFigures,
    pub latency: DifferenceFigures,
}

/// Differences of times in milliseconds, reported minus true; null if there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceFigures {
    pub count: u64,
    pub min: Option<f64>,
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
    /// The same share of the figures is off by at most this, to either side.
    pub within_p50: Option<f64>,
    pub within_p99: Option<f64>,
    pub within_p999: Option<f64>,
    /// The differences below 0, without their sign, from which `merge` computes the figures of all shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<SizeFigures>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<SizeFigures>,
}

impl ErrorFigures {
    /// Returns the figures; `None` if nothing was compared.
    pub fn from_errors(errors: &ClientErrors) -> Option<ErrorFigures> {
        (errors.arrival.count() > 0).then(|| ErrorFigures {
            arrival: DifferenceFigures::from_differences(&errors.arrival),
            ttft: DifferenceFigures::from_differences(&errors.ttft),
            gap: DifferenceFigures::from_differences(&errors.gap),
            latency: DifferenceFigures::from_differences(&errors.latency),
        })
    }

    /// Returns the errors that the figures were computed from; `None` if the document does not have them. The error is
    /// a key and what is wrong with it.
    pub(crate) fn restored(&self) -> Result<Option<ClientErrors>, (String, String)> {
        let mut errors = ClientErrors::default();
        let into = [
            &mut errors.arrival,
            &mut errors.ttft,
            &mut errors.gap,
            &mut errors.latency,
        ];
        for ((key, figures), differences) in self.each().into_iter().zip(into) {
            let restored = figures.restored();
            match restored.map_err(|(sign, what)| (format!("{key}.{sign}"), what))? {
                Some(found) => *differences = found,
                None => return Ok(None),
            }
        }
        Ok(Some(errors))
    }

    /// Returns each with its key, in the order of the document.
    pub fn each(&self) -> [(&'static str, &DifferenceFigures); 4] {
        [
            ("arrival", &self.arrival),
            ("ttft", &self.ttft),
            ("gap", &self.gap),
            ("latency", &self.latency),
        ]
    }
}

impl DifferenceFigures {
    fn from_differences(differences: &Differences) -> DifferenceFigures {
        let ms = |ns: i64| ns as f64 / MILLISECOND as f64;
        let sizes = differences.sizes();
        let within = |q| sizes.quantile(q).map(millis);
        DifferenceFigures {
            count: differences.count(),
            min: differences.min().map(ms),
            p50: differences.quantile(0.5).map(ms),
            p99: differences.quantile(0.99).map(ms),
            p999: differences.quantile(0.999).map(ms),
            max: differences.max().map(ms),
            within_p50: within(0.5),
            within_p99: within(0.99),
            within_p999: within(0.999),
            below: Some(SizeFigures::new(&differences.below)),
            above: Some(SizeFigures::new(&differences.above)),
        }
    }

    fn restored(&self) -> Result<Option<Differences>, (&'static str, String)> {
        let (Some(below), Some(above)) = (&self.below, &self.above) else {
            return Ok(None);
        };
        SizeFigures::differences(below, above).map(Some)
    }
}

/// What a calibration of the same host says about a run that was as busy as this one (`--calibration FILE`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// The host that was calibrated.
    pub host: String,
    /// When, RFC 3339, UTC.
    pub date: String,
    /// The condition nearest to the run.
    pub condition: String,
    /// How busy the worker was then.
    pub busy_percent: f64,
    /// Whether the calibration went as far as this run: false if the run's worker was busier, or waited longer for a
    /// CPU, than in any condition.
    pub covered: bool,
    pub arrival: Budget,
    pub ttft: Budget,
    pub gap: Budget,
    pub latency: Budget,
}

/// By how much figures were off, to either side, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Half of them by at most this.
    pub p50: Option<f64>,
    /// 99 % of them by at most this.
    pub p99: Option<f64>,
}

impl ErrorBudget {
    /// Returns what two calibrations say together about the parts of a run: of each figure the larger error.
    pub fn merge(self, other: &ErrorBudget) -> ErrorBudget {
        ErrorBudget {
            host: both(&self.host, &other.host),
            // Dates of this form are ordered as texts.
            date: self.date.min(other.date.clone()),
            condition: both(&self.condition, &other.condition),
            busy_percent: self.busy_percent.max(other.busy_percent),
            covered: self.covered && other.covered,
            arrival: self.arrival.larger(other.arrival),
            ttft: self.ttft.larger(other.ttft),
            gap: self.gap.larger(other.gap),
            latency: self.latency.larger(other.latency),
        }
    }
}

/// Returns two lists of names as one, without one that the other has already. Names may have commas of their own.
fn both(mine: &str, theirs: &str) -> String {
    let has = |list: &str, names: &str| format!(", {list}, ").contains(&format!(", {names}, "));
    match (has(mine, theirs), has(theirs, mine)) {
        (true, _) => mine.to_owned(),
        (_, true) => theirs.to_owned(),
        _ => format!("{mine}, {theirs}"),
    }
}

impl Budget {
    fn larger(self, other: Budget) -> Budget {
        let larger = |a: Option<f64>, b: Option<f64>| Some(a?.max(b?));
        Budget {
            p50: larger(self.p50, other.p50),
            p99: larger(self.p99, other.p99),
        }
    }

    pub fn from_figures(figures: &DifferenceFigures) -> Budget {
        Budget {
            p50: figures.within_p50,
            p99: figures.within_p99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_calibrations_come_once_each_whatever_is_in_them() {
        for (mine, theirs, joined) in [
            ("a", "a", "a"),
            ("a", "b", "a, b"),
            (
                "half busy, on battery",
                "half busy, on battery",
                "half busy, on battery",
            ),
            (
                "idle, half busy, on battery",
                "half busy, on battery",
                "idle, half busy, on battery",
            ),
            ("half busy", "half busy, idle", "half busy, idle"),
            ("busy", "half busy", "busy, half busy"),
            ("a, b", "b", "a, b"),
        ] {
            assert_eq!(both(mine, theirs), joined);
        }
    }
}
