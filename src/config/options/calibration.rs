//! Reads the calibration that a run cites, with `--calibration FILE`.

use crate::calibration::{self, Calibration};
use crate::cli::{RunArgs, Stamp};
use crate::error::{Mistake, Reason, quoted};
use crate::units::open_input;
use std::io::Read;
use std::path::Path;

/// The largest file that is read; a calibration has about 10 KB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Returns the calibration that the options name; `None` if there is none, or a mistake.
pub fn calibration(args: &RunArgs, mistakes: &mut Vec<Mistake>) -> Option<Calibration> {
    let path = args.calibration.as_deref()?;
    let mut wrong = |reason: Reason| mistakes.push(reason.at("--calibration", 0));
    if args.stamp == Stamp::User {
        let what = "a calibration is about kernel stamps, and `--stamp user` does not use them";
        wrong(Reason::new(what).hint("remove one of the two"));
        return None;
    }
    match read(path) {
        Ok(calibration) => Some(calibration),
        Err(reason) => {
            wrong(reason);
            None
        }
    }
}

fn read(path: &Path) -> Result<Calibration, Reason> {
    let shown = quoted(&path.display().to_string());
    let mut text = String::new();
    let file = open_input(path);
    let hint = "`llmload-uring calibrate --output FILE` writes one";
    let read = file.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|e| Reason::new(format!("{shown} cannot be read: {e}")).hint(hint))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let what = format!("{shown} has more than {FILE_BYTES_MAX} bytes");
        return Err(Reason::new(what).hint(hint));
    }
    calibration::read(&text).map_err(|reason| reason.within(shown))
}
