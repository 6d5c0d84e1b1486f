use super::*;
use crate::api::{Members, Wording};
use crate::dataset::{Format, ReadOptions, read};
use std::collections::HashSet;
use std::io::Cursor;

fn dataset(format: &str, text: &str) -> Arc<Dataset> {
    let options = ReadOptions::of(Format::from_name(format).unwrap());
    let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let found = read(input, "f", options, &mut || panic!("small files need no file"));
    Arc::new(found.unwrap().dataset)
}

fn rows(sampling: Sampling, format: &str, text: &str) -> Rows {
    Rows {
        dataset: dataset(format, text),
        sampling,
        own_lengths: true,
        own_model: true,
        tokens: Tokens::AsTaken,
        seed: 7,
        replaying: Replaying::default(),
    }
}

fn prompts(count: usize) -> String {
    (0..count).map(|i| format!("{{\"prompt\":\"{i}\"}}\n")).collect()
}

fn body(rows: &Rows, index: u64, api: Api, stream: bool) -> String {
    let bytes = rows.dataset.bytes(index).unwrap();
    let row = bytes.row();
    let asked = Generation {
        model: "m",
        content: Content::Text(&""),
        documents: None,
        max_tokens: 5,
        stream,
        cache_prompt: false,
        wording: Wording::default(),
        system: None,
        members: Members::none(),
    };
    let mut body = Vec::new();
    write_row(&mut body, rows, (index, &row, None), None, (asked, api));
    String::from_utf8(body).unwrap()
}

fn api(name: &str) -> Api {
    Api::from_name(name).unwrap()
}

fn pick(rows: &Rows, seed: u64, number: u64, bits: u64) -> u64 {
    rows.pick(seed, number, bits, false)
}

#[test]
fn shuffling_takes_each_row_once_before_any_again_and_then_in_another_order() {
    for count in [1, 2, 3, 5, 16, 17, 1000] {
        let rows = rows(Sampling::Shuffle, "custom", &prompts(count));
        let pass = |pass: u64| -> Vec<u64> {
            let first = pass * count as u64;
            (first..first + count as u64)
                .map(|n| pick(&rows, 1, n, 0))
                .collect()
        };
        for p in 0..3 {
            let all: HashSet<u64> = pass(p).into_iter().collect();
            assert_eq!(all.len(), count, "pass {p} over {count}");
            assert!(all.iter().all(|row| *row < count as u64));
        }
        if count > 10 {
            assert_ne!(pass(0), pass(1));
            assert_ne!(pass(0), (0..count as u64).collect::<Vec<_>>());
            let other: Vec<u64> = (0..count as u64).map(|n| pick(&rows, 2, n, 0)).collect();
            assert_ne!(pass(0), other, "another seed");
        }
    }
}

/// Chi-squared over the places at which row 0 ends up: it may come anywhere.
#[test]
fn each_row_is_as_likely_at_each_place() {
    let count = 16u64;
    let rows = rows(Sampling::Shuffle, "custom", &prompts(count as usize));
    let mut seen = [0u32; 16];
    let seeds = 16_000;
    for seed in 0..seeds {
        seen[pick(&rows, seed, 0, 0) as usize] += 1;
    }
    let expected = seeds as f64 / count as f64;
    let chi: f64 = seen
        .iter()
        .map(|n| (f64::from(*n) - expected).powi(2) / expected)
        .sum();
    // 15 degrees of freedom: 37.7 is exceeded once in a thousand.
    assert!(chi < 37.7, "{chi}: {seen:?}");
}

#[test]
fn rows_in_order_begin_again_and_a_warm_up_comes_from_the_end() {
    let rows = rows(Sampling::Sequential, "custom", &prompts(3));
    let taken: Vec<u64> = (0..7).map(|n| pick(&rows, 9, n, 5)).collect();
    assert_eq!(taken, [0, 1, 2, 0, 1, 2, 0]);
    let warm_up: Vec<u64> = (0..4).map(|n| rows.pick(9, n, 5, true)).collect();
    assert_eq!(warm_up, [2, 1, 0, 2]);
}

#[test]
fn random_rows_depend_on_their_bits_alone() {
    let rows = rows(Sampling::Random, "custom", &prompts(10));
    assert_eq!(pick(&rows, 1, 3, 0), 0);
    assert_eq!(pick(&rows, 2, 9, u64::MAX), 9);
}

#[test]
fn texts_and_messages_go_out_as_they_were_written() {
    let texts = rows(
        Sampling::Sequential,
        "custom",
        "{\"prompt\":\"caf\\u00e9 \\\"x\\\"\"}",
    );
    assert_eq!(
        body(&texts, 0, api("completions"), false),
        "{\"model\":\"m\",\"prompt\":\"caf\\u00e9 \\\"x\\\"\",\"max_tokens\":5,\"stream\":false}"
    );
    assert_eq!(
        body(&texts, 0, api("chat"), false),
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"caf\\u00e9 \\\"x\\\"\"}],\"max_tokens\":5,\
         \"stream\":false}"
    );
    let chats = rows(
        Sampling::Sequential,
        "openai",
        "{\"messages\":[{\"role\": \"system\", \"content\": \"s\"}],\"tools\":[{\"a\":1}],\"temperature\":0.50,\
         \"max_tokens\":9}",
    );
    assert_eq!(
        body(&chats, 0, api("chat"), true),
        "{\"model\":\"m\",\"messages\":[{\"role\": \"system\", \"content\": \"s\"}],\"max_tokens\":5,\"stream\":true,\
         \"stream_options\":{\"include_usage\":true},\"tools\":[{\"a\":1}],\"temperature\":0.50}"
    );
    assert_eq!(chats.output_tokens(0), Some(9));
    let fixed = Rows {
        own_lengths: false,
        ..chats
    };
    assert_eq!(fixed.output_tokens(0), None);
}

#[test]
fn whole_bodies_keep_their_bytes_but_what_the_run_decides() {
    let text = "{\"payload\":{\"model\": \"own\", \"prompt\": \"x\", \"max_tokens\": 8, \"stream\": true}}";
    let whole = rows(Sampling::Sequential, "raw", text);
    assert_eq!(
        body(&whole, 0, api("chat"), true),
        "{\"model\": \"own\", \"prompt\": \"x\", \"max_tokens\": 8, \"stream\": true}",
        "byte for byte"
    );
    assert_eq!(
        body(&whole, 0, api("chat"), false),
        "{\"model\":\"own\",\"prompt\":\"x\",\"max_tokens\":8,\"stream\":false}"
    );
    let ours = Rows {
        own_lengths: false,
        own_model: false,
        ..whole
    };
    assert_eq!(
        body(&ours, 0, api("chat"), true),
        "{\"model\":\"m\",\"prompt\":\"x\",\"max_tokens\":5,\"stream\":true}"
    );
    let without = rows(Sampling::Sequential, "raw", "{\"n_predict\":3,\"prompt\":\"x\"}");
    assert_eq!(
        body(&without, 0, api("llamacpp"), false),
        "{\"n_predict\":3,\"prompt\":\"x\",\"stream\":false,\"model\":\"m\"}"
    );
}

#[test]
fn members_of_a_row_go_into_the_body_but_for_what_says_how_answers_are_read() {
    let text = "{\"text\":\"a\",\"extra\":{\"stream\":true,\"max_tokens\":9,\"seed\":1.0}}";
    let turns = rows(Sampling::Sequential, "single_turn", text);
    assert_eq!(
        body(&turns, 0, api("completions"), false),
        "{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":9,\"stream\":false,\"seed\":1.0}"
    );
}

const TRACE: &str = "\
    {\"timestamp\":0,\"input_length\":1200,\"output_length\":9,\"hash_ids\":[1,2,3]}\n\
    {\"timestamp\":1,\"input_length\":1100,\"output_length\":9,\"hash_ids\":[1,2,4]}\n\
    {\"timestamp\":2,\"input_length\":1050,\"output_length\":9,\"hash_ids\":[1,2,3]}\n\
    {\"timestamp\":3,\"input_length\":700,\"output_length\":9,\"hash_ids\":[1]}\n\
    {\"timestamp\":4,\"input_length\":700,\"output_length\":9,\"hash_ids\":[1]}\n";

fn ids(rows: &Rows, index: u64) -> Vec<u32> {
    let body: serde_json::Value =
        serde_json::from_str(&body(rows, index, api("completions"), false)).unwrap();
    let list = body["prompt"].as_array().unwrap().iter();
    list.map(|id| id.as_u64().unwrap() as u32).collect()
}

fn words(rows: &Rows, index: u64) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(&body(rows, index, api("chat"), false)).unwrap();
    let text = body["messages"][0]["content"].as_str().unwrap();
    text.split(' ').map(str::to_owned).collect()
}

/// The longest common beginning.
fn shared<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[test]
fn equal_hash_ids_are_equal_blocks_of_exactly_the_tokens_that_the_trace_says() {
    let rows = rows(Sampling::Sequential, "mooncake", TRACE);
    let ids: Vec<Vec<u32>> = (0..5).map(|i| ids(&rows, i)).collect();
    assert_eq!(ids.each_ref_lens(), [1200, 1100, 1050, 700, 700]);
    assert!(ids.concat().iter().all(|id| (1_000..=30_000).contains(id)));
    assert_eq!(shared(&ids[0], &ids[1]), 1024, "two blocks");
    assert_eq!(
        shared(&ids[0], &ids[2]),
        1050,
        "the partial block is the beginning of the whole one"
    );
    assert_eq!(shared(&ids[0], &ids[3]), 512);
    assert_eq!(
        shared(&ids[3], &ids[4]),
        512,
        "what has no hash id is like no other"
    );
    let words: Vec<Vec<String>> = (0..3).map(|i| words(&rows, i)).collect();
    assert_eq!(words.each_ref_lens(), [1200, 1100, 1050]);
    assert!((1024..1030).contains(&shared(&words[0], &words[1])));
    assert_eq!(shared(&words[0], &words[2]), 1050);
    let small = Rows {
        tokens: Tokens::Ids(Span { min: 3, max: 6 }),
        ..rows.clone()
    };
    let few: Vec<Vec<u32>> = (0..2).map(|i| self::ids(&small, i)).collect();
    assert_eq!(few.each_ref_lens(), [1200, 1100]);
    assert!((1024..1040).contains(&shared(&few[0], &few[1])));
    let all: HashSet<u32> = few.concat().into_iter().collect();
    assert_eq!(all, HashSet::from([3, 4, 5, 6]), "each id of the vocabulary");
    let other = Rows { seed: 8, ..rows };
    assert!(
        shared(&self::ids(&other, 0), &ids[0]) < 3,
        "another seed, other tokens"
    );
}

#[test]
fn tokens_are_ids_or_words_as_asked_and_refused_where_an_api_takes_no_ids() {
    let asked = |tokens: Tokens, api: Api| {
        let rows = Rows {
            tokens,
            ..rows(Sampling::Sequential, "mooncake", TRACE)
        };
        (
            rows.refused_by(api, false).is_none(),
            rows.ids_for(api).map(|ids| ids.max),
        )
    };
    let ids = Tokens::Ids(Span { min: 3, max: 511 });
    let (chat, completions) = (api("chat"), api("completions"));
    assert_eq!(asked(Tokens::AsTaken, completions), (true, Some(30_000)));
    assert_eq!(asked(Tokens::AsTaken, chat), (true, None));
    assert_eq!(asked(Tokens::Words, completions), (true, None));
    assert_eq!(asked(ids, completions), (true, Some(511)));
    assert!(!asked(ids, chat).0);
    let texts = Rows {
        tokens: ids,
        ..rows(Sampling::Sequential, "custom", &prompts(1))
    };
    assert!(texts.refused_by(chat, false).is_none(), "nothing is made");
}

trait Lengths {
    fn each_ref_lens(&self) -> Vec<usize>;
}

impl<T> Lengths for Vec<Vec<T>> {
    fn each_ref_lens(&self) -> Vec<usize> {
        self.iter().map(Vec::len).collect()
    }
}
