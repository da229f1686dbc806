//! The atomics of the lock-free parts: the standard library's, or loom's where all their orders are tried.

#[cfg(steadfast_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(steadfast_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
