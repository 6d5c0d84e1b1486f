//! Debug builds only: a mistake of ours on purpose, so that tests can see what exit code 1 comes with. Nothing of
//! the outside can make a VU panic, and a release build must not have a way to.

use std::sync::OnceLock;

/// `v0-2`: the request of this id, as details have it, panics when it has ended.
const VARIABLE: &str = "LLMLOAD_TEST_PANIC_AFTER";

pub fn panic_after(vu: u32, iteration: u64) {
    static CHOSEN: OnceLock<Option<(u32, u64)>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var(VARIABLE).ok().and_then(|id| parse(&id)));
    assert!(*chosen != Some((vu, iteration)), "asked to by {VARIABLE}");
}

fn parse(id: &str) -> Option<(u32, u64)> {
    let (vu, iteration) = id.strip_prefix('v')?.split_once('-')?;
    Some((vu.parse().ok()?, iteration.parse().ok()?))
}
