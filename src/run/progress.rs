//! The progress of a run: a live block on a terminal, a line every ten seconds elsewhere, or nothing.

use crate::cli::{Progress, RunArgs};
use crate::output::{Console, Screen, block};
use crate::report::{LiveTick, LiveView, progress_line};
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
    /// When the next line is due.
    line_at: Nanos,
}

impl<'a> Shown<'a> {
    pub fn new(args: &RunArgs, screen: Option<&'a Screen>, view: LiveView) -> Shown<'a> {
        Shown {
            screen,
            lines: !args.quiet && args.progress != Progress::None,
            view,
            line_at: LINE_EVERY,
        }
    }

    /// Tells whether a block is drawn, for which a tick's figures are needed in full.
    pub fn draws(&self) -> bool {
        self.screen.is_some()
    }

    pub fn tick(&mut self, tick: &LiveTick<'_>, say: &mut dyn FnMut(&str)) {
        let LiveTick {
            plan,
            aggregator,
            elapsed,
            ..
        } = *tick;
        if let Some(screen) = self.screen {
            screen.draw(block(&self.view.figures(tick), screen.size(), screen.colour));
        } else if self.lines && elapsed >= self.line_at {
            self.line_at = elapsed - elapsed % LINE_EVERY + LINE_EVERY;
            let left = plan.executor.duration().saturating_sub(elapsed);
            say(&progress_line(aggregator, elapsed, left, tick.ranks));
        }
    }
}
