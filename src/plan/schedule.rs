//! The planned number of VUs as a step function of elapsed time, computed before the run.
//!
//! ```text
//! vus  start 1, stages 2s -> 3, 2s -> 0
//!  3 |           +----+
//!  2 |     +-----+    +-----+
//!  1 +-----+                |
//!  0 |                      +----
//!    0     1     2    2.7  3.3  4 s     up: VU k starts when the line reaches k
//! ```
//! Going down, a VU stops one step late, so that nobody stops at the first instant of a stage: 3 -> 0 in two
//! seconds stops VUs at 2.7, 3.3 and 4 s. This is k6's arithmetic (`lib/executor/ramping_vus.go`), in integer
//! nanoseconds, divisions truncated.

use crate::plan::Stage;
use crate::units::Nanos;

/// A change of the VU count: from `at` (elapsed since the start) on, VUs `0..vus` run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VuStep {
    pub at: Nanos,
    pub vus: u32,
}

/// The planned VU count of a whole run. Times ascend strictly, neighbours differ, the first step is at 0,
/// and the last one has 0 VUs. The VU with the highest index stops first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VuSchedule {
    steps: Vec<VuStep>,
    end: Nanos,
}

impl VuSchedule {
    /// Plans the same number of VUs all the time.
    pub(crate) fn constant(vus: u32, duration: Nanos) -> VuSchedule {
        VuSchedule::close(vec![VuStep { at: 0, vus }], duration)
    }

    pub(crate) fn ramp(start_vus: u32, stages: &[Stage]) -> VuSchedule {
        let mut steps = vec![VuStep {
            at: 0,
            vus: start_vus,
        }];
        let (mut from, mut end) = (start_vus, 0);
        for stage in stages {
            end += stage.duration;
            ramp_stage(&mut steps, from, *stage, end);
            from = stage.target;
        }
        VuSchedule::close(steps, end)
    }

    fn close(mut steps: Vec<VuStep>, end: Nanos) -> VuSchedule {
        push(&mut steps, VuStep { at: end, vus: 0 });
        VuSchedule { steps, end }
    }

    /// Returns the same times with VU counts changed by `count`; 0 stays 0.
    pub(crate) fn map(&self, count: impl Fn(u32) -> u32) -> VuSchedule {
        let mut steps: Vec<VuStep> = Vec::new();
        for step in &self.steps {
            let vus = count(step.vus);
            if steps.last().is_none_or(|last| last.vus != vus) {
                steps.push(VuStep { at: step.at, vus });
            }
        }
        VuSchedule { steps, end: self.end }
    }

    pub fn steps(&self) -> &[VuStep] {
        &self.steps
    }

    /// Returns the planned VU count at `elapsed`; 0 from the end on.
    pub fn planned_at(&self, elapsed: Nanos) -> u32 {
        let after = self.steps.partition_point(|step| step.at <= elapsed);
        // The first step is at 0, so at least one step lies at or before any instant.
        self.steps[after - 1].vus
    }

    /// Returns the end of the last stage, without graceful stop.
    pub fn end(&self) -> Nanos {
        self.end
    }

    pub fn vus_max(&self) -> u32 {
        self.steps.iter().map(|step| step.vus).max().unwrap_or(0)
    }
}

fn ramp_stage(steps: &mut Vec<VuStep>, from: u32, stage: Stage, end: Nanos) {
    let Stage { duration, target } = stage;
    if duration == 0 {
        push(steps, VuStep { at: end, vus: target });
        return;
    }
    let change = u128::from(target.abs_diff(from));
    // A day has 8.64e13 nanoseconds: times the most VUs that is more than 64 bits hold.
    let before_end =
        |steps_left: u32| end - (u128::from(duration) * u128::from(steps_left) / change) as Nanos;
    for vus in from.saturating_add(1)..=target {
        push(
            steps,
            VuStep {
                at: before_end(target - vus),
                vus,
            },
        );
    }
    for vus in (target..from).rev() {
        push(
            steps,
            VuStep {
                at: before_end(vus - target),
                vus,
            },
        );
    }
}

/// Adds a step, and keeps times strictly ascending and neighbours different: of several steps at one instant the last
/// one counts.
fn push(steps: &mut Vec<VuStep>, step: VuStep) {
    if steps.last().is_some_and(|last| last.at == step.at) {
        steps.pop();
    }
    if steps.last().is_none_or(|last| last.vus != step.vus) {
        steps.push(step);
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
