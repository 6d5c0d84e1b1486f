//! Which troubles there are, and when: by a seed, so that a run that failed can be had again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the variable with a seed and, after a colon, the troubles there are; without these, all: `7`,
/// `7:short,late`.
const VARIABLE: &str = "LLMLOAD_TEST_RING_TROUBLES";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Sends take fewer bytes than asked.
    Short,
    /// A receive finds no buffer.
    Shortage,
    /// A multishot receive ends, with data, for want of a buffer, or interrupted.
    Ends,
    /// Completions come late.
    Late,
    /// Cancellations cross with the completion of what they cancel.
    Race,
    /// Operations and waits are interrupted.
    Interrupted,
    /// A full queue stays full.
    Full,
    /// Queues of four and eight entries, and two buffers.
    Tiny,
}

use Trouble::*;

const NAMES: [(&str, Trouble); 8] = [
    ("short", Short),
    ("shortage", Shortage),
    ("ends", Ends),
    ("late", Late),
    ("race", Race),
    ("interrupted", Interrupted),
    ("full", Full),
    ("tiny", Tiny),
];

#[derive(Clone, Debug)]
struct Wanted {
    seed: u64,
    troubles: Vec<Trouble>,
}

fn wanted() -> Option<&'static Wanted> {
    static WANTED: OnceLock<Option<Wanted>> = OnceLock::new();
    let read = || {
        let text = std::env::var(VARIABLE).ok()?;
        Some(parse(&text).unwrap_or_else(|| panic!("{VARIABLE}: `{text}` is no seed with troubles")))
    };
    WANTED.get_or_init(read).as_ref()
}

fn parse(text: &str) -> Option<Wanted> {
    let (seed, named) = text.split_once(':').unwrap_or((text, ""));
    let of = |name: &str| Some(NAMES.iter().find(|(known, _)| *known == name)?.1);
    let troubles = match named {
        "" => NAMES.iter().map(|(_, trouble)| *trouble).collect(),
        named => named.split(',').map(of).collect::<Option<_>>()?,
    };
    Some(Wanted {
        seed: seed.parse().ok()?,
        troubles,
    })
}

/// Numbers from the seed: splitmix64.
pub struct Chance {
    state: u64,
    troubles: &'static [Trouble],
}

impl Chance {
    pub fn is_wanted() -> bool {
        wanted().is_some()
    }

    pub fn new() -> Chance {
        /// Rings of this process so far: each has its own troubles.
        static RINGS: AtomicU64 = AtomicU64::new(0);
        let wanted = wanted().expect("only who wants troubles has them");
        Chance {
            state: wanted.seed ^ RINGS.fetch_add(1, Ordering::Relaxed) << 32,
            troubles: &wanted.troubles,
        }
    }

    pub fn is_tiny(&self) -> bool {
        self.troubles.contains(&Tiny)
    }

    /// Returns true once in four times that there could be this trouble.
    pub fn makes(&mut self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble) && self.below(4) == 0
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(limit)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_all_troubles_or_those_that_it_names() {
        let of = |text: &str| parse(text).map(|wanted| (wanted.seed, wanted.troubles));
        assert_eq!(of("7").unwrap().1.len(), NAMES.len());
        assert_eq!(of("7:late,tiny"), Some((7, vec![Late, Tiny])));
        assert_eq!(of("7:later"), None);
        assert_eq!(of("seven"), None);
    }
}
