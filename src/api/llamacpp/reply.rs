//! The text of llama.cpp's own completions.

use crate::api::chat::fast::Seen;
use crate::api::reply::{self, OfEvent, Reply};
use crate::api::scan::Scan;

/// An event and a whole answer have their text in the same member.
pub(in crate::api) const REPLY: Reply = Reply {
    of_event: OfEvent::New(read),
    of_body: read,
};

fn read(data: &[u8], out: &mut Vec<u8>) {
    let fast = |scan: &mut Scan, out: &mut Vec<u8>| {
        let mut seen = Seen::default();
        scan.object(|scan, key| match key {
            b"content" => {
                seen.first(0)?;
                reply::append_raw(scan.string()?, out)
            }
            _ => scan.skip(),
        })
    };
    reply::read(data, out, fast, |document, out| {
        if let Some(text) = document["content"].as_str() {
            reply::append(text, out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_an_event_is_its_text() {
        let mut out = Vec::new();
        for data in [
            &br#"{"index":0,"content":" the","tokens":[260],"stop":false}"#[..],
            br#"{"content":" \"cat\"\n","generation_settings":{"stop":[],"temperature":0.8},"stop":false}"#,
            br#"{"content":"","stop":true,"timings":{"prompt_ms":1.5}}"#,
            br#"{"error":{"message":"no"}}"#,
        ] {
            read(data, &mut out);
        }
        assert_eq!(out, br#" the \"cat\"\n"#);
    }
}
