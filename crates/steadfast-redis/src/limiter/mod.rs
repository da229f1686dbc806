//! How many calls may be under way at once: a limit that finds itself, shared by priority.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use steadfast_clock::SystemClock;
//! use steadfast_redis::limiter::{Class, Limiter, LimiterConfig};
//! use tokio::time::Instant;
//!
//! let limiter = Limiter::new(LimiterConfig::default(), SystemClock::shared())?;
//! let started = Instant::now();
//! let ticket = limiter.acquire(Class::Normal, started + Duration::from_millis(500)).await?;
//! // ... the call ...
//! ticket.done(started.elapsed());
//! # Ok(())
//! # }
//! ```
//!
//! # The limit
//!
//! It grows while answers stay as fast as they are in the long run and shrinks as they get slower: the gradient rule of
//! Netflix's concurrency-limits (`Gradient2Limit`), over windows of samples. Unlike there, a lasting overload does not
//! become the long run: that is learnt below the limit, and in short rests at half of it. A call that timed out or that the server
//! refused as overloaded ([`Ticket::dropped`]) takes a tenth off, once per window. After a recovery,
//! [`Limiter::slow_start`] lets 1, 2, 4, ... through until the former limit is reached.
//!
//! # The classes
//!
//! Each [`Class`] has a share of the limit. What a class leaves unused, higher classes may borrow; lower ones may not.
//! So background calls never hold more than their share, and the critical share is always free of others. A slot that
//! comes free goes to the highest class that waits and fits. Under overload background is shed first, then normal; a
//! critical call waits for nobody but its like.
//!
//! # The queues
//!
//! Callers wait in one bounded line per class, first come, first served, each until its own deadline. Over the bound the
//! newest is refused with [`Overloaded`]: those who waited longest are nearest to their answer. A caller that gives up
//! takes no slot with it.

mod adaptive;
mod class;
mod config;
mod core;
mod gate;
mod gradient;
mod overloaded;
mod snapshot;
#[cfg(test)]
mod tests;
mod ticket;
mod waiting;

pub use class::{Class, Shares};
pub use config::LimiterConfig;
pub use gate::Limiter;
pub use overloaded::{Overloaded, Shed};
pub use snapshot::{ClassView, LimiterSnapshot};
pub use ticket::Ticket;
