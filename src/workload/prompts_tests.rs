use super::*;
use std::collections::HashSet;

fn words(key: u64, min_tokens: u32) -> String {
    let mut out = Vec::new();
    push_words(&mut out, key, min_tokens);
    String::from_utf8(out).unwrap()
}

#[test]
fn words_differ_and_need_no_escapes_in_json() {
    let different: HashSet<&str> = WORDS.into_iter().collect();
    assert_eq!(different.len(), WORDS.len());
    assert!(
        WORDS
            .iter()
            .all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
    );
}

#[test]
fn a_prompt_has_the_words_asked_for_and_never_fewer_than_its_key_needs() {
    for (min_tokens, expected) in [(0, 8), (1, 8), (8, 8), (9, 9), (50, 50), (4_001, 4_001)] {
        assert_eq!(words(7, min_tokens).split(' ').count(), expected, "{min_tokens}");
    }
    // A longer prompt of the same key continues where the shorter one ends.
    assert!(words(7, 100).starts_with(&words(7, 30)));
}

#[test]
fn the_key_is_spelled_by_the_first_words_byte_by_byte() {
    let key = 0x0102_0304_0506_0708;
    let spelled: Vec<usize> = words(key, 20)
        .split(' ')
        .take(8)
        .map(|word| WORDS.iter().position(|w| *w == word).unwrap())
        .collect();
    assert_eq!(spelled, [8, 7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn no_two_requests_of_a_run_have_one_prompt() {
    for seed in [0, 42, u64::MAX] {
        let mut keys = HashSet::new();
        let mut texts = HashSet::new();
        for vu in 0..200 {
            for iteration in 0..500 {
                let key = prompt_key(seed, vu, iteration);
                assert!(keys.insert(key), "seed {seed}, VU {vu}, iteration {iteration}");
                if vu < 20 && iteration < 50 {
                    assert!(texts.insert(words(key, 8)));
                }
            }
        }
        // There are 256 possible first words, so 100,000 keys use all of them.
        let firsts: HashSet<u64> = keys.iter().map(|key| key & 0xff).collect();
        assert_eq!(firsts.len(), 256);
    }
}

/// A change here changes every seeded run with made prompts: it must be in the change log under *Measurement*.
#[test]
fn the_first_prompt_of_seed_42_is_this() {
    assert_eq!(words(prompt_key(42, 0, 0), 12), GOLDEN);
}

/// Checked against a second implementation, in Python.
const GOLDEN: &str = "hand form thought paper like four look all back add an their";
