//! `cancel`: which requests their users cancel, in a document or of one kind of request.

use crate::config::document::reader::{Fields, Reader, is_mapping};
use crate::error::{Reason, ValueError};
use crate::plan::{parse_cancel, parse_cancel_time, parse_cancel_tokens, parse_share};
use crate::workload::{Cancel, CancelAt, Share};

const KEYS: [&str; 3] = ["share", "after_tokens", "after"];
const EXAMPLE: &str =
    "write for example `cancel: { share: 10%, after_tokens: 5 }`, or `after: 500ms` in its place";

/// Reads it: a mapping, or a text as the option has it. `None` without the key, and if it is wrong.
pub fn read_cancel(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Cancel> {
    let node = fields.node("cancel")?;
    if !is_mapping(node) {
        return reader.parsed(fields, "cancel", "a share and a point", |text| {
            parse_cancel(text).map_err(ValueError::into_reason)
        });
    }
    let name = format!("{}cancel", fields.path);
    let own = reader.mapping(&name, node, &KEYS)?;
    reader.required(&own, "share", EXAMPLE);
    let share = reader.parsed(&own, "share", "a share", |text| {
        parse_share(text).map_err(ValueError::into_reason)
    });
    let tokens = reader.parsed(&own, "after_tokens", "a number of tokens or a range", |text| {
        parse_cancel_tokens(text).map_err(ValueError::into_reason)
    });
    let time = reader.parsed(&own, "after", "a time or a range", |text| {
        parse_cancel_time(text).map_err(ValueError::into_reason)
    });
    match (own.meant("after_tokens"), own.meant("after")) {
        (false, false) => {
            let what = format!("`{name}` does not say after what");
            reader.mistake(own.line, Reason::new(what).hint(EXAMPLE));
        }
        (true, true) => {
            let what = format!("`{name}.after` contradicts `{name}.after_tokens`");
            reader.mistake(own.line_of("after"), Reason::new(what).hint("remove one of them"));
        }
        _ => {}
    }
    let at = tokens.map(CancelAt::Tokens).or(time.map(CancelAt::After))?;
    Some(Cancel { share: share?, at })
}

/// Returns what a kind of request has if it says nothing itself: a share of tokens is for streams alone.
pub fn inherited_cancel(outer: Option<Cancel>, streamed: bool) -> Option<Cancel> {
    outer.filter(|cancel| streamed || matches!(cancel.at, CancelAt::After(_)))
}

/// Leaves out a share of none.
pub fn some_cancel(cancel: Cancel) -> Option<Cancel> {
    (cancel.share != Share::NONE).then_some(cancel)
}
