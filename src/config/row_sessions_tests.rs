use super::*;
use crate::dataset::{Format, ReadOptions, Turns, read};
use crate::error::Place;
use crate::lengths::Lengths;

fn found(format: &str, text: &str, conversation: &Conversation) -> (DatasetConfig, Dataset) {
    let format = Format::from_name(format).unwrap();
    let options = ReadOptions {
        turns: Turns::All {
            answers: conversation.history == HistoryMode::Dataset,
        },
        ..ReadOptions::of(format)
    };
    let read = read(Box::new(text.as_bytes()), "t", options, &mut || {
        Err(std::io::Error::other("none"))
    });
    let asked = DatasetConfig::new(format, "t.jsonl".into(), Place::option("--dataset"));
    (asked, read.unwrap().dataset)
}

fn refused(format: &str, text: &str, conversation: &Conversation) -> Option<String> {
    let (asked, dataset) = found(format, text, conversation);
    refused_rows(&asked, &dataset, conversation).map(|reason| reason.what)
}

fn history(history: HistoryMode) -> Conversation {
    Conversation {
        history,
        ..Conversation::default()
    }
}

#[test]
fn rows_without_sessions_are_no_turns() {
    for (format, text) in [
        ("custom", "{\"prompt\":\"a\"}"),
        (
            "mooncake",
            "{\"timestamp\":0,\"input_length\":4,\"output_length\":2}",
        ),
        ("raw", "{\"payload\":{\"prompt\":\"a\"}}"),
        ("workload_trace", "{\"body\":{\"prompt\":\"a\"}}"),
        (
            "azure",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.0,5,4\n",
        ),
    ] {
        let what = refused(format, text, &Conversation::default()).unwrap();
        assert!(
            what.contains("`t.jsonl` belong to no sessions"),
            "{format}: {what}"
        );
    }
    for (format, text) in [
        (
            "sharegpt",
            "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"}]}",
        ),
        ("openai", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"),
        ("multi_turn", "{\"turns\":[\"a\",\"b\"]}"),
        ("guidellm", "{\"prompt_0\":\"a\",\"prompt_1\":\"b\"}"),
        (
            "mooncake",
            "{\"session_id\":\"s\",\"timestamp\":0,\"text_input\":\"a\"}",
        ),
        (
            "inputs",
            "{\"data\":[{\"session_id\":\"a\",\"payloads\":[{\"prompt\":\"x\"}]}]}",
        ),
    ] {
        assert_eq!(refused(format, text, &Conversation::default()), None, "{format}");
    }
}

#[test]
fn answers_of_the_dataset_are_there_or_it_is_refused() {
    let own = history(HistoryMode::Dataset);
    let talk =
        "{\"conversations\":[{\"from\":\"human\",\"value\":\"q\"},{\"from\":\"gpt\",\"value\":\"r\"}]}";
    assert_eq!(refused("sharegpt", talk, &own), None);
    let what = refused("multi_turn", "{\"turns\":[\"a\",\"b\"]}", &own).unwrap();
    assert!(what.contains("`history: dataset` needs answers"), "{what}");
}

#[test]
fn a_session_may_have_so_many_turns_unless_only_the_first_are_taken() {
    let turns = vec!["\"a\""; 1_001].join(",");
    let text = format!("{{\"turns\":[\"x\"]}}\n{{\"turns\":[{turns}]}}");
    let what = refused("multi_turn", &text, &Conversation::default()).unwrap();
    assert!(
        what.contains("begins with row 2 of `t.jsonl` has 1,001 turns, which is above the limit of 1,000"),
        "{what}"
    );
    let first = Conversation {
        turns: Some(Lengths::fixed(1_000)),
        ..Conversation::default()
    };
    assert_eq!(refused("multi_turn", &text, &first), None);
}

#[test]
fn nothing_is_added_to_a_whole_body() {
    let text =
        "{\"session_id\":\"s\",\"payload\":{\"prompt\":\"x\"}}\n{\"session_id\":\"s\",\"text_input\":\"b\"}";
    let what = refused("mooncake", text, &Conversation::default()).unwrap();
    assert!(what.starts_with("row 2 of `t.jsonl`"), "{what}");
    assert_eq!(refused("mooncake", text, &history(HistoryMode::Delta)), None);
}

#[test]
fn a_trace_needs_the_instant_at_which_each_session_begins() {
    let of = |text: &str| {
        let (_, dataset) = found("mooncake", text, &Conversation::default());
        refused_beginnings(&dataset).map(|reason| reason.what)
    };
    let first = "{\"session_id\":\"a\",\"timestamp\":5,\"text_input\":\"x\"}\n";
    let later = "{\"session_id\":\"a\",\"delay\":5,\"text_input\":\"x\"}\n";
    let other = "{\"session_id\":\"b\",\"delay\":5,\"text_input\":\"x\"}";
    assert_eq!(of(&[first, later].concat()), None);
    let what = of(&[first, later, other].concat()).unwrap();
    assert!(what.contains("row 3 of 3"), "{what}");
}

#[test]
fn graphs_of_agents_are_no_conversations_and_ids_are_no_words_after_an_answer() {
    let of = |format: &str| {
        let format = Format::from_name(format).unwrap();
        refused_form(&DatasetConfig::new(
            format,
            "t".into(),
            Place::option("--dataset"),
        ))
    };
    assert!(of("weka").unwrap().what.contains("graphs of agents"));
    assert_eq!(of("agentic_trace").map(|reason| reason.what), None);
    let new = "{\"session_id\":\"s\",\"timestamp\":0,\"input_length\":4,\"output_length\":2,\"message_mode\":\"delta\"}";
    let talk = Conversation::default();
    assert_eq!(refused("mooncake", new, &talk), None);
    let (mut asked, dataset) = found("mooncake", new, &talk);
    asked.tokens = Tokens::Ids(crate::units::Span { min: 1, max: 9 });
    let reason = refused_rows(&asked, &dataset, &talk).unwrap();
    assert!(reason.what.contains("cannot be ids of tokens"), "{}", reason.what);
}
