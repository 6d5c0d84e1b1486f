use super::*;
use crate::config::document::read_document;
use crate::config::{Config, to_plan};
use crate::units::{MILLISECOND, SECOND, Span};
use crate::workload::{Call, Chat};

/// A document whose only kind has these keys in its conversation.
fn document(keys: &str) -> String {
    format!(
        "executor: constant-vus\nvus: 2\nduration: 1s\nmodels: [m]\nprompts: [p]\nrequests:\n  - name: talk\n    \
         max_tokens: 5\n    conversation: {{ {keys} }}\n"
    )
}

fn read(keys: &str) -> Config {
    let (config, mistakes) = read_document("test", "test.yaml", &document(keys)).unwrap();
    assert!(mistakes.is_empty(), "{keys}: {mistakes:?}");
    to_plan(&config).unwrap();
    config
}

fn conversation(config: &Config) -> Conversation {
    match &config.requests[0].call {
        Call::Chat(Chat { conversation, .. }) => *conversation.clone().unwrap(),
        call => panic!("{call:?}"),
    }
}

fn mistakes(keys: &str) -> Vec<String> {
    match read_document("test", "test.yaml", &document(keys)) {
        Ok((_, mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        Err(mistakes) => vec![mistakes.to_string()],
    }
}

#[test]
fn a_conversation_is_read_with_all_its_keys() {
    let simple = conversation(&read("turns: 5"));
    let expected = Conversation {
        turns: Some(Lengths::range(5, 5)),
        ..Conversation::default()
    };
    assert_eq!(simple, expected);
    let keys = "turns: 3-8, history: delta, system: 'Be brief.', system_tokens: 100, session_tokens: 10-20, \
                think_time: 1s-3s, tool_time: 200ms, tool_share: 30%, on_failure: continue, on_cancel: continue, \
                affinity_header: x-session-affinity";
    let all = conversation(&read(keys));
    let expected = Conversation {
        turns: Some(Lengths::range(3, 8)),
        history: HistoryMode::Delta,
        system: "Be brief.".into(),
        system_tokens: 100,
        session_tokens: Lengths::range(10, 20),
        think: Some(Pauses::Range(Span {
            min: SECOND,
            max: 3 * SECOND,
        })),
        delay_scale: None,
        tools: Some(Tools {
            share: Share::of(0.3).unwrap(),
            time: Pauses::Range(Span {
                min: 200 * MILLISECOND,
                max: 200 * MILLISECOND,
            }),
        }),
        on_failure: OnFailure::Continue,
        on_cancel: OnCancel::Continue,
        affinity_header: Some("x-session-affinity".into()),
    };
    assert_eq!(all, expected);
}

#[test]
fn turns_and_pauses_take_distributions() {
    let keys = "turns: 'normal(mean=6,std=2,min=2,max=12)', think_time: { distribution: lognormal, median: 2s, sigma: \
                0.5, max: 20s }, tool_time: 'normal(mean=300ms,std=50ms)', tool_share: 0.4";
    let found = conversation(&read(keys));
    let turns = found.turns.clone().unwrap();
    assert_eq!((turns.min(), turns.max()), (2, 12));
    let think = found.think.clone().unwrap();
    assert_eq!(think.draw(1 << 63), 2 * SECOND);
    assert_eq!(think.draw(u64::MAX), 20 * SECOND);
    assert!(think.draw(0) < 100 * MILLISECOND);
    // What a document is shown as reads back as the same.
    let shown = serde_json::to_string(&found).unwrap();
    let inside = shown
        .trim_start_matches('{')
        .trim_end_matches('}')
        .replace("\":", "\": ");
    assert_eq!(conversation(&read(&inside)), found);
}

#[test]
fn a_wrong_conversation_is_refused_with_its_place() {
    for (keys, wanted) in [
        (
            "turns: 0",
            "`requests[0].conversation.turns`: `0` is below the minimum of 1",
        ),
        ("turns: 1001", "`1001` is above the limit of 1000"),
        ("turns: 8-3", "the first value is greater than the second"),
        ("turns: many", "`many` is not a whole number"),
        ("turns: 5, history: half", "unknown value `half`"),
        ("turns: 5, on_failure: retry", "unknown value `retry`"),
        ("turns: 5, on_cancel: pause", "unknown value `pause`"),
        (
            "turns: 5, think: 1s",
            "unknown key `requests[0].conversation.think`",
        ),
        (
            "turns: 5, think_time: 2h",
            "`requests[0].conversation.think_time`",
        ),
        ("turns: 5, system_tokens: -1", "`-1` is not a whole number"),
        (
            "turns: 5, tool_share: 0.5",
            "`requests[0].conversation.tool_share` has no effect without `tool_time`",
        ),
        (
            "turns: 5, tool_time: 1s, think_time: 1s",
            "`requests[0].conversation.tool_time` has no effect on its own",
        ),
        (
            "turns: 5, tool_time: 1s, tool_share: 1.5",
            "`1.5` may be a share or a percentage",
        ),
        (
            "turns: 5, tool_time: 1s, tool_share: some",
            "`some` is not a share",
        ),
        (
            "turns: 5, affinity_header: 'x y'",
            "`x y` is not the name of a header",
        ),
        (
            "turns: 5, affinity_header: content-length",
            "`content-length` is not the name of a header",
        ),
    ] {
        let found = mistakes(keys);
        assert_eq!(found.len(), 1, "{keys}: {found:?}");
        assert!(
            found[0].contains(wanted) && found[0].contains("test.yaml:9"),
            "{keys}: {found:?}"
        );
    }
}

#[test]
fn kinds_inherit_the_conversation_of_the_document_and_light_requests_have_none() {
    let text = "executor: constant-vus\nvus: 2\nduration: 1s\nmodels: [m]\nprompts: [p]\nconversation: { turns: 4 }\n\
                requests:\n  - { name: a, max_tokens: 5 }\n  - { name: b, max_tokens: 5, conversation: { turns: 2 } }\n  \
                - { name: c, kind: light }\n";
    let (config, mistakes) = read_document("test", "test.yaml", text).unwrap();
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let plan = to_plan(&config).unwrap();
    let turns: Vec<Option<u32>> = (0..3)
        .map(|kind| {
            plan.workload
                .conversation(kind)
                .and_then(|conversation| Some(conversation.turns.as_ref()?.max()))
        })
        .collect();
    assert_eq!(turns, [Some(4), Some(2), None]);
}
