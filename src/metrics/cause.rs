//! The cause of a failure, where an outcome has several.

/// Declares the causes with their names and words, in the order in which documents and summaries list them.
macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident => $name:literal, $says:literal;)*) => {
        /// Why a request failed. A request has at most one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Cause {
            $($(#[$doc])* $cause,)*
        }

        impl Cause {
            /// Each once; `ALL[cause as usize]` is `cause`.
            pub const ALL: [Cause; [$(Cause::$cause),*].len()] = [$(Cause::$cause),*];
            pub const COUNT: usize = Cause::ALL.len();

            /// The key in the result document.
            pub fn name(self) -> &'static str {
                match self {
                    $(Cause::$cause => $name,)*
                }
            }

            /// Returns a few words for the summary.
            pub fn says(self) -> &'static str {
                match self {
                    $(Cause::$cause => $says,)*
                }
            }
        }
    };
}

causes! {
    /// Of `truncated`.
    DoneWithoutFinish => "done_without_finish", "[DONE] without a finish reason";
    /// HTTP ended well, and so did the last event.
    NoFinish => "no_finish", "ended without a finish reason";
    /// HTTP ended well, and so did one answer of several.
    OpenChoice => "open_choice", "one of several answers has no finish reason";
    /// HTTP ended well, in the middle of an event.
    CutInEvent => "cut_in_event", "ended inside an event";
    /// The answer was complete, and the end of its chunked body never came.
    NoLastChunk => "no_last_chunk", "complete, but the last chunk is missing";
    /// The answer was complete, and more bytes were promised.
    ShortBody => "short_body", "complete, but shorter than content-length";
    CutInBody => "cut_in_body", "connection closed inside the body";
    CutInHead => "cut_in_head", "connection closed inside the headers";
    NoCloseNotify => "no_close_notify", "TLS ended without close_notify";
    /// Of `malformed`.
    EventsRunTogether => "events_run_together", "two data lines run together";
    NotJson => "not_json", "not JSON";
    NotAnObject => "not_an_object", "JSON, but not an object";
    BadStatusLine => "bad_status_line", "not an HTTP/1 status line";
    TlsRecord => "tls_record", "TLS on a plain connection";
    BadVersion => "bad_version", "HTTP version neither 1.0 nor 1.1";
    BadHeader => "bad_header", "malformed header";
    BadContentLength => "bad_content_length", "malformed content-length";
    BadTransferEncoding => "bad_transfer_encoding", "transfer-encoding not plain chunked";
    BadChunk => "bad_chunk", "broken chunk framing";
    UnexpectedUpgrade => "unexpected_upgrade", "status 101 unasked";
    BadStatus => "bad_status", "status outside 200 to 599";
    /// Of `not_streamed`.
    EmptyBody => "empty_body", "empty body";
    JsonDocument => "json_document", "a JSON document instead of a stream";
    Html => "html", "HTML instead of a stream";
    OtherBody => "other_body", "something else instead of a stream";
    NoEvents => "no_events", "an event stream without an event";
    Not200 => "not_200", "a 2xx other than 200";
}

impl Cause {
    /// The cause that documents call so.
    pub fn of_name(name: &str) -> Option<Cause> {
        Cause::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents_tests::{document, rows};

    #[test]
    fn the_manual_lists_every_cause_in_the_words_of_the_summary() {
        let manual = document("docs/METRICS.md");
        let told: Vec<Vec<String>> = rows(&manual, "### Causes");
        let ours = Cause::ALL.map(|cause| vec![format!("`{}`", cause.name()), cause.says().to_owned()]);
        assert_eq!(told, ours);
    }

    #[test]
    fn every_cause_is_at_its_own_index_and_is_found_by_its_name() {
        for (i, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, i);
            assert_eq!(Cause::of_name(cause.name()), Some(cause));
            assert!(!cause.says().is_empty());
        }
        assert_eq!(Cause::of_name("ok"), None);
    }
}
