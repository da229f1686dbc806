//! A circuit breaker for any dependency: it stops calling what is broken and finds out gently when it is whole again.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use steadfast_clock::SystemClock;
//! use steadfast_redis::breaker::{BreakerConfig, CircuitBreaker, Verdict};
//! use steadfast_redis::retry::SystemJitter;
//!
//! async fn balance() -> std::io::Result<u64> {
//!     Ok(42) // a call over the network
//! }
//!
//! let breaker =
//!     CircuitBreaker::new("billing", BreakerConfig::default(), SystemClock::shared(), SystemJitter::shared())?;
//! let health = |result: &std::io::Result<u64>| if result.is_ok() { Verdict::Success } else { Verdict::Failure };
//! assert_eq!(breaker.execute(balance, health).await?, 42);
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//!
//! - **Closed.** Every result is counted in a window of 10 buckets of 1 s. A bad result (failed, or slow) that finds at
//!   least [`minimum_calls`](BreakerConfig::minimum_calls) in the window and half of them failed, or four fifths slow,
//!   opens the breaker. *Slow* is learnt: four times the long-run median. Hard evidence (a refused connection, a socket
//!   proved dead) opens it at once, however idle it is: [`CircuitBreaker::trip`].
//! - **Open.** Calls are rejected without a lock. The open time starts at 250 ms and doubles with each trip in a row up
//!   to 30 s; half of it is fixed and half drawn (*equal jitter*: with full jitter some breakers would try again after
//!   nothing, which is what the open time is to prevent). It shrinks by one doubling per half a minute spent closed, so
//!   flapping does not reset it. An owner's active prober moves it on at once
//!   ([`CircuitBreaker::probe_passed`]) or holds it open ([`CircuitBreaker::probe_failed`]), so that no user's call is
//!   the guinea pig.
//! - **Half-open.** 1, then 2, 4, ... calls are let through, each round once the one before is decided. A round whose
//!   failures reach the failure rate reopens at once (in the rounds of one and two, any failure does). Each call holds
//!   a lease: dropped, it decides nothing; held too long, it is taken back. After the widest round it closes.
//!
//! Every permit carries the epoch it was given in; what comes back in another epoch changes nothing. Alerts come once
//! per *episode*: all trips until it has been closed for [`decay_after`](BreakerConfig::decay_after).
//!
//! # Checked
//!
//! The sliding window and the state word are lock-free. All orders of their steps are tried by loom:
//!
//! ```text
//! RUSTFLAGS="--cfg steadfast_loom" cargo test -p steadfast-redis --lib loom_
//! ```

mod circuit;
mod config;
mod core;
mod event;
mod execute;
mod gate;
mod half_open;
mod live;
mod median;
mod permit;
mod ring;
mod shared;
mod snapshot;
#[cfg(all(test, not(steadfast_loom)))]
mod tests;

pub use crate::notify::Subscription;
pub use circuit::CircuitBreaker;
pub use config::{BreakerConfig, SlowCalls};
pub use event::{Cause, Evidence, Reason, State, StateChange};
pub use execute::{ExecuteError, Verdict};
pub use permit::{Permit, Rejected};
pub use snapshot::{HalfOpenView, Snapshot};
