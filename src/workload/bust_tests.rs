use super::*;
use crate::workload::conversation::tests::workload;
use crate::workload::{Conversation, SessionKey};
use std::collections::BTreeSet;

fn marked(json: &str) -> String {
    let marker = Marker { key: 0, costs: None };
    let mut out = format!("before {json}").into_bytes();
    marker.mark(&mut out, "before ".len());
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before ").unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
    text.replace(&["the"; 8].join(" "), "MARK")
}

#[test]
fn the_marker_goes_before_the_first_text_wherever_that_is() {
    for (json, expected) in [
        (r#""hi""#, r#""MARK\n\nhi""#),
        (r#""""#, r#""MARK\n\n""#),
        (
            r#"[{"role":"system","content":"a"},{"role":"user","content":"b"}]"#,
            r#"[{"role":"system","content":"MARK\n\na"},{"role":"user","content":"b"}]"#,
        ),
        (
            r#"[ {"content" : "\"a", "role":"user"} ]"#,
            r#"[ {"content" : "MARK\n\n\"a", "role":"user"} ]"#,
        ),
        (
            r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#,
            r#"[{"role":"user","content":[{"type":"text","text":"MARK\n\na"},{"type":"text","text":"b"}]}]"#,
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]"#,
            r#"[{"role":"user","content":[{"type":"text","text":"MARK"},{"type":"image_url","image_url":{"url":"u"}}]}]"#,
        ),
        (
            r#"[{"role":"user","content":[]}]"#,
            r#"[{"role":"user","content":[{"type":"text","text":"MARK"}]}]"#,
        ),
        (
            r#"[{"role":"assistant","content":null},{"role":"user","content":"a"}]"#,
            r#"[{"role":"assistant","content":null},{"role":"user","content":"MARK\n\na"}]"#,
        ),
        (
            r#"[{"role":"assistant","content":null}]"#,
            r#"[{"role":"user","content":"MARK"},{"role":"assistant","content":null}]"#,
        ),
        ("[]", r#"[{"role":"user","content":"MARK"}]"#),
    ] {
        assert_eq!(marked(json), expected);
    }
}

#[test]
fn keys_differ_by_request_load_and_tag_and_are_the_same_in_all_turns() {
    let with = |tag: &str, load: u32| {
        let mut workload = workload(Conversation::default());
        if let Call::Chat(chat) = &mut workload.kinds[0].call {
            chat.cache_bust = CacheBust::parse(tag).unwrap();
        }
        workload.load = load;
        workload
    };
    let key = |session: u64| SessionKey {
        seed: 7,
        owner: 3,
        session,
        kind: 0,
        model: 0,
        of_dataset: 0,
    };
    let mut seen = BTreeSet::new();
    for (tag, load) in [("a", 1), ("a", 2), ("b", 1)] {
        let workload = with(tag, load);
        for session in 0..100 {
            let busts = [0, 1, 2].map(|turn| workload.draw_turn(key(session), turn).bust);
            assert!(busts.iter().all(|bust| *bust == busts[0]));
            assert!(seen.insert(busts[0]));
            assert_eq!(workload, with(tag, load));
            assert!(seen.insert(workload.draw(7, 3, session, 0, 0).bust));
        }
    }
    assert_eq!(with("false", 1).draw_turn(key(0), 0).bust, 0);
    assert!(!with("none", 1).busts_caches() && with("true", 1).busts_caches());
}

#[test]
fn a_tag_is_one_word() {
    let longest = "x".repeat(TAG_BYTES_MAX);
    for text in ["5f0c21a97be4", "run-1_a.b", &longest] {
        let parsed = CacheBust::parse(text).unwrap().unwrap();
        assert_eq!(parsed.tag.as_deref(), Some(text));
    }
    let longer = format!("{longest}x");
    for text in ["", "a b", "ä", "system_prefix", &longer] {
        assert!(CacheBust::parse(text).is_err(), "{text}");
    }
}
