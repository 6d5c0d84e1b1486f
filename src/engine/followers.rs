//! The rows of a trace that follow another one of their session, after its answer and a delay.

use std::rc::Rc;

use super::connections::VuConnections;
use super::core::CoreState;
use super::planned::Planned;
use super::rest::Rest;
use super::vu::{is_closed, make};
use crate::metrics::Outcome;
use crate::net::{Signal, clock};

/// Makes all requests that follow the one that was `planned`, whatever became of it, and returns the outcome of the
/// last one. A session goes on after the end of the load for as long as requests may, unless the load was
/// stopped before.
pub(super) async fn make_all(
    core: &Rc<CoreState>,
    connections: &mut VuConnections,
    local: u32,
    (mut planned, mut outcome): (Planned, Outcome),
) -> Outcome {
    let mut rest = Rest::new(core);
    while outcome != Outcome::Interrupted
        && !is_closed(core)
        && let Some((number, delay)) = core
            .plan
            .executor
            .trace()
            .and_then(|trace| trace.follower(planned.iteration))
    {
        let due = clock::monotonic() + delay;
        if !rest.until(core, connections, due).await {
            if core.net.signal(connections.task()) == Signal::Hard {
                outcome = Outcome::Interrupted;
            }
            break;
        }
        planned = Planned {
            iteration: number,
            due,
            ready: due,
            ..planned
        };
        let owner = core.owner(planned.sequence);
        (outcome, _) = make(core, connections, local, owner, planned).await;
    }
    rest.end(core, connections);
    outcome
}
