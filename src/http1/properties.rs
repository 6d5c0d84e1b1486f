//! Property tests of the response parser, against a naive parser of chunked bodies and with random bytes.

use proptest::prelude::*;

use super::{HttpError, Limits, Method, ResponseParser, Step};

/// Status, body, whether the response ended, and the error.
type Answer = (Option<u16>, Vec<u8>, bool, Option<HttpError>);

fn run<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, peer_closes: bool) -> Answer {
    let mut parser = ResponseParser::new();
    parser.begin(Method::Get);
    let (mut status, mut body) = (None, Vec::new());
    for mut chunk in chunks {
        loop {
            let consumed = match parser.step(chunk, &Limits::DEFAULT) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Interim { consumed, .. }) => consumed,
                Ok(Step::Head { consumed, head }) => {
                    status = Some(head.status);
                    consumed
                }
                Ok(Step::Body { consumed, data }) => {
                    body.extend_from_slice(data);
                    consumed
                }
                Ok(Step::End { .. }) => return (status, body, true, None),
                Err(error) => return (status, body, false, Some(error)),
            };
            chunk = &chunk[consumed..];
        }
    }
    match peer_closes.then(|| parser.eof()) {
        None => (status, body, false, None),
        Some(Ok(_)) => (status, body, true, None),
        Some(Err(error)) => (status, body, false, Some(error)),
    }
}

/// Reads chunked framing literally on the whole input. Returns the body if it is complete and valid.
fn naive_chunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let end = rest.iter().position(|&b| b == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r")?;
        *rest = &rest[end + 1..];
        (!line.contains(&b'\r')).then_some(line)
    }
    let mut body = Vec::new();
    loop {
        let size_line = std::str::from_utf8(line(&mut rest)?).ok()?;
        let size = size_line.split(';').next()?;
        let size = match size_line.contains(';') || size.ends_with([' ', '\t']) {
            true => size.trim_end_matches([' ', '\t']),
            false => size,
        };
        if size.is_empty() || size.len() > 16 || !size.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::try_from(i64::from_str_radix(size, 16).ok()?).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        let trailer = line(&mut rest)?;
        if trailer.is_empty() {
            return Some(body);
        }
        let (name, value) = std::str::from_utf8(trailer).ok()?.split_once(':')?;
        let value_ok = value.chars().all(|c| c == '\t' || !c.is_ascii_control());
        if !value_ok
            || name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return None;
        }
    }
}

fn chunked_body() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop::sample::select(vec!["", "", "", ";a=b", "; x", " ", ";"]);
    let chunk = (
        prop::collection::vec(any::<u8>(), 1..40),
        extension,
        any::<bool>(),
    )
        .prop_map(|(data, extension, padded)| {
            let size = match padded {
                true => format!("{:04X}", data.len()),
                false => format!("{:x}", data.len()),
            };
            [size.as_bytes(), extension.as_bytes(), b"\r\n", &data[..], b"\r\n"].concat()
        });
    let end = prop::sample::select(vec![
        "0\r\n\r\n",
        "000\r\nx: y\r\n\r\n",
        "0;q\r\na:\r\nb: c d\r\n\r\n",
    ]);
    (prop::collection::vec(chunk, 0..6), end)
        .prop_map(|(chunks, end)| [chunks.concat(), end.as_bytes().to_vec()].concat())
}

fn cut_at<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let (mut chunks, mut rest) = (Vec::new(), input);
    for cut in cuts {
        let (chunk, behind) = rest.split_at(cut % (rest.len() + 1));
        chunks.push(chunk);
        rest = behind;
    }
    chunks.push(rest);
    chunks
}

const CHUNKED_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

    #[test]
    fn chunked_bodies_whole_or_damaged_are_read_as_the_naive_parser_reads_them(
        body in chunked_body(),
        damage in prop::option::of((any::<prop::sample::Index>(), prop::sample::select(b"\r\n;0 a:\0".to_vec()))),
        cuts in prop::collection::vec(0usize..60, 0..12),
    ) {
        let mut body = body;
        if let Some((at, byte)) = damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let input = [CHUNKED_HEAD, &body].concat();
        let answer = run(cut_at(&input, &cuts), true);
        prop_assert_eq!(&answer, &run([&input[..]], true));
        match naive_chunked(&body) {
            Some(expected) => {
                prop_assert_eq!(answer, (Some(200), expected, true, None));
            }
            None => prop_assert!(answer.3.is_some()),
        }
    }

    #[test]
    fn random_bytes_never_panic_and_are_read_the_same_at_any_cut(
        start in prop::sample::select(vec![
            &b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", CHUNKED_HEAD,
            b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection:", b"\0\0\x06\x04", b"\r\n",
        ]),
        noise in prop::collection::vec(
            prop_oneof![prop::sample::select(b"\r\n:; 0f,A".to_vec()), any::<u8>()], 0..60),
        cuts in prop::collection::vec(0usize..60, 0..12),
        closes in any::<bool>(),
    ) {
        let input = [start, &noise].concat();
        let whole = run([&input[..]], closes);
        prop_assert_eq!(&run(cut_at(&input, &cuts), closes), &whole);
        prop_assert_eq!(&run(input.chunks(1), closes), &whole);
    }
}
