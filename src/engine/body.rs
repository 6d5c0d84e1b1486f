//! How the body of a response is read, by its head and by what was asked for.

use crate::api::{Api, ReadBody, ReadEvent};
use crate::http1::{ContentType, Head};
use crate::metrics::{Cause, Outcome};
use crate::sse::Framing;

use super::expected::Expected;

#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// The head has not arrived.
    Awaited,
    /// A body whose type does not say that it is a stream. It is gathered until its first bytes tell.
    Untold(ReadEvent, Framing),
    /// A stream of events, each read by this function.
    Events(ReadEvent, Framing),
    /// One document, read by this function at its end.
    Json(ReadBody),
    /// Read to its end and discarded; the outcome is known from the head.
    Skipped(Outcome),
}

impl Body {
    /// Returns the body that comes after this head, and the cause if the head has decided that it is a failure.
    pub(super) fn after(head: &Head, expected: Expected) -> (Body, Option<Cause>) {
        let skipped = match (head.status, expected) {
            (200..=299, _) if head.content_encoded => Outcome::UnsupportedEncoding,
            (200..=299, Expected::Light) => Outcome::Ok,
            (200..=299, Expected::Whole(api)) => return (Body::Json(api.row().read_body), None),
            (200, Expected::Stream(api)) => return Body::of_stream(api, head.content_type),
            (201..=299, Expected::Stream(_)) => {
                return (Body::Skipped(Outcome::NotStreamed), Some(Cause::Not200));
            }
            (300..=399, _) => Outcome::Redirect,
            (429, _) => Outcome::Http429,
            (503, _) => Outcome::Http503,
            (400..=499, _) => Outcome::Http4xx,
            (500..=599, _) => Outcome::Http5xx,
            _ => return (Body::Skipped(Outcome::Malformed), Some(Cause::BadStatus)),
        };
        (Body::Skipped(skipped), None)
    }

    /// Returns how to read the body of a 200 that was to be a stream, by its content type.
    fn of_stream(api: Api, kind: ContentType) -> (Body, Option<Cause>) {
        let row = api.row();
        let Some(read) = row.read_event else {
            return (Body::Skipped(Outcome::NotStreamed), None);
        };
        match (row.framing, kind) {
            // A gateway may put lines into events.
            (_, ContentType::EventStream) => (Body::Events(read, Framing::Events), None),
            (Framing::Lines, ContentType::JsonLines) => (Body::Events(read, Framing::Lines), None),
            // One document is one line as well, so that only its type tells that it is no stream.
            (Framing::Lines, ContentType::Json) => {
                (Body::Skipped(Outcome::NotStreamed), Some(Cause::JsonDocument))
            }
            (framing, _) => (Body::Untold(read, framing), None),
        }
    }
}
