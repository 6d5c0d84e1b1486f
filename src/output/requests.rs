//! Writes the first figures of the summary: how many requests there were, and how many of them ended.

use crate::output::numbers::{grouped, success};
use crate::output::text::line;
use crate::result::Totals;

/// Writes the rows. If the end has cut requests, the number of finished ones comes first, because a share of good ones
/// says little then.
pub(super) fn rows(text: &mut String, t: &Totals) {
    let ok = format!("ok {} ({})", grouped(t.ok), success(t.ok, t.failed));
    let failed = grouped(t.failed);
    let all = grouped(t.requests);
    match t.interrupted {
        0 => line!(text, "requests    {all}  {ok}  failed {failed}  interrupted 0"),
        cut => {
            line!(
                text,
                "requests    {} of {all} finished, {} still running after up to {:.1} s",
                grouped(t.ok + t.failed),
                grouped(cut),
                t.interrupted_elapsed_max_seconds
            );
            line!(text, "finished    {ok}  failed {failed}");
        }
    }
    if t.dropped_iterations > 0 {
        let dropped = grouped(t.dropped_iterations);
        line!(text, "dropped     {dropped} iterations that no VU could take");
    }
}
