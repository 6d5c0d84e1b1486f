//! What a calibration means for a run: whether it is of the same host, and which of its conditions is like the run.

use crate::calibration::{CalibratedHost, Calibration, Condition};
use crate::error::quoted;
use crate::host::HostFacts;
use crate::result::{Budget, Client, ErrorBudget};

/// Points of percent by which a run may exceed the last condition and is still covered by it.
const BEYOND_POINTS: f64 = 10.0;

/// Returns the first difference between the hosts that decides what a client costs, in words: kernel, CPU model, number
/// of CPUs. Names are left out, because each container has one of its own.
pub fn difference(calibrated: &CalibratedHost, here: &HostFacts) -> Option<String> {
    let cpus = |cpus: &[usize]| cpus.len().to_string();
    let rows = [
        ("kernel", &calibrated.kernel, &here.kernel),
        ("CPU", &calibrated.cpu, &here.cpu_model),
        (
            "number of CPUs",
            &cpus(&calibrated.cpus_allowed),
            &cpus(&here.allowed_cpus),
        ),
    ];
    let (what, there, here) = rows.into_iter().find(|(_, there, here)| there != here)?;
    Some(format!(
        "its {what} is {}, here it is {}",
        quoted(there),
        quoted(here)
    ))
}

/// How loaded a worker was, in percent of the time: busy, and ready to run without a CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Strain {
    busy: f64,
    delay: f64,
}

impl Strain {
    fn of_condition(condition: &Condition) -> Strain {
        Strain {
            busy: condition.busy_percent,
            delay: condition.run_delay_percent.unwrap_or(0.0),
        }
    }

    /// Returns that of the run's busiest worker.
    fn of_run(client: &Client) -> Strain {
        let most = |values: &mut dyn Iterator<Item = Option<f64>>| values.flatten().fold(0.0, f64::max);
        Strain {
            busy: most(&mut client.cores.iter().map(|core| core.busy_percent)),
            delay: most(&mut client.cores.iter().map(|core| core.run_delay_percent)),
        }
    }

    fn distance(self, other: Strain) -> f64 {
        (self.busy - other.busy).hypot(self.delay - other.delay)
    }
}

/// Returns what the calibration says about a run of which these are the generator's figures.
pub fn budget(calibration: &Calibration, client: &Client) -> Option<ErrorBudget> {
    let run = Strain::of_run(client);
    let measured = || {
        calibration
            .conditions
            .iter()
            .filter(|condition| condition.errors.is_some())
    };
    let strains = || measured().map(Strain::of_condition);
    let nearest = measured().min_by(|a, b| {
        let distance = |condition| Strain::of_condition(condition).distance(run);
        distance(a).total_cmp(&distance(b))
    })?;
    let errors = nearest.errors.as_ref()?;
    let busiest = strains().map(|strain| strain.busy).fold(0.0, f64::max);
    let longest = strains().map(|strain| strain.delay).fold(0.0, f64::max);
    Some(ErrorBudget {
        host: calibration.host.name.clone(),
        date: calibration.started_at.clone(),
        condition: nearest.name.clone(),
        busy_percent: nearest.busy_percent,
        covered: run.busy <= busiest + BEYOND_POINTS && run.delay <= longest + BEYOND_POINTS,
        arrival: Budget::from_figures(&errors.arrival),
        ttft: Budget::from_figures(&errors.ttft),
        gap: Budget::from_figures(&errors.gap),
        latency: Budget::from_figures(&errors.latency),
    })
}
