//! Two lines of the summary: the times that the server states, and how far ours differ from them.

use crate::output::numbers::{duration, grouped};
use crate::result::{RunResult, TwoClocks};

/// Appends the lines, or nothing if no server has stated a time.
pub fn rows(text: &mut String, result: &RunResult) {
    let Some(timings) = &result.server_timings else {
        return;
    };
    text.push('\n');
    text.push_str(&row("prompt", "ttft longer by", &timings.prompt));
    text.push_str(&row("decode", "ours off by", &timings.decode));
}

fn row(what: &str, difference: &str, c: &TwoClocks) -> String {
    let server = format!(
        "{what:<12}server p50 {} p99 {}",
        duration(c.server_p50),
        duration(c.server_p99)
    );
    if c.compared == 0 {
        return format!("{server}  no stream to compare with\n");
    }
    let over = match c.server_over {
        0 => String::new(),
        n => format!("  {} shorter", grouped(n)),
    };
    format!(
        "{server}  {difference} p50 {} p99 {}{over}\n",
        duration(c.difference_p50),
        duration(c.difference_p99)
    )
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
        let line = row("prompt", "ttft longer by", &clocks);
        assert_eq!(
            line,
            "prompt      server p50 12.0ms p99 30.5ms  ttft longer by p50 1.50ms p99 9.00ms\n"
        );
        assert!(line.len() <= 81);
        clocks.server_over = 3;
        let line = row("decode", "ours off by", &clocks);
        assert!(line.ends_with("p99 9.00ms  3 shorter\n"), "{line}");
        clocks.compared = 0;
        let line = row("decode", "ours off by", &clocks);
        assert_eq!(
            line,
            "decode      server p50 12.0ms p99 30.5ms  no stream to compare with\n"
        );
    }
}
