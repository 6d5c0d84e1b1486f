//! Mistakes in what was asked for, with their places, collected so that all are shown at once.

use std::fmt;

use crate::error::{ExitCode, one_line};

/// The number of mistakes that are shown; more are only counted.
const MISTAKES_SHOWN_MAX: usize = 100;

/// The longest word that is compared with the known ones.
const WORD_BYTES_MAX: usize = 60;

/// A reason says why something was not understood or cannot be done, and what to do next, without a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub what: String,
    pub hint: Option<String>,
}

impl Reason {
    pub fn new(what: impl Into<String>) -> Reason {
        Reason {
            what: what.into(),
            hint: None,
        }
    }

    pub fn hint(self, hint: impl Into<String>) -> Reason {
        Reason {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Puts `place` and a colon in front of the text.
    pub fn within(self, place: impl fmt::Display) -> Reason {
        Reason {
            what: format!("{place}: {}", self.what),
            ..self
        }
    }

    /// Makes `part` the subject of the text: "has no `role`" becomes "`messages[0]` has no `role`".
    pub fn about(self, part: impl fmt::Display) -> Reason {
        Reason {
            what: format!("{part} {}", self.what),
            ..self
        }
    }

    /// Makes a mistake at a place: an option, or a line of a file. `line` is 0 outside files.
    pub fn at(self, name: impl Into<String>, line: usize) -> Mistake {
        let name = name.into();
        Mistake {
            place: Some(Place { name, line }),
            reason: self,
        }
    }
}

/// Writes one line, as clap expects for a command-line value. The line is safe for a terminal.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.what))?;
        match &self.hint {
            Some(hint) => write!(f, "; {}", one_line(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Reason {}

/// Why a value of an option is not taken. The two kinds have different exit codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// It is not of its form: no number, no duration, no list.
    Unreadable(Reason),
    /// It can be read, and is nothing to run with: a number beyond its limits, a range that ends before it begins.
    Refused(Reason),
}

impl ValueError {
    pub fn reason(&self) -> &Reason {
        let (ValueError::Unreadable(reason) | ValueError::Refused(reason)) = self;
        reason
    }

    pub fn into_reason(self) -> Reason {
        let (ValueError::Unreadable(reason) | ValueError::Refused(reason)) = self;
        reason
    }

    pub fn exit(&self) -> ExitCode {
        match self {
            ValueError::Unreadable(_) => ExitCode::Usage,
            ValueError::Refused(_) => ExitCode::Config,
        }
    }

    /// Returns the same error with another reason.
    pub fn map(self, change: impl FnOnce(Reason) -> Reason) -> ValueError {
        match self {
            ValueError::Unreadable(reason) => ValueError::Unreadable(change(reason)),
            ValueError::Refused(reason) => ValueError::Refused(change(reason)),
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)
    }
}

impl std::error::Error for ValueError {}

impl From<Reason> for ValueError {
    fn from(reason: Reason) -> ValueError {
        ValueError::Unreadable(reason)
    }
}

/// A place is a file with a line, or an option with line 0. All places compare equal, so that two configs are equal
/// wherever their values were written.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub name: String,
    /// Line number, counted from 1; 0 if there is no line.
    pub line: usize,
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Place {
    pub fn file(name: &str, line: usize) -> Place {
        Place {
            name: name.to_owned(),
            line,
        }
    }

    pub fn option(name: &str) -> Place {
        Place {
            name: name.to_owned(),
            line: 0,
        }
    }

    /// Returns true if this is an option rather than a line of a file.
    pub fn is_option(&self) -> bool {
        self.line == 0
    }

    pub fn mistake(&self, reason: Reason) -> Mistake {
        reason.at(self.name.as_str(), self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.name))?;
        match self.line {
            0 => Ok(()),
            line => write!(f, ":{line}"),
        }
    }
}

/// A mistake is a reason with its place, if it has one.
#[derive(Clone, Debug)]
pub struct Mistake {
    pub place: Option<Place>,
    pub reason: Reason,
}

/// Compares the place as well: the same mistake in two lines is two mistakes.
impl PartialEq for Mistake {
    fn eq(&self, other: &Mistake) -> bool {
        let place = |mistake: &Mistake| mistake.place.as_ref().map(|p| (p.name.clone(), p.line));
        place(self) == place(other) && self.reason == other.reason
    }
}

impl Eq for Mistake {}

impl Mistake {
    /// Line number, counted from 1; 0 if there is no line.
    pub fn line(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.line)
    }

    /// Puts `wider` in front of the place, to say which of several things the mistake is about.
    fn within(mut self, wider: &str) -> Mistake {
        self.place = Some(match self.place {
            Some(place) => Place {
                name: format!("{wider}: {}", place.name),
                ..place
            },
            None => Place::option(wider),
        });
        self
    }

    fn show(&self, f: &mut fmt::Formatter<'_>, cause: &str) -> fmt::Result {
        f.write_str("error: ")?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}{cause}", one_line(&self.reason.what))?;
        match &self.reason.hint {
            Some(hint) => write!(f, "\nhint: {}", one_line(hint)),
            None => Ok(()),
        }
    }
}

impl From<Reason> for Mistake {
    fn from(reason: Reason) -> Mistake {
        Mistake { place: None, reason }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, "")
    }
}

/// Everything that was found wrong: at least one mistake, in the order of the lines. Unless another exit code is
/// given, it ends the program with [`ExitCode::Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// # Panics
    /// Panics if `mistakes` is empty: without a mistake there is no error.
    pub fn new(mut mistakes: Vec<Mistake>) -> Mistakes {
        assert!(!mistakes.is_empty());
        mistakes.sort_by_key(Mistake::line);
        Mistakes(mistakes)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    /// Puts `wider` in front of each place, to say which of several things the mistakes are about.
    pub fn within(self, wider: &str) -> Mistakes {
        Mistakes(self.0.into_iter().map(|mistake| mistake.within(wider)).collect())
    }

    /// Gives places other names where `rename` has one.
    pub fn with_places(mut self, rename: impl Fn(&str) -> Option<String>) -> Mistakes {
        let places = self.0.iter_mut().filter_map(|mistake| mistake.place.as_mut());
        for place in places.filter(|place| place.is_option()) {
            if let Some(name) = rename(&place.name) {
                place.name = name;
            }
        }
        self
    }

    /// Writes all mistakes; `cause`, which is empty or begins with a line feed, follows the text of the first one.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>, cause: &str) -> fmt::Result {
        let shown = self.0.len().min(MISTAKES_SHOWN_MAX);
        for (i, mistake) in self.0[..shown].iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            mistake.show(f, if i == 0 { cause } else { "" })?;
        }
        match self.0.len() - shown {
            0 => Ok(()),
            more => write!(f, "\nerror: {more} more mistakes are not shown"),
        }
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Mistakes {
        Mistakes(vec![mistake])
    }
}

impl From<Reason> for Mistakes {
    fn from(reason: Reason) -> Mistakes {
        Mistake::from(reason).into()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, "")
    }
}

impl std::error::Error for Mistakes {}

/// Returns the known word that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // At most a third of the letters may be wrong.
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    let distances = known.iter().map(|name| (distance(word, name), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= limit)
        .then_some(name)
        .or_else(|| begins_with(word, known))
}

/// Returns the only known word that continues where `word` ends, such as `ramp_up_seconds` for `ramp_up`.
fn begins_with<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let longer = |name: &&&str| {
        name.strip_prefix(word)
            .is_some_and(|rest| rest.starts_with(['_', '-']))
    };
    let mut found = known.iter().filter(longer);
    let first = found.next().filter(|_| !word.is_empty())?;
    found.next().is_none().then_some(first)
}

/// Counts the letters that were inserted, dropped, replaced, or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_dropped_and_added_letters_find_the_word() {
        let known = ["duration", "stages", "start_vus", "vus"];
        assert_eq!(nearest("duratoin", &known), Some("duration"));
        assert_eq!(nearest("stage", &known), Some("stages"));
        assert_eq!(nearest("start-vus", &known), Some("start_vus"));
        assert_eq!(nearest("vu", &known), Some("vus"));
        assert_eq!(nearest("weight", &known), None);
        let known = [
            "ramp_up_seconds",
            "p90_latency_max",
            "ttft_p50_good",
            "ttft_p50_max",
        ];
        assert_eq!(nearest("ramp_up", &known), Some("ramp_up_seconds"));
        // Two words match, so neither is suggested.
        assert_eq!(nearest("ttft_p50", &known), None);
        assert_eq!(nearest("ramp", &["ramping"]), None);
        let known = ["duration", "stages", "start_vus", "vus"];
        assert_eq!(nearest("", &known), None);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn mistakes_are_shown_in_the_order_of_lines_with_their_hints() {
        let error = Mistakes::new(vec![
            Reason::new("unknown key `b`").at("p.yaml", 9),
            Reason::new("unknown key `duratoin`")
                .hint("did you mean `duration`?")
                .at("p.yaml", 2),
            Reason::new("`x` is not a number").at("--vus", 0),
        ]);
        let expected = "error: --vus: `x` is not a number\n\
            error: p.yaml:2: unknown key `duratoin`\nhint: did you mean `duration`?\n\
            error: p.yaml:9: unknown key `b`";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn only_the_first_of_many_mistakes_are_shown_and_the_rest_counted() {
        let one = Reason::new("x").at("f", 1);
        let text = Mistakes::new(vec![one; 150]).to_string();
        assert_eq!(text.lines().count(), 101);
        assert!(text.ends_with("50 more mistakes are not shown"));
    }
}
