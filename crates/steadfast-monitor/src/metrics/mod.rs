//! Metrics: names, registration, what is computed at a scrape, and the observer of jobs.

mod job;
mod names;
pub(crate) mod process;
pub(crate) mod rates;
pub(crate) mod scrape;
pub(crate) mod window;

pub use job::JobMetrics;
pub use names::*;
