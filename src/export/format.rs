//! The formats of other tools' result files: what they are called, and what a run keeps for them.

use std::path::{Path, PathBuf};

use crate::error::{Reason, quoted, shown_path};
use crate::export::Document;

/// What a document must have for a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Its figures.
    Figures,
    /// Every request.
    Requests,
    /// Every request with the gaps between its tokens.
    Gaps,
}

/// One format.
#[derive(Debug, PartialEq, Eq)]
pub struct Format {
    pub name: &'static str,
    /// What a run keeps for it.
    pub keeps: Needs,
    /// What a saved document must have at least.
    pub needs: Needs,
    /// Its files: one with the name that was given, or several in the folder that was given.
    pub files: &'static [(&'static str, Document)],
    pub is_folder: bool,
    pub what: &'static str,
}

pub static FORMATS: [Format; 6] = [
    file(
        "vllm",
        Needs::Gaps,
        Needs::Requests,
        Document::Vllm,
        "what `vllm bench serve --save-result` writes",
    ),
    file(
        "vllm-detailed",
        Needs::Gaps,
        Needs::Gaps,
        Document::VllmDetailed,
        "the same with `--save-detailed`: lists of every request",
    ),
    Format {
        name: "aiperf",
        keeps: Needs::Gaps,
        needs: Needs::Requests,
        files: &[
            ("profile_export.jsonl", Document::AiperfRecords),
            ("profile_export_aiperf.json", Document::AiperfSummary),
        ],
        is_folder: true,
        what: "a folder with `profile_export.jsonl` and `profile_export_aiperf.json` of AIPerf",
    },
    file(
        "llm-d",
        Needs::Requests,
        Needs::Figures,
        Document::BenchmarkReport,
        "a Benchmark Report 0.2.1 of llm-d, as JSON",
    ),
    file(
        "k6",
        Needs::Figures,
        Needs::Figures,
        Document::K6Export,
        "what `k6 run --summary-export` writes",
    ),
    file(
        "k6-summary",
        Needs::Figures,
        Needs::Figures,
        Document::K6Summary,
        "the `data` that k6 gives to `handleSummary`, as JSON",
    ),
];

const fn file(
    name: &'static str,
    keeps: Needs,
    needs: Needs,
    document: Document,
    what: &'static str,
) -> Format {
    let files: &'static [(&'static str, Document)] = match document {
        Document::Vllm => &[("", Document::Vllm)],
        Document::VllmDetailed => &[("", Document::VllmDetailed)],
        Document::BenchmarkReport => &[("", Document::BenchmarkReport)],
        Document::K6Export => &[("", Document::K6Export)],
        Document::K6Summary => &[("", Document::K6Summary)],
        Document::AiperfRecords | Document::AiperfSummary => &[],
    };
    Format {
        name,
        keeps,
        needs,
        files,
        is_folder: false,
        what,
    }
}

/// An export that was asked for: `vllm=result.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub format: &'static Format,
    /// The file, or the folder.
    pub path: PathBuf,
}

impl Export {
    /// Returns each file with what is written to it.
    pub fn files(&self) -> impl Iterator<Item = (PathBuf, Document)> {
        self.format.files.iter().map(|(name, document)| {
            let path = match self.format.is_folder {
                true => self.path.join(name),
                false => self.path.clone(),
            };
            (path, *document)
        })
    }

    /// Returns what was asked for as it was written, for the place of an error.
    pub fn place(&self) -> String {
        format!("--export {}={}", self.format.name, shown_path(&self.path))
    }
}

/// Returns the most that any of `exports` wants a run to keep.
pub fn kept(exports: &[Export]) -> Needs {
    let keeps = exports.iter().map(|export| export.format.keeps);
    keeps.max().unwrap_or(Needs::Figures)
}

/// Reads `FORMAT=PATH`.
pub fn parse_export(text: &str) -> Result<Export, Reason> {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let names = names.join(", ");
    let hint = format!("write FORMAT=PATH, such as vllm=result.json; formats: {names}");
    let Some((name, path)) = text.split_once('=') else {
        let what = format!("{} has no `=` between a format and a path", quoted(text));
        return Err(Reason::new(what).hint(hint));
    };
    let Some(format) = FORMATS.iter().find(|format| format.name == name) else {
        let what = format!("{} is not a format that can be exported", quoted(name));
        return Err(Reason::new(what).hint(hint));
    };
    if path.is_empty() {
        let what = format!("{} has no path after `=`", quoted(text));
        return Err(Reason::new(what).hint(hint));
    }
    let export = Export {
        format,
        path: Path::new(path).to_path_buf(),
    };
    if export.format.is_folder && path == "-" {
        let what = format!(
            "{} writes several files, which cannot all go to standard output",
            quoted(name)
        );
        return Err(Reason::new(what).hint("name a folder, which is created"));
    }
    Ok(export)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_a_format_and_a_path_and_anything_else_is_named() {
        let export = parse_export("vllm=a=b.json").unwrap();
        assert_eq!(
            (export.format.name, export.path.to_str()),
            ("vllm", Some("a=b.json"))
        );
        assert_eq!(
            export.files().collect::<Vec<_>>(),
            [("a=b.json".into(), Document::Vllm)]
        );
        let folder = parse_export("aiperf=out").unwrap();
        let files: Vec<_> = folder.files().map(|(path, _)| path).collect();
        assert_eq!(
            files,
            [
                PathBuf::from("out/profile_export.jsonl"),
                PathBuf::from("out/profile_export_aiperf.json")
            ]
        );
        for (text, what) in [
            ("vllm", "has no `=`"),
            ("=x", "`` is not a format"),
            ("VLLM=x", "`VLLM` is not a format"),
            ("guidellm=x", "`guidellm` is not a format"),
            ("vllm=", "has no path"),
            ("aiperf=-", "several files"),
        ] {
            let reason = parse_export(text).unwrap_err().to_string();
            assert!(reason.contains(what), "{text}: {reason}");
        }
    }

    #[test]
    fn a_run_keeps_the_most_that_any_export_wants() {
        let of = |texts: &[&str]| {
            kept(
                &texts
                    .iter()
                    .map(|text| parse_export(text).unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&[]), Needs::Figures);
        assert_eq!(of(&["k6=a"]), Needs::Figures);
        assert_eq!(of(&["k6=a", "llm-d=b"]), Needs::Requests);
        assert_eq!(of(&["aiperf=a", "llm-d=b"]), Needs::Gaps);
    }
}
