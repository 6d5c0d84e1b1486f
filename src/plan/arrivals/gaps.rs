//! The gaps between arrivals at a rate of one per unit of time. The curve of the rate stretches them.

use serde::Serialize;

use crate::error::{Reason, ValueError, quoted};
use crate::workload::random::keyed;

/// The pattern of arrivals around the planned rate. Each has a mean gap of 1/rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(into = "String")]
pub enum Arrival {
    /// Even gaps, as k6 has them.
    #[default]
    Constant,
    /// Gaps drawn evenly from 0 to twice the mean.
    Uniform,
    /// Exponential gaps: arrivals that know nothing of each other.
    Poisson,
    /// Gamma distributed gaps of this shape, which is the `--burstiness` of `vllm bench serve`: 1 is Poisson, less
    /// comes in bursts, more is more even. The coefficient of variation is 1/sqrt(shape). Unlike there, the gaps are
    /// not rescaled afterwards so that the last arrival falls on N/rate.
    Gamma(f64),
    /// As many arrivals in each stage as its rate asks for, to the whole number, each at a random instant of it: what
    /// Poisson arrivals are if their number is given, and what the `constant` load of inference-perf is.
    Scattered,
}

/// The least and the largest shape of gamma arrivals. Below, nearly all arrivals come at one instant; above, they
/// cannot be told from even ones.
pub const GAMMA_SHAPE: [f64; 2] = [0.01, 1_000.0];

impl Arrival {
    /// Returns what is wrong with its shape, if it has one.
    pub fn mistake(self) -> Option<Reason> {
        let [min, max] = GAMMA_SHAPE;
        let Arrival::Gamma(shape) = self else { return None };
        (!(min..=max).contains(&shape)).then(|| {
            Reason::new(format!(
                "the gamma shape {shape} is outside the limits, {min} to {max}"
            ))
        })
    }
}

impl std::fmt::Display for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Arrival::Constant => f.write_str("constant"),
            Arrival::Uniform => f.write_str("uniform"),
            Arrival::Poisson => f.write_str("poisson"),
            Arrival::Gamma(shape) => write!(f, "gamma:{shape}"),
            Arrival::Scattered => f.write_str("scattered"),
        }
    }
}

impl From<Arrival> for String {
    fn from(arrival: Arrival) -> String {
        arrival.to_string()
    }
}

/// Reads a pattern: `constant`, `uniform`, `poisson`, `gamma:SHAPE` or `scattered`.
pub fn parse_arrival(text: &str) -> Result<Arrival, Reason> {
    read_arrival(text).map_err(ValueError::into_reason)
}

/// Reads a pattern of the command line, where a wrong form and a shape beyond the limits are told apart.
pub fn read_arrival(text: &str) -> Result<Arrival, ValueError> {
    let [min, max] = GAMMA_SHAPE;
    let hint =
        format!("use constant, uniform, poisson, scattered, or gamma:SHAPE with a shape of {min} to {max}");
    let unreadable = || {
        let what = format!("{} is not a pattern of arrivals", quoted(text));
        ValueError::Unreadable(Reason::new(what).hint(hint.clone()))
    };
    match text {
        "constant" => Ok(Arrival::Constant),
        "uniform" => Ok(Arrival::Uniform),
        "poisson" => Ok(Arrival::Poisson),
        "scattered" => Ok(Arrival::Scattered),
        _ => {
            let shape = text.strip_prefix("gamma:").ok_or_else(unreadable)?;
            let shape: f64 = shape.parse().map_err(|_| unreadable())?;
            match (min..=max).contains(&shape) {
                true => Ok(Arrival::Gamma(shape)),
                false => {
                    let what = format!(
                        "{}: the shape {shape} is outside the limits, {min} to {max}",
                        quoted(text)
                    );
                    Err(ValueError::Refused(Reason::new(what).hint(hint)))
                }
            }
        }
    }
}

/// Draws one gap after the other. All cores and shards draw the same ones.
#[derive(Clone, Debug)]
pub struct Gaps {
    arrival: Arrival,
    seed: u64,
    drawn: u64,
}

/// Separates these draws from those of the requests' content.
const STREAM: u64 = 0x6172_7269_7661_6c73;

impl Gaps {
    pub fn new(arrival: Arrival, seed: u64) -> Gaps {
        Gaps {
            arrival,
            seed,
            drawn: 0,
        }
    }

    /// Tells whether arrivals are placed within each stage, so that no gap follows from the one before.
    pub fn are_scattered(&self) -> bool {
        self.arrival == Arrival::Scattered
    }

    /// Returns the part of what is left of a stage that lies before its next arrival, where `left` arrivals are still
    /// to be placed: the least of `left` numbers drawn evenly from 0 to 1.
    pub fn least_of(&mut self, left: u64) -> f64 {
        1.0 - self.open_unit().powf(1.0 / left as f64)
    }

    /// Returns the next gap, whose mean is 1.
    pub fn next_gap(&mut self) -> f64 {
        match self.arrival {
            Arrival::Constant => 1.0,
            Arrival::Uniform => 2.0 * self.open_unit(),
            // Scattered arrivals are placed in their stage; by themselves they have no gaps but these.
            Arrival::Poisson | Arrival::Scattered => -self.open_unit().ln(),
            Arrival::Gamma(shape) => self.gamma(shape) / shape,
        }
    }

    /// Draws evenly from (0, 1), neither end included.
    fn open_unit(&mut self) -> f64 {
        let bits = keyed([self.seed, STREAM, self.drawn, 0]) >> 12;
        self.drawn += 1;
        (bits as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Draws from the standard normal distribution (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.open_unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.open_unit()).cos()
    }

    /// Draws from the gamma distribution with this shape and scale 1: Marsaglia and Tsang, "A simple method for
    /// generating gamma variables", 2000, <https://doi.org/10.1145/358407.358414>. Shapes below 1 are those above it
    /// times U^(1/shape), by the same authors.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let above = self.gamma(shape + 1.0);
            return above * self.open_unit().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.open_unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
#[path = "gaps_tests.rs"]
mod tests;
