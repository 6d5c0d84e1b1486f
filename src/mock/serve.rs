//! One connection of the mock: read a request, answer it on its timeline, again.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::MockOptions;
use super::fault::{Fault, FaultPlan};
use super::request::{self, Request, Route};
use super::script::{self, Script};
use super::truth::{self, Truth};
use crate::engine::executor::yield_now;
use crate::net::{ConnId, Net, Received, TaskId, clock};
use crate::units::Nanos;

/// What the cores of one mock share.
pub struct Shared {
    pub options: MockOptions,
    pub script: Script,
    pub faults: FaultPlan,
    /// Completion requests so far: the index into the fault plan.
    pub completions: AtomicU64,
    /// Connections so far.
    pub connections: AtomicU64,
    /// One per core, so that no core waits for another.
    pub truths: Vec<Mutex<Truth>>,
}

/// One core of the mock.
pub struct MockCore {
    pub shared: Arc<Shared>,
    pub core: usize,
    pub net: Net,
}

/// The client is gone, or the fault wants the connection gone.
struct Over;

impl MockCore {
    fn truth(&self, f: impl FnOnce(&mut Truth)) {
        f(&mut self.shared.truths[self.core]
            .lock()
            .unwrap_or_else(PoisonError::into_inner));
    }
}

/// A connection's phase within a gap: the multiples of the golden ratio spread any number of points evenly
/// (Knuth, The Art of Computer Programming, volume 3, 6.4, theorem S).
fn phase(connection: u64, gap: Nanos) -> Nanos {
    let fraction = connection.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(fraction) * u128::from(gap)) >> 64) as Nanos
}

/// Serves a connection to its end.
pub async fn serve(core: Rc<MockCore>, conn: ConnId, task: TaskId) {
    let number = core.shared.connections.fetch_add(1, Ordering::Relaxed);
    core.truth(|t| t.connections += 1);
    let mut session = Session {
        core: &core,
        conn,
        task,
        scratch: Vec::new(),
        phase: if core.shared.options.spread {
            phase(number, core.shared.options.gap)
        } else {
            0
        },
    };
    let mut input = Vec::new();
    let mut arrived = 0;
    loop {
        match request::parse(&input) {
            Ok(Some(request)) => {
                let digest = truth::hash(&input[request.body_from..request.bytes]);
                input.drain(..request.bytes);
                if let Route::Chat { .. } = request.route {
                    core.truth(|t| t.bodies_digest = t.bodies_digest.wrapping_add(digest));
                }
                let done = session.answer(request, arrived).await;
                if done.is_err() || !request.keep_alive {
                    break;
                }
            }
            Ok(None) => match core.net.receive(task, conn, Nanos::MAX).await {
                Received::Data(chunk) => {
                    arrived = chunk.stamp;
                    core.net.consume(chunk, |bytes| input.extend_from_slice(bytes));
                }
                _ => break,
            },
            Err(_) => {
                let _ = session
                    .write(&script::json(400, r#"{"error":"bad request"}"#))
                    .await;
                break;
            }
        }
    }
    core.net.close(conn);
    core.net.free_task(task);
}

struct Session<'a> {
    core: &'a MockCore,
    conn: ConnId,
    task: TaskId,
    scratch: Vec<u8>,
    /// Added to the timeline of each answer.
    phase: Nanos,
}

impl Session<'_> {
    async fn answer(&mut self, request: Request, arrived: Nanos) -> Result<(), Over> {
        let stream = match request.route {
            Route::Chat { stream } => stream,
            route => return self.answer_light(route).await,
        };
        let shared = &self.core.shared;
        let index = shared.completions.fetch_add(1, Ordering::Relaxed);
        let fault = shared.faults.fault_of(index);
        self.core.truth(|t| {
            t.requests += 1;
            t.streams += u64::from(stream);
            if let Some(fault) = fault {
                t.fault(fault);
            }
        });
        let result = match (fault, stream) {
            (Some(Fault::Status(code)), _) => {
                let body = r#"{"error":{"message":"injected","type":"injected"}}"#;
                return self.write(&script::json(code, body)).await;
            }
            (Some(Fault::Hang), _) => return self.hang().await,
            (fault, true) => self.stream(arrived, fault).await,
            (fault, false) => self.whole(arrived, fault).await,
        };
        match (&result, fault) {
            (Ok(()), None | Some(Fault::Close)) => self.core.truth(|t| t.ok += 1),
            (Err(Over), None) => self.core.truth(|t| t.abandoned += 1),
            _ => {}
        }
        match fault {
            Some(Fault::Close) => Err(Over),
            _ => result,
        }
    }

    async fn answer_light(&mut self, route: Route) -> Result<(), Over> {
        self.core.truth(|t| t.light += 1);
        let bytes = match route {
            Route::Health => script::json(200, r#"{"status":"ok","service":"llmload-mock"}"#),
            Route::Models => script::json(
                200,
                r#"{"object":"list","data":[{"id":"mock","object":"model"}]}"#,
            ),
            Route::Stats => {
                let mut sum = Truth::default();
                for truth in &self.core.shared.truths {
                    sum.add(&truth.lock().unwrap_or_else(PoisonError::into_inner));
                }
                script::json(200, &sum.to_json().to_string())
            }
            Route::Chat { .. } | Route::Unknown => script::json(404, r#"{"error":"no such path"}"#),
        };
        self.write(&bytes).await
    }

    /// A streamed answer: head at once, tokens on the timeline, the end with the last token.
    async fn stream(&mut self, arrived: Nanos, fault: Option<Fault>) -> Result<(), Over> {
        let shared = self.core.shared.clone();
        let o = &shared.options;
        self.write(&shared.script.stream_head).await?;
        if fault == Some(Fault::ErrorEvent) {
            return self.write(&shared.script.stream_error).await;
        }
        let fails_after = fault.filter(|f| *f != Fault::Close).map(|_| o.tokens / 2);
        let mut sent = 0;
        let mut last_write: Option<Nanos> = None;
        while sent < o.tokens {
            if fails_after.is_some_and(|n| sent >= n) {
                break;
            }
            let writes = Nanos::from(sent / o.events_per_write);
            let due = arrived + self.phase + o.ttft + writes * o.gap;
            self.pace(due).await?;
            let count = o.events_per_write.min(o.tokens - sent);
            sent += count;
            let ends = sent == o.tokens && fails_after.is_none();
            let now = self.write_tokens(count, ends).await?;
            self.core.truth(|t| {
                t.tokens += u64::from(count);
                match last_write {
                    None => t.ttft.record(now.saturating_sub(arrived)),
                    Some(last) => t.gap.record(now - last),
                };
                t.late.record(now.saturating_sub(due));
            });
            last_write = Some(now);
        }
        match fault.filter(|f| *f != Fault::Close) {
            Some(fault) => self.break_off(fault, true).await,
            None => Ok(()),
        }
    }

    /// Waits for the timeline's next instant; without one, lets the others run.
    async fn pace(&mut self, due: Nanos) -> Result<(), Over> {
        let net = &self.core.net;
        if self.core.shared.options.unpaced {
            net.note_runnable();
            yield_now().await;
        } else {
            net.sleep_until(self.task, due).await;
        }
        if net.is_ended(self.conn) {
            return Err(Over);
        }
        Ok(())
    }

    /// Writes token events stamped with the instant before the send; gives that instant.
    async fn write_tokens(&mut self, count: u32, ends: bool) -> Result<Nanos, Over> {
        let shared = self.core.shared.clone();
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        let now = clock::monotonic();
        shared.script.tokens(&mut out, count, now);
        if ends {
            out.extend_from_slice(&shared.script.stream_end);
        }
        let result = self.write(&out).await;
        self.scratch = out;
        result.map(|()| now)
    }

    /// An answer in one piece, after as long as a stream of it would have taken.
    async fn whole(&mut self, arrived: Nanos, fault: Option<Fault>) -> Result<(), Over> {
        let shared = self.core.shared.clone();
        let o = &shared.options;
        let writes = Nanos::from(o.tokens.saturating_sub(1) / o.events_per_write);
        self.pace(arrived + o.ttft + writes * o.gap).await?;
        let s = &shared.script;
        match fault {
            None | Some(Fault::Close) => self.write(&s.answer).await,
            Some(Fault::ErrorEvent) => self.write(&s.answer_error).await,
            Some(Fault::Unfinished) => self.write(&s.answer_unfinished).await,
            Some(Fault::BadJson) => self.write(&s.answer_bad_json).await,
            Some(Fault::BadChunk) => {
                self.write(b"HTTX/1.1 200 OK\r\n\r\n").await?;
                Err(Over)
            }
            Some(fault) => {
                self.write(&s.answer[..s.answer.len() / 2]).await?;
                self.break_off(fault, false).await
            }
        }
    }

    async fn break_off(&mut self, fault: Fault, stream: bool) -> Result<(), Over> {
        let shared = self.core.shared.clone();
        match fault {
            Fault::Reset => {
                self.core.net.reset_on_close(self.conn);
                Err(Over)
            }
            Fault::Stall => self.hang().await,
            Fault::Unfinished if stream => self.write(&shared.script.stream_unfinished).await,
            Fault::BadJson if stream => {
                self.write(&shared.script.stream_bad_json).await?;
                self.write(&shared.script.stream_end).await
            }
            Fault::BadChunk if stream => {
                self.write(b"zz\r\n").await?;
                Err(Over)
            }
            _ => Err(Over),
        }
    }

    /// Waits until the client goes away.
    async fn hang(&mut self) -> Result<(), Over> {
        while let Received::Data(chunk) = self.core.net.receive(self.task, self.conn, Nanos::MAX).await {
            self.core.net.consume(chunk, |_| ());
        }
        Err(Over)
    }

    /// Past the ring while the socket takes it, so that a stamp is the instant of the call; the rest by the ring.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Over> {
        let net = &self.core.net;
        let sent = match net.send_now(self.conn, bytes) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Over),
        };
        if sent == bytes.len() {
            return Ok(());
        }
        let mut rest = net.take_spare(self.conn);
        rest.extend_from_slice(&bytes[sent..]);
        net.send(self.conn, rest).map_err(|_| Over)?;
        if net.flush(self.task, self.conn, Nanos::MAX).await {
            Ok(())
        } else {
            Err(Over)
        }
    }
}
