//! The section on contention: each server alone and together with the others, side by side.

use super::page::{Page, Table};
use crate::output::numbers::duration;
use crate::result::{Contended, Contention};
use crate::units::{percent, rate};

/// Appends the whole section.
pub(super) fn full(page: &mut Page, found: &Contention) {
    page.line("=== Contention ===");
    let mut table = Table::new("", &[("users", 1), ("alone", 0), ("together", 0), ("change", 0)]);
    for server in &found.servers {
        rows(&mut table, server);
    }
    table.row("all tokens/s", all(found));
    table.write(page);
    verdict(page, found);
}

/// Appends what each server keeps of its pace, and the verdict.
pub(super) fn brief(page: &mut Page, found: &Contention) {
    let columns = [
        ("users", 2),
        ("ttft p50", 1),
        ("together", 1),
        ("tok/s", 0),
        ("together", 0),
        ("change", 0),
    ];
    let mut table = Table::new("each alone", &columns);
    for Contended {
        name,
        users,
        alone,
        together,
        ratio,
    } in &found.servers
    {
        let cells = vec![
            users.to_string(),
            duration(alone.ttft_p50),
            duration(together.ttft_p50),
            rate(alone.tokens_per_second),
            rate(together.tokens_per_second),
            times(ratio.tokens_per_second),
        ];
        table.row(name, cells);
    }
    let [users, alone, together, change] = &all(found)[..] else {
        return;
    };
    let none = String::new;
    table.row(
        "all",
        vec![
            users.clone(),
            none(),
            none(),
            alone.clone(),
            together.clone(),
            change.clone(),
        ],
    );
    table.write(page);
    verdict(page, found);
}

fn verdict(page: &mut Page, found: &Contention) {
    let word = if found.found { "FOUND: " } else { "" };
    page.prose("contention", &format!("{word}{}", found.verdict));
}

fn times(x: Option<f64>) -> String {
    x.map_or("-".to_owned(), |x| format!("{x:.2} x"))
}

fn all(found: &Contention) -> Vec<String> {
    vec![
        String::new(),
        rate(found.tokens_per_second_alone),
        rate(found.tokens_per_second_together),
        times(found.combined_share),
    ]
}

fn rows(table: &mut Table, server: &Contended) {
    let (a, t, r) = (&server.alone, &server.together, &server.ratio);
    let none = String::new;
    table.row(
        &server.name,
        vec![server.users.to_string(), none(), none(), none()],
    );
    for (name, alone, together, change) in [
        ("TTFT p50", a.ttft_p50, t.ttft_p50, r.ttft_p50),
        ("TTFT p99", a.ttft_p99, t.ttft_p99, r.ttft_p99),
        ("TBT p50", a.tbt_p50, t.tbt_p50, r.tbt_p50),
        ("TBT p99", a.tbt_p99, t.tbt_p99, r.tbt_p99),
        ("latency p50", a.latency_p50, t.latency_p50, r.latency_p50),
        ("latency p99", a.latency_p99, t.latency_p99, r.latency_p99),
    ] {
        let cells = vec![none(), duration(alone), duration(together), times(change)];
        table.row(&format!("  {name}"), cells);
    }
    let kept = times(r.tokens_per_second);
    table.row(
        "  tokens/s",
        vec![none(), rate(a.tokens_per_second), rate(t.tokens_per_second), kept],
    );
    let (alone, together) = (percent(a.contention_error_rate), percent(t.contention_error_rate));
    table.row("  timeouts and 503s", vec![none(), alone, together, none()]);
}
