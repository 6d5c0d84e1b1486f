use super::*;

/// Words of one to three tokens, by their place.
fn costs() -> WordCosts {
    let mut costs = [0; WORDS.len()];
    for (index, cost) in costs.iter_mut().enumerate() {
        *cost = 1 + (index % 3) as u8;
    }
    WordCosts::new(costs).unwrap().with_first(2, 5, 9)
}

/// Counts words as the costs do; the first one has no blank before it, and is not counted.
fn tokens(costs: &WordCosts, words: &str) -> u32 {
    let more = words.split(' ').skip(1);
    let of = |word: &str| u32::from(costs.costs[WORDS.iter().position(|known| *known == word).unwrap()]);
    more.map(of).sum()
}

#[test]
fn a_prompt_has_exactly_the_tokens_asked_for() {
    let costs = costs();
    for asked in 9..200 {
        for key in [0, 1, 99, u64::MAX] {
            let write = |push: &dyn Fn(&mut Vec<u8>)| {
                let mut out = Vec::new();
                push(&mut out);
                String::from_utf8(out).unwrap()
            };
            let whole = write(&|out| assert_eq!(costs.push_prompt(out, key, asked), 0));
            assert_eq!(9 + tokens(&costs, &whole), asked);
            let part = write(&|out| costs.push_part(out, key, asked));
            assert_eq!(5 + tokens(&costs, &part), asked);
            let text = write(&|out| costs.push_text(out, key, asked, true));
            assert_eq!(2 + tokens(&costs, &text), asked);
            let more = write(&|out| costs.push_text(out, key, asked, false));
            assert_eq!(tokens(&costs, &more), asked);
        }
    }
}

#[test]
fn what_the_server_adds_beyond_a_prompt_is_said() {
    let mut out = Vec::new();
    assert_eq!(costs().push_prompt(&mut out, 7, 4), 5);
    assert_eq!(String::from_utf8(out).unwrap(), costs().first_word());
}

#[test]
fn words_follow_from_the_key_as_without_counts() {
    let mut out = Vec::new();
    costs().push_more(&mut out, 7, 100);
    let mut plain = Vec::new();
    super::super::prompts::push_words(&mut plain, 7, 30);
    let [counted, plain] = [out, plain].map(|words| String::from_utf8(words).unwrap());
    assert!(counted[1..].starts_with(&plain), "{counted}\n{plain}");
}

#[test]
fn words_without_tokens_are_not_used() {
    assert_eq!(WordCosts::new([0; WORDS.len()]), None);
    let mut costs = [0; WORDS.len()];
    costs[3] = 2;
    let costs = WordCosts::new(costs).unwrap().with_first(2, 2, 2);
    let mut out = Vec::new();
    costs.push_prompt(&mut out, 5, 9);
    // Tokens come in twos, so that one is missing.
    assert_eq!(String::from_utf8(out).unwrap(), ["to"; 4].join(" "));
    assert_eq!((costs.least(), costs.most()), (2, 2));
}
