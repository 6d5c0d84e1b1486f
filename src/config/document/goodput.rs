//! `goodput`: the limits that a good request meets, in a document or of one kind of request.

use crate::config::document::reader::{Fields, Reader, is_mapping};
use crate::error::Reason;
use crate::metrics::Goodput;
use crate::plan::{good_metric, parse_goodput, parse_limit};

/// Reads the limits: a mapping of metrics and times, or a text as the option has it. `None` without the key.
pub fn read_goodput(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Goodput> {
    let node = fields.node("goodput")?;
    if !is_mapping(node) {
        return reader.parsed(fields, "goodput", "limits such as `{ttft: 500ms}`", |text| {
            parse_goodput(text).map_err(|e| e.reason().clone())
        });
    }
    let path = format!("{}goodput", fields.path);
    let limits = reader.open_mapping(&path, node)?;
    if limits.keys().next().is_none() {
        let what = format!("`{path}`: no limit is given");
        let hint = "write for example `goodput: { ttft: 500ms, tpot: 30ms }`, or leave it out";
        reader.mistake(fields.line_of("goodput"), Reason::new(what).hint(hint));
    }
    let mut goodput = Goodput::default();
    for name in limits.keys() {
        let metric = match good_metric(name) {
            Ok(metric) => metric,
            Err(reason) => {
                reader.mistake(limits.line_of(name), reason.within(format!("`{path}`")));
                continue;
            }
        };
        let limit = reader.parsed(&limits, name, "a time", |text| {
            parse_limit(text).map_err(|e| e.reason().clone())
        });
        if let Some(at_most) = limit
            && !goodput.limit(metric, at_most)
        {
            let what = format!("`{path}.{name}` is a second limit of `{}`", metric.key());
            reader.mistake(limits.line_of(name), Reason::new(what).hint("give it one"));
        }
    }
    Some(goodput)
}

/// Reads the limits of a light request, which has no text.
pub fn read_light_goodput(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Goodput> {
    let goodput = read_goodput(reader, fields)?;
    for (metric, _) in goodput.limits() {
        if Goodput::is_of_text(*metric) {
            let what = format!(
                "`{}goodput.{}` has no effect with kind `light`",
                fields.path,
                metric.key()
            );
            let hint = "a light request has no tokens; use latency, service_time or ttfb";
            reader.mistake(fields.line_of("goodput"), Reason::new(what).hint(hint));
        }
    }
    Some(goodput.without_text())
}
