//! Two lines of the summary: what the server says of its own times, and how far ours are from it.

use crate::output::numbers::{duration, grouped};
use crate::result::{RunResult, TwoClocks};

/// Nothing where no server has stated a time.
pub fn rows(text: &mut String, result: &RunResult) {
    let Some(timings) = &result.server_timings else {
        return;
    };
    text.push('\n');
    text.push_str(&row("prompt", "ttft is longer by", &timings.prompt));
    text.push_str(&row("decode", "ours differs by", &timings.decode));
}

fn row(what: &str, difference: &str, c: &TwoClocks) -> String {
    let server = format!(
        "server says {what} p50 {} p99 {}",
        duration(c.server_p50),
        duration(c.server_p99)
    );
    if c.compared == 0 {
        return format!("{server}; no stream to compare with\n");
    }
    let over = match c.server_over {
        0 => String::new(),
        n => format!(" ({} shorter)", grouped(n)),
    };
    format!(
        "{server}; {difference} p50 {} p99 {}{over}\n",
        duration(c.difference_p50),
        duration(c.difference_p99)
    )
}
