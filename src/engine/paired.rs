//! Makes pairs of requests: each for the same thing at both servers, one after the other, so that they do not slow each
//! other down.

use super::cancel;
use super::connections::VuConnections;
use super::core::CoreState;
use super::planned::Planned;
use crate::metrics::{Half, Outcome, Sample};
use crate::net::clock;
use crate::plan::PairedPrompts;
use crate::units::Nanos;
use crate::workload::Workload;

/// The indices of the two servers of a plan with pairs.
const BASE: u16 = 0;
const OTHER: u16 = 1;

/// Makes the two requests of an iteration. The first is due when the pair is, and the second when the first has ended.
/// Returns the worse outcome, and the pause that the plan has after the pair.
pub(super) async fn make(
    core: &CoreState,
    connections: &mut VuConnections,
    owner: u32,
    planned: Planned,
    prompts: PairedPrompts,
) -> (Outcome, Nanos) {
    let (seed, iteration) = (core.plan.seed, planned.iteration);
    let other_first = Workload::other_first(seed, owner, iteration);
    let [now, then] = match other_first {
        false => [BASE, OTHER],
        true => [OTHER, BASE],
    };

    let draw = core.draw(owner, (planned.sequence, iteration), now);
    let think = draw.think;
    // Both are cut at the same point, or neither.
    let cut = cancel::cut(core, &mut connections.made, (owner, iteration), draw.kind);
    let planned = Planned { cut, ..planned };
    let first = Planned {
        half: Some(Half::First),
        ..planned
    };
    let first = connections
        .connection_to(core, now)
        .request(core, (&draw, None), first)
        .await;
    if first.outcome == Outcome::Interrupted {
        core.recorder.borrow_mut().half_a_pair();
        return (Outcome::Interrupted, think);
    }

    let mut draw = core.draw(owner, (planned.sequence, iteration), then);
    if prompts == PairedPrompts::Distinct {
        draw = core.plan.workload.with_other_prompt(draw, seed, owner, iteration);
    }
    let due = clock::monotonic();
    let second = Planned {
        due,
        ready: due,
        half: Some(Half::Second),
        ..planned
    };
    let second = connections
        .connection_to(core, then)
        .request(core, (&draw, None), second)
        .await;

    let [base, other] = match other_first {
        false => [&first, &second],
        true => [&second, &first],
    };
    core.recorder.borrow_mut().pair(base, other, other_first);
    core.send_details();
    (worse(&first, &second), think)
}

/// Returns the outcome that the user acts on: it stops if it was interrupted, and waits if it could not connect.
fn worse(first: &Sample, second: &Sample) -> Outcome {
    match (first.outcome, second.outcome) {
        (_, Outcome::Interrupted) => Outcome::Interrupted,
        (Outcome::Ok, second) => second,
        (first, _) => first,
    }
}
