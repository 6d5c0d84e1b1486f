use super::*;
use crate::lengths::Lengths;
use crate::units::{MILLISECOND, Nanos, SECOND, Span};
use crate::workload::{Prompts, RequestKind, Server, Timeouts};
use std::collections::HashSet;

pub fn workload(conversation: Conversation) -> Workload {
    let call = Call::Chat(Chat {
        stream: true,
        max_tokens: Lengths::range(10, 30),
        models: vec!["a".into(), "b".into()],
        prompts: Prompts::Made {
            prefix: String::new(),
            tokens: Lengths::range(9, 20),
        },
        conversation: Some(Box::new(conversation)),
        ..Chat::default()
    });
    let workload = Workload {
        servers: vec![Server {
            name: None,
            weight: 1,
        }],
        kinds: vec![RequestKind {
            name: "talk".into(),
            weight: 1,
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
        }],
        think_time: Span {
            min: SECOND,
            max: SECOND,
        },
        each_kind_first: false,
        users: 1,
        is_warm_up: false,
        load: 0,
    };
    workload.invariants();
    workload
}

fn three_to_eight() -> Conversation {
    Conversation {
        turns: Some(Lengths::range(3, 8)),
        ..Conversation::default()
    }
}

fn key(owner: u32, session: u64) -> SessionKey {
    SessionKey {
        seed: 7,
        owner,
        session,
        kind: 0,
        model: 1,
        of_dataset: 0,
    }
}

#[test]
fn the_turns_of_a_session_depend_on_its_key_alone() {
    let workload = workload(three_to_eight());
    let mut lengths = [0; 9];
    for owner in 0..50 {
        for session in 0..20 {
            let key = key(owner, session);
            let turns = workload.turns(key);
            assert!((3..=8).contains(&turns));
            lengths[usize::from(turns)] += 1;
            for turn in 0..turns {
                let draw = workload.draw_turn(key, turn);
                assert_eq!(draw, workload.clone().draw_turn(key, turn));
                assert_eq!((draw.kind, draw.model, draw.think), (0, 1, SECOND));
                assert!((9..=20).contains(&draw.prompt_tokens) && (10..=30).contains(&draw.max_tokens));
            }
        }
    }
    // Each of six lengths about 167 times of 1,000.
    assert!(lengths[3..].iter().all(|n| (110..230).contains(n)), "{lengths:?}");
}

#[test]
fn no_two_turns_of_a_run_are_the_same() {
    let workload = workload(three_to_eight());
    let mut seen = HashSet::new();
    for owner in 0..100 {
        for session in 0..20 {
            for turn in 0..20 {
                assert!(seen.insert(workload.draw_turn(key(owner, session), turn).prompt));
            }
            // Nor is one the same as a single request.
            assert!(seen.insert(workload.draw(7, owner, session, 0, 1).prompt));
        }
    }
}

#[test]
fn pauses_are_those_of_the_conversation_or_of_the_load() {
    let span = |ms: u64| {
        Pauses::Range(Span {
            min: ms * MILLISECOND,
            max: ms * MILLISECOND,
        })
    };
    let pauses = |conversation: Conversation| -> Vec<Nanos> {
        let workload = workload(conversation);
        let mut pauses: Vec<Nanos> = (0..200)
            .flat_map(|owner| (0..5).map(move |turn| (owner, turn)))
            .map(|(owner, turn)| workload.draw_turn(key(owner, 0), turn).think / MILLISECOND)
            .collect();
        pauses.sort_unstable();
        pauses
    };
    assert!(pauses(three_to_eight()).iter().all(|ms| *ms == 1_000));
    let think = Conversation {
        think: Some(span(30)),
        ..three_to_eight()
    };
    assert!(pauses(think.clone()).iter().all(|ms| *ms == 30));
    let mixed = pauses(Conversation {
        tools: Some(Tools {
            share: Share::of(0.25).unwrap(),
            time: span(4),
        }),
        ..think
    });
    let tools = mixed.iter().filter(|ms| **ms == 4).count();
    assert!(mixed.iter().all(|ms| [4, 30].contains(ms)));
    // 250 of 1,000, give or take four standard deviations.
    assert!((195..305).contains(&tools), "{tools}");
}

#[test]
fn histories_are_planned_for_the_last_turn_of_every_session() {
    let fixed = Conversation {
        turns: Some(Lengths::range(4, 4)),
        ..Conversation::default()
    };
    let mut workload = workload(fixed);
    let Call::Chat(chat) = &mut workload.kinds[0].call else {
        panic!()
    };
    chat.max_tokens = Lengths::fixed(100);
    let planned = workload.planned_histories(1, 500).unwrap();
    // Three answers of 100 tokens.
    let each = SESSION_BYTES + 300 * BYTES_PER_TOKEN;
    let totals = (planned.sessions, planned.each, planned.all);
    assert_eq!(totals, (500, each, 500 * each));
    // The requests have the answers as well, and what the user said: 9 to 20 tokens four times.
    let said = planned.requests / 500 - 300 * BYTES_PER_TOKEN;
    assert!((4 * 9 * BYTES_PER_TOKEN..1_100).contains(&said), "{said}");
    let Call::Chat(chat) = &mut workload.kinds[0].call else {
        panic!()
    };
    chat.conversation = None;
    assert_eq!(workload.planned_histories(1, 500), None);
}

#[test]
fn a_conversation_is_written_as_a_document_has_it() {
    let everything = Conversation {
        turns: Some(Lengths::range(3, 8)),
        history: HistoryMode::Delta,
        system: "Be brief.".into(),
        system_tokens: 100,
        session_tokens: Lengths::range(5, 9),
        think: Some(Pauses::Range(Span {
            min: SECOND,
            max: 2 * SECOND,
        })),
        delay_scale: Some(0.5),
        tools: Some(Tools {
            share: Share::of(0.3).unwrap(),
            time: Pauses::Range(Span {
                min: MILLISECOND,
                max: MILLISECOND,
            }),
        }),
        on_failure: OnFailure::Continue,
        on_cancel: OnCancel::Continue,
        affinity_header: Some("x-session".into()),
    };
    let written = serde_json::to_string(&everything).unwrap();
    let wanted = r#"{"turns":"3-8","history":"delta","system":"Be brief.","system_tokens":100,"session_tokens":"5-9","think_time":"1s-2s","delay_scale":0.5,"tool_time":"1ms","tool_share":"30%","on_failure":"continue","on_cancel":"continue","affinity_header":"x-session"}"#;
    assert_eq!(written, wanted);
}
