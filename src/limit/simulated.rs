//! Servers in simulated time whose capacity is known in advance, and a search against them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::limit::evidence::{NEAR, Period};
use crate::limit::probe::{ProbeRules, ProbeWatch};
use crate::limit::search::{End, Found, LessSureEnds, Next, Over, Range, Search};
use crate::limit::slo::Slo;
use crate::plan::Threshold;
use crate::units::SECOND;
use crate::workload::random::keyed;

/// A source of random numbers.
#[derive(Clone, Debug)]
pub struct Dice {
    key: [u64; 2],
    count: u64,
}

impl Dice {
    pub fn new(seed: u64, stream: u64) -> Dice {
        Dice {
            key: [seed, stream],
            count: 0,
        }
    }

    /// Returns a number from 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.count += 1;
        (keyed([self.key[0], self.key[1], self.count, 5]) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns an exponential time with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.unit()).ln() * mean
    }
}

/// What a server does with the requests that are there. Times are seconds.
#[derive(Clone, Copy, Debug)]
pub enum Server {
    /// So many are served at once, each for this long, the rest waits in a queue; the first token comes at the start.
    Places { places: usize, service: f64 },
    /// The first token takes this long, and ten times as long with more than so many requests.
    Cliff { at: usize, ttft: f64, service: f64 },
    /// The first token takes this long for each request that is there.
    Slope { each: f64, service: f64 },
    /// One after the other, each exponentially long; the figure is the whole time that a request takes.
    Single { mean: f64 },
    /// All requests share this many tokens per second, each needs so many, and none gets more than the most.
    Tokens { per_second: f64, each: f64, most: f64 },
}

/// Noise of a server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    /// Each time to the first token is up to this share longer or shorter.
    pub request: f64,
    /// All times of a probe are up to this share longer or shorter: a neighbour on the same host.
    pub probe: f64,
}

/// A request that has ended: when it was due, and the figure that the SLO is about, in seconds.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: f64,
    due: f64,
    figure: f64,
}

/// Runs a load for `seconds`, and returns the requests in the order in which they ended. Users ask again as soon as
/// they
/// have their answer; arrivals are Poisson.
fn load(server: Server, noise: Noise, over: Over, level: f64, seconds: f64, dice: &mut Dice) -> Vec<Ended> {
    let slow = 1.0 + noise.probe * (2.0 * dice.unit() - 1.0);
    let mut coming: BinaryHeap<Reverse<At>> = BinaryHeap::new();
    let mut at = 0.0;
    match over {
        // Users begin within a second.
        Over::Users => (0..level as u64).for_each(|i| coming.push(Reverse(At(i as f64 / level)))),
        Over::Rate => loop {
            at += dice.exponential(1.0 / level);
            if at > seconds {
                break;
            }
            coming.push(Reverse(At(at)));
        },
    }
    let mut ended = match server {
        Server::Tokens {
            per_second,
            each,
            most,
        } => shared(per_second / slow, each, most, noise, over, coming, seconds, dice),
        _ => timed(server, slow, noise, over, coming, seconds, dice),
    };
    ended.sort_by(|a, b| a.at.total_cmp(&b.at));
    ended
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct At(f64);

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &At) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &At) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Servers whose times are known when a request begins.
fn timed(
    server: Server,
    slow: f64,
    noise: Noise,
    over: Over,
    mut coming: BinaryHeap<Reverse<At>>,
    seconds: f64,
    dice: &mut Dice,
) -> Vec<Ended> {
    let mut free: BinaryHeap<Reverse<At>> = BinaryHeap::new();
    let mut present: BinaryHeap<Reverse<At>> = BinaryHeap::new();
    let mut ended = Vec::new();
    while let Some(Reverse(At(due))) = coming.pop() {
        if due > seconds {
            continue;
        }
        while present.peek().is_some_and(|Reverse(At(end))| *end <= due) {
            present.pop();
        }
        let there = present.len() + 1;
        let varied = slow * (1.0 + noise.request * (2.0 * dice.unit() - 1.0));
        let (begins, ttft, service) = match server {
            Server::Places { places, service } => {
                let begins = match free.len() < places {
                    true => due,
                    false => free.pop().map_or(due, |Reverse(At(at))| at.max(due)),
                };
                free.push(Reverse(At(begins + service * varied)));
                (begins, 0.0, service * varied)
            }
            Server::Single { mean } => {
                let begins = free.pop().map_or(due, |Reverse(At(at))| at.max(due));
                let service = dice.exponential(mean * slow);
                free.push(Reverse(At(begins + service)));
                (begins, service, service)
            }
            Server::Cliff { at, ttft, service } => {
                let factor = if there > at { 10.0 } else { 1.0 };
                (due, ttft * factor * varied, ttft * factor * varied + service)
            }
            Server::Slope { each, service } => {
                let ttft = each * there as f64 * varied;
                (due, ttft, ttft + service)
            }
            Server::Tokens { .. } => unreachable!("it has no times of its own"),
        };
        let end = begins + service;
        present.push(Reverse(At(end)));
        ended.push(Ended {
            at: end,
            due,
            figure: begins + ttft - due,
        });
        if over == Over::Users {
            coming.push(Reverse(At(end)));
        }
    }
    ended
}

/// A server whose requests share its tokens; the figure is the time per token.
#[allow(clippy::too_many_arguments)]
fn shared(
    per_second: f64,
    each: f64,
    most: f64,
    noise: Noise,
    over: Over,
    mut coming: BinaryHeap<Reverse<At>>,
    seconds: f64,
    dice: &mut Dice,
) -> Vec<Ended> {
    // Requests by the tokens that each one has had to get in total when it ends; all get the same at any time.
    let mut present: BinaryHeap<Reverse<(At, At)>> = BinaryHeap::new();
    let (mut now, mut given) = (0.0, 0.0);
    let mut ended = Vec::new();
    loop {
        let pace = if present.is_empty() {
            0.0
        } else {
            (per_second / present.len() as f64).min(most)
        };
        let arrival = coming.peek().map_or(f64::INFINITY, |Reverse(At(at))| *at);
        let finish = present.peek().map_or(f64::INFINITY, |Reverse((At(until), _))| {
            now + (until - given) / pace
        });
        if arrival.min(finish) > seconds * 2.0 || arrival.min(finish) == f64::INFINITY {
            return ended;
        }
        if arrival <= finish {
            coming.pop();
            given += pace * (arrival - now);
            now = arrival;
            if now <= seconds {
                let tokens = each * (1.0 + noise.request * (2.0 * dice.unit() - 1.0));
                present.push(Reverse((At(given + tokens), At(now))));
            }
            continue;
        }
        given += pace * (finish - now);
        now = finish;
        if let Some(Reverse((_, At(due)))) = present.pop() {
            ended.push(Ended {
                at: now,
                due,
                figure: (now - due) / each,
            });
            if over == Over::Users {
                coming.push(Reverse(At(now)));
            }
        }
    }
}

/// A search against a server.
#[derive(Clone, Debug)]
pub struct Trial {
    pub server: Server,
    pub noise: Noise,
    pub range: Range,
    /// The SLO `ttft: p(q)<limit`, in seconds.
    pub quantile: f64,
    pub limit: f64,
    /// The time of the whole search; a probe takes at most a tenth of it, and at least 5 s.
    pub max_seconds: Option<f64>,
    /// The server that it becomes once it has been loaded with this much more than its capacity.
    pub degrades: Option<(f64, Server)>,
}

pub struct Ran {
    pub found: Found,
    pub less_sure: LessSureEnds,
    pub end: End,
    pub probes: usize,
    pub seconds: f64,
}

const SETTLE: f64 = 2.0;

impl Trial {
    pub fn run(&self, seed: u64) -> Ran {
        let text = format!("p({})<{}", self.quantile * 100.0, self.limit * 1e3);
        let threshold = Threshold::parse("ttft", &text).unwrap();
        let slos = vec![Slo::new(threshold, &[]).unwrap()];
        let time = self.max_seconds.unwrap_or(f64::INFINITY);
        let longest = ((time / 10.0).clamp(5.0, 60.0) * 1e9) as u64;
        let mut search = Search::new(self.range, slos.clone(), (time / (SETTLE + 5.0)) as usize);
        let mut server = self.server;
        let (mut probes, mut spent) = (0, 0.0);
        loop {
            let (level, purpose) = match search.next() {
                Next::Probe { level, purpose } if spent + SETTLE + 5.0 <= time => (level, purpose),
                next => {
                    let end = match next {
                        Next::Done(end) => end,
                        Next::Probe { .. } => search.cut_by(End::MaxTime),
                    };
                    return Ran {
                        found: search.found(),
                        less_sure: search.less_sure(),
                        end,
                        probes,
                        seconds: spent,
                    };
                }
            };
            probes += 1;
            let rules = ProbeRules {
                min: 5 * SECOND,
                max: purpose.time_of(longest).max(5 * SECOND),
                error: search.error_of_probe(),
            };
            let dice = Dice::new(seed, probes as u64);
            let (watch, took) = self.probe(server, level, rules, &slos, &dice);
            spent += took;
            search.record(watch.into_probed(level, &slos));
            if let Some((above, becomes)) = self.degrades
                && level > above
            {
                server = becomes;
            }
        }
    }

    /// Makes a probe. The load is computed for as long as it turns out to be needed.
    fn probe(
        &self,
        server: Server,
        level: f64,
        rules: ProbeRules,
        slos: &[Slo],
        dice: &Dice,
    ) -> (ProbeWatch, f64) {
        let mut seconds = 10.0;
        loop {
            let (noise, over) = (self.noise, self.range.over);
            let ended = load(server, noise, over, level, seconds, &mut dice.clone());
            match self.watch(ended, seconds, rules, slos) {
                Some(done) => return done,
                None => seconds *= 2.0,
            }
        }
    }

    /// Watches requests as a probe does; `None` if it would go on for longer than the load.
    fn watch(
        &self,
        ended: Vec<Ended>,
        seconds: f64,
        rules: ProbeRules,
        slos: &[Slo],
    ) -> Option<(ProbeWatch, f64)> {
        let mut left: VecDeque<Ended> = ended
            .into_iter()
            .filter(|request| request.due >= SETTLE)
            .collect();
        let mut watch = ProbeWatch::new(rules, slos);
        let (mut second, mut closed): (f64, Option<f64>) = (0.0, None);
        loop {
            second += 1.0;
            let mut period = Period::default();
            while left.front().is_some_and(|request| request.at < SETTLE + second) {
                if let Some(request) = left.pop_front()
                    && closed.is_none_or(|closed| request.due < closed)
                {
                    period.base += 1.0;
                    period.near += f64::from(u8::from(request.figure >= NEAR * self.limit));
                    period.times.count += 1.0;
                    period.times.sum += request.figure;
                    period.times.squares += request.figure.powi(2);
                    period.sum += f64::from(u8::from(request.figure >= self.limit));
                }
            }
            watch.push(vec![period]);
            if let Some(closed) = closed {
                // The load goes on until every request that is counted has ended.
                if !left.iter().any(|request| request.due < closed) {
                    return Some((watch, SETTLE + second));
                }
            } else if SETTLE + second + 1.0 > seconds {
                return None;
            } else if watch.is_enough(slos, (second * 1e9) as u64) {
                closed = Some(SETTLE + second);
            }
        }
    }
}
