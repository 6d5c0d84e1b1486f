//! The progress of a run: a live block on a terminal, a line every ten seconds elsewhere, or nothing.

use crate::cli::{Progress, RunArgs};
use crate::output::{Console, Screen, block};
use crate::plan::Plan;
use crate::report::{Aggregator, LiveView, progress_line};
use crate::units::{Nanos, SECOND};

const LINE_EVERY: Nanos = 10 * SECOND;

/// The terminal, where progress is shown on one.
pub fn screen(args: &RunArgs, console: &Console) -> Option<Screen> {
    match args.quiet || args.progress != Progress::Auto {
        true => None,
        false => console.screen(),
    }
}

/// The display of progress during one pass.
pub struct Shown<'a> {
    screen: Option<&'a Screen>,
    lines: bool,
    view: LiveView,
}

/// The state that the display needs at one tick of the reporter.
pub struct Tick<'a> {
    pub plan: &'a Plan,
    pub aggregator: &'a Aggregator,
    pub elapsed: Nanos,
    pub vus_planned: u64,
    /// The run has been asked to end.
    pub stopping: bool,
}

impl<'a> Shown<'a> {
    pub fn new(args: &RunArgs, screen: Option<&'a Screen>, cores: usize, kernel_stamps: bool) -> Shown<'a> {
        Shown {
            screen,
            lines: !args.quiet && args.progress != Progress::None,
            view: LiveView::new(cores, kernel_stamps),
        }
    }

    pub fn tick(&mut self, tick: &Tick<'_>, say: &mut dyn FnMut(&str)) {
        let Tick {
            plan,
            aggregator,
            elapsed,
            vus_planned,
            stopping,
        } = *tick;
        if let Some(screen) = self.screen {
            let figures = self
                .view
                .figures(aggregator, plan, elapsed, vus_planned, stopping);
            screen.draw(block(&figures, screen.width(), screen.colour));
        } else if self.lines && elapsed.is_multiple_of(LINE_EVERY) {
            let left = plan.executor.duration().saturating_sub(elapsed);
            say(&progress_line(aggregator, elapsed, left));
        }
    }
}
