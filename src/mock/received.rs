//! Keeps the newest requests as they came, so that a test, or a user, sees what was really sent.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use super::request::HEADERS_MAX;
use crate::units::Nanos;

/// The bytes of requests that are kept at most, whatever their number.
const BYTES_MAX: usize = 256 << 20;

/// The newest requests in the order in which they were read, with the number of all that came.
#[derive(Debug, Default)]
pub struct ReceivedRequests {
    /// The number of requests that are kept at most; 0 keeps none.
    keep: usize,
    kept: VecDeque<ReceivedRequest>,
    bytes: usize,
    total: u64,
}

#[derive(Debug)]
struct ReceivedRequest {
    /// Instant of the arrival of its last bytes, CLOCK_MONOTONIC.
    arrived: Nanos,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl ReceivedRequests {
    pub fn new(keep: usize) -> ReceivedRequests {
        ReceivedRequests {
            keep,
            ..ReceivedRequests::default()
        }
    }

    /// Keeps a request: its head up to the blank line, and its body.
    pub fn push(&mut self, arrived: Nanos, head: &[u8], body: &[u8]) {
        self.total += 1;
        self.bytes += head.len() + body.len();
        self.kept.push_back(ReceivedRequest {
            arrived,
            head: head.to_vec(),
            body: body.to_vec(),
        });
        while self.kept.len() > self.keep || self.bytes > BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else {
                return;
            };
            self.bytes -= oldest.head.len() + oldest.body.len();
        }
    }

    /// Returns all of them, in the order of their arrival, as the mock's answer to `GET /mock/requests`.
    pub fn to_json(&self) -> Value {
        let first = self.total - self.kept.len() as u64;
        // Requests on several connections are not read in the order in which the kernel stamped them.
        let mut kept: Vec<&ReceivedRequest> = self.kept.iter().collect();
        kept.sort_by_key(|request| request.arrived);
        let requests: Vec<Value> = (first..)
            .zip(kept)
            .map(|(number, request)| request.to_json(number))
            .collect();
        json!({ "total": self.total, "requests": requests })
    }
}

impl ReceivedRequest {
    /// Returns the request with the names of its headers in lower case. Bytes that are not UTF-8 are replaced.
    fn to_json(&self, number: u64) -> Value {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut headers);
        // It was parsed when it came.
        let _ = head.parse(&self.head);
        let mut fields: Map<String, Value> = Map::new();
        for header in head.headers.iter() {
            let value = String::from_utf8_lossy(header.value).into_owned();
            let name = header.name.to_ascii_lowercase();
            match fields.get_mut(&name) {
                Some(Value::String(first)) => {
                    first.push_str(", ");
                    first.push_str(&value);
                }
                _ => drop(fields.insert(name, value.into())),
            }
        }
        json!({
            "number": number,
            "arrived_ns": self.arrived,
            "method": head.method,
            "path": head.path,
            "headers": fields,
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST /v1/x?y HTTP/1.1\r\nHost: a\r\nX-Tag: 1\r\nx-tag: 2\r\n\r\n";

    #[test]
    fn a_request_is_given_back_with_its_headers_and_its_exact_body() {
        let mut received = ReceivedRequests::new(4);
        received.push(17, HEAD, b"{\"a\": 1.50}");
        assert_eq!(
            received.to_json(),
            json!({"total": 1, "requests": [{
                "number": 0,
                "arrived_ns": 17,
                "method": "POST",
                "path": "/v1/x?y",
                "headers": {"host": "a", "x-tag": "1, 2"},
                "body": "{\"a\": 1.50}",
            }]})
        );
    }

    #[test]
    fn they_are_told_in_the_order_of_their_arrival() {
        let mut received = ReceivedRequests::new(4);
        for (arrived, body) in [(7, "b"), (9, "c"), (5, "a")] {
            received.push(arrived, HEAD, body.as_bytes());
        }
        let told = received.to_json();
        let all = told["requests"].as_array().unwrap();
        let found: Vec<_> = all.iter().map(|r| (&r["number"], &r["body"])).collect();
        assert_eq!(
            found,
            [
                (&json!(0), &json!("a")),
                (&json!(1), &json!("b")),
                (&json!(2), &json!("c"))
            ]
        );
    }

    #[test]
    fn only_the_newest_are_kept_and_all_are_counted() {
        let mut received = ReceivedRequests::new(2);
        for body in ["a", "b", "c"] {
            received.push(0, HEAD, body.as_bytes());
        }
        let told = received.to_json();
        let kept: Vec<_> = told["requests"].as_array().unwrap().iter().collect();
        let found: Vec<_> = kept.iter().map(|r| (&r["number"], &r["body"])).collect();
        assert_eq!(found, [(&json!(1), &json!("b")), (&json!(2), &json!("c"))]);
        assert_eq!(
            (&told["total"], received.bytes),
            (&json!(3), 2 * (HEAD.len() + 1))
        );
    }
}
