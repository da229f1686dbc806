//! A TCP proxy that misbehaves on command.
//!
//! It stands between a client and a server, real or simulated, and knows nothing of what passes: TLS passes too. What
//! it does to bytes is a [`Shape`], set separately for the connections that stand and for those to come; how it
//! meets those who connect is an [`Accept`].
//!
//! ```
//! use std::time::Duration;
//! use steadfast_testkit::lab::{proxy::{Proxy, Shape}, sim::Sim};
//! use steadfast_testkit::redis::Connection;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let sim = Sim::start().await?;
//! let proxy = Proxy::start(sim.addr()).await?;
//! let mut old = Connection::open(proxy.addr()).await?.with_deadline(Duration::from_millis(100));
//! old.command(&["PING"]).await?;
//! proxy.shape_existing(Shape::black_hole());
//! assert!(old.command(&["PING"]).await.is_err(), "half-open: acknowledged, never answered");
//! Connection::open(proxy.addr()).await?.command(&["PING"]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! It works on real sockets: do not pause Tokio's clock around it.

mod connection;
mod handle;
mod listener;
mod pump;
mod shape;

pub use handle::{Counters, Proxy};
pub use listener::Accept;
pub use shape::{End, Shape};
