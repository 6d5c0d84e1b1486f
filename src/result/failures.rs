//! Why requests failed, in the words of their servers.

use crate::error::printable;
use crate::metrics::Cause;
use crate::report::message_of;
use crate::result::Ordered;
use crate::units::grouped;
use serde::{Deserialize, Serialize};

/// Characters of a failure in words: three lines of the summary.
const WORDS_CHARS_MAX: usize = 200;

/// The failed requests that are alike: those with the same outcome, status and cause at the same server. Texts are
/// those of the first of them that had any, cut, filtered and without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureFigures {
    /// Name of the server, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    pub outcome: String,
    /// HTTP status, if one arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    pub count: u64,
    /// The place of the bytes of `body` in the answer, or what there was instead of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Target of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The next step, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl FailureFigures {
    fn is_like(&self, other: &FailureFigures) -> bool {
        let key = |f: &FailureFigures| (f.server.clone(), f.outcome.clone(), f.status, f.cause.clone());
        key(self) == key(other)
    }

    /// Returns the failure on one line: how many, which, where, and what the server said.
    pub fn in_words(&self) -> String {
        let mut said = format!("{} x {}", grouped(self.count), self.outcome);
        // `http_503` names its status.
        if let Some(status) = self.status
            && !self.outcome.ends_with(&status.to_string())
        {
            said.push_str(&format!(" {status}"));
        }
        if let Some(server) = &self.server {
            said.push_str(&format!(" from {server}"));
        }
        if let Some(cause) = &self.cause {
            let cause = Cause::of_name(cause).map_or(cause.clone(), |cause| cause.says().to_owned());
            said.push_str(&format!(", {cause}"));
        }
        if let Some(place) = &self.place {
            said.push_str(&format!(", {place}"));
        }
        if let Some(location) = &self.location {
            said.push_str(&format!(", to {location}"));
        }
        match &self.body {
            Some(body) => said.push_str(&format!(": {}", message_of(body))),
            None if self.status.is_some_and(|status| status >= 400) && self.place.is_none() => {
                said.push_str(", with an empty body");
            }
            None => {}
        }
        printable(&said, WORDS_CHARS_MAX)
    }

    /// Joins the lists of several processes. The first text of a kind stays; the most frequent kind comes first.
    pub fn merge<'a>(lists: impl Iterator<Item = &'a [FailureFigures]>) -> Vec<FailureFigures> {
        let mut all: Vec<FailureFigures> = Vec::new();
        for failure in lists.flatten() {
            match all.iter_mut().find(|known| known.is_like(failure)) {
                None => all.push(failure.clone()),
                Some(known) => {
                    let count = known.count.saturating_add(failure.count);
                    if known.body.is_none() && failure.body.is_some() {
                        *known = failure.clone();
                    }
                    known.count = count;
                }
            }
        }
        all.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        all
    }

    /// Returns the number of failures by outcome.
    pub(super) fn by_outcome(list: &[FailureFigures]) -> Ordered<u64> {
        let mut sums: Ordered<u64> = Ordered(Vec::new());
        for failure in list {
            match sums.0.iter_mut().find(|(outcome, _)| *outcome == failure.outcome) {
                Some((_, sum)) => *sum = sum.saturating_add(failure.count),
                None => sums.0.push((failure.outcome.clone(), failure.count)),
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, count: u64, body: Option<&str>) -> FailureFigures {
        FailureFigures {
            server: None,
            outcome: "http_4xx".to_owned(),
            status: Some(status),
            cause: None,
            count,
            place: None,
            body: body.map(str::to_owned),
            location: None,
            hint: None,
        }
    }

    #[test]
    fn a_failure_says_how_many_which_where_and_what_the_server_said() {
        let body = r#"{"error":{"message":"no model \u001b[2J `m`"}}"#;
        let said = failure(404, 1234, Some(body)).in_words();
        assert_eq!(said, "1,234 x http_4xx 404: no model \\u{1b}[2J `m`");
        let malformed = FailureFigures {
            outcome: "malformed".to_owned(),
            cause: Some("not_json".to_owned()),
            place: Some("event 2, byte 9".to_owned()),
            server: Some("b".to_owned()),
            ..failure(200, 1, Some("{\"a\": nope}"))
        };
        let said = malformed.in_words();
        assert_eq!(
            said,
            "1 x malformed 200 from b, not JSON, event 2, byte 9: {\"a\": nope}"
        );
        let empty = failure(404, 2, None).in_words();
        assert_eq!(empty, "2 x http_4xx 404, with an empty body");
        let long = failure(400, 1, Some(&"word ".repeat(200))).in_words();
        assert!(
            long.ends_with('…') && long.chars().count() <= WORDS_CHARS_MAX + 1,
            "{long}"
        );
    }

    #[test]
    fn lists_of_shards_are_joined_kind_by_kind_with_the_first_text() {
        let first = [failure(404, 3, None), failure(400, 2, Some("a"))];
        let second = [failure(400, 5, Some("b")), failure(404, 1, Some("c"))];
        let merged = FailureFigures::merge([&first[..], &second[..]].into_iter());
        assert_eq!(merged, [failure(400, 7, Some("a")), failure(404, 4, Some("c"))]);
        assert_eq!(FailureFigures::by_outcome(&merged).get("http_4xx"), Some(&11));
    }
}
