//! When to try again, how often, and how soon: pieces without I/O, for any dependency.
//!
//! | piece | answers |
//! |---|---|
//! | [`Backoff`] | how long to wait before the next attempt, within the caller's deadline |
//! | [`RetryBudget`] | whether a retry may be made at all, counted over every caller of a node |
//! | [`DialBudget`] | when the next connection may be dialled: never more than 12 in any 15 s of failure |
//! | [`Ramp`] | how much to let through after a recovery: 1, 2, 4, ... |
//!
//! Time comes from a [`steadfast_clock::Clock`], chance from a [`Jitter`]; both are handed in, so a test decides them.
//!
//! The budget's counter is lock-free and checked with loom (the flag is not plain `loom`, because Tokio hides its
//! network under that one):
//!
//! ```text
//! RUSTFLAGS="--cfg steadfast_loom" cargo test -p steadfast-redis --lib loom_
//! ```

mod backoff;
mod budget;
mod dial;
mod dial_pace;
mod invalid;
mod jitter;
mod ramp;
pub(crate) mod sync;

pub use backoff::Backoff;
pub(crate) use backoff::doubled;
pub use budget::{RetryBudget, RetryBudgetConfig};
pub use dial::{DialBudget, DialPermit, DialView, DialWait};
pub use dial_pace::DialConfig;
pub(crate) use invalid::Checker;
pub use invalid::{InvalidConfig, Problem};
pub use jitter::{Jitter, SeededJitter, SharedJitter, SystemJitter};
pub(crate) use jitter::{between_ms, unit};
pub use ramp::Ramp;
