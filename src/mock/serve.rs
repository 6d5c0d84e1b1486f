//! One connection of the mock: read a request, answer it on its timeline, again.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::MockOptions;
use super::fault::{Fault, FaultPlan};
use super::request::{self, Request, Route};
use super::script::{self, Script, Took};
use super::truth::{self, Truth};
use crate::api::Api;
use crate::engine::runtime::yield_now;
use crate::net::{ConnId, Net, Received, TaskId, clock};
use crate::units::Nanos;

/// What the cores of one mock share.
pub struct Shared {
    pub options: MockOptions,
    /// By `Api as usize`.
    pub scripts: [Script; Api::ALL.len()],
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
                if let Route::Completion { .. } = request.route {
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
                    chunk.consume(|bytes| input.extend_from_slice(bytes));
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

/// What of an answer has gone out.
struct Writes {
    arrived: Nanos,
    tokens: u32,
    first: Option<Nanos>,
    last: Option<Nanos>,
}

impl Writes {
    fn new(arrived: Nanos) -> Writes {
        Writes {
            arrived,
            tokens: 0,
            first: None,
            last: None,
        }
    }

    fn wrote(&mut self, tokens: u32, now: Nanos) {
        self.tokens += tokens;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// As the server of a llama.cpp measures itself, with the last token at `now`.
    fn took(&self, now: Nanos) -> Took {
        let first = self.first.unwrap_or(now);
        Took {
            prompt: first.saturating_sub(self.arrived),
            decode: now.saturating_sub(first),
        }
    }
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
        let (api, stream) = match request.route {
            Route::Completion { api, stream } => (api, stream),
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
            (fault, true) => self.stream(api, arrived, fault).await,
            (fault, false) => self.whole(api, arrived, fault).await,
        };
        match (&result, fault) {
            (Ok(()), None | Some(Fault::Close)) => self.core.truth(|t| t.ok += 1),
            (Err(Over), None) => self.core.truth(|t| t.abandoned += 1),
            _ => {}
        }
        match fault {
            Some(Fault::Close) => Err(Over),
            None if stream && shared.options.close_after_stream => Err(Over),
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
                    sum.merge(&truth.lock().unwrap_or_else(PoisonError::into_inner));
                }
                script::json(200, &sum.to_json().to_string())
            }
            Route::Completion { .. } | Route::Unknown => script::json(404, r#"{"error":"no such path"}"#),
        };
        self.write(&bytes).await
    }

    /// A streamed answer: head at once, tokens on the timeline, the end with the last token.
    async fn stream(&mut self, api: Api, arrived: Nanos, fault: Option<Fault>) -> Result<(), Over> {
        let shared = self.core.shared.clone();
        let (o, script) = (&shared.options, &shared.scripts[api as usize]);
        self.write(&script.stream_head).await?;
        if fault == Some(Fault::ErrorEvent) {
            return self.write(&script.stream_error).await;
        }
        let fault = fault.filter(|f| *f != Fault::Close);
        let until = if fault.is_some() { o.tokens / 2 } else { o.tokens };
        let mut writes = Writes::new(arrived);
        while writes.tokens < until {
            let count = o.events_per_write.min(o.tokens - writes.tokens);
            let due = self.turn(&writes, count).await?;
            let ends = writes.tokens + count == o.tokens && fault.is_none();
            let now = self.write_tokens(script, &writes, count, ends).await?;
            self.core.truth(|t| {
                t.tokens += u64::from(count);
                match writes.last {
                    None => t.ttft.record(now.saturating_sub(arrived)),
                    Some(last) => t.gap.record(now - last),
                };
                t.late.record(now.saturating_sub(due));
            });
            writes.wrote(count, now);
        }
        match fault {
            Some(fault) => self.break_off(fault, Some(script)).await,
            None => Ok(()),
        }
    }

    /// Waits until the next `count` tokens may go out; gives the instant that they were to.
    async fn turn(&self, writes: &Writes, count: u32) -> Result<Nanos, Over> {
        let o = &self.core.shared.options;
        let step = Nanos::from(writes.tokens / o.events_per_write);
        let due = writes.arrived + self.phase + o.ttft + step * o.gap;
        let Some(budget) = &o.budget else {
            self.pace(due).await?;
            return Ok(due);
        };
        // A GPU does not catch up: the gap counts from the last write, not from the timeline.
        let due = writes.last.map_or(due, |last| last + o.gap);
        self.pace(due).await?;
        let due = budget.take(count, clock::monotonic());
        self.wait(due).await?;
        Ok(due)
    }

    /// Waits for the timeline's next instant; without one, lets the others run.
    async fn pace(&self, due: Nanos) -> Result<(), Over> {
        if !self.core.shared.options.unpaced {
            return self.wait(due).await;
        }
        self.core.net.note_runnable();
        yield_now().await;
        self.still_there()
    }

    async fn wait(&self, until: Nanos) -> Result<(), Over> {
        self.core.net.sleep_until(self.task, until).await;
        self.still_there()
    }

    fn still_there(&self) -> Result<(), Over> {
        if self.core.net.is_ended(self.conn) {
            return Err(Over);
        }
        Ok(())
    }

    /// Writes token events stamped with the instant before the send; gives that instant.
    async fn write_tokens(
        &mut self,
        script: &Script,
        writes: &Writes,
        count: u32,
        ends: bool,
    ) -> Result<Nanos, Over> {
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        let now = clock::monotonic();
        script.tokens(&mut out, writes.tokens, count, now);
        if ends {
            script.stream_end.append(&mut out, writes.took(now));
        }
        let result = self.write(&out).await;
        self.scratch = out;
        result.map(|()| now)
    }

    /// An answer in one piece, after as long as a stream of it would have taken.
    async fn whole(&mut self, api: Api, arrived: Nanos, fault: Option<Fault>) -> Result<(), Over> {
        let shared = self.core.shared.clone();
        let (o, s) = (&shared.options, &shared.scripts[api as usize]);
        let mut writes = Writes::new(arrived);
        if o.budget.is_some() {
            while writes.tokens < o.tokens {
                let count = o.events_per_write.min(o.tokens - writes.tokens);
                self.turn(&writes, count).await?;
                writes.wrote(count, clock::monotonic());
            }
        } else {
            let steps = Nanos::from(o.tokens.saturating_sub(1) / o.events_per_write);
            self.pace(arrived + o.ttft + steps * o.gap).await?;
            writes.first = Some(clock::monotonic().min(arrived + o.ttft));
        }
        let mut answer = std::mem::take(&mut self.scratch);
        answer.clear();
        s.answer.append(&mut answer, writes.took(clock::monotonic()));
        let result = match fault {
            None | Some(Fault::Close) => self.write(&answer).await,
            Some(Fault::ErrorEvent) => self.write(&s.answer_error).await,
            Some(Fault::Unfinished) => self.write(&s.answer_unfinished).await,
            Some(Fault::BadJson) => self.write(&s.answer_bad_json).await,
            Some(Fault::BadChunk) => self.write(b"HTTX/1.1 200 OK\r\n\r\n").await.and(Err(Over)),
            Some(fault) => match self.write(&answer[..answer.len() / 2]).await {
                Ok(()) => self.break_off(fault, None).await,
                Err(over) => Err(over),
            },
        };
        self.scratch = answer;
        result
    }

    /// Ends an answer in its middle; `stream` is the script of a streamed one.
    async fn break_off(&mut self, fault: Fault, stream: Option<&Script>) -> Result<(), Over> {
        match (fault, stream) {
            (Fault::Reset, _) => {
                self.core.net.reset_on_close(self.conn);
                Err(Over)
            }
            (Fault::Stall, _) => self.hang().await,
            (Fault::Unfinished, Some(script)) => self.write(&script.stream_unfinished).await,
            (Fault::BadJson, Some(script)) => {
                self.write(&script.stream_bad_json).await?;
                self.write(&script.stream_unfinished).await
            }
            (Fault::BadChunk, Some(_)) => {
                self.write(b"zz\r\n").await?;
                Err(Over)
            }
            _ => Err(Over),
        }
    }

    /// Waits until the client goes away.
    async fn hang(&mut self) -> Result<(), Over> {
        while let Received::Data(chunk) = self.core.net.receive(self.task, self.conn, Nanos::MAX).await {
            chunk.consume(|_| ());
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
