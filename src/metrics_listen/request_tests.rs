use super::*;

fn asked(lines: &str) -> Asked {
    read(format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).as_bytes())
}

fn format_of(accept: &str) -> Format {
    match asked(&format!("GET /metrics HTTP/1.1\nHost: a\nAccept: {accept}")) {
        Asked::Figures { format, .. } => format,
        other => panic!("{accept}: {other:?}"),
    }
}

#[test]
fn the_format_is_what_the_scraper_prefers() {
    let (open, text) = (Format::OpenMetrics, Format::Text);
    for (accept, format) in [
        // Prometheus 2.42, then 3.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            open,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            open,
        ),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", open),
        ("Application/OpenMetrics-Text", open),
        ("application/openmetrics-text;version=\"1.0.0\"", open),
        ("text/plain;version=0.0.4", text),
        ("text/plain, application/openmetrics-text;q=0.5", text),
        ("application/openmetrics-text;version=0.0.1", text),
        ("application/openmetrics-text;version=2.0.0", text),
        ("application/openmetrics-text;q=0", text),
        ("application/openmetrics-text;q=nonsense", text),
        ("application/json", text),
        ("*/*", text),
        ("", text),
        (";;,,=;q=", text),
    ] {
        assert_eq!(format_of(accept), format, "{accept}");
    }
    assert_eq!(
        asked("GET /metrics HTTP/1.1\nAccept: text/plain;q=0.1\naccept: application/openmetrics-text"),
        Asked::Figures {
            format: open,
            is_head: false,
            is_scraper: false,
        }
    );
}

#[test]
fn get_and_head_of_one_path_are_answered_and_nothing_else() {
    let figures = |is_head| Asked::Figures {
        format: Format::Text,
        is_head,
        is_scraper: false,
    };
    let refused = |refusal, is_head| Asked::Refused { refusal, is_head };
    for (line, expected) in [
        ("GET /metrics HTTP/1.1", figures(false)),
        ("GET /metrics HTTP/1.0", figures(false)),
        ("GET /metrics?name[]=a HTTP/1.1", figures(false)),
        ("GET http://host:1/metrics HTTP/1.1", figures(false)),
        ("HEAD /metrics HTTP/1.1", figures(true)),
        ("GET / HTTP/1.1", refused(Refusal::NotFound, false)),
        ("HEAD /nothing HTTP/1.1", refused(Refusal::NotFound, true)),
        ("GET /metrics/ HTTP/1.1", refused(Refusal::NotFound, false)),
        (
            "GET /x?u=a://b/metrics HTTP/1.1",
            refused(Refusal::NotFound, false),
        ),
        ("GET http://host HTTP/1.1", refused(Refusal::NotFound, false)),
        ("POST /metrics HTTP/1.1", refused(Refusal::Method, false)),
        ("get /metrics HTTP/1.1", refused(Refusal::Method, false)),
        ("GET /metrics", refused(Refusal::BadRequest, false)),
        ("PRI * HTTP/2.0", refused(Refusal::BadRequest, false)),
        ("\u{16}\u{3}\u{1}", refused(Refusal::BadRequest, false)),
    ] {
        assert_eq!(asked(line), expected, "{line}");
    }
}

#[test]
fn a_head_is_read_in_any_pieces_and_has_a_limit() {
    let whole = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end]), Asked::More, "{end}");
    }
    assert!(matches!(read(whole), Asked::Figures { is_scraper: true, .. }));
    let too_large = Asked::Refused {
        refusal: Refusal::TooLarge,
        is_head: false,
    };
    let long = format!("GET /metrics HTTP/1.1\r\nA: {}", "a".repeat(HEAD_BYTES_MAX));
    assert_eq!(read(long.as_bytes()), too_large);
    let many = format!("GET /metrics HTTP/1.1{}", "\nA: a".repeat(HEADERS_MAX + 1));
    assert_eq!(asked(&many), too_large);
}

#[test]
fn an_answer_says_how_long_it_is_and_what_else_is_allowed() {
    let text = |refusal| String::from_utf8(head(refusal, "text/plain", 7)).unwrap();
    assert!(
        text(None).starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\nVary")
    );
    assert!(text(Some(Refusal::Method)).contains("\r\nAllow: GET, HEAD\r\n"));
    assert!(text(None).ends_with("Connection: close\r\n\r\n"));
}
