//! Something happened: those who wait for a condition look again.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

#[derive(Debug)]
pub(super) struct Changes(watch::Sender<u64>);

impl Changes {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Has all who wait look again.
    pub(super) fn notify(&self) {
        self.0.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Waits until `holds`; says whether it did within the time. It is asked whenever something happens.
    pub(super) async fn wait_until(&self, within: Duration, holds: impl Fn() -> bool + Send) -> bool {
        let deadline = Instant::now() + within;
        let mut changes = self.0.subscribe();
        loop {
            // Marked before it is asked: what happens meanwhile is not missed.
            changes.mark_unchanged();
            if holds() {
                return true;
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return holds();
            }
        }
    }
}
