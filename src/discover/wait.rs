//! Waits for a server that is starting or loading its model (`--wait-for-target`).

use std::time::{Duration, Instant};

use crate::api::Api;
use crate::blocking_http::{Answer, Peer, ProbeError};
use crate::discover::next_step::without_secrets;
use crate::discover::paths::Places;
use crate::discover::{Access, Approach, PROBE_LIMIT, Url, lookup, unfit};
use crate::error::{Failure, Place, lossless};
use crate::http1::HttpError;
use crate::tls::TlsTarget;

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// The time between two notes.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// Asks the server until it is ready or `deadline` has passed. `given` is the place of the URL. Problems that waiting
/// cannot fix, such as a wrong certificate or a missing key, count as ready, because the next question reports them.
///
/// # Errors
/// Fails if the server was not ready in time, with the reason.
pub fn wait_until_ready(
    url: &str,
    given: &Place,
    api: Option<Api>,
    headers: &[(String, String)],
    approach: Approach<'_>,
    deadline: Instant,
    say: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    let url = Url::parse(url, given)?;
    let places = Places::of(&url.path, api).map_err(|reason| given.mistake(reason))?;
    let tls = match url.tls {
        true => Some(TlsTarget::new(&url.host, approach.tls)?),
        false => None,
    };
    let access = Access {
        tls: tls.as_ref(),
        sources: approach.sources,
    };
    let begun = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let Err(why) = ready(&url, &places, headers, access) else {
            if told.is_some() {
                let waited = begun.elapsed().as_secs_f32();
                say(&format!("target {}: ready after {waited:.1} s", url.origin()));
            }
            return Ok(());
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let what = format!(
                "target {}: not ready in time (--wait-for-target): {why}",
                url.origin()
            );
            return Err(unfit(what, "see the server's log, or wait longer"));
        }
        if told.is_none_or(|at| at.elapsed() >= NOTE_EVERY) {
            told = Some(Instant::now());
            let seconds = left.as_secs_f32().ceil();
            say(&format!(
                "waiting for target {} ({why}), up to {seconds} s",
                url.origin()
            ));
        }
        // Nothing announces that a remote server is ready, so it is asked again. A signal still ends the program.
        std::thread::sleep(PAUSE.min(left));
    }
}

/// Asks whether the server is ready; the error is the reason why it is not.
fn ready(url: &Url, places: &Places, headers: &[(String, String)], access: Access<'_>) -> Result<(), String> {
    let addresses = lookup(url).map_err(|e| e.to_string())?;
    let mut why = Ok(());
    for address in addresses {
        let peer = Peer {
            address,
            authority: &url.authority,
            headers,
            limit: PROBE_LIMIT,
            tls: access.tls,
            sources: access.sources,
        };
        why = ready_at(&peer, url, places);
        if why.is_ok() {
            break;
        }
    }
    why
}

fn ready_at(peer: &Peer<'_>, url: &Url, places: &Places) -> Result<(), String> {
    judge("/health", &peer.get("/health"), peer, url)?;
    let Some(list) = places.api.row().models else {
        return Ok(());
    };
    let mut why = Ok(());
    for prefix in &places.candidates {
        let path = format!("{prefix}{list}");
        let answer = peer.get(&format!("{path}{}", url.query));
        if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        why = why.and(judge(&path, &answer, peer, url));
    }
    why
}

/// Tells whether the server is ready by its answer; fails with the reason if waiting may help.
fn judge(path: &str, answer: &Result<Answer, ProbeError>, peer: &Peer<'_>, url: &Url) -> Result<(), String> {
    match answer {
        Ok(answer) if matches!(answer.status, 502..=504) => {
            let query = url.query.trim_start_matches('?');
            let body = without_secrets(&lossless(&answer.body), peer.headers, query);
            Err(format!("GET {path}: {} {body}", answer.status)
                .trim_end()
                .to_owned())
        }
        Err(
            e @ (ProbeError::Refused
            | ProbeError::Reset
            | ProbeError::Timeout(_)
            | ProbeError::Unreachable(_)
            | ProbeError::Http(HttpError::EmptyReply)),
        ) => Err(e.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::TlsOptions;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Starts a server that gives one of `answers` to each request, and the last of them to all further ones.
    fn server(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0u8; 4096]);
                let status = answers[n.min(answers.len() - 1)];
                if !status.is_empty() {
                    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
                }
            }
        });
        format!("http://{address}")
    }

    fn wait(url: &str, limit: Duration) -> (Result<(), Failure>, Vec<String>) {
        let mut said = Vec::new();
        let deadline = Instant::now() + limit;
        let given = Place::option("--target");
        let approach = Approach {
            tls: &TlsOptions::default(),
            sources: &[],
        };
        let result = wait_until_ready(url, &given, None, &[], approach, deadline, &mut |line| {
            said.push(line.to_owned());
        });
        (result, said)
    }

    #[test]
    fn a_server_that_is_ready_or_fails_for_good_is_not_waited_for() {
        for answers in [&["200 OK"][..], &["404 No"], &["401 No"], &["500 No"]] {
            let (result, said) = wait(&server(answers), Duration::ZERO);
            assert_eq!((result, said), (Ok(()), vec![]), "{answers:?}");
        }
    }

    #[test]
    fn closed_connections_and_503_are_waited_for_with_a_note() {
        let (result, said) = wait(&server(&["", "503 Loading", "200 OK"]), Duration::from_secs(60));
        result.unwrap();
        assert!(
            said[0].starts_with("waiting for target http://127.0.0.1:"),
            "{said:?}"
        );
        assert!(said.last().unwrap().contains("ready after"), "{said:?}");
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn a_key_that_a_loading_server_repeats_is_not_shown() {
        let url = Url::read("http://h/v1?key=CANARY").unwrap();
        let headers = [("authorization".to_owned(), "Bearer sk-CANARY-2".to_owned())];
        let peer = Peer {
            address: ([127, 0, 0, 1], 1).into(),
            authority: "h",
            headers: &headers,
            limit: PROBE_LIMIT,
            tls: None,
            sources: &[],
        };
        let answer = Answer {
            status: 503,
            body: b"loading for sk-CANARY-2, CANARY".to_vec(),
            ..Answer::default()
        };
        let why = judge("/health", &Ok(answer), &peer, &url).unwrap_err();
        assert_eq!(why, "GET /health: 503 loading for ***, ***");
    }

    #[test]
    fn the_error_for_a_server_that_never_becomes_ready_has_the_last_reason() {
        let (result, _) = wait(&server(&["503 Loading"]), Duration::ZERO);
        let error = result.unwrap_err();
        assert_eq!(error.exit, crate::error::ExitCode::Target);
        assert!(error.to_string().contains("GET /health: 503 no"), "{error}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (result, _) = wait(&format!("http://{free}"), Duration::ZERO);
        assert!(result.unwrap_err().to_string().contains("connection refused"));
    }
}
