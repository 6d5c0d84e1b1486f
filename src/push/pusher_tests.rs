use super::*;
use crate::exposition::{Grouping, RunInfo};
use crate::push::PushConfig;
use crate::tls::TlsOptions;
use crate::units::SECOND;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

/// The longest wait; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn pusher(listener: &TcpListener) -> Pusher {
    let config = PushConfig {
        url: format!("http://{}", listener.local_addr().unwrap()),
        ..PushConfig::default()
    };
    let gateway = Gateway::new(&config, "h", TlsOptions::default()).unwrap();
    let view = FiguresView::new(Grouping::new(&["a".to_owned()]), RunInfo::default());
    Pusher::start(gateway, view, SECOND, true).unwrap()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    let complete = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.split("Content-Length: ").nth(1)?.lines().next()?;
        (body.len() == length.parse::<usize>().unwrap()).then_some(())
    };
    while complete(&text).is_none() {
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "cut: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&chunk[..n]);
    }
    stream
}

#[test]
fn a_gateway_that_never_answers_blocks_no_caller_and_only_the_newest_figures_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pusher = pusher(&listener);
    let merged = Merged::new(1, 1);
    let begun = Instant::now();
    assert_eq!(pusher.tick(&merged, SECOND), None);
    let _silent = accept(&listener);
    for second in 2..=100 {
        assert_eq!(pusher.tick(&merged, second * SECOND), None);
    }
    assert!(begun.elapsed() < PUSH_LIMIT, "a tick waited for the gateway");
    assert_eq!(pusher.locked().dropped, 98);
    let (tell, signals) = bounded(1);
    tell.send(2).unwrap();
    let pushed = pusher.finish(&merged, 101 * SECOND, &signals);
    assert!(begun.elapsed() < PUSH_LIMIT, "a signal did not end the wait");
    assert!(pushed.signalled);
    assert_eq!(
        (pushed.pushes.sent, pushed.pushes.failed, pushed.pushes.dropped),
        (0, 1, 99)
    );
    assert!(pushed.warning.unwrap().contains("given up because of a signal"));
}

#[test]
fn figures_that_never_left_are_counted_when_there_is_no_time_for_a_last_push() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pusher = pusher(&listener);
    let merged = Merged::new(1, 1);
    pusher.tick(&merged, SECOND);
    let _silent = accept(&listener);
    pusher.tick(&merged, 2 * SECOND);
    let pushed = pusher.abandon();
    assert_eq!(
        (pushed.pushes.sent, pushed.pushes.failed, pushed.pushes.dropped),
        (0, 0, 1)
    );
}

#[test]
fn a_push_is_sent_when_due_and_all_failures_give_one_warning() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pusher = pusher(&listener);
    let merged = Merged::new(1, 1);
    assert_eq!(pusher.tick(&merged, SECOND / 2), None);
    let mut warnings = Vec::new();
    for second in 1..=3 {
        warnings.extend(pusher.tick(&merged, second * SECOND));
        let mut stream = accept(&listener);
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let begun = Instant::now();
        while pusher.locked().failed < second {
            assert!(begun.elapsed() < PATIENCE, "the answer was not counted");
            std::thread::yield_now();
        }
    }
    warnings.extend(pusher.tick(&merged, 3 * SECOND + 1));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("status 400: no; the run continues"),
        "{warnings:?}"
    );
    let (_tell, signals) = bounded(1);
    let server = std::thread::spawn(move || {
        let mut stream = accept(&listener);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let pushed = pusher.finish(&merged, 4 * SECOND, &signals);
    server.join().unwrap();
    assert_eq!((pushed.pushes.sent, pushed.pushes.failed), (1, 3));
    assert_eq!(pushed.pushes.last_error.as_deref(), Some("status 400: no"));
    assert_eq!(pushed.warning, None);
}
