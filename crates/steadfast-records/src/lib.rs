//! What the bot knows and has promised: messages, conversations, orders, replies and the step ledger.
//!
//! [`SqliteRecords`] keeps them in one SQLite file in the data folder. It implements
//! [`Records`](steadfast_core::ports::Records) for the bot and [`RecordsRead`] for the monitor.
//!
//! One thread writes. It takes up to 256 waiting operations at a time, runs each inside a savepoint of one
//! transaction and commits once, so that one fsync makes them all durable before anybody is answered.
//! Reads go through their own connections and never wait for a writer.
//!
//! What may become of a reply is decided by pure rules in `progress.rs`; which state of an order follows
//! which stands in `steadfast_core::order`. The rest of this crate is storage.
#![warn(missing_docs)]

mod apply;
mod catalogue;
mod changes;
mod conversation;
mod events;
mod failure;
mod ledger;
mod migrate;
mod open;
mod operation;
mod options;
mod orders;
mod outbox;
mod overview;
mod progress;
mod prune;
mod readers;
mod status;
mod store;
mod writer;

pub use catalogue::CatalogueError;
pub use options::{OpenError, RecordsOptions};
pub use overview::{Counts, MessageSummary, PageCursor, RecordsRead, TroubledReply};
pub use prune::{PruneReport, Retention};
pub use store::SqliteRecords;
