//! The ring driver against plain sockets on loopback: connects, closes, timers, kicks. Bytes are in `net/traffic.rs`.
//! Descriptors are counted, which are the process's.

mod sending;
mod support;
mod traffic;

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use llmload_uring::engine::runtime::{Core, spawn, yield_now};
use llmload_uring::host::allowed_cpus;
use llmload_uring::net::{ConnectError, Ended, Kick, Net, Received, Signal, clock};
use llmload_uring::units::{MICROSECOND, MILLISECOND, Nanos, SECOND};
use support::*;

use crate::alone;

#[test]
fn a_close_while_a_receive_is_armed_sends_fin() {
    let _alone = alone();
    let (address, reader) = peer(|mut stream| {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| rest)
    });
    on_core(options(vec![address]), |net| async move {
        let task = net.new_task();
        let conn = connected(&net, task).await;
        net.send(conn, b"bye".to_vec()).unwrap();
        assert!(net.flush(task, conn, Nanos::MAX).await);
        net.close(conn);
    });
    assert_eq!(reader.join().unwrap().unwrap(), b"bye");
}

#[test]
fn a_close_as_the_last_act_of_a_core_reaches_the_peer_and_leaves_no_descriptor() {
    let _alone = alone();
    // The executor that stays is made by the first core.
    on_core(options(Vec::new()), |_| async {});
    // In trouble it may go well, by chance.
    let rounds = std::env::var_os("LLMLOAD_TEST_RING_TROUBLES").map_or(1, |_| 8);
    for peer_closes_first in [false, true].repeat(rounds) {
        // Also without the peer's listener, which is closed when the peer has ended.
        let before = descriptors();
        let (address, reader) = peer(move |mut stream| {
            if peer_closes_first {
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            }
            stream.read(&mut [0; 8])
        });
        let main = move || async move {
            let net = Net::new(options(vec![address])).unwrap();
            let over = Rc::new(Cell::new(false));
            let (task_net, task_over) = (net.clone(), over.clone());
            spawn(async move {
                let task = task_net.new_task();
                let conn = connected(&task_net, task).await;
                if peer_closes_first {
                    assert_eq!(read_all(&task_net, task, conn).await.1, Ended::Eof);
                }
                task_net.close(conn);
                task_over.set(true);
            });
            net.note_runnable();
            net.drive(yield_now, || over.get(), |_| None, |_| ())
                .await
                .unwrap();
            Ok(())
        };
        let core = Core::spawn((allowed_cpus()[0], io()), "net-test", main, |_| {});
        core.unwrap().join().unwrap();
        assert_eq!(
            reader.join().unwrap().unwrap(),
            0,
            "peer closes first: {peer_closes_first}"
        );
        assert!(descriptors() <= before, "peer closes first: {peer_closes_first}");
    }
}

#[test]
fn reset_on_close_sends_rst() {
    let _alone = alone();
    let (address, reader) = peer(|mut stream| {
        stream.read_exact(&mut [0; 3]).unwrap();
        stream.read(&mut [0; 8]).map_err(|e| e.kind())
    });
    on_core(options(vec![address]), |net| async move {
        let task = net.new_task();
        let conn = connected(&net, task).await;
        net.send(conn, b"bye".to_vec()).unwrap();
        assert!(net.flush(task, conn, Nanos::MAX).await);
        net.reset_on_close(conn);
        net.close(conn);
    });
    assert_eq!(reader.join().unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn eof_reset_and_silence_of_a_peer_are_distinguished() {
    let _alone = alone();
    let (listener, address) = listener();
    let server = std::thread::spawn(move || {
        let (mut eof, _) = listener.accept().unwrap();
        eof.write_all(b"last words").unwrap();
        drop(eof);
        let (reset, _) = listener.accept().unwrap();
        socket2::SockRef::from(&reset)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(reset);
        let (mut silent, _) = listener.accept().unwrap();
        silent.read(&mut [0]).unwrap()
    });
    on_core(options(vec![address]), |net| async move {
        let task = net.new_task();
        let conn = connected(&net, task).await;
        assert_eq!(
            read_all(&net, task, conn).await,
            (b"last words".to_vec(), Ended::Eof)
        );
        assert!(net.has_unread(conn) && net.is_ended(conn));
        net.close(conn);
        let conn = connected(&net, task).await;
        assert_eq!(read_all(&net, task, conn).await.1, Ended::Error(libc::ECONNRESET));
        net.close(conn);
        let conn = connected(&net, task).await;
        let deadline = clock::monotonic() + 20 * MILLISECOND;
        assert!(matches!(
            net.receive(task, conn, deadline).await,
            Received::Timeout
        ));
        assert!(clock::monotonic() >= deadline);
        assert!(!net.has_unread(conn));
        net.set_signal(task, Signal::Hard);
        assert!(matches!(
            net.receive(task, conn, Nanos::MAX).await,
            Received::Stopped
        ));
        net.close(conn);
    });
    assert_eq!(server.join().unwrap(), 0, "the silent peer sees a FIN");
}

/// A listener whose queue is full: the kernel drops further SYNs. What fills it comes along.
fn black_hole() -> (SocketAddr, Vec<socket2::Socket>) {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = new();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut held = vec![listener];
    for _ in 0..4 {
        let socket = new();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address.into());
        held.push(socket);
    }
    (address, held)
}

#[test]
fn connects_are_refused_time_out_and_stop_and_leave_nothing_behind() {
    let _alone = alone();
    let refused = listener().1;
    let (hole, _held) = black_hole();
    let (good, good_address) = listener();
    let mut options = options(vec![refused, hole, good_address]);
    // Each must give its place back, or the next hangs.
    options.connects_in_flight_max = 1;
    on_core(options, |net| async move {
        let before = descriptors();
        let task = net.new_task();
        let soon = || clock::monotonic() + SOON;
        for _ in 0..3 {
            let failed = net.connect(task, to(0), soon(), None).await;
            assert_eq!(failed.map(|_| ()), Err(ConnectError::Failed(libc::ECONNREFUSED)));
            let deadline = clock::monotonic() + 30 * MILLISECOND;
            let failed = net.connect(task, to(1), deadline, None).await;
            assert_eq!(failed.map(|_| ()), Err(ConnectError::Timeout));
            let late = clock::monotonic() - deadline;
            assert!(late < 500 * MILLISECOND, "late by {late} ns");
        }
        let stopped = {
            let net = net.clone();
            start(&net.clone(), async move {
                let task = net.new_task();
                let other = net.clone();
                start(&net, async move {
                    let stopper = other.new_task();
                    pause(&other, stopper, 20 * MILLISECOND).await;
                    other.set_signal(task, Signal::Hard);
                });
                let failed = net.connect(task, to(1), clock::monotonic() + SOON, None).await;
                assert_eq!(failed.map(|_| ()), Err(ConnectError::Stopped));
            })
        };
        all_done(&net, &[stopped]).await;
        // Past its deadline before it began: no socket is made for it.
        let failed = net.connect(task, to(2), clock::monotonic() - SECOND, None).await;
        assert_eq!(failed.map(|_| ()), Err(ConnectError::Timeout));
        let (conn, took) = net.connect(task, to(2), soon(), None).await.unwrap();
        assert!((1..SOON).contains(&took), "{took}");
        net.close(conn);
        all_closed(&net).await;
        assert_eq!(net.counters().connections_opened, 1);
        assert_eq!(descriptors(), before);
    });
    drop(good);
}

#[test]
fn a_connect_that_takes_long_gives_its_turn_to_the_next() {
    let _alone = alone();
    let (hole, _held) = black_hole();
    let (good, address) = listener();
    let mut options = options(vec![hole, address]);
    options.connects_in_flight_max = 1;
    options.connect_turn_max = 5 * MILLISECOND;
    on_core(options, |net| async move {
        let hopeless: Vec<_> = (0..3)
            .map(|_| {
                let other = net.clone();
                start(&net, async move {
                    let task = other.new_task();
                    let failed = other
                        .connect(task, to(0), clock::monotonic() + SOON, Some(SECOND))
                        .await;
                    assert_eq!(failed.map(|_| ()), Err(ConnectError::Timeout));
                })
            })
            .collect();
        // The limit of a connect counts from its turn: this one waits for three turns, and takes none of that time.
        let task = net.new_task();
        let deadline = clock::monotonic() + SOON;
        let (conn, _) = net.connect(task, to(1), deadline, Some(SECOND)).await.unwrap();
        assert_eq!(net.counters().connections_opened, 1, "while the others still try");
        net.close(conn);
        all_done(&net, &hopeless).await;
        all_closed(&net).await;
    });
    drop(good);
}

#[test]
fn a_waiter_that_gives_up_at_its_turn_passes_the_turn_on() {
    let _alone = alone();
    const LONG: Nanos = 2 * SECOND;
    let (good, address) = listener();
    let mut options = options(vec![address]);
    options.connects_in_flight_max = 1;
    let waited = on_core(options, |net| async move {
        let waited = Rc::new(Cell::new(None));
        let connect = |patience: Nanos| {
            let (net, waited) = (net.clone(), waited.clone());
            start(&net.clone(), async move {
                let task = net.new_task();
                let begun = clock::monotonic();
                let connected = net.connect(task, to(0), begun + patience, None).await;
                if patience == LONG {
                    waited.set(Some(clock::monotonic() - begun));
                }
                if let Ok((conn, _)) = connected {
                    net.close(conn);
                }
            })
        };
        // The first holds the only place. A busy task makes each turn of the driver 3 ms long, so that in the turn
        // in which the first connect completes, the patience of the next waiter ends too.
        let mut tasks = vec![connect(SOON)];
        tasks.extend((1..=60).map(|i| connect(i * MILLISECOND)));
        tasks.push(connect(LONG));
        let busy = net.clone();
        tasks.push(start(&net, async move {
            for _ in 0..25 {
                let begun = clock::monotonic();
                while clock::monotonic() < begun + 3 * MILLISECOND {
                    std::hint::spin_loop();
                }
                busy.note_runnable();
                yield_now().await;
            }
        }));
        all_done(&net, &tasks).await;
        waited.get()
    });
    let waited = waited.expect("the last is told");
    assert!(
        waited < SECOND,
        "it waited {} ms with the place free",
        waited / MILLISECOND
    );
    drop(good);
}

#[test]
fn a_thousand_sleeps_end_in_the_order_of_their_deadlines() {
    let _alone = alone();
    const SLEEPERS: usize = 1_000;
    on_core(options(Vec::new()), |net| async move {
        let mut random = Random(seed());
        let begun = clock::monotonic() + 50 * MILLISECOND;
        let mut deadlines: Vec<Nanos> = (0..SLEEPERS as u64)
            .map(|i| begun + i * 50 * MICROSECOND)
            .collect();
        for i in (1..SLEEPERS).rev() {
            deadlines.swap(i, random.below(i as u64 + 1) as usize);
        }
        let woken = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = deadlines
            .into_iter()
            .map(|deadline| {
                let (net, woken) = (net.clone(), woken.clone());
                start(&net.clone(), async move {
                    let task = net.new_task();
                    assert_eq!(net.sleep_until(task, deadline).await, Signal::None);
                    assert!(clock::monotonic() >= deadline);
                    woken.borrow_mut().push(deadline);
                    net.free_task(task);
                })
            })
            .collect();
        all_done(&net, &tasks).await;
        assert_eq!(woken.borrow().len(), SLEEPERS);
        assert!(woken.borrow().is_sorted());
    });
}

#[test]
fn a_soft_stop_ends_sleeps_and_no_exchange() {
    let _alone = alone();
    let (address, writer) = peer(|mut stream| {
        stream.read_exact(&mut [0]).unwrap();
        stream.write_all(b"answer").unwrap();
        stream.read(&mut [0]).unwrap()
    });
    on_core(options(vec![address]), |net| async move {
        let task = net.new_task();
        net.set_signal(task, Signal::Soft);
        assert_eq!(
            net.sleep_until(task, clock::monotonic() + SOON).await,
            Signal::Soft
        );
        let conn = connected(&net, task).await;
        net.send(conn, vec![1]).unwrap();
        let received = net.receive(task, conn, clock::monotonic() + SOON).await;
        let Received::Data(chunk) = received else {
            panic!("{received:?}")
        };
        assert_eq!(chunk.consume(<[u8]>::to_vec), b"answer");
        net.close(conn);
    });
    assert_eq!(writer.join().unwrap(), 0);
}

#[test]
fn a_kick_from_another_thread_ends_a_wait_each_time() {
    let _alone = alone();
    let (kick, end) = Kick::new().unwrap();
    let (awake, woken) = channel::<()>();
    let kicker = std::thread::spawn(move || {
        for _ in 0..100 {
            kick.kick();
            woken.recv_timeout(TEST_MAX).unwrap();
        }
    });
    on_core(options(Vec::new()), move |net| async move {
        let task = net.new_task();
        net.watch_kick(end, task).unwrap();
        for _ in 0..100 {
            assert!(net.wait_for_kick(task, Nanos::MAX).await);
            awake.send(()).unwrap();
        }
        let deadline = clock::monotonic() + 10 * MILLISECOND;
        assert!(!net.wait_for_kick(task, deadline).await);
        assert!(clock::monotonic() >= deadline);
    });
    kicker.join().unwrap();
}

/// Accepts so many connections and holds each until its peer closes.
fn hold_connections(listener: TcpListener, count: usize) -> JoinHandle<()> {
    let hold = |mut stream: TcpStream| while matches!(stream.read(&mut [0; 256]), Ok(1..)) {};
    std::thread::spawn(move || {
        let threads: Vec<_> = (0..count)
            .map(|_| listener.accept().unwrap().0)
            .map(|stream| std::thread::spawn(move || hold(stream)))
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    })
}

/// Opens and closes in four manners: at once, with a send in flight, with RST, after the send.
async fn open_and_close(net: Net, cycles: usize) {
    let task = net.new_task();
    for cycle in 0..cycles {
        let conn = connected(&net, task).await;
        match cycle % 4 {
            0 => {}
            1 => net.send(conn, vec![7; 100]).unwrap(),
            2 => net.reset_on_close(conn),
            _ => {
                net.send(conn, vec![7; 100]).unwrap();
                assert!(net.flush(task, conn, Nanos::MAX).await);
            }
        }
        net.close(conn);
    }
    net.free_task(task);
}

#[test]
fn two_thousand_opens_and_closes_leave_no_descriptor() {
    let _alone = alone();
    const CYCLES: usize = 2_000;
    const TASKS: usize = 8;
    /// Other tests of this process come and go; a leak would be 2,000.
    const SLACK: usize = 100;
    let (listener, address) = listener();
    let holder = hold_connections(listener, CYCLES);
    on_core(options(vec![address]), |net| async move {
        let before = descriptors();
        let main = net.new_task();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| start(&net, open_and_close(net.clone(), CYCLES / TASKS)))
            .collect();
        all_done(&net, &tasks).await;
        all_closed(&net).await;
        net.invariants();
        let begun = clock::monotonic();
        // The peer closes its end after ours.
        while descriptors() > before + SLACK && clock::monotonic() < begun + 5 * SECOND {
            pause(&net, main, MILLISECOND).await;
        }
        assert!(
            descriptors() <= before + SLACK,
            "{before} before, {} after",
            descriptors()
        );
        // On a ring in trouble a connection takes longer to close.
        let lingers = std::env::var_os("LLMLOAD_TEST_RING_TROUBLES").map_or(2, |_| 20);
        let counters = net.counters();
        assert_eq!(counters.connections_opened, CYCLES as u64);
        assert_eq!((counters.connections_open, counters.cq_overflows), (0, 0));
        assert!(
            (2..=TASKS as u64 * lingers).contains(&counters.connections_peak),
            "{counters:?}"
        );
    });
    holder.join().unwrap();
}
