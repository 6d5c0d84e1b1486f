//! The summary: the verdict, what was tested, and the figures that decide, on a screen of 80 by 24. With
//! `--summary full` everything else that the document has in a form for people.

mod contention;
mod full;
mod generator;
mod groups;
mod head;
mod page;
mod paired;
mod passes;
mod phases;
mod server_metrics;
mod sessions;
mod slots;
mod steps;
mod thresholds;
mod times;
mod timings;
mod trace;
mod volume;
mod workload;

use crate::error::ExitCode;
use crate::output::terminal::terminal_of;
use crate::result::{Layout, RunResult};
use page::Page;
pub use thresholds::ThresholdWords;
pub use times::NOTICED;

/// The number of lines that a terminal of 24 shows at once, with two for the prompt.
pub const SUMMARY_LINES_MAX: usize = 22;
const PROMPT_LINES: usize = 2;
/// The fewest and the most lines, however low or high the terminal is.
const LINES: (usize, usize) = (16, 40);
/// The width of a summary in a file or a pipe.
const WIDTH: usize = 80;
/// The widest page: longer lines are harder to read than more of them.
const WIDTH_MAX: usize = 100;

/// The times of the steady part that a short summary repeats.
const STEADY_MAX: usize = 2;

/// How a summary is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Columns and rows; `None` for a file or a pipe.
    pub size: Option<(usize, usize)>,
    pub colour: bool,
    /// All figures, on as many lines as they need.
    pub full: bool,
    /// The names of the documents that have the result.
    pub saved: Vec<String>,
    /// The exit code that the process ends with, if it is not the document's.
    pub exit: Option<ExitCode>,
}

impl View {
    /// The summary as a document or a pipe has it.
    pub fn plain(full: bool) -> View {
        View {
            size: None,
            colour: false,
            full,
            saved: Vec::new(),
            exit: None,
        }
    }

    /// The summary for standard output, or for standard error if that has to do.
    pub fn of_terminal(full: bool, stdout: bool) -> View {
        let (size, colour) = terminal_of(stdout);
        View {
            size,
            colour,
            ..View::plain(full)
        }
    }

    /// The same with the names of the documents that have the result.
    pub fn saved_as(self, saved: Vec<String>) -> View {
        View { saved, ..self }
    }

    fn page(&self) -> Page {
        let columns = self.size.map_or(WIDTH, |(columns, _)| columns);
        Page::new(columns.min(WIDTH_MAX), self.colour)
    }

    fn lines_max(&self) -> usize {
        let rows = self.size.map(|(_, rows)| rows.saturating_sub(PROMPT_LINES));
        rows.map_or(SUMMARY_LINES_MAX, |rows| rows.clamp(LINES.0, LINES.1))
    }

    /// Where a reader finds what the summary leaves out.
    fn elsewhere(&self) -> String {
        match self.saved.first() {
            Some(name) => format!("--summary full or {name}"),
            None => "--summary full or --output FILE".to_owned(),
        }
    }
}

/// How many rows each section may have. What is left out is counted.
#[derive(Clone, Copy, Debug)]
struct Room {
    users: bool,
    times: usize,
    /// A line about the intervals of percentiles.
    ranges: bool,
    /// Input tokens, and what is a share of the tokens.
    tokens: bool,
    /// The times of the steady part, besides what was due in it.
    steady: bool,
    /// 0: their number alone.
    servers: usize,
    /// Accounts of servers of themselves.
    server_metrics: usize,
    /// Only without several servers. 0: not a word.
    kinds: usize,
    steps: usize,
    thresholds: usize,
    warnings: usize,
    /// Kinds of failures with what their servers said.
    reasons: usize,
    /// Figures across repetitions.
    spread: usize,
}

impl Room {
    const ALL: Room = Room {
        users: true,
        times: usize::MAX,
        ranges: true,
        tokens: true,
        steady: true,
        servers: usize::MAX,
        server_metrics: usize::MAX,
        kinds: usize::MAX,
        steps: usize::MAX,
        thresholds: usize::MAX,
        warnings: usize::MAX,
        reasons: usize::MAX,
        spread: usize::MAX,
    };
    const MOST: Room = Room {
        times: 5,
        servers: 8,
        server_metrics: 3,
        kinds: 8,
        steps: 8,
        thresholds: 6,
        warnings: 3,
        reasons: 3,
        spread: 5,
        ..Room::ALL
    };
    /// From the most room to the least: a summary takes the first with which it fits the screen.
    const BY_SIZE: [Room; 10] = [
        Room::MOST,
        Room::LESS,
        Room {
            kinds: 8,
            ..Room::tight(3, 4, 3)
        },
        Room {
            kinds: 0,
            ..Room::LESS
        },
        Room {
            steps: 8,
            spread: 3,
            ..Room::tight(3, 4, 3)
        },
        Room::tight(3, 3, 2),
        Room::tight(3, 2, 1),
        Room::tight(3, 0, 1),
        Room::tight(1, 0, 1),
        Room::LEAST,
    ];
    const LEAST: Room = Room {
        steps: 3,
        ..Room::tight(1, 0, 1)
    };
    /// For a narrow terminal on which nothing fits.
    const NARROW: Room = Room::tight(3, 4, 3);
    const LESS: Room = Room {
        times: 4,
        servers: 5,
        thresholds: 4,
        warnings: 1,
        reasons: 2,
        ..Room::MOST
    };

    const fn tight(times: usize, servers: usize, thresholds: usize) -> Room {
        Room {
            users: false,
            times,
            ranges: true,
            tokens: true,
            steady: true,
            servers,
            server_metrics: 1,
            kinds: 0,
            steps: 5,
            thresholds,
            warnings: 1,
            reasons: 1,
            spread: 0,
        }
    }

    /// Returns the same room with every addition to its rows, and with ever fewer: nothing else makes room as cheaply,
    /// and the times of first tokens and gaps stay.
    fn with_fewer_additions(&self) -> [Room; 4] {
        [
            (true, true, true),
            (false, true, true),
            (false, false, true),
            (false, false, false),
        ]
        .map(|(ranges, tokens, steady)| Room {
            ranges,
            tokens,
            steady,
            ..*self
        })
    }

    /// Returns how many of `n` rows are shown, if the line that counts the others is to be worth its place.
    fn shown(rows_max: usize, n: usize) -> usize {
        if n <= rows_max.saturating_add(1) {
            n
        } else {
            rows_max
        }
    }
}

/// Returns the summary, every line ended. With colours it holds escape sequences of its own; whatever else it holds is
/// filtered.
pub fn summary(result: &RunResult, view: &View) -> String {
    if result.run.layout == Layout::Workload {
        return of_workload(result, view);
    }
    if view.full {
        return full::summary(result, view);
    }
    let of_room = |room: Room| brief(result, view, &room).without_blanks(view.lines_max());
    let last = match view.page().width < WIDTH {
        // What scrolls away whatever is left out may as well have its rows.
        true => Room::NARROW,
        false => Room::LEAST,
    };
    let fitting = Room::BY_SIZE
        .iter()
        .flat_map(Room::with_fewer_additions)
        .map(of_room)
        .find(|page| page.lines() <= view.lines_max());
    fitting.unwrap_or_else(|| of_room(last)).into_text()
}

fn brief(result: &RunResult, view: &View, room: &Room) -> Page {
    let mut page = view.page();
    head::write(&mut page, result, view);
    page.blank();
    volume::write(&mut page, result, (room.users, room.tokens));
    server_metrics::rows(&mut page, result, room.server_metrics);
    page.blank();
    times::brief(&mut page, result, (room.times, room.ranges));
    if let Some(found) = &result.phases {
        let times = if room.steady { STEADY_MAX } else { 0 };
        phases::brief(&mut page, found, room.times.min(times));
    }
    page.blank();
    match &result.servers {
        Some(_) => groups::servers(&mut page, result, room.servers),
        None if room.kinds > 0 => groups::kinds(&mut page, result, room.kinds),
        None => {}
    }
    if let Some(found) = &result.steps {
        page.blank();
        steps::write(&mut page, found, room.steps);
    }
    passes::brief(&mut page, result, room.spread);
    if let Some(found) = &result.sessions {
        page.blank();
        sessions::write(&mut page, found, room.times);
    }
    page.blank();
    ending(&mut page, result, view, room);
    page
}

/// Appends what went wrong, what was judged, whether the generator was fit, and where the file is.
fn ending(page: &mut Page, result: &RunResult, view: &View, room: &Room) {
    volume::failures(page, result, room.reasons);
    thresholds::write(page, result, room.thresholds);
    full::contradictions(page, result);
    generator::write(page, result);
    generator::warnings(page, result, view, room.warnings);
    page.blank();
    saved(page, view);
}

/// The Python tool's sections, between our head and our rows.
fn of_workload(result: &RunResult, view: &View) -> String {
    let mut page = view.page();
    head::write(&mut page, result, view);
    page.blank();
    workload::sections(&mut page, result);
    passes::full(&mut page, result);
    page.line("=== Details ===");
    if view.full {
        full::figures(&mut page, result, view);
        return page.into_text();
    }
    volume::arrivals(&mut page, result);
    volume::tokens(&mut page, result);
    volume::goodput(&mut page, result);
    volume::users(&mut page, result);
    times::brief(&mut page, result, (Room::ALL.times, true));
    if let Some(found) = &result.phases {
        phases::brief(&mut page, found, STEADY_MAX);
    }
    timings::rows(&mut page, result);
    if let Some(found) = &result.sessions {
        page.blank();
        sessions::write(&mut page, found, Room::MOST.times);
    }
    server_metrics::rows(&mut page, result, Room::MOST.server_metrics);
    page.blank();
    ending(&mut page, result, view, &Room::MOST);
    page.into_text()
}

fn saved(page: &mut Page, view: &View) {
    match view.saved.as_slice() {
        [] if view.full => {}
        [] => page.prose(
            "more",
            "--summary full shows all figures, --output FILE keeps them",
        ),
        names => page.row("saved", names),
    }
}

/// Appends how many rows were left out.
fn more(page: &mut Page, n: usize, what: &str) {
    if n > 0 {
        page.line(&format!("  and {n} more {what}"));
    }
}
