//! The section on contention: each server alone and together with the others, side by side.

use crate::error::one_line;
use crate::output::numbers::duration;
use crate::output::text::line;
use crate::result::{Contended, Contention};

/// The number of columns.
const WIDTH: usize = 80;

/// Appends the section; it ends with an empty line.
pub(super) fn contention(text: &mut String, found: &Contention) {
    line!(text, "=== Contention ===");
    line!(
        text,
        "{:<24}{:>6}{:>12}{:>12}{:>10}",
        "",
        "users",
        "alone",
        "together",
        "change"
    );
    for server in &found.servers {
        rows(text, server);
    }
    let change = found
        .combined_share
        .map_or("-".to_owned(), |share| format!("{share:.2} x"));
    line!(
        text,
        "{:<30}{:>12.1}{:>12.1}{:>10}",
        "all tokens/s",
        found.tokens_per_second_alone,
        found.tokens_per_second_together,
        change
    );
    let word = if found.found { "FOUND" } else { "NONE" };
    push_wrapped(text, &format!("{word}: {}", found.verdict));
    line!(text, "");
}

/// Appends words, wrapped at the width of a terminal.
fn push_wrapped(text: &mut String, words: &str) {
    let mut columns = 0;
    for word in one_line(words).split(' ') {
        let width = word.chars().count();
        if columns > 0 && columns + 1 + width > WIDTH {
            text.push('\n');
            columns = 0;
        }
        if columns > 0 {
            text.push(' ');
            columns += 1;
        }
        text.push_str(word);
        columns += width;
    }
    text.push('\n');
}

fn rows(text: &mut String, server: &Contended) {
    let (a, t, r) = (&server.alone, &server.together, &server.ratio);
    let times = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.2} x"));
    line!(text, "  {:<22}{:>6}", one_line(&server.name), server.users);
    for (name, alone, together, change) in [
        ("TTFT p50", a.ttft_p50, t.ttft_p50, r.ttft_p50),
        ("TTFT p99", a.ttft_p99, t.ttft_p99, r.ttft_p99),
        ("TBT p50", a.tbt_p50, t.tbt_p50, r.tbt_p50),
        ("TBT p99", a.tbt_p99, t.tbt_p99, r.tbt_p99),
        ("latency p50", a.latency_p50, t.latency_p50, r.latency_p50),
        ("latency p99", a.latency_p99, t.latency_p99, r.latency_p99),
    ] {
        line!(
            text,
            "    {name:<26}{:>12}{:>12}{:>10}",
            duration(alone),
            duration(together),
            times(change)
        );
    }
    line!(
        text,
        "    {:<26}{:>12.1}{:>12.1}{:>10}",
        "tokens/s",
        a.tokens_per_second,
        t.tokens_per_second,
        times(r.tokens_per_second)
    );
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    line!(
        text,
        "    {:<26}{:>12}{:>12}",
        "timeouts and 503s",
        percent(a.contention_error_rate),
        percent(t.contention_error_rate)
    );
}
