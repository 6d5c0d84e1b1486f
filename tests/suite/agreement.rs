//! The fast readings of an API against the plain ones, on one document.

use llmload_uring::api::chat::{Chat, read_body, read_body_plain};
use llmload_uring::api::llamacpp::{self, LlamaCpp};
use llmload_uring::api::messages::Messages;
use llmload_uring::api::responses::Responses;
use llmload_uring::api::{Grammar, Malformed, inputs, read_event, read_event_fast, read_event_plain};
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
