//! Two lines of the summary: the times that the server states, and how far ours differ from them.

use super::page::Page;
use crate::output::numbers::{duration, grouped};
use crate::result::{RunResult, TwoClocks};

/// Appends the lines, or nothing if no server has stated a time.
pub(super) fn rows(page: &mut Page, result: &RunResult) {
    let Some(timings) = &result.server_timings else {
        return;
    };
    page.row("prompt", &cells("ttft is longer by", &timings.prompt));
    page.row("decode", &cells("ours differs by", &timings.decode));
}

fn cells(difference: &str, c: &TwoClocks) -> Vec<String> {
    let server = format!(
        "server p50 {} p99 {}",
        duration(c.server_p50),
        duration(c.server_p99)
    );
    if c.compared == 0 {
        return vec![server, "no stream to compare with".to_owned()];
    }
    let (p50, p99) = (duration(c.difference_p50), duration(c.difference_p99));
    let mut cells = vec![server, format!("{difference} p50 {p50} p99 {p99}")];
    if c.server_over > 0 {
        let (shorter, all) = (grouped(c.server_over), grouped(c.compared));
        cells.push(format!("ours is shorter in {shorter} of {all}"));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_the_servers_figure_the_difference_and_contradictions() {
        let mut clocks = TwoClocks {
            stated: 20,
            compared: 20,
            server_p50: Some(12.0),
            server_p99: Some(30.5),
            client_p50: Some(14.0),
            client_p99: Some(40.0),
            difference_p50: Some(1.5),
            difference_p99: Some(9.0),
            server_over: 0,
        };
        assert_eq!(
            cells("ttft is longer by", &clocks),
            [
                "server p50 12.0ms p99 30.5ms",
                "ttft is longer by p50 1.50ms p99 9.00ms"
            ]
        );
        clocks.server_over = 3;
        assert_eq!(cells("ours differs by", &clocks)[2], "ours is shorter in 3 of 20");
        clocks.compared = 0;
        assert_eq!(
            cells("ours differs by", &clocks),
            ["server p50 12.0ms p99 30.5ms", "no stream to compare with"]
        );
    }
}
