//! A process that stands still for a while: the kernel's stamps tell what the server did meanwhile.

use std::time::Duration;

use crate::common::live::{Dir, Live, document, mock_requests};
use crate::common::{get_json, mock, mock_options, wait_until};
use llmload_uring::mock::MockOptions;
use llmload_uring::units::MILLISECOND;
use rustix::process::Signal;

/// The kernel holds what arrived while the process stood still, so a server that went on was not silent.
#[test]
fn what_arrived_while_the_process_stood_still_is_no_time_out() {
    let profile = "executor: per-vu-iterations\nvus: 100\niterations: 1\nmodels: [m]\nprompts: [Hi]\nrequests:\n  - \
                   { name: r, stream: true, max_tokens: 50, timeout: 60s, first_token_timeout: 2s, idle_timeout: 2s }\n";
    for io in ["auto", "epoll"] {
        let mock = mock(MockOptions {
            gap: 100 * MILLISECOND,
            tokens: 50,
            ..mock_options()
        });
        let dir = Dir::new();
        let (file, output) = (dir.write("p.yaml", profile), dir.path("r.json"));
        let target = format!("http://{}/v1/chat/completions", mock.address);
        let mut live = Live::start(&[&file, "--target", &target, "--io", io, "-o", &output]);
        wait_until("all requests are under way", || {
            mock_requests(mock.address) == 100 || live.is_over()
        });
        live.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(3)); // Longer than each limit, which is what is tested.
        live.signal(Signal::CONT);
        live.wait().expect(0);
        let outcomes = &document(&output)["totals"]["by_outcome"];
        assert_eq!(outcomes, &serde_json::json!({"ok": 100}), "{io}");
    }
}

/// The same clock says what was late: an answer that was whole only after the limit is no good one.
#[test]
fn an_answer_that_ended_after_its_limit_is_a_time_out_however_late_it_is_read() {
    let profile = "executor: per-vu-iterations\nvus: 20\niterations: 1\nmodels: [m]\nprompts: [Hi]\nrequests:\n  - \
                   { name: r, stream: true, max_tokens: 20, timeout: 3s }\n";
    let mock = mock(MockOptions {
        gap: 250 * MILLISECOND,
        tokens: 20,
        ..mock_options()
    });
    let dir = Dir::new();
    let (file, output) = (dir.write("p.yaml", profile), dir.path("r.json"));
    let target = format!("http://{}/v1/chat/completions", mock.address);
    let mut live = Live::start(&[&file, "--target", &target, "-o", &output]);
    wait_until("all requests are under way", || {
        mock_requests(mock.address) == 20 || live.is_over()
    });
    live.signal(Signal::STOP);
    wait_until("all answers are sent", || {
        let stats = get_json(mock.address, "/mock/stats");
        stats["ok"] == 20 || live.is_over()
    });
    live.signal(Signal::CONT);
    live.wait();
    let outcomes = &document(&output)["totals"]["by_outcome"];
    assert_eq!(outcomes, &serde_json::json!({"timeout_total": 20}));
}
