//! Parses text into a YAML tree with positions, within limits: size, depth, one document, no anchors, no tags.

use crate::error::{Mistake, Mistakes, Reason, quoted};
use saphyr::{MarkedYaml, YamlLoader};
use saphyr_parser::{Event, Parser, ScanError, Span, SpannedEventReceiver};
use std::collections::HashSet;

/// The largest document. A workload with a thousand prompts of a thousand bytes fits.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// The largest depth. Valid documents have at most 5 levels, and dropping a tree recurses once per level.
const DEPTH_MAX: usize = 16;

/// Reads one document. Repeated keys are added to `mistakes`. Fails if there is no tree.
pub fn read_tree<'t>(
    file: &str,
    text: &'t str,
    mistakes: &mut Vec<Mistake>,
) -> Result<MarkedYaml<'t>, Mistakes> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let what = format!(
            "{} bytes are more than the limit of {DOCUMENT_BYTES_MAX}",
            text.len()
        );
        return Err(Reason::new(what).at(file, 0).into());
    }
    let mut loader: YamlLoader<'t, MarkedYaml<'t>> = YamlLoader::default();
    loader.early_parse(false);
    loader.allow_duplicate_keys(true);
    let mut guard = Guard::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| syntax(file, &e))?;
        if let Some(reason) = guard.check(&event) {
            return Err(reason.at(file, span.start.line()).into());
        }
        guard.note_key(&event, span);
        loader.on_event(event, span);
    }
    if let Some(e) = loader.error() {
        return Err(syntax(file, e));
    }
    for (key, line) in guard.repeated {
        mistakes.push(Reason::new(format!("key {} is given twice", quoted(&key))).at(file, line));
    }
    match loader.into_documents().into_iter().next() {
        Some(root) => Ok(root),
        None => Err(Reason::new("the document is empty")
            .hint("`llmload-uring profiles show smoke` prints one to start from")
            .at(file, 1)
            .into()),
    }
}

fn syntax(file: &str, e: &ScanError) -> Mistakes {
    let what = format!("invalid YAML: {}", e.info());
    Reason::new(what).at(file, e.marker().line()).into()
}

/// Checks the events before a tree is built from them.
#[derive(Default)]
struct Guard {
    documents: usize,
    open: Vec<Open>,
    repeated: Vec<(String, usize)>,
}

/// A mapping or list that is not closed yet.
struct Open {
    is_mapping: bool,
    at_key: bool,
    keys: HashSet<String>,
}

impl Guard {
    /// Returns the reason why an event is not allowed, if there is one.
    fn check(&mut self, event: &Event<'_>) -> Option<Reason> {
        let (anchor, tag) = match event {
            Event::Alias(_) => return Some(no_anchors()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                let second = Reason::new("a second document begins").hint("use one document per file");
                return (self.documents > 1).then_some(second);
            }
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                if self.open.len() == DEPTH_MAX {
                    return Some(Reason::new(format!(
                        "nested deeper than the limit of {DEPTH_MAX}"
                    )));
                }
                (*anchor, tag)
            }
            _ => return None,
        };
        if anchor > 0 {
            return Some(no_anchors());
        }
        tag.as_ref().map(|tag| {
            let what = format!("tag {} is not supported here", quoted(&tag.to_string()));
            Reason::new(what).hint("write the plain value")
        })
    }

    fn note_key(&mut self, event: &Event<'_>, span: Span) {
        match event {
            Event::Scalar(text, ..) => {
                if let Some(open) = self.open.last_mut()
                    && open.is_mapping
                    && open.at_key
                    && !open.keys.insert(text.to_string())
                {
                    self.repeated.push((text.to_string(), span.start.line()));
                }
                self.value_done();
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => self.open.push(Open {
                is_mapping: matches!(event, Event::MappingStart(..)),
                at_key: true,
                keys: HashSet::new(),
            }),
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
                self.value_done();
            }
            _ => {}
        }
    }

    /// Notes that a value is complete: in a mapping, keys and values alternate.
    fn value_done(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.at_key = !open.at_key;
        }
    }
}

fn no_anchors() -> Reason {
    Reason::new("anchors and aliases are not supported").hint("repeat the value instead")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read_tree("p.yaml", text, &mut Vec::new())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn documents_that_could_exhaust_memory_are_refused_with_their_line() {
        assert!(refused("a: &x 1\nb: *x").starts_with("error: p.yaml:1: anchors"));
        assert!(refused("a: 1\n---\nb: 1").contains("second document"));
        assert!(refused("a: !!str 1").contains("tag"));
        assert!(refused("a: 1\nb: !mine {}").starts_with("error: p.yaml:2: tag"));
        assert!(refused(&format!("a: {}", "[".repeat(200))).contains("deeper than the limit of 16"));
        assert!(refused(&"- ".repeat(100_000)).contains("deeper than the limit of 16"));
        assert!(refused(&"? ".repeat(100_000)).contains("deeper than the limit of 16"));
        assert!(
            refused(&" ".repeat(DOCUMENT_BYTES_MAX + 1)).contains("1048577 bytes are more than the limit")
        );
        assert!(refused("").contains("empty"));
        assert!(refused("# nothing\n").contains("empty"));
        assert!(refused("a: [1, 2").starts_with("error: p.yaml:"));
        assert!(refused("a: 1\n b: 2\n\tc").contains("invalid YAML"));
    }

    #[test]
    fn all_repeated_keys_are_reported_with_their_lines() {
        let mut mistakes = Vec::new();
        read_tree(
            "p.yaml",
            "a: {x: 1, 'x': 2}\nb: [{x: 1}, {x: 2}]\na: 3",
            &mut mistakes,
        )
        .unwrap();
        let lines: Vec<(usize, &str)> = mistakes
            .iter()
            .map(|m| (m.line(), m.reason.what.as_str()))
            .collect();
        assert_eq!(
            lines,
            [(1, "key `x` is given twice"), (3, "key `a` is given twice")]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_loader_panic(text in "[-a-c:?,\\[\\]{}&*!|>#'\" \n\t]{0,80}") {
            let _ = read_tree("p.yaml", &text, &mut Vec::new());
        }
    }
}
