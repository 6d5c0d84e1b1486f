//! Bytes through the ring driver: large sends, floods, closes in the middle, stamps.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use llmload_uring::net::{BUFFERS, Ended, Net, Received, Stamping, TaskId, clock};
use llmload_uring::units::{MICROSECOND, MILLISECOND, Nanos};

use super::support::*;
use crate::alone;

#[test]
fn short_and_large_sends_arrive_byte_for_byte_at_a_slow_reader() {
    let _alone = alone();
    // The last is more than the buffers of both sockets take: tcp_wmem ends at 4 MiB, and a receive buffer does
    // not grow while nobody reads.
    const LARGEST: usize = 8 << 20;
    for len in [1, 100, 1 << 20, LARGEST] {
        let (go, gone) = channel::<()>();
        let (address, reader) = peer(move |mut stream| {
            gone.recv().unwrap();
            let (mut bytes, mut part) = (Vec::new(), [0; 5_000]);
            loop {
                match stream.read(&mut part).unwrap() {
                    0 => return bytes,
                    n => bytes.extend_from_slice(&part[..n]),
                }
                std::thread::yield_now();
            }
        });
        on_core(options(vec![address]), move |net| async move {
            let task = net.new_task();
            let conn = connected(&net, task).await;
            assert_eq!(net.sent_at(conn), None);
            let bytes = pattern(7, len);
            let before = clock::monotonic();
            net.send(conn, bytes).unwrap();
            pause(&net, task, 20 * MILLISECOND).await;
            assert!(net.sending(conn) || len < LARGEST, "nobody reads");
            let sent = net.sent_at(conn).unwrap();
            go.send(()).unwrap();
            assert!(net.flush(task, conn, Nanos::MAX).await);
            assert!(!net.sending(conn));
            // Of the first byte, however many parts it took.
            assert_eq!(net.sent_at(conn), Some(sent));
            assert!((before..before + 20 * MILLISECOND).contains(&sent));
            let spare = net.take_spare(conn);
            assert!(
                spare.is_empty() && spare.capacity() >= len,
                "the buffer comes back"
            );
            assert_eq!(net.counters().bytes_sent, len as u64);
            net.close(conn);
        });
        assert_same(&reader.join().unwrap(), &pattern(7, len));
    }
}

#[test]
fn a_flood_that_uses_all_buffers_is_counted_and_loses_nothing() {
    let _alone = alone();
    // The kernel begins to stamp a little after the first socket asked, so the engine asks before its load.
    let _stamping = Stamping::switch_on().unwrap();
    const EACH: usize = 3 << 20;
    let (listener, address) = listener();
    let writers = std::thread::spawn(move || {
        let streams: Vec<TcpStream> = (0..4).map(|_| listener.accept().unwrap().0).collect();
        let writers: Vec<_> = streams
            .into_iter()
            .map(|mut stream| {
                std::thread::spawn(move || {
                    let mut salt = [0];
                    stream.read_exact(&mut salt).unwrap();
                    stream.write_all(&pattern(salt[0].into(), EACH)).unwrap();
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
    on_core(options(vec![address]), |net| async move {
        let main = net.new_task();
        let read = Rc::new(Cell::new(false));
        let tasks: Vec<_> = (0..4u8)
            .map(|salt| {
                let (net, read) = (net.clone(), read.clone());
                start(&net.clone(), async move {
                    let task = net.new_task();
                    let conn = connected(&net, task).await;
                    net.send(conn, vec![salt]).unwrap();
                    while !read.get() {
                        pause(&net, task, MILLISECOND).await;
                    }
                    let (bytes, ended) = read_all(&net, task, conn).await;
                    assert_eq!(ended, Ended::Eof);
                    assert_same(&bytes, &pattern(salt.into(), EACH));
                    net.close(conn);
                    net.free_task(task);
                })
            })
            .collect();
        let begun = clock::monotonic();
        while net.counters().buffer_shortages == 0 {
            assert!(clock::monotonic() < begun + SOON, "no shortage");
            pause(&net, main, MILLISECOND).await;
        }
        assert_eq!(net.counters().reads, u64::from(BUFFERS), "one read a buffer");
        net.invariants();
        let (shortages, cpu) = (net.counters().buffer_shortages, clock::thread_cpu());
        pause(&net, main, 50 * MILLISECOND).await;
        let more = net.counters().buffer_shortages - shortages;
        let cpu = (clock::thread_cpu() - cpu) / MILLISECOND;
        println!("50 ms with no buffer left: {more} more shortages, {cpu} ms of CPU");
        assert!(
            more < 100,
            "the loop spins while no task reads: {more} shortages, {cpu} ms of CPU"
        );
        read.set(true);
        all_done(&net, &tasks).await;
        let counters = net.counters();
        assert_eq!(counters.bytes_received, 4 * EACH as u64);
        assert_eq!(counters.stamps_missing, 0);
    });
    writers.join().unwrap();
}

/// Answers each byte with one, until the client goes away.
fn echo(mut stream: TcpStream) {
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
}

#[test]
fn a_chunk_that_is_dropped_unread_gives_its_buffer_back() {
    let _alone = alone();
    let (address, server) = peer(echo);
    on_core(options(vec![address]), move |net| async move {
        let task = net.new_task();
        let conn = connected(&net, task).await;
        // More than there are buffers: none may stay away.
        for _ in 0..BUFFERS + 8 {
            net.send(conn, vec![1]).unwrap();
            match net.receive(task, conn, clock::monotonic() + SOON).await {
                Received::Data(chunk) => drop(chunk),
                other => panic!("{other:?}"),
            }
            net.invariants();
        }
        assert_eq!(net.counters().buffer_shortages, 0);
        net.close(conn);
    });
    server.join().unwrap();
}

#[test]
fn the_invariants_detect_a_leaked_buffer() {
    let _alone = alone();
    let (address, server) = peer(echo);
    let (told, found) = channel::<String>();
    let leaking = move || {
        on_core(options(vec![address]), move |net| async move {
            let task = net.new_task();
            let conn = connected(&net, task).await;
            net.send(conn, vec![1]).unwrap();
            match net.receive(task, conn, clock::monotonic() + SOON).await {
                Received::Data(chunk) => std::mem::forget(chunk),
                other => panic!("{other:?}"),
            }
            net.close(conn);
            let panic = catch_unwind(AssertUnwindSafe(|| net.invariants())).unwrap_err();
            told.send(*panic.downcast().unwrap()).unwrap();
        });
    };
    assert!(catch_unwind(leaking).is_err(), "no core ends with such books");
    let found = found.recv().unwrap();
    assert!(found.contains("buffers lent"), "{found}");
    server.join().unwrap();
}

#[test]
fn data_for_idle_connections_holds_no_buffer_and_ends_them() {
    let _alone = alone();
    const ASIDE: usize = BUFFERS as usize + 8;
    let (listener, address) = listener();
    let (go, gone) = channel::<()>();
    let server = std::thread::spawn(move || {
        let mut streams: Vec<TcpStream> = (0..=ASIDE).map(|_| listener.accept().unwrap().0).collect();
        gone.recv().unwrap();
        for stream in &mut streams[..ASIDE] {
            stream.write_all(b"goodbye").unwrap();
        }
        streams[ASIDE].write_all(b"wanted").unwrap();
        streams
    });
    on_core(options(vec![address]), move |net| async move {
        let (task, owner) = (net.new_task(), net.new_task());
        let mut aside = Vec::new();
        // One by one, so that the server accepts them in this order.
        for _ in 0..ASIDE {
            let conn = connected(&net, owner).await;
            net.set_idle(conn, true);
            aside.push(conn);
        }
        let conn = connected(&net, task).await;
        go.send(()).unwrap();
        match net.receive(task, conn, clock::monotonic() + SOON).await {
            Received::Data(chunk) => chunk.consume(|bytes| assert_eq!(bytes, b"wanted")),
            other => panic!("{other:?}: no buffer was left"),
        }
        for &conn in &aside {
            while !net.is_ended(conn) {
                pause(&net, task, MILLISECOND).await;
            }
            assert!(net.receive_now(conn).is_none(), "its bytes belong to nobody");
            net.set_idle(conn, false);
            net.close(conn);
        }
        assert_eq!(net.counters().buffer_shortages, 0);
        net.close(conn);
    });
    drop(server.join().unwrap());
}

/// Sends back the byte it is told, up to 256 KiB of it, until the client goes away.
fn canary_server(listener: TcpListener, count: usize) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let threads: Vec<_> = (0..count)
            .map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                std::thread::spawn(move || {
                    let mut canary = [0];
                    if stream.read_exact(&mut canary).is_err() {
                        return;
                    }
                    let block = [canary[0]; 4096];
                    for _ in 0..64 {
                        if stream.write_all(&block).is_err() {
                            return;
                        }
                    }
                    let _ = stream.read(&mut canary);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    })
}

/// One connection of the canary test; gives the bytes it read.
async fn canary(net: &Net, task: TaskId, byte: u8, random: &RefCell<Random>) -> u64 {
    let below = |limit| random.borrow_mut().below(limit);
    let conn = connected(net, task).await;
    net.send(conn, vec![byte]).unwrap();
    let mut read = 0;
    for _ in 0..below(100) {
        if below(20) == 0 {
            pause(net, task, below(2 * MILLISECOND)).await;
        }
        match net
            .receive(task, conn, clock::monotonic() + 20 * MILLISECOND)
            .await
        {
            Received::Data(chunk) => chunk.consume(|bytes| {
                let stranger = bytes.iter().find(|b| **b != byte);
                assert_eq!(
                    stranger, None,
                    "a byte of another connection on {conn:?} of {byte}"
                );
                read += bytes.len() as u64;
            }),
            Received::Timeout => {}
            other => panic!("{other:?}"),
        }
    }
    if below(3) == 0 {
        net.reset_on_close(conn);
    }
    net.close(conn);
    read
}

#[test]
fn random_closes_in_the_middle_of_traffic_never_deliver_to_another_connection() {
    let _alone = alone();
    const TASKS: usize = 16;
    const ROUNDS: usize = 40;
    let seed = seed();
    let (listener, address) = listener();
    let server = canary_server(listener, TASKS * ROUNDS);
    on_core(options(vec![address]), move |net| async move {
        let random = Rc::new(RefCell::new(Random(seed)));
        let read = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|t| {
                let (net, random, read) = (net.clone(), random.clone(), read.clone());
                start(&net.clone(), async move {
                    let task = net.new_task();
                    for round in 0..ROUNDS {
                        let byte = (round * TASKS + t) as u8;
                        read.set(read.get() + canary(&net, task, byte, &random).await);
                    }
                    net.free_task(task);
                })
            })
            .collect();
        all_done(&net, &tasks).await;
        all_closed(&net).await;
        let counters = net.counters();
        assert_eq!(counters.connections_opened, (TASKS * ROUNDS) as u64);
        assert!(read.get() > 1 << 20, "{} bytes", read.get());
        println!(
            "{} bytes read, {} shortages",
            read.get(),
            counters.buffer_shortages
        );
    });
    server.join().unwrap();
}

/// Answers each byte with `bytes` of them, noting the instant before each write.
fn stamping_peer(rounds: usize, sent: Sender<Nanos>) -> (SocketAddr, JoinHandle<()>) {
    peer(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        for _ in 0..rounds {
            stream.read_exact(&mut [0]).unwrap();
            sent.send(clock::monotonic()).unwrap();
            stream.write_all(&[7; 100]).unwrap();
        }
    })
}

#[test]
fn kernel_stamps_lie_between_send_and_reap_and_never_go_back() {
    let _alone = alone();
    // The kernel begins to stamp a little after the first socket asked, so the engine asks before its load.
    let _stamping = Stamping::switch_on().unwrap();
    const ROUNDS: usize = 300;
    // Both clocks are read one after the other when they are compared.
    const DOUBT: Nanos = 20 * MICROSECOND;
    let (told, sent): (_, Receiver<Nanos>) = channel();
    let (address, server) = stamping_peer(ROUNDS, told);
    let lags = on_core(options(vec![address]), move |net| async move {
        let task = net.new_task();
        let conn = connected(&net, task).await;
        let (mut last, mut lags) = (0, Vec::new());
        for round in 0..ROUNDS {
            net.send(conn, vec![1]).unwrap();
            // Every other chunk waits for its reader, and for its reaping: the stamp must not move.
            if round % 2 == 1 {
                pause(&net, task, MILLISECOND).await;
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(2) {
                    std::hint::spin_loop();
                }
            }
            let received = net.receive(task, conn, clock::monotonic() + SOON).await;
            let Received::Data(chunk) = received else {
                panic!("{received:?}")
            };
            let (stamp, reaped) = (chunk.stamp, chunk.reaped);
            assert!(chunk.kernel_stamped);
            assert_eq!(chunk.consume(<[u8]>::len), 100);
            let sent = sent.recv_timeout(TEST_MAX).unwrap();
            assert!(
                sent <= stamp + DOUBT,
                "stamped {} ns before it was sent",
                sent - stamp
            );
            assert!(stamp <= reaped && reaped <= clock::monotonic());
            assert!(net.sent_at(conn).unwrap() <= stamp);
            assert!(stamp >= last, "{} ns back", last - stamp);
            last = stamp;
            lags.push(stamp.saturating_sub(sent));
        }
        net.close(conn);
        assert_eq!(net.counters().stamps_missing, 0);
        lags.sort_unstable();
        lags
    });
    println!(
        "stamp behind the send: p50 {} ns, max {} ns",
        lags[ROUNDS / 2],
        lags[ROUNDS - 1]
    );
    server.join().unwrap();
}

#[test]
fn without_kernel_stamps_arrival_is_the_reaping() {
    let _alone = alone();
    let (told, _sent): (_, Receiver<Nanos>) = channel();
    let (address, server) = stamping_peer(1, told);
    let mut options = options(vec![address]);
    options.kernel_stamps = false;
    on_core(options, |net| async move {
        let task = net.new_task();
        let conn = connected(&net, task).await;
        net.send(conn, vec![1]).unwrap();
        let received = net.receive(task, conn, clock::monotonic() + SOON).await;
        let Received::Data(chunk) = received else {
            panic!("{received:?}")
        };
        assert!(!chunk.kernel_stamped && chunk.stamp == chunk.reaped);
        chunk.consume(|_| ());
        net.close(conn);
        assert_eq!(net.counters().stamps_missing, 0);
    });
    server.join().unwrap();
}
