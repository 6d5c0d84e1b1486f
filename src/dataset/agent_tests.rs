//! Samples of agents' traces, and damaged ones.

use super::sample_tests::{read_text, rows};

const WEKA: &str = r#"{"id":"x","models":["m"],"block_size":64,"hash_id_scope":"local","tool_tokens":900,"system_tokens":2100,"requests":[
{"t":0.0,"type":"s","model":"m","in":130,"out":140,"hash_ids":[1,2,3],"input_types":["text"],"output_types":["tool_use"],"stop":"tool_use","api_time":4.1,"think_time":0.0,"ttft":1.2},
{"t":5.0,"type":"n","model":"m","in":200,"out":20,"hash_ids":[1,2,3,4],"api_time":2.0},
{"t":7.5,"type":"subagent","agent_id":"g1","subagent_type":"Explore","duration_ms":8000,"total_tokens":9000,"tool_use_count":3,"status":"completed","models":["m"],"tool_tokens":1,"system_tokens":2,
 "requests":[{"t":7.75,"type":"s","in":70,"out":9,"hash_ids":[7,8],"api_time":1.0},{"t":9.0,"type":"s","in":80,"out":9,"hash_ids":[7,8],"api_time":1.0}]},
{"t":16.0,"type":"s","in":300,"out":30,"hash_ids":[1,2,3,4,5],"api_time":1.0}],"totals":{}}"#;

fn weka() -> String {
    WEKA.replace('\n', "")
}

#[test]
fn rows_follow_after_the_tools_of_their_agent_and_after_subagents() {
    let found = rows("weka", &weka());
    let parts = |row: &str| {
        let (tokens, rest) = row.split_once(" in [").unwrap();
        let (_, rest) = rest.split_once("] of ").unwrap();
        format!("{tokens} of {rest}")
    };
    let shown: Vec<String> = found.iter().map(|row| parts(row)).collect();
    assert_eq!(
        shown,
        [
            "130 tokens of 64 -> 140 in x#0",
            // 4.1 s after 0 the answer was there; the tool took until 5.
            "200 tokens of 64 -> 20 after 0.9 in x#1",
            // The subagent began 0.75 s after that answer.
            "70 tokens of 64 -> 9 after 0.75 in x/g1#0",
            "80 tokens of 64 -> 9 after 0.25 in x/g1#1",
            // The last request of the subagent ended at 10.
            "300 tokens of 64 -> 30 after 6 in x#2",
        ]
    );
}

/// What each row of a file waits for, with the delay in seconds: `0,2+1.5`; a row that waits for none begins with `+`.
fn waits(text: &str) -> Vec<String> {
    let found = read_text("weka", text).unwrap();
    let graph = found.dataset.graph().unwrap();
    (0..found.dataset.len() as u32)
        .map(|row| {
            let (after, delay) = graph.waits(row);
            let after: Vec<String> = after.iter().map(u16::to_string).collect();
            format!("{}+{}", after.join(","), delay as f64 / 1e9)
        })
        .collect()
}

/// A session of these requests.
fn session(requests: &[&str]) -> String {
    format!(
        r#"{{"id":"x","block_size":64,"requests":[{}]}}"#,
        requests.join(",")
    )
}

fn request(t: f64, took: f64) -> String {
    format!(r#"{{"t":{t},"in":10,"out":5,"api_time":{took}}}"#)
}

fn subagent(t: f64, requests: &[&str]) -> String {
    let all = requests.join(",");
    format!(r#"{{"t":{t},"type":"subagent","agent_id":"g{t}","requests":[{all}]}}"#)
}

#[test]
fn subagents_at_the_same_time_are_not_waited_for_by_each_other_but_by_what_comes_after_both() {
    let all = session(&[
        &request(0.0, 2.0),
        &subagent(3.0, &[&request(3.0, 4.0), &request(8.0, 1.0)]),
        &subagent(3.5, &[&request(4.0, 1.0)]),
        &request(10.0, 1.0),
        // Subagents that nobody waits for: what comes next began before they had ended.
        &subagent(12.0, &[&request(12.0, 9.0)]),
        &request(13.0, 1.0),
    ]);
    let expected = ["+0", "0+1", "1+1", "0+2", "2,3+1", "4+1", "4+2"];
    assert_eq!(waits(&all), expected);
    let found = read_text("weka", &all).unwrap();
    let graph = found.dataset.graph().unwrap();
    assert_eq!((graph.len(), graph.nodes(0), graph.width()), (1, 7, 2));
    assert_eq!(graph.recorded(0), 21_000_000_000);
    assert_eq!(found.left_out, [""; 0]);
}

#[test]
fn a_subagent_may_count_from_its_own_beginning_and_have_subagents() {
    let inner = subagent(2.0, &[&request(0.0, 1.0), &request(2.0, 1.0)]);
    let all = session(&[
        &request(0.0, 1.0),
        &subagent(5.0, &[&request(0.0, 1.0), &inner]),
        &request(20.0, 1.0),
    ]);
    assert_eq!(waits(&all), ["+0", "0+4", "1+1", "2+1", "3+10"]);
}

#[test]
fn agents_that_begin_together_wait_for_the_beginning_of_the_session() {
    let all = session(&[
        &subagent(7.0, &[&request(7.0, 4.0)]),
        &subagent(7.5, &[&request(8.0, 1.0)]),
    ]);
    assert_eq!(waits(&all), ["+0", "+1"]);
    // Rows of several sessions are apart, and requests without a prompt are waited for by nobody.
    let empty = r#"{"t":3,"in":0,"out":5,"api_time":1}"#;
    let two = format!(
        "{all}\n{}",
        session(&[&request(0.0, 1.0), empty, &request(9.0, 1.0)])
    );
    assert_eq!(waits(&two), ["+0", "+1", "+0", "0+8"]);
    let found = read_text("weka", &two).unwrap();
    let graph = found.dataset.graph().unwrap();
    let sessions: Vec<usize> = (0..4).map(|row| graph.session_of(row)).collect();
    assert_eq!((sessions, graph.first_row(1)), (vec![0, 0, 1, 1], 2));
}

#[test]
fn without_the_time_that_requests_took_they_follow_one_another_after_their_pauses() {
    let all = session(&[
        r#"{"t":0,"in":10,"out":5}"#,
        r#"{"t":5,"in":10,"out":5,"think_time":1.5}"#,
        r#"{"t":9,"in":10,"out":5}"#,
    ]);
    assert_eq!(waits(&all), ["+0", "0+1.5", "1+0"]);
}

#[test]
fn local_ids_are_other_blocks_in_another_session_and_global_ones_are_not() {
    let ids = |text: &str| -> Vec<String> {
        let found = rows("weka", text);
        let list = |row: &String| {
            row.split(" in [")
                .nth(1)
                .unwrap()
                .split(']')
                .next()
                .unwrap()
                .to_owned()
        };
        found.iter().map(list).collect()
    };
    let other = weka().replace("\"x\"", "\"y\"");
    let found = ids(&format!("{}\n{other}", weka()));
    assert!(
        found[1].starts_with(&format!("{}, ", found[0])),
        "a prefix stays one"
    );
    assert_ne!(found[0], found[5]);
    let global = |text: String| text.replace("\"local\"", "\"global\"");
    let found = ids(&format!("{}\n{}", global(weka()), global(other)));
    assert_eq!((found[0].as_str(), found[5].as_str()), ("1, 2, 3", "1, 2, 3"));
}

#[test]
fn conversations_of_sglang_are_sessions_of_new_messages() {
    let text = r#"{"metadata":{},"conversations":[[{"messages":[{"role":"user","content":"a"}],"prompt_tokens":3},{"messages":[{"role":"tool","content":"b"}]}],[{"messages":[{"role":"user","content":"c"}]}]]}"#;
    assert_eq!(
        rows("agentic_trace", text),
        [
            "messages [{\"role\":\"user\",\"content\":\"a\"}] in #0#0 delta",
            "messages [{\"role\":\"tool\",\"content\":\"b\"}] in #0#1 delta",
            "messages [{\"role\":\"user\",\"content\":\"c\"}] in #2#0 delta",
        ]
    );
}

#[test]
fn damaged_traces_of_agents_say_where() {
    let whole = weka();
    for (from, to, part) in [
        ("\"id\":\"x\",", "", "has no `id`"),
        ("\"local\"", "\"here\"", "neither `local` nor `global`"),
        ("\"t\":5.0,", "", "`requests[1]` has no `t`"),
        ("\"t\":5.0", "\"t\":-5.0", "`requests[1]` `t`"),
        (
            "\"type\":\"n\"",
            "\"type\":\"q\"",
            "`requests[1]` `type`: `q` is none of",
        ),
        (
            "\"in\":70",
            "\"in\":\"70\"",
            "`requests[2]` `requests[0]` `in` is a string",
        ),
        ("\"agent_id\":\"g1\",", "", "`requests[2]` has no `agent_id`"),
        ("[1,2,3,4,5]", "[1,2,3,4,5,6,7]", "fill only 5 blocks of 64"),
        ("\"requests\":[{\"t\":0.0", "\"requests\":{\"t\":0.0", "not JSON"),
    ] {
        assert!(whole.contains(from), "{from}");
        let mistakes = read_text("weka", &whole.replacen(from, to, 1)).unwrap_err();
        assert!(
            mistakes[0].starts_with("error: f:1:") && mistakes[0].contains(part),
            "{part}: {mistakes:?}"
        );
    }
    let deep = (0..20).fold("{\"t\":0,\"in\":1,\"out\":1}".to_owned(), |inner, _| {
        format!("{{\"t\":0,\"type\":\"subagent\",\"agent_id\":\"g\",\"requests\":[{inner}]}}")
    });
    let mistakes = read_text("weka", &format!("{{\"id\":\"x\",\"requests\":[{deep}]}}")).unwrap_err();
    assert!(mistakes[0].contains("more than 8 deep"), "{mistakes:?}");
    for (text, part) in [
        ("{\"metadata\":{}}", "has no `conversations`"),
        (
            "{\"conversations\":[{}]}",
            "`conversations[0]` is an object, not a list",
        ),
        (
            "{\"conversations\":[[{}]]}",
            "`conversations[0]` turn 0 has no `messages`",
        ),
    ] {
        let mistakes = read_text("agentic_trace", text).unwrap_err();
        assert!(mistakes[0].contains(part), "{part}: {mistakes:?}");
    }
}
