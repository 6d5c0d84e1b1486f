//! Thresholds on the command line and in a document, there in k6's forms: a text, a list of texts, or
//! `{threshold: ..., abortOnFail: true, delayAbortEval: 10s, steady: true}` instead of a text.

use crate::config::ThresholdConfig;
use crate::config::document::reader::{Fields, Node, Reader, line};
use crate::error::{Mistake, Place, Reason, quoted};
use crate::plan::{DURATION_MAX, THRESHOLDS_MAX};
use saphyr::YamlData;

const LONG_KEYS: [&str; 4] = ["threshold", "abortOnFail", "delayAbortEval", "steady"];

pub fn read_thresholds(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    key: &str,
    file: &str,
) -> Vec<ThresholdConfig> {
    let Some(node) = fields.node(key) else {
        return Vec::new();
    };
    let Some(thresholds) = reader.open_mapping("thresholds", node) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for metric in thresholds.keys() {
        let Some(value) = thresholds.node(metric) else {
            continue;
        };
        let name = format!("thresholds.{metric}");
        match &value.data {
            YamlData::Mapping(_) => out.extend(read_long(reader, metric, &name, value, file)),
            YamlData::Sequence(_) => {
                let items = reader
                    .list(&thresholds, metric, THRESHOLDS_MAX)
                    .unwrap_or_default();
                for (i, item) in items.iter().enumerate() {
                    let name = format!("{name}[{i}]");
                    match &item.data {
                        YamlData::Mapping(_) => out.extend(read_long(reader, metric, &name, item, file)),
                        _ => {
                            let text = reader.item_text(&name, item);
                            out.extend(
                                text.map(|text| without_abort(metric, text, Place::file(file, line(item)))),
                            );
                        }
                    }
                }
            }
            _ => {
                let place = Place::file(file, thresholds.line_of(metric));
                let texts = reader.one_or_more(&thresholds, metric, THRESHOLDS_MAX);
                out.extend(
                    texts
                        .iter()
                        .map(|(text, _)| without_abort(metric, text, place.clone())),
                );
            }
        }
    }
    out
}

fn without_abort(metric: &str, expression: &str, place: Place) -> ThresholdConfig {
    ThresholdConfig {
        metric: metric.to_owned(),
        expression: expression.to_owned(),
        abort_on_fail: false,
        delay_abort_eval: None,
        place,
    }
}

fn read_long(
    reader: &mut Reader<'_>,
    metric: &str,
    name: &str,
    node: &Node<'_>,
    file: &str,
) -> Option<ThresholdConfig> {
    let fields = reader.mapping(name, node, &LONG_KEYS)?;
    reader.required(&fields, "threshold", "add an expression such as `p(95)<500`");
    let expression = reader.parsed(&fields, "threshold", "an expression", |text| Ok(text.to_owned()));
    let abort = reader.boolean(&fields, "abortOnFail").unwrap_or(false);
    let delay = reader.duration(&fields, "delayAbortEval", 0..=DURATION_MAX);
    let metric = match reader.boolean(&fields, "steady") {
        Some(true) => while_steady(metric),
        _ => metric.to_owned(),
    };
    Some(ThresholdConfig {
        abort_on_fail: abort,
        delay_abort_eval: delay,
        ..without_abort(&metric, &expression?, Place::file(file, fields.line))
    })
}

/// Returns the key with the tag that asks it of the steady part alone.
fn while_steady(metric: &str) -> String {
    match metric.trim_end().strip_suffix('}') {
        Some(tags) => format!("{tags},steady:true}}"),
        None => format!("{}{{steady:true}}", metric.trim_end()),
    }
}

/// Appends thresholds of the form `METRIC: EXPRESSION` to `list`. Several in one text, as in a variable, are separated
/// by `;`.
pub fn read_options(texts: &[String], list: &mut Vec<ThresholdConfig>, mistakes: &mut Vec<Mistake>) {
    let texts = texts.iter().flat_map(|text| text.split(';'));
    for text in texts.filter(|text| !text.trim().is_empty()) {
        // The colon after the tags, because each tag has one as well.
        let tags_end = text.find('}').unwrap_or(0);
        match text[tags_end..].find(':') {
            Some(at) => {
                let (metric, rest) = text.split_at(tags_end + at);
                list.push(without_abort(
                    metric.trim(),
                    rest[1..].trim(),
                    Place::option("--threshold"),
                ));
            }
            None => {
                let reason = Reason::new(format!("{} has no metric and expression", quoted(text)))
                    .hint("write `--threshold 'latency: p(95)<500'`");
                mistakes.push(reason.at("--threshold", 0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::read_document;
    use crate::config::to_plan;
    use crate::plan::Plan;
    use crate::units::SECOND;

    fn document(thresholds: &str) -> String {
        format!(
            "executor: constant-vus\nduration: 10s\nmodels: [a]\nprompts: [Hi]\n\
             requests:\n  - {{ name: slow, stream: true, max_tokens: 20 }}\nthresholds:\n{thresholds}"
        )
    }

    fn plan(thresholds: &str) -> Plan {
        let (config, mistakes) = read_document("p", "p.yaml", &document(thresholds)).unwrap();
        assert_eq!(mistakes, []);
        to_plan(&config).unwrap()
    }

    fn refused(thresholds: &str) -> String {
        let (config, mut mistakes) = read_document("p", "p.yaml", &document(thresholds)).unwrap();
        mistakes.extend(to_plan(&config).err().unwrap_or_default());
        let texts: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        texts.join("\n")
    }

    #[test]
    fn k6s_forms_are_read() {
        let plan = plan(
            "  latency: p(95)<3000\n  \"ttft{stream:true}\": [p(99)<500, \"max < 900\"]\n  \
             http_req_failed:\n    - rate<0.1\n    - threshold: rate<0.5\n      abortOnFail: true\n      \
             delayAbortEval: 10s\n  iterations: { threshold: count>1, abortOnFail: true }\n",
        );
        let rows: Vec<(&str, &str, Option<u64>)> = plan
            .thresholds
            .iter()
            .map(|t| (t.key.as_str(), t.text.as_str(), t.abort_after))
            .collect();
        assert_eq!(
            rows,
            [
                ("latency", "p(95)<3000", None),
                ("ttft{stream:true}", "p(99)<500", None),
                ("ttft{stream:true}", "max < 900", None),
                ("http_req_failed", "rate<0.1", None),
                ("http_req_failed", "rate<0.5", Some(10 * SECOND)),
                ("iterations", "count>1", Some(0)),
            ]
        );
    }

    #[test]
    fn a_key_with_tags_needs_no_quotes() {
        let plan = plan("  latency{stream:true}: p(95)<3000\n");
        assert_eq!(plan.thresholds[0].selector.stream, Some(true));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let text = refused("  latency:\n    - { threshold: p(95)<1, abortOnFial: true }\n");
        assert!(
            text.contains("p.yaml:9: unknown key `thresholds.latency[0].abortOnFial`"),
            "{text}"
        );
        assert!(text.contains("did you mean `abortOnFail`?"), "{text}");
        let text = refused("  latency: { abortOnFail: true }\n");
        assert!(
            text.contains("missing key `thresholds.latency.threshold`"),
            "{text}"
        );
        let text = refused("  latency{request:slwo}: p(95)<1\n");
        assert!(text.contains("p.yaml:8: no request `slwo` in the mix"), "{text}");
        assert!(text.contains("did you mean `slow`?"), "{text}");
        let text = refused("  latency: [[1]]\n");
        assert!(
            text.contains("`thresholds.latency[0]` is a list, not a string"),
            "{text}"
        );
    }

    #[test]
    fn options_are_split_at_the_colon_after_the_tags() {
        let mut list = Vec::new();
        let mut mistakes = Vec::new();
        let texts = [
            "ttft{stream:true}: p(99)<500".to_owned(),
            "failed:rate<0.1; latency : max<1;".to_owned(),
        ];
        read_options(&texts, &mut list, &mut mistakes);
        assert_eq!(mistakes, []);
        let rows: Vec<(&str, &str)> = list
            .iter()
            .map(|t| (t.metric.as_str(), t.expression.as_str()))
            .collect();
        let expected = [
            ("ttft{stream:true}", "p(99)<500"),
            ("failed", "rate<0.1"),
            ("latency", "max<1"),
        ];
        assert_eq!(rows, expected);
        read_options(&["p(95)<1".to_owned()], &mut list, &mut mistakes);
        assert_eq!((list.len(), mistakes.len()), (3, 1));
        assert!(
            mistakes[0]
                .to_string()
                .contains("write `--threshold 'latency: p(95)<500'`")
        );
    }
}
