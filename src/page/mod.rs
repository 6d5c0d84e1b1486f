//! One page for one run, or for several: a file of HTML without a script, a font, or anything loaded from elsewhere.
//!
//! Every figure on it carries its path in the document (`data-path`, RFC 6901) and its full value, so that a program
//! can check it. The charts are drawn here, over `chart/`: docs/REPORT.md says why.

mod beside;
mod curves;
mod doc;
mod figure;
mod groups;
mod host;
mod html;
mod judged;
mod over;
#[cfg(test)]
mod page_tests;
mod servers;
mod several;
mod sweep;
mod time;

pub use doc::Loaded;

use crate::compare::{Comparison, letter};
use doc::{Doc, Kind};
use html::{escaped, put};
use time::Axis;

const STYLE: &str = include_str!("style.css");

/// Renders the page of these documents, with what `compare` says of several.
pub fn page(loaded: &[Loaded], comparison: Option<&Comparison>) -> String {
    let docs: Vec<Doc> = loaded
        .iter()
        .enumerate()
        .map(|(i, one)| Doc::new(one, i))
        .collect();
    let title = title(&docs);
    let mut text = String::new();
    let out = &mut text;
    put!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta name=\"generator\" content=\"llmload-uring {}\"><title>{title}</title>\n<style>\n{STYLE}</style></head>\
         <body><a class=\"skip\" href=\"#main\">To the verdict</a>",
        env!("CARGO_PKG_VERSION")
    );
    let mut body = String::new();
    let mut sections = Sections::default();
    match docs.as_slice() {
        [doc] => single(&mut body, doc, &mut sections),
        several => all(&mut body, several, comparison, &mut sections),
    }
    put!(out, "<header class=\"top\"><h1>{title}</h1>");
    sections.write(out);
    put!(out, "</header>\n<main id=\"main\">\n{body}");
    put!(
        out,
        "<footer>Made by llmload-uring {}. Times are in the units shown; every figure is that of the result document, at \
         the path that its <code>data-path</code> names.</footer>\n</main></body></html>",
        env!("CARGO_PKG_VERSION")
    );
    text
}

fn title(docs: &[Doc]) -> String {
    match docs {
        [doc] => {
            let profile = doc.string("/run/profile").unwrap_or_else(|| doc.label());
            let what = match doc.kind() {
                Kind::Run => "Load test",
                Kind::Search => "Highest load",
            };
            escaped(&format!("{what}: {profile}"))
        }
        several => format!("{} load tests compared", several.len()),
    }
}

/// The links at the top.
#[derive(Default)]
struct Sections(Vec<(String, &'static str)>);

impl Sections {
    /// Begins a section, which gets a link unless `doc` is one of several.
    fn begin(&mut self, out: &mut String, id: String, name: &'static str) {
        put!(out, "<h2 id=\"{id}\">{name}</h2>");
        self.0.push((id, name));
    }

    fn write(&self, out: &mut String) {
        out.push_str("<nav aria-label=\"Sections\"><ul>");
        for (id, name) in &self.0 {
            out.push_str(&format!("<li><a href=\"#{id}\">{name}</a></li>"));
        }
        out.push_str("</ul></nav>");
    }
}

fn single(out: &mut String, doc: &Doc, sections: &mut Sections) {
    match doc.kind() {
        Kind::Run => run(out, doc, sections),
        Kind::Search => search(out, doc, sections),
    }
}

/// Writes a run.
fn run(out: &mut String, doc: &Doc, sections: &mut Sections) {
    let axis = Axis::of(doc);
    over::write(out, doc);
    beside::findings(out, doc);
    over::tiles(out, doc);
    over::notes(out, doc);
    let mut begin = |out: &mut String, id: &str, name| sections.begin(out, doc.id(id), name);
    begin(out, "load", "Load and throughput");
    match doc.rows().is_empty() {
        true => put!(out, "<p class=\"soft\">The document has no timeline.</p>"),
        false => {
            time::load(out, doc, &axis);
            begin(out, "times", "Times over the run");
            time::times(out, doc, &axis);
        }
    }
    groups::steps(out, doc);
    if host::has_server(doc) || servers::has_accounts(doc) {
        begin(out, "server", "The server\u{2019}s side");
        servers::write(out, doc, &axis);
        host::server(out, doc, &axis);
    }
    begin(out, "errors", "Errors");
    judged::errors(out, doc);
    begin(out, "percentiles", "Percentiles");
    curves::of_run(out, doc);
    groups::metrics(out, doc);
    begin(out, "groups", "By kind and server");
    groups::groups(out, doc);
    groups::sessions(out, doc);
    beside::write(out, doc);
    begin(out, "thresholds", "Thresholds");
    judged::thresholds(out, doc, axis.seconds);
    begin(out, "fitness", "The generator");
    host::fitness(out, doc);
    begin(out, "configuration", "Configuration");
    host::configuration(out, doc);
}

/// Writes a search for the highest load.
fn search(out: &mut String, doc: &Doc, sections: &mut Sections) {
    sweep::answer(out, doc);
    let mut begin = |out: &mut String, id: &str, name| sections.begin(out, doc.id(id), name);
    begin(out, "probes", "The probes");
    sweep::probes(out, doc);
    begin(out, "configuration", "Configuration");
    host::configuration(out, doc);
}

/// Writes several documents: first side by side, then each by itself.
fn all(out: &mut String, docs: &[Doc], comparison: Option<&Comparison>, sections: &mut Sections) {
    let runs: Vec<(String, Doc)> = docs
        .iter()
        .filter(|doc| doc.kind() == Kind::Run)
        .enumerate()
        .map(|(i, doc)| (letter(i), *doc))
        .collect();
    if !runs.is_empty() {
        sections.begin(out, "overview".to_owned(), "Side by side");
        several::overview(out, &runs);
    }
    if let Some(comparison) = comparison {
        sections.begin(out, "comparison".to_owned(), "Compared");
        several::comparison(out, comparison);
    }
    if !runs.is_empty() {
        sections.begin(out, "curves".to_owned(), "Percentile curves");
        curves::of_runs(out, &runs);
    }
    for doc in docs {
        let name = match runs.iter().find(|(_, run)| run.number == doc.number) {
            Some((letter, _)) => format!("{letter} {}", doc.label()),
            None => doc.label().to_owned(),
        };
        let id = doc.id("run");
        put!(out, "<h2 id=\"{id}\">{}</h2>", escaped(&name));
        let mut own = Sections::default();
        let mut body = String::new();
        single(&mut body, doc, &mut own);
        own.write(out);
        // Below the heading of its document, so that the outline of the page is right.
        out.push_str(&lowered(&body));
        sections.0.push((id, "Each run"));
    }
    // One link leads to the first of them.
    let mut seen = false;
    sections
        .0
        .retain(|(_, name)| *name != "Each run" || !std::mem::replace(&mut seen, true));
}

/// Makes each heading one level lower.
fn lowered(body: &str) -> String {
    body.replace("<h3", "<h4")
        .replace("</h3>", "</h4>")
        .replace("<h2", "<h3 class=\"part\"")
        .replace("</h2>", "</h3>")
}
