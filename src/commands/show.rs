//! The subcommand `show`: a saved result once more, in another form if asked for.

use crate::cli::{ShowArgs, ShowFormat, Summary};
use crate::commands::saved::{Document, Saved};
use crate::error::{ExitCode, Failure, Reason, escape, safe_json};
use crate::export::{Export, Rows, check};
use crate::json::JsonError;
use crate::output::{ExportFiles, OutputFile, View, summary};
use crate::result::{Detail, RunResult, each_detail};
use crate::tables::{self, EachRequest, TableFolder};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::path::Path;

/// The bytes of a document that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is shown, which may be as long as a document's details.
#[derive(Debug)]
pub struct Shown(Content);

#[derive(Debug)]
enum Content {
    Text(String),
    Document(Document),
}

/// Reads the document, and writes the file if one is named.
pub fn show(args: &ShowArgs) -> Result<Shown, Failure> {
    if args.summary.is_some() && args.format() != ShowFormat::Text {
        let reason = Reason::new("only the text of a run has a longer and a shorter form");
        let reason = reason.hint("leave it out, or use `--format text`");
        return Err(Failure::new(ExitCode::Config, reason.at("--summary", 0)));
    }
    let file = args.output.as_deref().map(OutputFile::prepare).transpose()?;
    let file = file.filter(|file| !file.is_standard_output());
    let exports = ExportFiles::prepare(&args.exports, &[("--output", args.output.as_deref())])?;
    let document = Document::load(&args.document)?;
    let mut saved = export(&document, &args.exports, &exports)?;
    if let Some(folder) = &args.csv {
        saved.push(write_tables(&document, folder)?);
    }
    let shown = match args.format() {
        _ if !args.is_printed() => Shown(Content::Text(String::new())),
        ShowFormat::Text => Shown(Content::Text(text(&document, args.summary, file.is_none())?)),
        ShowFormat::Md => Shown(Content::Text(markdown(&document)?)),
        ShowFormat::Csv => Shown(Content::Text(csv(&document)?)),
        ShowFormat::Json => Shown(Content::Document(document)),
    };
    let rest = match file {
        None => shown,
        Some(file) => {
            file.write_with(|out| shown.write_to(out))?;
            saved.push(file.name());
            Shown(Content::Text(String::new()))
        }
    };
    match rest {
        Shown(Content::Text(text)) if text.is_empty() => {
            let line = match saved.is_empty() {
                true => String::new(),
                false => format!("Saved to {}\n", saved.join(", ")),
            };
            Ok(Shown(Content::Text(line)))
        }
        printed => Ok(printed),
    }
}

/// Returns the Markdown of a document.
fn markdown(document: &Document) -> Result<String, Failure> {
    match &document.saved {
        Saved::Run(result) => Ok(tables::of_run(result)),
        Saved::Search(found) => tables::of_search(found).ok_or_else(|| without_text(document)),
        Saved::Comparison(found) => tables::of_comparison(found).ok_or_else(|| without_text(document)),
    }
}

/// Returns the figures of a document as one table.
fn csv(document: &Document) -> Result<String, Failure> {
    let mut out = Vec::new();
    match &document.saved {
        Saved::Run(result) => tables::figures(result, &mut out),
        Saved::Search(found) => tables::probes(found, &mut out),
        Saved::Comparison(_) => return Err(of_comparison(document)),
    }
    .map_err(Failure::internal)?;
    String::from_utf8(out).map_err(Failure::internal)
}

fn of_comparison(document: &Document) -> Failure {
    let reason = Reason::new("this is a comparison, which `show` prints as text, Markdown or JSON");
    document.refused(reason.hint("compare the runs again: `llmload-uring compare BASE NEW --format csv`"))
}

/// Writes the tables of a document, and returns the name of their folder.
fn write_tables(document: &Document, folder: &Path) -> Result<String, Failure> {
    let written = match &document.saved {
        Saved::Comparison(_) => return Err(of_comparison(document)),
        Saved::Search(found) => TableFolder::of_search(folder)?.write_search(found),
        Saved::Run(result) => {
            let tables = TableFolder::of_run(folder)?;
            let mut each = |take: &mut dyn FnMut(&Detail) -> io::Result<()>| {
                let listed = each_detail(document.open()?, |_, detail| take(detail).map_err(Stopped));
                listed.map(drop).map_err(|Stopped(error)| error)
            };
            let each: &mut EachRequest<'_> = &mut each;
            tables.write_run(result, result.details.is_some().then_some(each))
        }
    };
    written.map_err(|mut unwritten| unwritten.failures.swap_remove(0))
}

/// Writes the exports of a run, if the document has what they need. Returns the names of the files.
fn export(document: &Document, exports: &[Export], files: &ExportFiles) -> Result<Vec<String>, Failure> {
    let result = match &document.saved {
        _ if exports.is_empty() => return Ok(Vec::new()),
        Saved::Run(result) => result,
        Saved::Search(_) | Saved::Comparison(_) => {
            let reason = Reason::new("only a run can be exported, and this is the document of several");
            return Err(
                document.refused(reason.hint("make one run with the load in question and `--export`"))
            );
        }
    };
    let mut rows = SavedRows(document);
    for export in exports {
        let looked = check(export.format.needs, result, &mut rows);
        let unreadable = |e: io::Error| Reason::new(e.to_string()).hint("was the document edited?");
        let found = looked.map_err(unreadable).and_then(|found| found);
        found.map_err(|reason| document.refused(reason).within(&export.place()))?;
    }
    let (mut saved, mut failures) = (Vec::new(), Vec::new());
    files.write(result, Some(&mut rows), &mut saved, &mut failures);
    if let Some(failure) = failures.pop() {
        return Err(failure);
    }
    saved.retain(|_| !files.use_standard_output());
    Ok(saved)
}

/// The requests that a saved document lists.
struct SavedRows<'a>(&'a Document);

impl Rows for SavedRows<'_> {
    fn each(&mut self, take: &mut dyn FnMut(&Detail) -> io::Result<()>) -> io::Result<()> {
        let listed = each_detail(self.0.open()?, |_, detail| take(detail).map_err(Stopped));
        listed.map(drop).map_err(|Stopped(error)| error)
    }
}

/// Why reading the requests has stopped.
struct Stopped(io::Error);

impl From<JsonError> for Stopped {
    fn from(error: JsonError) -> Stopped {
        Stopped(io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }
}

/// Returns the failure for the document of a search or of a comparison that has no text.
fn without_text(document: &Document) -> Failure {
    let reason = Reason::new("`summary` is missing, the text that is shown");
    document.refused(reason.hint("repeat the command that wrote it, or use `--format json`"))
}

impl Shown {
    /// Writes it, with every character that a terminal would obey escaped.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.0 {
            Content::Text(text) => out.write_all(text.as_bytes()),
            Content::Document(document) => copy_json(&mut document.open()?, out),
        }
    }
}

/// Returns the text of a document. Unless a form is asked for, it is the one that was shown at the end, which a
/// terminal gets in its own width and with colours.
fn text(document: &Document, asked: Option<Summary>, to_standard_output: bool) -> Result<String, Failure> {
    let result = match &document.saved {
        Saved::Run(result) => result,
        Saved::Search(found) | Saved::Comparison(found) => {
            if asked.is_some() {
                let reason = Reason::new("only the text of a run has a longer and a shorter form");
                return Err(document.refused(reason.hint("leave out `--summary`")));
            }
            let mut text = text_of(found).ok_or_else(|| without_text(document))?;
            if matches!(document.saved, Saved::Search(_)) {
                // The line that find-limit prints below the text of the document.
                text.push_str(&format!("\nSaved to {}\n", document.name()));
            }
            return Ok(text);
        }
    };
    let terminal = match to_standard_output {
        true => View::of_terminal(false, true),
        false => View::plain(false),
    };
    if asked.is_none() && terminal.size.is_none() {
        return Ok(escape(&result.summary).into_owned());
    }
    let full = asked.map_or_else(|| was_full(result), |asked| asked == Summary::Full);
    let saved = vec![document.name()];
    Ok(summary(
        result,
        &View {
            full,
            saved,
            ..terminal
        },
    ))
}

fn text_of(document: &Value) -> Option<String> {
    let text = document.get("summary")?.as_str()?;
    Some(escape(text).into_owned())
}

/// Tells whether the run showed all figures at its end: its text begins with them, and the names of files follow.
fn was_full(result: &RunResult) -> bool {
    let full = summary(result, &View::plain(true));
    result.summary.starts_with(full.trim_end())
}

/// Copies a document as it is. Text in it that a terminal would obey is escaped, which a document of this program does
/// by itself.
fn copy_json(input: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let (mut chunk, mut kept) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let n = match input.read(&mut chunk[kept..]) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let bytes = &chunk[..kept + n];
        // A character that continues in the next chunk waits for it.
        let whole = match std::str::from_utf8(bytes) {
            Err(e) if e.error_len().is_none() && n > 0 => e.valid_up_to(),
            _ => bytes.len(),
        };
        out.write_all(safe_json(&String::from_utf8_lossy(&bytes[..whole])).as_bytes())?;
        if n == 0 {
            return Ok(());
        }
        kept = bytes.len() - whole;
        chunk.copy_within(whole..whole + kept, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(1);
            into[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    #[test]
    fn a_document_is_copied_with_its_characters_whole_and_none_for_a_terminal() {
        let copied = |bytes: &[u8]| {
            let mut whole = Vec::new();
            copy_json(&mut &*bytes, &mut whole).unwrap();
            let mut pieces = Vec::new();
            copy_json(&mut Slow(bytes), &mut pieces).unwrap();
            assert_eq!(whole, pieces);
            String::from_utf8(whole).unwrap()
        };
        assert_eq!(copied("{\"a\": \"äö€𝄞\"}\n".as_bytes()), "{\"a\": \"äö€𝄞\"}\n");
        assert_eq!(copied("\"\u{9b}2J\u{202e}\"".as_bytes()), "\"\\u009b2J\\u202e\"");
        assert_eq!(copied(b"\"\xff\xe2\x82\""), "\"\u{fffd}\u{fffd}\"");
        assert_eq!(copied(b"\xe2\x82"), "\u{fffd}", "cut within a character");
    }
}
