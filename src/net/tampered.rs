//! Sets the clocks on purpose, in debug builds only, so that tests see what a run makes of a clock that somebody sets,
//! of one that is slewed, and of a machine that sleeps. No test can set the clock of the machine that it runs on.

use std::sync::OnceLock;

use crate::units::{MILLISECOND, Nanos};

/// Names the variable with what happens, as `KIND=MILLISECONDS@MILLISECONDS`: `step=-3600000@500` sets the wall clock
/// back by an hour half a second after the clock was first read, `sleep=3000@500` lets the machine sleep for three
/// seconds, `slew=500@0` makes the wall clock fast by 500 ppm.
const VARIABLE: &str = "LLMLOAD_TEST_CLOCK";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Step(i64),
    Sleep(i64),
    /// In parts per million.
    Slew(i64),
}

#[derive(Clone, Copy, Debug)]
struct Tampering {
    event: Event,
    /// True wall-clock time at which it begins.
    from: Nanos,
}

/// Returns what the wall clock shows when it is truly `wall`, which may also be a stamp that the kernel took by it.
pub fn wall(wall: Nanos) -> Nanos {
    let Some(tampering) = chosen(wall) else {
        return wall;
    };
    let since = wall.saturating_sub(tampering.from) as i64;
    let shift = match tampering.event {
        _ if wall < tampering.from => 0,
        Event::Step(by) | Event::Sleep(by) => by,
        Event::Slew(ppm) => since / 1_000_000 * ppm,
    };
    wall.saturating_add_signed(shift)
}

/// Returns for how long the machine has slept when the wall clock is truly at `wall`, without what it really slept.
pub fn slept(wall: Nanos) -> Nanos {
    match chosen(wall) {
        Some(Tampering {
            event: Event::Sleep(by),
            from,
        }) if wall >= from => by.unsigned_abs(),
        _ => 0,
    }
}

fn chosen(wall: Nanos) -> Option<Tampering> {
    static CHOSEN: OnceLock<Option<Tampering>> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let (event, after) = parse(&std::env::var(VARIABLE).ok()?)?;
        let from = wall + after;
        Some(Tampering { event, from })
    })
}

fn parse(text: &str) -> Option<(Event, Nanos)> {
    let (what, after) = text.split_once('@')?;
    let (kind, by) = what.split_once('=')?;
    let by: i64 = by.parse().ok()?;
    let event = match kind {
        "step" => Event::Step(by * MILLISECOND as i64),
        "sleep" => Event::Sleep(by * MILLISECOND as i64),
        "slew" => Event::Slew(by),
        _ => return None,
    };
    Some((event, after.parse::<Nanos>().ok()? * MILLISECOND))
}
