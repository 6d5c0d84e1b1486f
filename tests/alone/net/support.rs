//! What the tests of the ring driver share: a core to run on, plain peers, patterns, random numbers.

use std::cell::Cell;
use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use llmload_uring::engine::runtime::{Core, catch_panic, spawn, yield_now};
use llmload_uring::host::allowed_cpus;
use llmload_uring::net::{Acks, ConnId, Ended, Net, Options, Received, Route, TaskId, clock};
use llmload_uring::units::{MILLISECOND, Nanos, SECOND};

/// A test that takes longer hangs.
pub const TEST_MAX: Duration = Duration::from_secs(60);
pub const SOON: Nanos = 20 * SECOND;

pub use crate::load::io;

pub fn options(addresses: Vec<SocketAddr>) -> Options {
    Options {
        io: io(),
        kernel_stamps: true,
        acks: Acks::AtOnce,
        nagle: false,
        min_wait_us: 0,
        timer_slack: 0,
        connections: 64,
        addresses,
        sources: Vec::new(),
        sends_at_once: false,
        connects_in_flight_max: 128,
        connect_turn_max: Nanos::MAX,
    }
}

/// The route to an address, from whichever the system chooses.
pub fn to(address: usize) -> Route {
    Route {
        address,
        source_turn: 0,
    }
}

/// Runs `test` as a task of a pinned core with a ring of its own; gives what it gave. The driver's invariants are
/// checked when all its connections are closed.
pub fn on_core<T, F>(options: Options, test: impl FnOnce(Net) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (result, results) = channel();
    let io = options.io;
    let main = move || async move {
        let net = Net::new(options).unwrap();
        let over = Rc::new(Cell::new(false));
        let (task_net, task_over) = (net.clone(), over.clone());
        spawn(async move {
            let outcome = catch_panic(Box::pin(async {
                let value = test(task_net.clone()).await;
                all_closed(&task_net).await;
                task_net.invariants();
                value
            }));
            let outcome = outcome.await;
            task_over.set(true);
            let _ = result.send(outcome);
        });
        net.note_runnable();
        net.drive(yield_now, || over.get(), |_| None, |_| ())
            .await
            .unwrap();
        Ok(())
    };
    let core = Core::spawn((allowed_cpus()[0], io), "net-test", main, |_| {});
    let outcome = results.recv_timeout(TEST_MAX).expect("the test hangs");
    core.unwrap().join().unwrap();
    outcome.unwrap_or_else(|panic| panic!("on the core: {panic}"))
}

pub async fn pause(net: &Net, task: TaskId, length: Nanos) {
    net.sleep_until(task, clock::monotonic() + length).await;
}

pub async fn all_closed(net: &Net) {
    let task = net.new_task();
    let begun = clock::monotonic();
    while net.counters().connections_open > 0 {
        assert!(clock::monotonic() < begun + 5 * SECOND, "connections stay open");
        pause(net, task, MILLISECOND).await;
    }
    // One more turn, in which the descriptors are closed.
    pause(net, task, MILLISECOND).await;
    net.free_task(task);
}

/// A task of the core that tells when it is done.
pub fn start(net: &Net, task: impl Future<Output = ()> + 'static) -> Rc<Cell<bool>> {
    let done = Rc::new(Cell::new(false));
    let set = done.clone();
    spawn(async move {
        task.await;
        set.set(true);
    });
    net.note_runnable();
    done
}

pub async fn all_done(net: &Net, tasks: &[Rc<Cell<bool>>]) {
    let task = net.new_task();
    while !tasks.iter().all(|done| done.get()) {
        pause(net, task, MILLISECOND).await;
    }
    net.free_task(task);
}

/// With room for all who connect while the accepting thread waits for a CPU: a full queue means SYNs sent again after
/// seconds.
pub fn listener() -> (TcpListener, SocketAddr) {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(4096).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Serves one connection on a thread of its own.
pub fn peer<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let (listener, address) = listener();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        serve(stream)
    });
    (address, thread)
}

pub async fn connected(net: &Net, task: TaskId) -> ConnId {
    net.connect(task, to(0), clock::monotonic() + SOON, None)
        .await
        .unwrap()
        .0
}

/// Reads to the end.
pub async fn read_all(net: &Net, task: TaskId, conn: ConnId) -> (Vec<u8>, Ended) {
    let mut bytes = Vec::new();
    loop {
        match net.receive(task, conn, clock::monotonic() + SOON).await {
            Received::Data(chunk) => chunk.consume(|data| bytes.extend_from_slice(data)),
            Received::Ended(ended, _) => return (bytes, ended),
            other => panic!("{other:?} after {} bytes", bytes.len()),
        }
    }
}

/// Bytes in which no two places a small distance apart look alike; `salt` tells one stream from another.
pub fn pattern(salt: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt) >> 29) as u8)
        .collect()
}

pub fn assert_same(got: &[u8], wanted: &[u8]) {
    assert_eq!(got.len(), wanted.len());
    let differs = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert_eq!(differs, None, "first wrong byte");
}

pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Numbers from a seed: splitmix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

pub fn seed() -> u64 {
    let seed = std::env::var("SEED").map_or(1, |text| text.parse().expect("SEED is a number"));
    println!("SEED={seed}");
    seed
}
