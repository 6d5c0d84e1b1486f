//! Injects bugs on purpose, in debug builds only, so that tests can check how a run reports them. Nothing outside the
//! program can make a VU panic or lose a request, and a release build must not offer a way to.

use std::sync::OnceLock;

use super::core::CoreState;
use super::runtime::spawn;
use crate::metrics::{NumberedBy, RequestId};

/// A request by its VU and iteration, which the details file writes as `v0-2`.
type Request = Option<(u32, u64)>;

/// Names the variable with the id of a request whose VU panics when it has ended.
const PANIC: &str = "LLMLOAD_TEST_PANIC_AFTER";
/// Names the variable with the id of a request after which the executor of its core panics, outside of any VU.
const PANIC_EXECUTOR: &str = "LLMLOAD_TEST_PANIC_EXECUTOR_AFTER";
/// Names the variable with the id of a request whose answer makes its reader panic.
const PANIC_READING: &str = "LLMLOAD_TEST_PANIC_READING";
/// Names the variable with the id of a request that ends without an outcome.
const LOSE: &str = "LLMLOAD_TEST_LOSE";

pub fn panic_after(core: &CoreState, vu: u32, iteration: u64) {
    static CHOSEN: OnceLock<Request> = OnceLock::new();
    static EXECUTOR: OnceLock<Request> = OnceLock::new();
    // The screen would be cleared by it.
    let hostile = "\x1b[2J\n";
    assert!(
        !is_chosen(&CHOSEN, PANIC, vu, iteration),
        "requested{hostile} by {PANIC}"
    );
    if is_chosen(&EXECUTOR, PANIC_EXECUTOR, vu, iteration) {
        spawn(async move { panic!("requested{hostile} by {PANIC_EXECUTOR}") });
        core.net.note_runnable();
    }
}

pub fn panic_reading(id: &RequestId) {
    static CHOSEN: OnceLock<Request> = OnceLock::new();
    if let NumberedBy::Vu(vu) = id.by {
        let is_it = is_chosen(&CHOSEN, PANIC_READING, vu, id.iteration);
        assert!(!is_it, "requested by {PANIC_READING}");
    }
}

pub fn loses(vu: u32, iteration: u64) -> bool {
    static CHOSEN: OnceLock<Request> = OnceLock::new();
    is_chosen(&CHOSEN, LOSE, vu, iteration)
}

fn is_chosen(chosen: &OnceLock<Request>, variable: &str, vu: u32, iteration: u64) -> bool {
    let chosen = chosen.get_or_init(|| std::env::var(variable).ok().and_then(|id| parse(&id)));
    *chosen == Some((vu, iteration))
}

fn parse(id: &str) -> Request {
    let (vu, iteration) = id.strip_prefix('v')?.split_once('-')?;
    Some((vu.parse().ok()?, iteration.parse().ok()?))
}
