//! Serves one connection of the mock: reads a request, answers it on its timeline, and repeats.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::MockOptions;
use super::capacity::Admission;
use super::dialect::Counted;
use super::exposition::{self, Account, MetricsForm};
use super::fault::{Fault, FaultPlan};
use super::prefix_cache::{PrefixCache, count};
use super::received::ReceivedRequests;
use super::request::{self, Request, Route};
use super::script::{self, Script};
use super::tokens;
use super::told::Told;
use super::truth::Truth;
use super::writes::Writes;
use crate::api::{Api, Stamps};
use crate::engine::runtime::yield_now;
use crate::net::{ConnId, Net, Received, TaskId, clock};
use crate::units::{Nanos, fnv};

/// State that the cores of one mock share.
pub struct Shared {
    pub options: MockOptions,
    /// One script per API, indexed by `Api as usize`.
    pub scripts: [Script; Api::ALL.len()],
    /// What an answer states of its tokens, unless they are counted.
    pub counted: Counted,
    /// What the mock has read, if it counts tokens.
    pub prefixes: Option<PrefixCache>,
    /// The text of every answer.
    pub answer: String,
    pub faults: FaultPlan,
    /// Number of completion requests so far, which is the index into the fault plan.
    pub completions: AtomicU64,
    /// Number of connections so far.
    pub connections: AtomicU64,
    /// The newest requests, if any are kept.
    pub received: Mutex<ReceivedRequests>,
    /// One record per core, so that no core waits for another.
    pub truths: Vec<Mutex<Truth>>,
}

impl Shared {
    /// Lets in a request, unless too many wait already.
    fn enter(&self, number: u64, arrived: Nanos) -> Option<Admission> {
        let times = (self.options.ttft, self.rest());
        self.options.capacity.enter(number, arrived, times)
    }

    /// Returns the time from the first to the last token of an answer, without a budget.
    fn rest(&self) -> Nanos {
        let o = &self.options;
        Nanos::from(o.tokens.saturating_sub(1) / o.events_per_write) * o.gap
    }
}

/// One core of the mock.
pub struct MockCore {
    pub shared: Arc<Shared>,
    pub core: usize,
    pub net: Net,
}

/// What a request is told that finds the queue full.
const BUSY: &str = r#"{"error":{"message":"the queue is full","type":"overloaded_error"}}"#;

/// The client has closed the connection, or the fault requires us to close it.
struct ConnectionEnded;

impl MockCore {
    fn truth(&self, f: impl FnOnce(&mut Truth)) {
        f(&mut self.shared.truths[self.core]
            .lock()
            .unwrap_or_else(PoisonError::into_inner));
    }

    /// Keeps the request at the beginning of `input`, if requests are kept. Questions to the mock itself are not.
    fn keep(&self, request: &Request, arrived: Nanos, input: &[u8]) {
        let about_itself = matches!(request.route, Route::Stats | Route::Received | Route::Metrics);
        if self.shared.options.record == 0 || about_itself {
            return;
        }
        let (head, body) = input[..request.bytes].split_at(request.body_from);
        let received = self.shared.received.lock();
        received
            .unwrap_or_else(PoisonError::into_inner)
            .push(arrived, head, body);
    }
}

/// Returns a connection's phase within a gap. Multiples of the golden ratio spread any number of points evenly (Knuth,
/// The Art of Computer Programming, volume 3, 6.4, theorem S).
fn phase(connection: u64, gap: Nanos) -> Nanos {
    let fraction = connection.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(fraction) * u128::from(gap)) >> 64) as Nanos
}

/// Serves a connection to its end.
pub async fn serve(core: Rc<MockCore>, conn: ConnId, task: TaskId) {
    let number = core.shared.connections.fetch_add(1, Ordering::Relaxed);
    core.truth(|t| t.connections += 1);
    let mut connection = Connection {
        core: &core,
        conn,
        task,
        scratch: Vec::new(),
        counted: core.shared.counted,
        sent: 0,
        failed: false,
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
                core.keep(&request, arrived, &input);
                let tokenize = core.shared.options.tokenize;
                let mut counted = None;
                if let Route::Completion { api, .. } = request.route {
                    let body = &input[request.body_from..request.bytes];
                    let shared = &core.shared;
                    counted = count(shared.prefixes.as_ref(), shared.counted, api, body)
                        .or_else(|| tokenize.and_then(|_| tokens::counted(shared.counted, body)));
                    let (digest, told) = (fnv(body), Told::in_body(body, &core.shared.answer));
                    core.truth(|t| {
                        t.bodies_digest = t.bodies_digest.wrapping_add(digest);
                        t.told.merge(&told);
                    });
                }
                let body = &input[request.body_from..request.bytes];
                let told = tokenize.filter(|_| request.route == Route::Tokenize);
                let told = told.map(|form| tokens::answer(form, body));
                input.drain(..request.bytes);
                let done = match told {
                    Some((status, told)) => connection.write(&script::json(status, &told)).await,
                    None => connection.answer(request, arrived, counted).await,
                };
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
                let _ = connection
                    .write(&script::json(400, r#"{"error":"bad request"}"#))
                    .await;
                break;
            }
        }
    }
    core.net.close(conn);
    core.net.free_task(task);
}

struct Connection<'a> {
    core: &'a MockCore,
    conn: ConnId,
    task: TaskId,
    scratch: Vec<u8>,
    /// What the current answer states of its tokens.
    counted: Counted,
    /// Delay that is added to the timeline of each answer.
    phase: Nanos,
    /// Tokens of the current answer that have been sent.
    sent: u32,
    /// The current answer has failed on purpose.
    failed: bool,
}

impl Connection<'_> {
    async fn answer(
        &mut self,
        request: Request,
        arrived: Nanos,
        counted: Option<Counted>,
    ) -> Result<(), ConnectionEnded> {
        let (api, stream) = match request.route {
            Route::Completion { api, stream } => (api, stream),
            route => return self.answer_light(route).await,
        };
        let shared = self.core.shared.clone();
        (self.sent, self.failed) = (0, false);
        let index = shared.completions.fetch_add(1, Ordering::Relaxed);
        let fault = shared.faults.fault_for(index);
        self.core.truth(|t| {
            t.request(arrived, stream);
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
            (fault, _) => {
                let Some(admitted) = shared.enter(index, arrived) else {
                    self.core.truth(|t| t.refused += 1);
                    return self.write(&script::json(503, BUSY)).await;
                };
                let writes = Writes::new(arrived, admitted.begins, admitted.first_due);
                let o = &shared.options;
                let own = counted.map(|counted| Script::new(api, &counted, o.stamp, o.event_bytes));
                let script = own.as_ref().unwrap_or(&shared.scripts[api as usize]);
                self.counted = counted.unwrap_or(shared.counted);
                let answered = match stream {
                    true => self.answer_stream(script, writes, fault).await,
                    false => self.answer_whole(script, writes, fault).await,
                };
                if fault.is_none() && answered.is_err() {
                    let until = shared.options.capacity.ends_after(clock::monotonic());
                    self.core.net.sleep_until(self.task, until).await;
                }
                shared.options.capacity.leave();
                answered
            }
        };
        match (&result, fault) {
            (Ok(()), None | Some(Fault::Close)) => {
                let counted = counted.unwrap_or(shared.counted);
                self.core.truth(|t| t.answered(&counted));
            }
            (Err(ConnectionEnded), None) => {
                let sent = self.sent;
                self.core.truth(|t| {
                    t.abandoned += 1;
                    *t.abandoned_after.entry(sent).or_default() += 1;
                });
                self.account(|account, _| account.aborted());
            }
            (Err(ConnectionEnded), Some(fault)) if !self.failed => self.core.truth(|t| t.left_before(fault)),
            _ => {}
        }
        match fault {
            Some(Fault::Close) => Err(ConnectionEnded),
            None if stream && shared.options.close_after_stream => Err(ConnectionEnded),
            _ => result,
        }
    }

    async fn answer_light(&mut self, route: Route) -> Result<(), ConnectionEnded> {
        if route != Route::Metrics {
            self.core.truth(|t| t.light += 1);
        }
        let bytes = match route {
            Route::Health => script::json(200, r#"{"status":"ok","service":"llmload-mock"}"#),
            Route::Models => script::json(
                200,
                r#"{"object":"list","data":[{"id":"mock","object":"model","owned_by":"mock"}]}"#,
            ),
            Route::Tags => script::json(200, r#"{"models":[{"name":"mock","model":"mock","size":1}]}"#),
            Route::Stats => {
                let mut sum = Truth::default();
                for truth in &self.core.shared.truths {
                    sum.merge(&truth.lock().unwrap_or_else(PoisonError::into_inner));
                }
                script::json(200, &sum.to_json().to_string())
            }
            Route::Received => {
                let received = self.core.shared.received.lock();
                let told = received.unwrap_or_else(PoisonError::into_inner).to_json();
                script::json(200, &told.to_string())
            }
            Route::Metrics => exposition::shown(&self.core.shared),
            Route::Completion { .. } | Route::Tokenize | Route::Unknown => {
                script::json(404, r#"{"error":"no such path"}"#)
            }
        };
        self.write(&bytes).await
    }

    /// Changes the account that `/metrics` shows, if it shows one.
    fn account(&self, change: impl FnOnce(&mut Account, &Counted)) {
        if self.core.shared.options.metrics == MetricsForm::Vllm {
            self.core.truth(|t| change(&mut t.account, &self.counted));
        }
    }

    /// Sends a streamed answer: the head at once, the tokens on the timeline, and the end with the last token.
    async fn answer_stream(
        &mut self,
        script: &Script,
        mut writes: Writes,
        fault: Option<Fault>,
    ) -> Result<(), ConnectionEnded> {
        let shared = self.core.shared.clone();
        let o = &shared.options;
        self.write(&script.stream_head).await?;
        if fault == Some(Fault::ErrorEvent) {
            self.failed = true;
            return self.write(&script.stream_error).await;
        }
        let fault = fault.filter(|f| *f != Fault::Close);
        let until = if fault.is_some() { o.tokens / 2 } else { o.tokens };
        while writes.tokens < until {
            let count = o.events_per_write.min(o.tokens - writes.tokens);
            let due = self.wait_for_turn(&writes, count).await?;
            let ends = writes.tokens + count == o.tokens && fault.is_none();
            let now = self.write_tokens(script, &writes, count, ends).await?;
            self.core.truth(|t| {
                t.tokens += u64::from(count);
                match writes.last {
                    None => t.ttft.record(now.saturating_sub(writes.arrived)),
                    Some(last) => t.gap.record(now - last),
                };
                if ends {
                    t.latency.record(now.saturating_sub(writes.arrived));
                }
                t.late.record(now.saturating_sub(due));
            });
            self.account(|account, counted| account.tokens(&writes, count, now, counted));
            writes.record(count, now);
            self.sent = writes.tokens;
            if ends {
                self.account(|account, counted| account.ended(&writes, now, counted));
            }
        }
        match fault {
            Some(fault) => self.break_off(fault, Some(script)).await,
            None => Ok(()),
        }
    }

    /// Waits until the next `count` tokens may go out. Returns the instant at which they were due.
    async fn wait_for_turn(&self, writes: &Writes, count: u32) -> Result<Nanos, ConnectionEnded> {
        let o = &self.core.shared.options;
        let step = Nanos::from(writes.tokens / o.events_per_write);
        let due = writes.first_due + self.phase + step * o.gap;
        let Some(budget) = &o.budget else {
            self.pace(due).await?;
            return Ok(due);
        };
        // A GPU does not catch up, so the gap counts from the last write and not from the timeline.
        let due = writes.last.map_or(due, |last| last + o.gap);
        self.pace(due).await?;
        let due = budget.take(count, clock::monotonic());
        self.wait(due).await?;
        Ok(due)
    }

    /// Waits for the timeline's next instant. Without a timeline, lets the other tasks run.
    async fn pace(&self, due: Nanos) -> Result<(), ConnectionEnded> {
        if !self.core.shared.options.unpaced {
            return self.wait(due).await;
        }
        self.core.net.note_runnable();
        yield_now().await;
        self.check_connected()
    }

    async fn wait(&self, until: Nanos) -> Result<(), ConnectionEnded> {
        let net = &self.core.net;
        net.sleep_while_open(self.task, self.conn, until).await;
        self.check_connected()
    }

    fn check_connected(&self) -> Result<(), ConnectionEnded> {
        if self.core.net.is_ended(self.conn) {
            return Err(ConnectionEnded);
        }
        Ok(())
    }

    /// Writes token events, stamped with the instant before the send. Returns that instant.
    async fn write_tokens(
        &mut self,
        script: &Script,
        writes: &Writes,
        count: u32,
        ends: bool,
    ) -> Result<Nanos, ConnectionEnded> {
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        let now = clock::monotonic();
        let stamps = Stamps {
            sent: now,
            arrived: writes.arrived,
        };
        script.tokens(&mut out, writes.tokens, count, stamps);
        if ends {
            script.stream_end.append(&mut out, writes.times_at(now));
        }
        let result = self.write(&out).await;
        self.scratch = out;
        result.map(|()| now)
    }

    /// Sends an answer in one piece, after the time that a stream would have taken.
    async fn answer_whole(
        &mut self,
        s: &Script,
        mut writes: Writes,
        fault: Option<Fault>,
    ) -> Result<(), ConnectionEnded> {
        let shared = self.core.shared.clone();
        let o = &shared.options;
        if o.budget.is_some() {
            while writes.tokens < o.tokens {
                let count = o.events_per_write.min(o.tokens - writes.tokens);
                self.wait_for_turn(&writes, count).await?;
                writes.record(count, clock::monotonic());
            }
        } else {
            self.pace(writes.first_due + shared.rest()).await?;
            writes.first = Some(clock::monotonic().min(writes.first_due));
        }
        self.failed = fault.is_some_and(|fault| fault != Fault::Close);
        let mut answer = std::mem::take(&mut self.scratch);
        answer.clear();
        s.answer.append(&mut answer, writes.times_at(clock::monotonic()));
        let result = match fault {
            None | Some(Fault::Close) => {
                let now = clock::monotonic();
                self.account(|account, counted| account.whole(&writes, now, counted));
                self.write(&answer).await
            }
            Some(Fault::ErrorEvent) => self.write(&s.answer_error).await,
            Some(Fault::Unfinished) => self.write(&s.answer_unfinished).await,
            Some(Fault::BadJson) => self.write(&s.answer_bad_json).await,
            Some(Fault::BadChunk) => self
                .write(b"HTTX/1.1 200 OK\r\n\r\n")
                .await
                .and(Err(ConnectionEnded)),
            Some(fault) => match self.write(&answer[..answer.len() / 2]).await {
                Ok(()) => self.break_off(fault, None).await,
                Err(ended) => Err(ended),
            },
        };
        self.scratch = answer;
        result
    }

    /// Breaks off an answer in its middle. `stream` is the script of a streamed answer.
    async fn break_off(&mut self, fault: Fault, stream: Option<&Script>) -> Result<(), ConnectionEnded> {
        self.failed = true;
        match (fault, stream) {
            (Fault::Reset, _) => {
                self.core.net.reset_on_close(self.conn);
                Err(ConnectionEnded)
            }
            (Fault::Stall, _) => self.hang().await,
            (Fault::Unfinished, Some(script)) => self.write(&script.stream_unfinished).await,
            (Fault::BadJson, Some(script)) => {
                self.write(&script.stream_bad_json).await?;
                self.write(&script.stream_unfinished).await
            }
            (Fault::BadChunk, Some(_)) => {
                self.write(b"zz\r\n").await?;
                Err(ConnectionEnded)
            }
            _ => Err(ConnectionEnded),
        }
    }

    /// Waits until the client closes the connection.
    async fn hang(&mut self) -> Result<(), ConnectionEnded> {
        while let Received::Data(chunk) = self.core.net.receive(self.task, self.conn, Nanos::MAX).await {
            chunk.consume(|_| ());
        }
        Err(ConnectionEnded)
    }

    /// Sends without the ring as long as the socket accepts data, so that a stamp is the instant of the call. The rest
    /// goes through the ring.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), ConnectionEnded> {
        let net = &self.core.net;
        let sent = match net.send_now(self.conn, bytes) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(ConnectionEnded),
        };
        if sent == bytes.len() {
            return Ok(());
        }
        let mut rest = net.take_spare(self.conn);
        rest.extend_from_slice(&bytes[sent..]);
        net.send(self.conn, rest).map_err(|_| ConnectionEnded)?;
        if net.flush(self.task, self.conn, Nanos::MAX).await {
            Ok(())
        } else {
            Err(ConnectionEnded)
        }
    }
}
