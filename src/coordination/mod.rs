//! The protocol by which several processes make one run, without sockets and clocks: rank 0 coordinates, the other
//! ranks connect to it.
//!
//! ```text
//! rank r                                  rank 0
//!   hello { protocol, version, proof }  ->
//!                                       <-  welcome { version, proof }     or refused
//!   join { rank, ranks, plan }          ->
//!                                       <-  joined                         when all are there, or refused
//!   ... finds its server ...
//!                                       <-  probe { pass, prepare }        before each probe of a search
//!   ping { sent }  (16 times)           <-> pong { sent, received, answered }
//!   ready { pass }                      ->
//!                                       <-  begin { pass, at }             when all are ready
//!   ... the load ...                    <-  stop, abort, probe { pass, stop_counting or drain }
//!   snapshot { number, figures }        ->                             once a second, for what is shown and judged
//!                                       <-  taken { number }               then the next one may come
//!   limits { pass, reasons }            ->                             of a probe, before its last snapshot
//!   document                            ->                             of a run
//!                                       <-  want_details                   if they are gathered, again and again
//!   details { lines, is_last }          ->
//!                                       <-  verdict { exit }
//! ```
//! Both send `beat` all the time, so that silence is a loss. [`Roll`] is rank 0's side, [`Member`] that of any other:
//! events and instants go in, messages and notices come out, so that tests can lose, delay and forge anything.

mod frame;
mod member;
mod message;
mod offset;
mod proof;
mod reach;
mod roll;
#[cfg(test)]
mod simulation_tests;

pub use frame::{FRAME_BYTES_MAX, FrameError, Frames, HELLO_BYTES_MAX, encode};
pub use member::{Heard, Member, MemberOutput, MemberTerms};
pub use message::{Message, PROTOCOL, ProbeStep, Stop};
pub use offset::{Best, EXCHANGES, Exchange, Offset};
pub use proof::{BINDING_BYTES, BINDING_LABEL, Key, SECRET_BYTES_MIN, Side};
pub use reach::Reach;
pub use roll::{
    Ending, LinkId, Notice, OnLoss, Output, RankDetails, RankFigures, RankLimits, Roll, RollTerms,
};

use crate::units::{MILLISECOND, MINUTE, Nanos, SECOND};
use std::ops::RangeInclusive;

/// The time between two beats.
pub const BEAT_EVERY: Nanos = 500 * MILLISECOND;
/// How long ranks may be asked to wait for each other.
pub const WAIT: RangeInclusive<Nanos> = SECOND..=24 * 60 * MINUTE;
/// The silence after which a rank is lost: ten beats.
pub const SILENCE_MAX: Nanos = 5 * SECOND;
