//! Axes: from a value to its place, and the round values that get a line and a number.

use crate::units::round_up;

/// The number of decades above which there is only room for whole ones.
const DECADES_MAX: f64 = 4.0;
/// The ratio of the ends above which an axis of times is logarithmic: below it a straight one shows more.
const STRAIGHT_RATIO_MAX: f64 = 12.0;
/// Steps of an axis of time, in seconds.
const TIME_STEPS: [f64; 15] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0,
];

/// An axis of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub logarithmic: bool,
}

impl Scale {
    /// Makes a straight axis from 0, on which `most` fits.
    pub fn from_zero(most: f64) -> Scale {
        let high = if most > 0.0 && most.is_finite() {
            let step = step(most / 4.0);
            (most / step - 1e-9).ceil() * step
        } else {
            1.0
        };
        Scale {
            low: 0.0,
            high,
            logarithmic: false,
        }
    }

    /// Makes a logarithmic axis for values that are above 0.
    pub fn logarithmic(low: f64, high: f64) -> Scale {
        let (low, high) = round_ends(low, high);
        Scale {
            low,
            high,
            logarithmic: true,
        }
    }

    /// Makes the axis that suits times between `low` and `high`: a straight one unless they are far apart.
    pub fn of_times(low: f64, high: f64) -> Scale {
        match low > 0.0 && high / low > STRAIGHT_RATIO_MAX {
            true => Scale::logarithmic(low, high),
            false => Scale::from_zero(high),
        }
    }

    /// Returns where a value lies: 0 is the low end, 1 the high one.
    pub fn place(&self, value: f64) -> f64 {
        let place = match self.logarithmic {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        place.clamp(0.0, 1.0)
    }

    /// Returns the values that get a line.
    pub fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            return log_ticks(self.low, self.high);
        }
        let step = step(self.high / 4.0);
        let count = (self.high / step + 1e-6) as usize;
        (0..=count).map(|n| n as f64 * step).collect()
    }
}

/// Returns the round step that is not below `x`.
fn step(x: f64) -> f64 {
    round_up(x)
}

/// Returns the values of a logarithmic axis that have a line: 1, 2 and 5 of each decade, or only 1.
pub fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    let mut values = Vec::new();
    let mut value = low;
    while value <= high * (1.0 + 1e-9) {
        values.push(value);
        value = round_up(value * if decades > DECADES_MAX { 9.0 } else { 1.9 });
    }
    values
}

/// Returns the ends of a logarithmic axis: round, and powers of ten where only these have a line.
pub fn round_ends(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (round_down(low), round_up(high.max(low * 1.01)));
    match (high / low).log10() > DECADES_MAX {
        true => (10f64.powf((low * 1.0001).log10().floor()), high),
        false => (low, high),
    }
}

/// Rounds down to 1, 2 or 5 times a power of ten.
fn round_down(x: f64) -> f64 {
    let power = 10f64.powf(x.log10().floor());
    let step = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|s| s * power <= x * (1.0 + 1e-9));
    step.unwrap_or(1.0) * power
}

/// Formats a round time in milliseconds with its unit: `500 us`, `20 ms`, `2 s`.
pub fn time_with_unit(ms: f64) -> String {
    let (value, unit) = match ms {
        0.0 => return "0".to_owned(),
        ms if ms < 0.9999 => (ms * 1e3, "us"),
        ms if ms < 999.9 => (ms, "ms"),
        ms => (ms / 1e3, "s"),
    };
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} {unit}")
}

/// Returns the seconds of an axis of time that get a line, at most about `count` of them.
pub fn time_ticks(seconds: f64, count: usize) -> Vec<f64> {
    if seconds.is_nan() || seconds <= 0.0 {
        return vec![0.0];
    }
    let least = seconds / count as f64;
    let step = TIME_STEPS.into_iter().find(|step| *step >= least);
    // Days, or parts of a second.
    let step = step.unwrap_or_else(|| (least / 21_600.0).ceil() * 21_600.0);
    let step = if seconds < 2.0 { round_up(least) } else { step };
    let ticks = (seconds / step + 1e-9) as usize;
    (0..=ticks).map(|n| n as f64 * step).collect()
}

/// Formats a time since the start: `0:05`, `12:30`, `1:02:03`; with a decimal where the axis is shorter than two
/// seconds.
pub fn clock(seconds: f64, axis: f64) -> String {
    if axis < 2.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_on_a_logarithmic_axis_are_round_and_have_their_unit() {
        let names = |low: f64, high: f64| -> Vec<String> {
            let scale = Scale::logarithmic(low, high);
            scale.ticks().into_iter().map(time_with_unit).collect()
        };
        assert_eq!(
            names(0.37, 88.0),
            [
                "200 us", "500 us", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms"
            ]
        );
        assert_eq!(names(700.0, 2_345.0), ["500 ms", "1 s", "2 s", "5 s"]);
        assert_eq!(
            names(0.37, 5_000.0),
            ["100 us", "1 ms", "10 ms", "100 ms", "1 s"],
            "more than four decades"
        );
        assert_eq!(names(0.001, 0.001), ["1 us", "2 us"]);
    }

    #[test]
    fn a_straight_axis_ends_at_a_line_and_holds_its_highest_value() {
        for (most, high, lines) in [
            (60.0, 60.0, 4),
            (61.0, 80.0, 5),
            (1.0, 1.0, 3),
            (0.0, 1.0, 3),
            (1_234.0, 1_500.0, 4),
            (9.0, 10.0, 3),
        ] {
            let scale = Scale::from_zero(most);
            assert_eq!((scale.high, scale.ticks().len()), (high, lines), "{most}");
            assert_eq!(scale.ticks().last(), Some(&high));
            assert!(scale.place(most) <= 1.0 && scale.place(0.0) == 0.0);
        }
    }

    #[test]
    fn an_axis_of_time_has_round_steps_of_the_clock() {
        let names = |seconds: f64| -> Vec<String> {
            let ticks = time_ticks(seconds, 6).into_iter();
            ticks.map(|s| clock(s, seconds)).collect()
        };
        assert_eq!(names(63.0), ["0:00", "0:15", "0:30", "0:45", "1:00"]);
        assert_eq!(
            names(3_600.0),
            ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]
        );
        assert_eq!(names(3.0), ["0:00", "0:01", "0:02", "0:03"]);
        assert_eq!(names(1.0), ["0.0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1.0 s"]);
        assert!(time_ticks(86_400.0 * 7.0, 6).len() <= 8);
    }
}
