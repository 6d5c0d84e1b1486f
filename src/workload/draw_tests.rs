use super::*;
use crate::lengths::Lengths;
use crate::units::{MILLISECOND, SECOND};
use crate::workload::{RequestKind, Server, Timeouts};
use std::collections::HashSet;

fn kind(name: &str, weight: u32, call: Call) -> RequestKind {
    RequestKind {
        name: name.to_string(),
        weight,
        call,
        timeouts: Timeouts {
            connect: None,
            first_token: None,
            idle: None,
            total: 60 * SECOND,
        },
        goodput: Default::default(),
        headers: Vec::new(),
        server: 0,
    }
}

fn chat(stream: bool, min: u32, max: u32, models: usize, prompts: usize) -> Call {
    Call::Chat(Chat {
        stream,
        max_tokens: Lengths::range(min, max),
        models: (0..models).map(|i| format!("model-{i}")).collect(),
        prompts: Prompts::List((0..prompts).map(|i| format!("prompt {i}")).collect()),
        ..Chat::default()
    })
}

/// Makes the mix of a high-concurrency run: 70 % whole answers, 20 % streams, 10 % light, and a kind of weight 0.
fn mixed() -> Workload {
    let workload = Workload {
        servers: vec![Server {
            name: None,
            weight: 1,
        }],
        kinds: vec![
            kind("quick", 70, chat(false, 20, 20, 7, 1)),
            kind("never", 0, chat(false, 1, 1, 1, 1)),
            kind("stream", 20, chat(true, 50, 149, 3, 11)),
            kind("light", 10, Call::Light),
        ],
        think_time: Span {
            min: 10 * MILLISECOND,
            max: 60 * MILLISECOND,
        },
        each_kind_first: false,
        users: 1,
        is_warm_up: false,
        load: 0,
    };
    workload.invariants();
    workload
}

#[test]
fn the_first_draws_of_seed_42_are_these() {
    let workload = mixed();
    let lines: Vec<String> = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (999, 7)]
        .into_iter()
        .map(|(vu, iteration)| {
            let d = workload.draw(42, vu, iteration, 0, 2);
            format!("{} {} {} {} {}", d.kind, d.model, d.prompt, d.max_tokens, d.think)
        })
        .collect();
    assert_eq!(lines, GOLDEN);
}

/// Kind, model, prompt, max_tokens, think time in ns. Checked against a second implementation, in Python.
/// A change here changes every seeded run: it must be in the change log under *Measurement*.
const GOLDEN: [&str; 6] = [
    "2 1 3 86 55360089",
    "0 2 0 20 57612202",
    "0 0 0 20 19906724",
    "0 3 0 20 26914708",
    "2 2 5 144 17825767",
    "0 3 0 20 12155607",
];

#[test]
fn the_same_key_draws_the_same_request() {
    let workload = mixed();
    for vu in 0..50 {
        for iteration in 0..20 {
            let first = workload.draw(7, vu, iteration, 0, 2);
            assert_eq!(first, workload.clone().draw(7, vu, iteration, 0, 2));
        }
    }
}

#[test]
fn seeds_vus_and_iterations_draw_different_requests() {
    let workload = mixed();
    let mut seen = HashSet::new();
    for seed in 0..10 {
        for vu in 0..100 {
            for iteration in 0..100 {
                seen.insert(workload.draw(seed, vu, iteration, 0, 2));
            }
        }
    }
    // Think times alone have 5 * 10^7 values: among 10^5 draws about 100 pairs are equal, most of different kinds.
    assert!(seen.len() > 99_800, "{} different draws of 100000", seen.len());
}

/// Counts over many VUs, each within 4.5 standard deviations of its share.
fn assert_shares(counts: &[u32], shares: &[f64], what: &str) {
    let total = f64::from(counts.iter().sum::<u32>());
    for (count, share) in counts.iter().zip(shares) {
        let deviation = (total * share * (1.0 - share)).sqrt();
        let off = (f64::from(*count) - total * share).abs();
        assert!(off <= 4.5 * deviation, "{what}: {counts:?} against {shares:?}");
    }
}

#[test]
fn kinds_are_drawn_by_weight_and_other_choices_uniformly() {
    let workload = mixed();
    let mut kinds = [0; 4];
    let (mut models, mut prompts, mut paths) = ([0; 3], [0; 11], [0; 2]);
    let (mut tokens, mut thinks) = ([0; 100], [0; 10]);
    for vu in 0..1000 {
        for iteration in 0..100 {
            let draw = workload.draw(1, vu, iteration, 0, 2);
            kinds[usize::from(draw.kind)] += 1;
            thinks[((draw.think - 10 * MILLISECOND) / (5 * MILLISECOND + 1)) as usize] += 1;
            match draw.kind {
                0 => assert_eq!((draw.prompt, draw.max_tokens), (0, 20)),
                2 => {
                    models[draw.model as usize] += 1;
                    prompts[draw.prompt as usize] += 1;
                    tokens[(draw.max_tokens - 50) as usize] += 1;
                }
                _ => {
                    assert_eq!((draw.model, draw.max_tokens), (0, 0));
                    paths[draw.prompt as usize] += 1;
                }
            }
        }
    }
    assert_shares(&kinds, &[0.7, 0.0, 0.2, 0.1], "kinds");
    assert_shares(&models, &[1.0 / 3.0; 3], "models");
    assert_shares(&prompts, &[1.0 / 11.0; 11], "prompts");
    assert_shares(&tokens, &[0.01; 100], "max_tokens");
    assert_shares(&thinks, &[0.1; 10], "think times");
    assert_shares(&paths, &[0.5; 2], "light paths");
}

#[test]
fn choices_of_one_request_are_independent() {
    let workload = Workload {
        servers: vec![Server {
            name: None,
            weight: 1,
        }],
        kinds: vec![kind("a", 1, chat(true, 0, 1, 2, 2))],
        think_time: Span { min: 0, max: 1 },
        each_kind_first: false,
        users: 1,
        is_warm_up: false,
        load: 0,
    };
    let mut counts = [0; 16];
    for vu in 0..40_000 {
        let d = workload.draw(3, vu, 0, 0, 1);
        let think = u32::try_from(d.think).unwrap();
        counts[(d.model + 2 * d.prompt as u32 + 4 * d.max_tokens + 8 * think) as usize] += 1;
    }
    assert_shares(&counts, &[1.0 / 16.0; 16], "joint choices");
}

fn made(min: u32, max: u32) -> Workload {
    let mut call = chat(true, 5, 5, 1, 1);
    if let Call::Chat(Chat { prompts, .. }) = &mut call {
        *prompts = Prompts::Made {
            prefix: String::new(),
            tokens: Lengths::range(min, max),
        };
    }
    Workload {
        kinds: vec![kind("made", 1, call)],
        ..mixed()
    }
}

#[test]
fn made_prompts_are_of_every_length_between_their_bounds_alike() {
    let workload = made(50, 200);
    workload.invariants();
    let mut lengths = [0; 151];
    let mut sum = 0.0;
    for vu in 0..1000 {
        for iteration in 0..100 {
            let draw = workload.draw(42, vu, iteration, 0, 1);
            lengths[(draw.prompt_tokens - 50) as usize] += 1;
            sum += f64::from(draw.prompt_tokens);
            // The length is a choice of its own: a prompt that is longer begins with the same words.
            let fixed = made(50, 50).draw(42, vu, iteration, 0, 1);
            assert_eq!((draw.prompt, 50), (fixed.prompt, fixed.prompt_tokens));
        }
    }
    assert_shares(&lengths, &[1.0 / 151.0; 151], "lengths");
    assert!((sum / 100_000.0 - 125.0).abs() < 1.0, "{sum}");
}

/// A change here changes every seeded run: it must be in the change log under *Measurement*.
#[test]
fn the_first_lengths_of_seed_42_are_these() {
    let workload = made(50, 200);
    let lengths: Vec<u32> = [(0, 0), (0, 1), (1, 0), (999, 7)]
        .map(|(vu, iteration)| workload.draw(42, vu, iteration, 0, 1).prompt_tokens)
        .to_vec();
    assert_eq!(lengths, LENGTHS);
}

/// Checked against a second implementation, in Python.
const LENGTHS: [u32; 4] = [140, 82, 143, 95];

#[test]
fn the_widest_spans_do_not_overflow() {
    let workload = Workload {
        servers: vec![Server {
            name: None,
            weight: 1,
        }],
        kinds: vec![kind("a", u32::MAX, chat(true, 0, u32::MAX, 1, 1)); 3],
        think_time: Span {
            min: 0,
            max: Nanos::MAX,
        },
        each_kind_first: false,
        users: 1,
        is_warm_up: false,
        load: 0,
    };
    for iteration in [0, 1, u64::MAX] {
        workload.draw(u64::MAX, u32::MAX, iteration, 0, usize::MAX);
    }
}

#[test]
fn a_changed_kind_leaves_the_other_choices_alone() {
    let few = mixed();
    let mut more = mixed();
    more.kinds[0].weight = 0;
    more.kinds[3].weight = 0;
    for iteration in 0..1000 {
        let (a, b) = (few.draw(5, 9, iteration, 0, 2), more.draw(5, 9, iteration, 0, 2));
        assert_eq!(a.think, b.think);
        if a.kind == b.kind {
            assert_eq!(a, b);
        }
    }
}

#[test]
fn pairs_begin_at_each_server_equally_often_and_by_chance() {
    let mut runs = 0;
    for vu in 0..50 {
        let order: Vec<bool> = (0..200).map(|i| Workload::other_first(9, vu, i)).collect();
        assert_eq!(order.iter().filter(|other| **other).count(), 100, "user {vu}");
        assert!(order.chunks(2).all(|two| two[0] != two[1]));
        runs += order.windows(2).filter(|two| two[0] == two[1]).count();
    }
    // Half of the 99 borders between couples of each of 50 users: 2,475, with a standard deviation of 35.
    assert!((2_300..2_650).contains(&runs), "{runs}");
    assert_ne!(
        (0..64)
            .map(|i| Workload::other_first(1, 0, i))
            .collect::<Vec<_>>(),
        (0..64)
            .map(|i| Workload::other_first(2, 0, i))
            .collect::<Vec<_>>()
    );
}

#[test]
fn the_other_prompt_of_a_pair_is_as_long_and_new() {
    let workload = made(50, 200);
    let mut seen = HashSet::new();
    for vu in 0..100 {
        for iteration in 0..50 {
            let draw = workload.draw(42, vu, iteration, 0, 1);
            let other = workload.with_other_prompt(draw, 42, vu, iteration);
            assert!(seen.insert(draw.prompt) && seen.insert(other.prompt));
            assert_eq!(Draw { prompt: 0, ..draw }, Draw { prompt: 0, ..other });
        }
    }
    let listed = mixed();
    let draw = listed.draw(42, 1, 1, 0, 2);
    assert_eq!(
        listed.with_other_prompt(draw, 42, 1, 1),
        draw,
        "a list has no other prompt"
    );
}

#[test]
fn each_kind_is_asked_first_and_the_rest_is_drawn_as_ever() {
    let drawn = mixed();
    let first = Workload {
        each_kind_first: true,
        ..mixed()
    };
    let count = drawn.kinds.iter().filter(|kind| kind.weight > 0).count() as u64;
    assert!(count > 1);
    for vu in 0..5 {
        let kinds = |workload: &Workload, iterations: std::ops::Range<u64>| -> Vec<u16> {
            iterations.map(|i| workload.draw(1, vu, i, 0, 1).kind).collect()
        };
        let mut begin = kinds(&first, 0..count);
        begin.sort_unstable();
        begin.dedup();
        assert_eq!(begin.len() as u64, count, "user {vu}");
        assert_eq!(kinds(&first, count..100), kinds(&drawn, count..100), "user {vu}");
    }
    let begins = |vu| first.draw(1, vu, 0, 0, 1).kind;
    assert_ne!(begins(0), begins(1), "users do not all begin with the same kind");
}
