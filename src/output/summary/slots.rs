//! How long servers went on with requests that were over for the client.

use super::page::Page;
use crate::output::numbers::grouped;
use crate::result::{RunResult, SlotFreeFigures};
use crate::units::time;

/// Appends a row for each server of which it is known.
pub(super) fn rows(page: &mut Page, result: &RunResult) {
    for figures in &result.slot_free {
        if let Some(text) = known(figures) {
            page.prose("slot free", &text);
        }
    }
}

/// Appends why it is not known of the others.
pub(super) fn reasons(page: &mut Page, result: &RunResult) {
    for figures in &result.slot_free {
        if let Some(why) = &figures.not_judged {
            let server = of_server(figures);
            page.prose("slot free", &format!("not judged{server}: {why}"));
        }
    }
}

fn known(figures: &SlotFreeFigures) -> Option<String> {
    let (mean, at_most, error) = (figures.mean?, figures.mean_at_most?, figures.error?);
    let server = of_server(figures);
    let cut = match figures.cut {
        1 => "the cut of 1 request".to_owned(),
        n => format!("the cut, mean of {} requests", grouped(n)),
    };
    let more = match figures.still_held {
        0 => "",
        _ => " or more",
    };
    let mut text = format!(
        "{}{more} after {cut}{server} (error {}, at most {})",
        time(mean),
        time(error),
        time(at_most)
    );
    if figures.still_held > 0 {
        text.push_str(&format!(
            "; {} still held at the end",
            grouped(figures.still_held)
        ));
    }
    Some(text)
}

fn of_server(figures: &SlotFreeFigures) -> String {
    let server = figures.server.as_deref();
    server.map_or(String::new(), |name| format!(" at {name}"))
}
