//! Random numbers by key instead of by state: every choice has its own number under the key
//! (seed, VU, iteration, choice), so no choice can shift another.

pub(crate) use crate::units::up_to;

/// The increment of SplitMix64: 2^64 divided by the golden ratio, made odd. Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014, <https://doi.org/10.1145/2660193.2660195>.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64, <https://prng.di.unimi.it/splitmix64.c>: Stafford's "Mix13" constants,
/// <https://zimbry.blogspot.com/2011/09/better-bit-mixing-improving-on.html>.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns 64 random bits for a key. Each step is one-to-one in its word, so keys that differ in one word never
/// collide.
pub(crate) fn keyed(words: [u64; 4]) -> u64 {
    words
        .into_iter()
        .fold(0, |state, word| mix((state ^ word).wrapping_add(GOLDEN_GAMMA)))
}

/// Permutes `word` under `key`: two words never collide under one key. It takes two rounds, so that neighbours end up
/// far apart.
pub(crate) fn permuted(key: u64, word: u64) -> u64 {
    let key = mix(key.wrapping_add(GOLDEN_GAMMA));
    mix(mix(word ^ key).wrapping_add(key))
}

/// Returns the item whose weight `at` falls on when the weights lie one after the other; `None` if it is beyond them.
pub(crate) fn by_weight<T>(weights: impl IntoIterator<Item = (T, u32)>, at: u64) -> Option<T> {
    let mut left = at;
    for (item, weight) in weights {
        match left.checked_sub(u64::from(weight)) {
            Some(rest) => left = rest,
            None => return Some(item),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixer_is_splitmix64() {
        // First outputs of splitmix64.c for the state 1234567, where the n-th is mix(state + n * gamma).
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        for (n, expected) in (1..).zip(expected) {
            assert_eq!(mix(GOLDEN_GAMMA.wrapping_mul(n).wrapping_add(1234567)), expected);
        }
    }

    #[test]
    fn an_item_has_as_many_places_as_its_weight() {
        let weights = || [('a', 2), ('b', 0), ('c', 1)];
        let found: Vec<_> = (0..4).map(|at| by_weight(weights(), at)).collect();
        assert_eq!(found, [Some('a'), Some('a'), Some('c'), None]);
    }

    #[test]
    fn each_word_of_the_key_changes_the_number() {
        let base = keyed([1, 2, 3, 4]);
        for i in 0..4 {
            let mut words = [1, 2, 3, 4];
            words[i] += 1;
            assert_ne!(keyed(words), base);
        }
        assert_ne!(keyed([2, 1, 3, 4]), base);
    }
}
