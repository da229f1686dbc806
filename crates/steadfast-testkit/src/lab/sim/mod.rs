//! A Redis server in the test's own process that does as the script says.
//!
//! Behind it is a small real data set, so that clients work as they do with Redis; before it are faults: per command
//! ([`Fault`], [`Action`]), per connection ([`End`]), for those who connect ([`Dial`]) and for the whole server
//! ([`Condition`], [`Role`]). What it saw and executed is counted and can be waited for without sleeping
//! ([`Sim::wait_until`]). It poses as a standalone server, a sentinel or a node of a cluster.
//!
//! ```
//! use steadfast_testkit::lab::sim::{Action, Fault, Sim};
//! use steadfast_testkit::redis::{Connection, Reply};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! let sim = Sim::start().await?;
//! sim.fault(Fault::on("INCR").nth(2).then(Action::lose_reply()));
//! let mut client = Connection::open(sim.addr()).await?;
//! assert_eq!(client.command(&["INCR", "a"]).await?, Reply::Integer(1));
//! assert!(client.command(&["INCR", "a"]).await.is_err());
//! assert_eq!(sim.executed_on("INCR", "a"), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//! All its time is Tokio's: expiry, timeouts, delays, `TIME`. Under a paused clock (`tokio::time::pause`) the runtime
//! moves time forward to the next timer as soon as every task waits, and a task that waits for a real socket counts
//! as waiting: bytes still on their way through the system then lose against any timer, and a deadline of an hour
//! passes at once. Over [`Sim::connect_duplex`] there is no system in between: a task that has bytes to read does
//! not wait, and time moves only when all there is to do is done. Pause the clock only with such streams.

mod builder;
mod clients;
mod cluster;
mod commands;
mod data;
mod dispatch;
pub mod errors;
mod fault;
mod glob;
mod handle;
mod link;
mod listener;
mod node;
mod observed;
mod scripts;
mod sentinel;
mod session;
mod sets;
mod slots;
mod table;

pub use builder::Builder;
pub use cluster::{ClusterMap, ClusterNode};
pub use data::Data;
pub use fault::{Action, End, Fault, FaultId};
pub use handle::Sim;
pub use node::{Condition, Dial, Role};
pub use observed::{DialSeen, Seen};
pub use scripts::ScriptCall;
pub use sentinel::{Sentinel, SentinelMaster};
pub use sets::{SimCluster, SimSentinels};
pub use slots::{SLOTS, slot_of};
