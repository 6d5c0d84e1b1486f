//! How long prompts and answers are, in tokens: a number, a range, or a distribution of whole numbers.
//!
//! A distribution is a table of cumulative probabilities, made once, and a length is drawn by looking up 64 random bits
//! in it (inverse transform). So a draw is a pure function of its bits: it is the same on every core and in every
//! shard, takes the same time however unlikely the length is, and never lies outside the ends.

mod file;
mod parse;
mod shape;
mod table;

pub use file::read_counts_file;
pub use parse::{ReadFile, Wrong};

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::error::ValueError;
use crate::units::{Span, decimal, up_to};
use parse::Settings;
use shape::Shape;
use table::Table;

/// A distribution of token counts, all of them between [`Lengths::min`] and [`Lengths::max`].
#[derive(Clone, Debug, PartialEq)]
pub struct Lengths {
    form: Form,
    ends: Span<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// Every count from end to end is as likely as the others; often both ends are the same.
    Range,
    Shaped {
        shape: Shape,
        table: Arc<Table>,
    },
    /// The counts of a file.
    Listed {
        file: String,
        table: Arc<Table>,
    },
}

impl Lengths {
    /// Returns the distribution with a single length.
    pub const fn fixed(count: u32) -> Lengths {
        Lengths::range(count, count)
    }

    /// Returns the uniform distribution; `min` is not above `max`.
    pub const fn range(min: u32, max: u32) -> Lengths {
        Lengths {
            form: Form::Range,
            ends: Span { min, max },
        }
    }

    /// Reads lengths as people write them: `100`, `50-200`, `normal(mean=512,std=64)`. All lengths must lie within
    /// `limits`. `read` reads the file of an empirical distribution.
    ///
    /// # Errors
    /// A text of another form is unreadable; one whose numbers make no distribution is refused.
    pub fn parse(
        text: &str,
        limits: &RangeInclusive<u32>,
        read: ReadFile<'_>,
    ) -> Result<Lengths, ValueError> {
        parse::parse(text, limits, read)
    }

    /// Makes the distribution with this name from its settings, each a name and the text of its value.
    ///
    /// # Errors
    /// Returns what is wrong, and with which setting.
    pub fn from_settings(
        distribution: &str,
        settings: Settings<'_>,
        limits: &RangeInclusive<u32>,
        read: ReadFile<'_>,
    ) -> Result<Lengths, Wrong> {
        parse::from_settings(distribution, settings, limits, read)
    }

    pub fn min(&self) -> u32 {
        self.ends.min
    }

    pub fn max(&self) -> u32 {
        self.ends.max
    }

    pub fn is_fixed(&self) -> bool {
        self.ends.min == self.ends.max
    }

    /// Returns the exponent, if it is a zipf distribution.
    pub fn zipf_alpha(&self) -> Option<f64> {
        match &self.form {
            Form::Shaped {
                shape: Shape::Zipf { alpha },
                ..
            } => Some(*alpha),
            _ => None,
        }
    }

    /// Returns the length that 64 random bits choose.
    pub fn draw(&self, bits: u64) -> u32 {
        match &self.form {
            // Lossless, because it is never above the difference.
            Form::Range => self.ends.min + up_to(u64::from(self.ends.max - self.ends.min), bits) as u32,
            Form::Shaped { table, .. } | Form::Listed { table, .. } => table.value(bits),
        }
    }

    /// Returns the mean of what is drawn: after the ends have cut the distribution off, and in whole numbers.
    pub fn mean(&self) -> f64 {
        match &self.form {
            Form::Range => f64::midpoint(f64::from(self.ends.min), f64::from(self.ends.max)),
            Form::Shaped { table, .. } | Form::Listed { table, .. } => table.mean(),
        }
    }

    /// Says for people how long things are: `100`, `50 to 200`, or the distribution with its mean.
    pub fn in_words(&self) -> String {
        match &self.form {
            Form::Range if self.is_fixed() => self.ends.min.to_string(),
            Form::Range => format!("{} to {}", self.ends.min, self.ends.max),
            Form::Shaped { .. } => format!("{self} (mean {})", decimal(round_to_tenths(self.mean()))),
            Form::Listed { .. } => format!(
                "{self} ({} to {}, mean {})",
                self.ends.min,
                self.ends.max,
                decimal(round_to_tenths(self.mean()))
            ),
        }
    }
}

fn round_to_tenths(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

/// Writes lengths so that [`Lengths::parse`] reads them back.
impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { min, max } = self.ends;
        match &self.form {
            Form::Range if min == max => write!(f, "{min}"),
            Form::Range => write!(f, "{min}-{max}"),
            Form::Shaped { shape, .. } => write!(f, "{shape},min={min},max={max})"),
            Form::Listed { file, .. } => write!(f, "empirical(file={file})"),
        }
    }
}

impl serde::Serialize for Lengths {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl From<Span<u32>> for Lengths {
    fn from(span: Span<u32>) -> Lengths {
        Lengths::range(span.min, span.max)
    }
}

#[cfg(test)]
#[path = "lengths_tests.rs"]
mod tests;
