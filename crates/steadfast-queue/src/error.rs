//! What a queue can answer instead of doing what it was asked.

/// Why an operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The store cannot make anything durable now: disk full, I/O error, database gone. Nothing of the
    /// batch was stored. Try again later; do not acknowledge.
    #[error("the queue cannot store anything durably: {what}")]
    Unavailable {
        /// What was being done.
        what: String,
        /// The cause.
        #[source]
        source: Option<std::sync::Arc<dyn std::error::Error + Send + Sync>>,
    },
    /// Too many operations wait for the store already: the caller must back off.
    #[error("the queue is overloaded: {waiting} operations are waiting")]
    Overloaded {
        /// How many.
        waiting: usize,
    },
    /// One call held more items than [`crate::backend::BATCH_MAX`]. Nothing was done: send fewer at a time.
    #[error("one call held {items} items, {max} may be")]
    TooMany {
        /// In the call.
        items: usize,
        /// May be.
        max: usize,
    },
    /// Settings that cannot be kept to. Nothing was changed.
    #[error("the settings were not taken: {0}")]
    Settings(crate::settings::SettingsError),
    /// A schedule that cannot be stored. Nothing was changed.
    #[error("the schedule cannot be stored")]
    Schedule(#[from] crate::schedule::ScheduleError),
    /// The queue is shut down.
    #[error("the queue is closed")]
    Closed,
    /// The store holds something that must not be: a defect, or a damaged file.
    #[error("the queue's store is inconsistent: {what}")]
    Inconsistent {
        /// What was found.
        what: String,
    },
}
