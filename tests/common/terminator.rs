//! A server that ends TLS in front of a plain one, in threads of this process.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection};

/// How it treats what passes through it.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The encrypted bytes go out in writes of so many.
    pub piece: usize,
    /// An end of the server behind is announced (close_notify).
    pub announces: bool,
    /// New keys after each read from the server behind.
    pub updates_keys: bool,
}

impl Default for Manners {
    fn default() -> Manners {
        Manners {
            piece: usize::MAX,
            announces: true,
            updates_keys: false,
        }
    }
}

pub struct Terminator {
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Terminator {
    pub fn new(config: ServerConfig, upstream: SocketAddr, manners: Manners) -> Terminator {
        Terminator::on(Ipv4Addr::LOCALHOST.into(), config, upstream, manners)
    }

    pub fn on(ip: IpAddr, config: ServerConfig, upstream: SocketAddr, manners: Manners) -> Terminator {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let config = Arc::new(config);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, config) = (stream.unwrap(), config.clone());
                std::thread::spawn(move || serve(stream, config, upstream, manners));
            }
        });
        Terminator {
            address,
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

type Shared = Arc<Mutex<ServerConnection>>;

/// Client to upstream in this thread, upstream to client in another. Ends with either side.
fn serve(mut client: TcpStream, config: Arc<ServerConfig>, upstream: SocketAddr, manners: Manners) {
    client.set_nodelay(true).unwrap();
    let tls: Shared = Arc::new(Mutex::new(ServerConnection::new(config).unwrap()));
    let Ok(mut behind) = TcpStream::connect(upstream) else {
        return;
    };
    behind.set_nodelay(true).unwrap();
    let back = {
        let (tls, client, behind) = (
            tls.clone(),
            client.try_clone().unwrap(),
            behind.try_clone().unwrap(),
        );
        std::thread::spawn(move || answer(&tls, client, behind, manners))
    };
    let mut chunk = vec![0; 64 << 10];
    while let Ok(n @ 1..) = client.read(&mut chunk) {
        let mut plain = Vec::new();
        let mut input = &chunk[..n];
        let mut tls = tls.lock().unwrap();
        let mut refused = false;
        while !input.is_empty() && !refused {
            refused = !matches!(tls.read_tls(&mut input), Ok(1..)) || tls.process_new_packets().is_err();
            // An error says only that there is no more for now.
            let _ = tls.reader().read_to_end(&mut plain);
        }
        if write_records(&mut tls, &mut client, manners.piece).is_err() {
            break;
        }
        drop(tls);
        if refused {
            // The client should find the alert, not a reset: so its bytes are read to the end.
            let _ = client.shutdown(Shutdown::Write);
            while let Ok(1..) = client.read(&mut chunk) {}
            break;
        }
        if behind.write_all(&plain).is_err() {
            break;
        }
    }
    let _ = behind.shutdown(Shutdown::Both);
    let _ = back.join();
}

fn answer(tls: &Shared, mut client: TcpStream, mut behind: TcpStream, manners: Manners) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(n @ 1..) = behind.read(&mut chunk) {
        let mut tls = tls.lock().unwrap();
        for part in chunk[..n].chunks(32 << 10) {
            tls.writer().write_all(part).unwrap();
            if write_records(&mut tls, &mut client, manners.piece).is_err() {
                return;
            }
        }
        if manners.updates_keys {
            tls.refresh_traffic_keys().unwrap();
            if write_records(&mut tls, &mut client, manners.piece).is_err() {
                return;
            }
        }
    }
    if manners.announces {
        let mut tls = tls.lock().unwrap();
        tls.send_close_notify();
        let _ = write_records(&mut tls, &mut client, manners.piece);
    }
    let _ = client.shutdown(Shutdown::Write);
}

fn write_records(tls: &mut ServerConnection, client: &mut TcpStream, piece: usize) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes)?;
    }
    bytes.chunks(piece).try_for_each(|piece| client.write_all(piece))
}

/// Says `bytes` to everyone who has sent something, and closes.
pub fn says(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut chunk = [0; 16 << 10];
                let _ = stream.read(&mut chunk);
                let _ = stream.write_all(bytes);
                let _ = stream.shutdown(Shutdown::Write);
                while let Ok(1..) = stream.read(&mut chunk) {}
            });
        }
    });
    address
}
