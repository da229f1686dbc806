//! Lanes coming and going.

use super::Node;
use super::lanes::Entry;
use crate::breaker::Evidence;
use crate::dial::{Dialed, Stream};
use crate::error::Error;
use crate::lane::{Driver, Ended, Lost};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

impl Node {
    /// Makes a lane of a connection and puts it into the list; who calls it counts them.
    pub(super) fn open_lane(self: &Arc<Self>, dialed: Dialed) {
        let settings = self.settings();
        let (lane, driver) = Driver::new(dialed.io, settings.queue_bytes_max, settings.dial.reply_bytes_max);
        let (id, now) = (self.lanes.next_id(), Instant::now());
        let share = 1.0 + settings.lifetime_jitter * (2.0 * fastrand::f64() - 1.0);
        let until = (!settings.lifetime.is_zero()).then(|| now + settings.lifetime.mul_f64(share));
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        let ending = lane.clone();
        let entry = Entry { id, lane, peer: dialed.peer, until, answered: 0, used: now };
        self.lanes.add(entry);
        let node = Arc::clone(self);
        self.tasks.spawn(async move {
            let ended = driver.await;
            node.lane_ended(id, &ended, now.elapsed());
            node.counters.traffic.add(ending.traffic());
        });
    }

    /// Runs the connection of a lane that one caller holds; it is in no list.
    pub(crate) fn run_lane(&self, driver: Driver<Stream>) {
        let (name, stop) = (Arc::clone(&self.name), self.client_stop.clone());
        self.tasks.spawn(async move {
            let ended = until_stopped(driver, &stop).await;
            tracing::debug!(node = &*name, ?ended, "exclusive connection ended");
        });
    }

    pub(super) fn lane_ended(&self, id: u64, ended: &Ended, lived: Duration) {
        self.lanes.forget(id);
        let removed = self.lanes.remove(id);
        // One that was taken out of the list before was closed on purpose.
        if let Some(entry) = removed {
            self.counters.closed.lost.fetch_add(1, Ordering::Relaxed);
            tracing::info!(node = &*self.name, peer = &*entry.peer, ?ended, "connection ended");
            self.dial_budget.connection_lost(lived);
            let ended = self.explain(Lost::NotSent(ended.clone()), lived);
            self.state.send_if_modified(|state| {
                state.ended = Some(ended);
                false
            });
        }
        self.count_lanes();
        self.wake.notify_one();
    }

    pub(super) fn retire(&self, id: u64) {
        if let Some(entry) = self.lanes.remove(id) {
            self.lanes.retire(entry);
            self.count_lanes();
        }
    }

    pub(super) fn count_lanes(&self) {
        let mut lanes = 0;
        self.state.send_if_modified(|state| {
            // Counted here, where one counts at a time: of two counts the later one is what stays, and it knows all that
            // both had changed before.
            lanes = self.lanes.count();
            std::mem::replace(&mut state.lanes, lanes) != lanes
        });
        if lanes == 0 {
            self.trouble.notify_one();
        }
    }

    pub(super) fn failed_dial(&self, error: Error) {
        // Without a connection a dial that fails is proof; with one it only says that there will not be more.
        if self.lanes.load().lanes == 0 {
            let refused = error.code() == "REFUSED";
            self.guard.trip(if refused {
                Evidence::ConnectRefused
            } else {
                Evidence::Other("no connection can be made")
            });
            self.guard.probe_failed();
        }
        self.state.send_modify(|state| state.failed = Some(error));
        self.trouble.notify_one();
    }
}

/// Runs a lane to its end, which is the client's at the latest: it is in no list by which it could be closed.
async fn until_stopped(driver: Driver<Stream>, stop: &CancellationToken) -> Ended {
    tokio::select! {
        biased;
        ended = driver => ended,
        () = stop.cancelled() => Ended::Closed,
    }
}
