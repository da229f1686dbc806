//! A lane: one connection that many callers share, or that one holds alone.
//!
//! [`Lane`] is the callers' end, [`Driver`] the connection's: a future that writes what callers offer and hands
//! each its reply, in order. Between them lies a queue. What is still in the queue has not been sent, and can be
//! taken back; the driver takes it in waves no larger than [`WAVE_BYTES`], so that this is exact.

mod driver;
mod queue;
mod ticket;

pub(crate) use driver::{Driver, Ended};
pub(crate) use queue::{Lane, Refused};
pub(crate) use ticket::{Answer, Lost};

/// The most bytes of commands that are out of the queue and not yet with the socket.
const WAVE_BYTES: usize = 64 * 1024;
/// The most callers that are answered before what they offer next is written, so that server and callers work at the
/// same time.
const WAVE_CALLERS: usize = 64;

#[cfg(test)]
mod tests;
