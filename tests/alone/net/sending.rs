//! Sends of their own beside those in the ring, and tasks that are released at an instant.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use llmload_uring::engine::runtime::{Core, spawn, yield_now};
use llmload_uring::host::allowed_cpus;
use llmload_uring::net::{Ended, Net, Options, Received, Signal, TaskId, clock};
use llmload_uring::units::{MICROSECOND, Nanos, SECOND};

use super::support::*;
use crate::alone;

/// A request that the socket takes at once, one that it takes in parts, and one whose peer is gone.
#[test]
fn sends_of_their_own_and_sends_in_the_ring_reach_the_peer_alike() {
    let _alone = alone();
    for sends_at_once in [true, false] {
        let (address, reader) = peer(|mut stream| {
            let mut small = [0; 5];
            stream.read_exact(&mut small).unwrap();
            stream.write_all(b"go on").unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            (small, rest)
        });
        let options = Options {
            sends_at_once,
            ..options(vec![address])
        };
        let large: Vec<u8> = (0..8u32 << 20).map(|at| (at / 7) as u8).collect();
        let expected = large.clone();
        on_core(options, |net| async move {
            let task = net.new_task();
            let conn = connected(&net, task).await;
            let before = clock::monotonic();
            net.send(conn, b"small".to_vec()).unwrap();
            assert!(net.flush(task, conn, Nanos::MAX).await);
            let sent = net.sent_at(conn).unwrap();
            assert!((before..=clock::monotonic()).contains(&sent));
            let received = net.receive(task, conn, clock::monotonic() + SOON).await;
            assert!(matches!(received, Received::Data(_)), "{received:?}");
            drop(received);
            assert!(net.take_spare(conn).capacity() >= 5);
            net.send(conn, large).unwrap();
            assert!(net.sending(conn), "8 MiB do not fit into a socket");
            assert!(net.flush(task, conn, Nanos::MAX).await);
            assert!(net.sent_at(conn).unwrap() >= sent);
            net.close(conn);
        });
        let (small, rest) = reader.join().unwrap();
        assert_eq!(&small, b"small");
        assert!(rest == expected, "{} of {} bytes", rest.len(), expected.len());
    }
}

#[test]
fn a_send_to_a_peer_that_is_gone_is_an_error_of_the_connection() {
    let _alone = alone();
    for sends_at_once in [true, false] {
        let (address, reader) = peer(|stream| {
            let socket = socket2::Socket::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        });
        let options = Options {
            sends_at_once,
            ..options(vec![address])
        };
        on_core(options, |net| async move {
            let task = net.new_task();
            let conn = connected(&net, task).await;
            let ended = net.receive(task, conn, clock::monotonic() + SOON).await;
            assert!(matches!(ended, Received::Ended(Ended::Error(_), _)), "{ended:?}");
            net.send(conn, b"too late".to_vec()).unwrap();
            assert!(!net.flush(task, conn, Nanos::MAX).await);
            net.close(conn);
        });
        reader.join().unwrap();
    }
}

/// Whoever drives the ring may wake tasks at instants that no timer knows.
#[test]
fn what_is_released_at_an_instant_runs_without_a_timer() {
    let _alone = alone();
    const INSTANTS: usize = 50;
    let (begun, seen) = released(INSTANTS, 200 * MICROSECOND);
    assert_eq!(seen.len(), INSTANTS);
    for (number, at) in seen.iter().enumerate() {
        assert!(*at >= begun + (number as u64 + 1) * 200 * MICROSECOND, "{number}");
    }
}

/// Releases a task at `count` instants that are `gap` apart. Returns the beginning, and when the task ran.
fn released(count: usize, gap: Nanos) -> (Nanos, Vec<Nanos>) {
    let (result, results) = std::sync::mpsc::channel();
    let main = move || async move {
        let net = Net::new(options(Vec::new())).unwrap();
        let begun = clock::monotonic();
        let task = net.new_task();
        let (seen, released) = (Rc::new(RefCell::new(Vec::new())), Cell::new(0));
        let (its_net, its_seen) = (net.clone(), seen.clone());
        spawn(async move {
            while its_seen.borrow().len() < count {
                sleep(&its_net, task).await;
                its_seen.borrow_mut().push(clock::monotonic());
            }
            its_net.free_task(task);
        });
        net.note_runnable();
        let due = |number: usize| begun + (number as u64 + 1) * gap;
        let release = |now: Nanos| {
            if released.get() < count && due(released.get()) <= now && seen.borrow().len() == released.get() {
                released.set(released.get() + 1);
                net.set_signal(task, Signal::Soft);
            }
            (released.get() < count).then(|| due(released.get()))
        };
        let over = || seen.borrow().len() == count;
        net.drive(yield_now, over, release, |_| ()).await.unwrap();
        let _ = result.send((begun, seen.take()));
        Ok(())
    };
    let core = Core::spawn((allowed_cpus()[0], io()), "net-test", main, |_| {}).unwrap();
    core.join().unwrap();
    results.recv().unwrap()
}

/// Sleeps until the task is told to go on.
async fn sleep(net: &Net, task: TaskId) {
    let never = clock::monotonic() + 3_600 * SECOND;
    assert_eq!(net.sleep_until(task, never).await, Signal::Soft);
    net.set_signal(task, Signal::None);
}
