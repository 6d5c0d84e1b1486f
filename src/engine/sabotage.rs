//! Debug builds only: mistakes of ours on purpose, so that tests can see what becomes of one. Nothing of the outside
//! can make a VU panic or a request go uncounted, and a release build must not have a way to.

use std::sync::OnceLock;

/// A request by its VU and iteration; `v0-2` as details have it.
type Request = Option<(u32, u64)>;

/// The request of this id panics when it has ended.
const PANIC: &str = "LLMLOAD_TEST_PANIC_AFTER";
/// The request of this id ends without an outcome.
const LOSE: &str = "LLMLOAD_TEST_LOSE";

pub fn panic_after(vu: u32, iteration: u64) {
    static CHOSEN: OnceLock<Request> = OnceLock::new();
    assert!(!is_chosen(&CHOSEN, PANIC, vu, iteration), "asked to by {PANIC}");
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
