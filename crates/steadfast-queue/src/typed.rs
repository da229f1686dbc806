//! Jobs as Rust types, handlers as async functions.
//!
//! - [`JobType`]: a job is a struct with a name.
//! - [`Queue`]: the store; [`Queue::push`] enqueues, [`Queue::serve`] runs.
//! - [`Router`]: which function handles which job. A handler takes the job, and what it asks for:
//!   [`State`], [`Context`], or a type of yours ([`FromContext`]).
//! - [`JobError`]: retry, retry later, snooze or give up. [`Follow`]: what comes next, in the same transaction.
//!
//! Everything here is a thin layer over [`Backend`](crate::Backend), [`Handler`](crate::handler::Handler) and
//! [`Worker`](crate::worker::Worker): the two may be mixed freely over one store.

mod context;
mod draft;
mod error;
mod handler;
mod job_type;
mod plan;
mod push;
mod queue;
mod router;
mod run;
mod serve;

pub use context::{Context, FromContext, FromRef, State};
pub use draft::Draft;
pub use error::JobError;
pub use handler::{Follow, IntoEnd, JobHandler};
pub use job_type::{CodecError, JobType, VERSION_MAX};
pub use plan::{BatchReceipt, Plan, PlanError};
pub use push::{Push, PushError, Receipt};
pub use queue::Queue;
pub use router::{Router, RouterError};
pub use serve::{Running, shutdown_signal};

pub(crate) use router::Lane;
