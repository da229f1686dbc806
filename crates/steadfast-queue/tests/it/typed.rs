//! The typed face: handlers, follow-ups, payloads of other versions, enqueues and their refusals, and the whole
//! of it started and stopped.

mod enqueueing;
mod handling;
mod helpers;
mod jobs;
mod plans;
mod serving;
mod versions;
