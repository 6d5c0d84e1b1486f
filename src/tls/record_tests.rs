//! Tests with records and handshake messages cut at any place, and of the memory that holds their pieces.

use super::*;

/// Returns a server whose handshake messages and tickets take several records each.
fn fragmenting(version: &'static SupportedProtocolVersion, bytes: usize) -> (TlsTarget, Arc<ServerConfig>) {
    let (target, server) = trusted(&[version]);
    let mut server = Arc::unwrap_or_clone(server);
    server.max_fragment_size = Some(bytes);
    (target, Arc::new(server))
}

#[test]
fn handshake_messages_over_many_records_survive_any_cut_and_leave_no_buffer() {
    for version in VERSIONS {
        for fragment in [32, 100, 1_000] {
            let (target, server) = fragmenting(version, fragment);
            for piece in [1, 5, 6, 37, 500, 1 << 20] {
                let mut pair = Pair::new(&target.for_user(), &server);
                pair.handshake(piece);
                let what = format!("{version:?}, records of {fragment}, pieces of {piece}");
                assert_eq!((pair.client.end(), pair.pool.lent()), (None, 0), "{what}");
                pair.request(b"x");
                let mut bytes = pair.answer(b"answer");
                // A client that has only part of a ticket can still write and close the connection.
                let tail = bytes.split_off(bytes.len().min(fragment + 40));
                pair.feed(&bytes, piece);
                assert_eq!(pair.request(b"more"), b"more", "{what}");
                pair.feed(&tail, piece);
                assert_eq!(pair.plain, b"answer", "{what}");
                assert_eq!((pair.client.end(), pair.pool.lent()), (None, 0), "{what}");
            }
        }
    }
}

#[test]
fn a_cut_record_of_16_kib_has_a_buffer_only_while_it_is_incomplete() {
    let answer: Vec<u8> = (0..16_384u32).map(|i| (i % 251) as u8).collect();
    for version in VERSIONS {
        let (target, server) = trusted(&[version]);
        let mut pair = Pair::new(&target, &server);
        pair.handshake(usize::MAX);
        assert_eq!(pair.pool.lent(), 0);
        pair.request(b"x");
        let bytes = pair.answer(b"tickets first");
        pair.feed(&bytes, usize::MAX);
        let mut longest = 0;
        for cut in [
            1, 2, 3, 4, 5, 6, 7, 2_048, 8_192, 16_383, 16_388, 16_389, 16_390, 16_400,
        ] {
            pair.plain.clear();
            let bytes = pair.answer_in_one(&answer);
            assert!(bytes.len() > 16_400, "one record of full length");
            let (head, tail) = bytes.split_at(cut);
            pair.feed(head, usize::MAX);
            assert_eq!((pair.plain.len(), pair.pool.lent()), (0, 1), "cut at {cut}");
            longest = longest.max(pair.client.held_bytes());
            // The bytes that follow are a complete record, which is read in place.
            let next = pair.answer(b"next");
            pair.feed(&[tail, &next].concat(), usize::MAX);
            assert!(pair.plain == [&answer[..], b"next"].concat(), "cut at {cut}");
            assert_eq!((pair.pool.lent(), pair.pool.kept()), (0, 1), "cut at {cut}");
        }
        assert!(longest <= 20 << 10, "{longest}");
        // The connection is dropped with half a record, and its buffer returns to the pool.
        let bytes = pair.answer_in_one(&answer);
        pair.feed(&bytes[..9_000], usize::MAX);
        let Pair { client, pool, .. } = pair;
        assert_eq!(pool.lent(), 1);
        drop(client);
        assert_eq!((pool.lent(), pool.kept()), (0, 1));
    }
}

#[test]
fn an_impossible_record_is_refused_by_its_header() {
    let (target, server) = trusted(&[&TLS13]);
    for header in [
        [23, 3, 3, 0xff, 0xff],
        [23, 9, 3, 0, 9],
        [99, 3, 3, 0, 9],
        [22, 3, 3, 0, 0],
    ] {
        let mut pair = Pair::new(&target, &server);
        pair.handshake(usize::MAX);
        pair.request(b"x");
        let bytes = pair.answer(b"good");
        pair.feed(&bytes, usize::MAX);
        pair.feed(&header, 2);
        assert_eq!(
            pair.client.end(),
            Some(TlsEnd::Failed(TlsFailure::Broken)),
            "{header:?}"
        );
        assert_eq!((pair.plain.as_slice(), pair.pool.lent()), (&b"good"[..], 0));
    }
}

#[test]
fn a_handshake_message_without_end_is_cut_off_at_a_maximum() {
    let (target, server) = trusted(&[&TLS12]);
    let mut pair = Pair::new(&target, &server);
    pair.send_from_client();
    // A message of 16 MB in records of 16 KiB: a server_hello that never ends.
    let mut record = vec![22, 3, 3, 0x40, 0];
    record.extend([2, 0xff, 0xff, 0xff]);
    record.resize(5 + (16 << 10), 0);
    let mut fed = 0;
    while pair.client.end().is_none() {
        assert!(fed < 1 << 20, "1 MiB was taken");
        pair.feed(&record, 2_048);
        fed += record.len();
    }
    assert_eq!(pair.client.end(), Some(TlsEnd::Failed(TlsFailure::Broken)));
    assert_eq!(pair.pool.lent(), 0);
}

#[test]
fn a_damaged_byte_ends_only_the_connection() {
    for version in VERSIONS {
        let (target, server) = fragmenting(version, 300);
        let mut refused = 0;
        for (place, piece) in (0..4_000).step_by(3).zip([1 << 20, 64, 7].into_iter().cycle()) {
            let mut pair = Pair::new(&target.for_user(), &server);
            let mut place = place;
            // The flights of the handshake, then tickets and two answers, as one string of bytes.
            for round in 0..6 {
                let mut bytes = match round {
                    0..=3 => pair.send_from_client(),
                    _ if pair.client.is_handshaking() => break,
                    _ => {
                        pair.request(b"x");
                        pair.answer(&[b'y'; 500])
                    }
                };
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << (place % 8);
                    place = usize::MAX;
                } else if place != usize::MAX {
                    place -= bytes.len();
                }
                pair.feed(&bytes, piece);
                if pair.client.end().is_some() {
                    refused += 1;
                    break;
                }
            }
            pair.client.close(&mut Vec::new());
            let Pair { client, pool, .. } = pair;
            drop(client);
            assert_eq!(pool.lent(), 0);
        }
        assert!(refused > 500, "{version:?}: {refused} of 1334 refused");
    }
}
