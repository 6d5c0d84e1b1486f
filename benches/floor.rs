//! Control clients for `scripts/bench-engine.sh`. They read streams and discard them, which gives a lower bound to
//! compare the engine's CPU time per event with.
//!
//! `floor epoll|epoll-parse|glommio ADDRESS CONNECTIONS SECONDS CHUNK_BYTES CPU` prints one line:
//! `events N cpu_us_per_event X`. The CPU time is that of the whole process since its start.
#![allow(clippy::print_stdout, clippy::print_stderr)] // This program prints a measurement.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use llmload_uring::api::Api;
use llmload_uring::engine::response::{Expected, Progress, ResponseReader, TokenSink};
use llmload_uring::net::clock;
use llmload_uring::units::SECOND;
use rustix::event::epoll;
use rustix::time::{ClockId, clock_gettime};

const REQUEST: &[u8] =
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: floor\r\nContent-Type: application/json\r\n\
Content-Length: 15\r\n\r\n{\"stream\":true}";
const END: &[u8] = b"0\r\n\r\n";
const BATCH: usize = 1024;
const READ_BYTES: usize = 4096;

struct Options {
    address: SocketAddr,
    connections: usize,
    length: Duration,
    chunk_bytes: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, client, address, connections, seconds, chunk_bytes, cpu] = args.as_slice() else {
        eprintln!("usage: floor epoll|epoll-parse|glommio ADDRESS CONNECTIONS SECONDS CHUNK_BYTES CPU");
        std::process::exit(2);
    };
    let options = Options {
        address: address.parse().expect("ADDRESS is ip:port"),
        connections: connections.parse().expect("CONNECTIONS is a number"),
        length: Duration::from_secs(seconds.parse().expect("SECONDS is a number")),
        chunk_bytes: chunk_bytes.parse().expect("CHUNK_BYTES is a number"),
    };
    let cpu: usize = cpu.parse().expect("CPU is a number");
    let bytes = match client.as_str() {
        "epoll" => on_cpu(cpu, || run_epoll(&options, false)),
        "epoll-parse" => on_cpu(cpu, || run_epoll(&options, true)),
        "glommio" => run_glommio(options.address, options.connections, options.length, cpu),
        other => panic!("there is no client `{other}`"),
    };
    let events = bytes / options.chunk_bytes;
    let cpu = process_cpu();
    println!(
        "events {events} cpu_us_per_event {:.3}",
        cpu as f64 / 1e3 / events as f64
    );
}

/// Returns the CPU time of all threads of this process, in nanoseconds.
fn process_cpu() -> u64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as u64 * SECOND + t.tv_nsec as u64
}

fn on_cpu<T>(cpu: usize, run: impl FnOnce() -> T) -> T {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu });
    run()
}

struct Discard;

impl TokenSink for Discard {
    fn gap(&mut self, _: u64) {}
    fn coalesced(&mut self) {}
    fn token(&mut self, _: &[u8], _: u64) {}
}

/// Reads with level-triggered epoll: one wake-up per batch of readable sockets, and one read for each socket.
fn run_epoll(options: &Options, parse: bool) -> u64 {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut readers: Vec<ResponseReader> = Vec::new();
    for i in 0..options.connections {
        let mut stream = TcpStream::connect(options.address).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_nonblocking(true).expect("nonblocking");
        let data = epoll::EventData::new_u64(i as u64);
        epoll::add(&poll, &stream, data, epoll::EventFlags::IN).expect("epoll add");
        stream.write_all(REQUEST).expect("send");
        streams.push(stream);
        let mut reader = ResponseReader::new();
        reader.begin(Expected::Stream(Api::Chat));
        readers.push(reader);
    }
    let mut events: Vec<epoll::Event> = Vec::with_capacity(BATCH);
    let mut buffer = [0; READ_BYTES];
    let (begun, mut bytes) = (Instant::now(), 0);
    while begun.elapsed() < options.length {
        let timeout = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)).expect("epoll wait");
        for event in events.drain(..) {
            let i = event.data.u64() as usize;
            let n = match streams[i].read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                Err(e) => panic!("read: {e}"),
            };
            bytes += n as u64;
            let over = if parse {
                let progress = readers[i].read(&buffer[..n], clock::monotonic(), &mut Discard);
                progress != Progress::More
            } else {
                buffer[..n].ends_with(END)
            };
            if over {
                readers[i].begin(Expected::Stream(Api::Chat));
                streams[i].write_all(REQUEST).expect("send");
            }
        }
    }
    bytes
}

/// Reads with glommio's own sockets and one task per connection.
fn run_glommio(address: SocketAddr, connections: usize, length: Duration, cpu: usize) -> u64 {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    glommio::LocalExecutorBuilder::new(glommio::Placement::Fixed(cpu))
        .spawn(move || async move {
            let bytes = Rc::new(Cell::new(0u64));
            let end = Instant::now() + length;
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let bytes = bytes.clone();
                tasks.push(glommio::spawn_local(async move {
                    let mut stream = glommio::net::TcpStream::connect(address).await.expect("connect");
                    stream.set_nodelay(true).expect("nodelay");
                    let mut buffer = vec![0; READ_BYTES];
                    stream.write_all(REQUEST).await.expect("send");
                    while Instant::now() < end {
                        let n = stream.read(&mut buffer).await.expect("read");
                        bytes.set(bytes.get() + n as u64);
                        if buffer[..n].ends_with(END) {
                            stream.write_all(REQUEST).await.expect("send");
                        }
                    }
                }));
            }
            glommio::timer::sleep(length).await;
            bytes.get()
        })
        .expect("spawn")
        .join()
        .expect("join")
}
