//! The fast readings of an API against the plain ones, on one document.

use llmload_uring::api::chat::{Chat, read_body, read_body_plain};
use llmload_uring::api::llamacpp::{self, LlamaCpp};
use llmload_uring::api::messages::Messages;
use llmload_uring::api::responses::Responses;
use llmload_uring::api::{
    Alike, Grammar, Malformed, inputs, read_event, read_event_among, read_event_fast, read_event_plain,
};
use std::borrow::Cow;
use std::fmt::Debug;

/// The fast readings are right or silent, whatever the document is: every one goes through all of them.
/// `true` where the one for chat was sure.
pub fn agree(name: &[u8], data: &[u8]) -> bool {
    agree_native(name, data);
    agree_on::<Responses>(name, data);
    agree_on::<Messages>(name, data);
    agree_embeddings(data);
    assert_eq!(read_body(data), read_body_plain(data), "{}", shown(data));
    agree_on::<Chat>(name, data)
}

pub fn agree_native(name: &[u8], data: &[u8]) -> bool {
    assert_eq!(
        llamacpp::read_body(data),
        llamacpp::read_body_plain(data),
        "{}",
        shown(data)
    );
    agree_on::<LlamaCpp>(name, data)
}

/// `true` where the fast reading of this grammar was sure.
pub fn agree_on<G: Grammar>(name: &[u8], data: &[u8]) -> bool {
    let plain = read_event_plain::<G>(name, data);
    assert_eq!(read_event::<G>(name, data), plain, "{}", shown(data));
    sure(read_event_fast::<G>(name, data), plain, data)
}

/// What is read after an event that it may be like is read as it is alone: the event with other texts, and what
/// [`agree_nearly`] makes of it.
pub fn agree_among(name: &[u8], data: &[u8], at: &[usize]) {
    let mut events = vec![data.to_vec()];
    for colon in data.windows(2).enumerate().filter(|(_, bytes)| bytes == b"\":") {
        let value = colon.0 + 2;
        let Some(quote) = data[value..].iter().position(|&byte| byte == b'"') else {
            continue;
        };
        let begin = value + quote + 1;
        let end = data[begin..].iter().position(|&byte| byte == b'"');
        let end = end.map_or(data.len(), |length| begin + length);
        for text in ["", "a", "stop", "error", "é, two", "\\n", "\\", "\"", "\u{1}"] {
            events.push([&data[..begin], text.as_bytes(), &data[end..]].concat());
        }
    }
    agree_one_after_another(name, &events);
    at.iter().for_each(|&at| agree_nearly(name, data, at));
}

/// The same of an event with a byte more, and with a byte less, at a place.
pub fn agree_nearly(name: &[u8], data: &[u8], at: usize) {
    let at = at % data.len().max(1);
    let more = [&data[..at], b"x", &data[at..]].concat();
    let less = [&data[..at], data.get(at + 1..).unwrap_or_default()].concat();
    agree_one_after_another(name, &[data.to_vec(), more, less]);
}

fn agree_one_after_another(name: &[u8], events: &[Vec<u8>]) {
    agree_after::<Chat>(name, events);
    agree_after::<LlamaCpp>(name, events);
    agree_after::<Messages>(name, events);
    agree_after::<Responses>(name, events);
}

fn agree_after<G: Grammar>(name: &[u8], events: &[Vec<u8>]) {
    for event in events {
        for (first, second) in [(&events[0], event), (event, &events[0])] {
            let mut alike = Alike::default();
            for data in [first, second] {
                let among = read_event_among::<G>(&mut alike, name, data);
                assert_eq!(among, read_event_plain::<G>(name, data), "{}", shown(data));
            }
        }
    }
}

pub fn agree_embeddings(data: &[u8]) -> bool {
    let plain = inputs::read_embeddings_plain(data);
    assert_eq!(inputs::read_embeddings(data), plain, "{}", shown(data));
    sure(inputs::read_embeddings_fast(data), plain, data)
}

fn sure<F: Copy + PartialEq + Debug>(fast: Option<F>, plain: Result<F, Malformed>, data: &[u8]) -> bool {
    if let Some(facts) = fast {
        assert_eq!(Ok(facts), plain, "{}", shown(data));
    }
    fast.is_some()
}

pub fn shown(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}
