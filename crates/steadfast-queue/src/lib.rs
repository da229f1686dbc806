//! Durable jobs, with nothing to install.
//!
//! A job is a payload of bytes in a named queue. It is on disk before [`Backend::enqueue`] returns, it is
//! handed to a worker under a *lease*, and the worker settles it: done, again later, or dead. Unique keys
//! make an enqueue idempotent; group keys keep the jobs of one group in order, one at a time.
#![warn(missing_docs)]

pub mod backend;
pub mod batch;
pub mod cron;
pub mod error;
pub mod event;
pub mod handler;
pub mod job;
pub mod maintenance;
pub mod metrics;
pub mod note;
pub mod policy;
pub mod rate;
pub mod schedule;
#[cfg(feature = "encryption")]
pub mod sealed;
pub mod settings;
pub mod state;
pub mod testing;
pub mod typed;
pub mod worker;

pub use backend::Backend;
pub use batch::WaitsFor;
pub use error::QueueError;
pub use job::{GroupKey, Job, JobId, NewJob, Priority, Unique};
pub use policy::RetryPolicy;
pub use rate::Rate;
pub use schedule::Schedule;
pub use settings::{Mode, QueueSettings};
pub use state::State;
