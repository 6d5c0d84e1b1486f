//! The driver's tests once more, on a ring in trouble, in a process of their own. The other end of their connections is
//! a plain socket: bytes arrive whole and in order, closes reach the peer, and no descriptor and no buffer is left.

use std::process::Command;

use crate::alone;
use crate::load::io;
use crate::skipped::skipped;
use llmload_uring::host::Io;

/// These count reads, completions or buffers, send again before the last send has been said to be out, or are of timers
/// alone.
const EXACT: [&str; 5] = [
    "a_thousand_sleeps_end_in_the_order_of_their_deadlines",
    "a_chunk_that_is_dropped_unread_gives_its_buffer_back",
    "a_flood_that_uses_all_buffers_is_counted_and_loses_nothing",
    "data_for_idle_connections_holds_no_buffer_and_ends_them",
    "kernel_stamps_lie_between_send_and_reap_and_never_go_back",
];

#[test]
fn the_driver_keeps_its_word_on_a_ring_in_trouble() {
    let _alone = alone();
    if io() != Io::Uring || !cfg!(debug_assertions) {
        let test = "the_driver_keeps_its_word_on_a_ring_in_trouble";
        return skipped(test, "io_uring, in a debug build");
    }
    for troubles in [
        "1",
        "2",
        "3:interrupted,late",
        "4:ends,shortage,short",
        "5:race,late",
    ] {
        let mut tests = Command::new(std::env::current_exe().unwrap());
        tests
            .arg("net::")
            .args(EXACT.iter().flat_map(|name| ["--skip", *name]));
        let ended = tests
            .env("LLMLOAD_TEST_RING_TROUBLES", troubles)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "troubles {troubles}: {said}");
        assert!(said.contains("a_close_as_the_last_act_of_a_core"), "{said}");
    }
}
